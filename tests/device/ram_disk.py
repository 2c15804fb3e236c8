# SPDX-License-Identifier: MIT
"""A block device in RAM whose power can be cut, for the scripts of this folder; without LittleFS they end here."""

import errno

import vfs

if not hasattr(vfs, "VfsLfs2"):
    print("SKIP needs vfs.VfsLfs2")
    raise SystemExit


class Disk:
    """Blocks of bytes, at first all 0xFF as an erased flash.

    left: how many writes still arrive, None: all; the one after them and all later ones fail (EIO). half: of the
    first write that fails, the first half arrives. error: an errno that every write and erase fails with.
    writes: how many arrived.
    """

    def __init__(self, blocks, block_size=512):
        self.block_size = block_size
        self.blocks = [None] * blocks  # a block's bytes once it was written: a small heap has no long stretch to spare
        self.left = None
        self.half = False
        self.error = 0
        self.writes = 0

    def readblocks(self, n, buf, off=0):
        view = memoryview(buf)
        for at, block, start, end in self._parts(n, off, len(buf)):
            size = end - start
            view[at : at + size] = self.blocks[block][start:end] if self.blocks[block] else b"\xff" * size

    def writeblocks(self, n, buf, off=0):
        if self.error:
            return -self.error
        if self.left is not None:
            if self.left <= 0:
                if self.half and not self.left:
                    self._put(n, memoryview(buf)[: len(buf) // 2], off)
                self.left = -1
                return -errno.EIO
            self.left -= 1
        self.writes += 1
        self._put(n, memoryview(buf), off)

    def _put(self, n, view, off):
        for at, block, start, end in self._parts(n, off, len(view)):
            if not self.blocks[block]:
                self.blocks[block] = bytearray(b"\xff" * self.block_size)
            self.blocks[block][start:end] = view[at : at + end - start]

    def _parts(self, n, off, length):
        # (where in the buffer, block, first and last byte there) of a stretch
        at, block, start = 0, n + off // self.block_size, off % self.block_size
        while at < length:
            end = min(self.block_size, start + length - at)
            yield at, block, start, end
            at, block, start = at + end - start, block + 1, 0

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.blocks)
        if op == 5:
            return self.block_size
        if op == 6:
            return -self.error


def power_on(disk):
    """The device as it is found when the power is back; whoever still holds the old one reaches nothing."""
    again = Disk(0, disk.block_size)
    again.blocks = [block and bytearray(block) for block in disk.blocks]
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
