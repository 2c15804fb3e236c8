# SPDX-License-Identifier: MIT
# Python that the firmware carries: the start-up code, asyncio and microt's device package.
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
import os

if os.path.isfile("../../device/microt/__init__.py"):  # until the device package is there
    package("microt", base_path="$(PORT_DIR)/../../device", opt=3)
