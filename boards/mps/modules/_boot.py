# SPDX-License-Identifier: MIT
# Runs before boot.py: mounts the file system, which the first start formats. /lib is where mip puts packages.
import sys

import emulator
import vfs

flash = emulator.Flash()
try:
    vfs.mount(flash, "/")
except OSError:
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(flash, "/")
sys.path.append("/lib")
