# SPDX-License-Identifier: MIT
"""A block device in RAM whose power can be cut, for the scripts of this folder."""

import errno

import vfs


class Disk:
    """Blocks of bytes, at first all 0xFF as an erased flash.

    left: how many writes still arrive, None: all; the one after them and all later ones fail (EIO). half: of the
    first write that fails, the first half arrives. error: an errno that every write and erase fails with.
    writes: how many arrived.
    """

    def __init__(self, blocks, block_size=512):
        self.block_size = block_size
        self.data = bytearray(block_size * blocks)
        for i in range(len(self.data)):
            self.data[i] = 0xFF
        self.left = None
        self.half = False
        self.error = 0
        self.writes = 0

    def readblocks(self, n, buf, off=0):
        at = n * self.block_size + off
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, n, buf, off=0):
        if self.error:
            return -self.error
        at = n * self.block_size + off
        if self.left is not None:
            if self.left <= 0:
                if self.half and not self.left:
                    half = len(buf) // 2
                    self.data[at : at + half] = memoryview(buf)[:half]
                self.left = -1
                return -errno.EIO
            self.left -= 1
        self.writes += 1
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // self.block_size
        if op == 5:
            return self.block_size
        if op == 6:
            return -self.error


def power_on(disk):
    """The device as it is found when the power is back; whoever still holds the old one reaches nothing."""
    again = Disk(0, disk.block_size)
    again.data = bytearray(disk.data)
    disk.left = -1
    return again


def mount(disk, path, kind=vfs.VfsLfs2, fresh=True):
    """Mounts a device at a path in place of what is there, formatted first if fresh."""
    if fresh:
        kind.mkfs(disk)
    try:
        vfs.umount(path)
    except OSError:
        pass
    vfs.mount(kind(disk), path)
