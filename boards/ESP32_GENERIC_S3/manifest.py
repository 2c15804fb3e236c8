# SPDX-License-Identifier: MIT
# The port's own modules (_boot.py, flashbdev.py, inisetup.py) and what every build of microt carries.
freeze("$(PORT_DIR)/modules")
include("../manifest.py")
