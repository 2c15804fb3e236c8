# SPDX-License-Identifier: MIT
# Python that every build carries: asyncio and microt's device package.
import os

include("$(MPY_DIR)/extmod/asyncio")
if os.path.isfile("../device/microt/__init__.py"):  # until the device package is there
    package("microt", base_path="../device")
