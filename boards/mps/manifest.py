# SPDX-License-Identifier: MIT
# Python that the emulated boards carry: what every build has, and the start-up code.
include("../manifest.py")
freeze("modules")
