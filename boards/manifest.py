# SPDX-License-Identifier: MIT
# Python that every build carries: asyncio and microt's device package.
include("$(MPY_DIR)/extmod/asyncio")
package("microt", base_path="../device")
