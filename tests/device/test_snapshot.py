# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# The snapshot: what it holds comes back, damage is refused, a power cut at any write leaves the old or
# the new one. On a LittleFS (and a FAT) of its own in RAM.

try:
    import errno
    import gc
    import os
    from array import array

    import vfs
    from microt.heads import Head
    from microt.store import snapshot as s

except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit
if not hasattr(vfs, "VfsLfs2"):
    print("SKIP needs vfs.VfsLfs2")
    raise SystemExit

ID = bytes(range(32))
PATH = "/st/task/heads.bin"


class Disk:
    # a flash that can lose its power: after `left` writes each one fails
    def __init__(self, block_size, blocks):
        self.block_size = block_size
        self.data = bytearray(block_size * blocks)
        self.left = None

    def readblocks(self, n, buf, off=0):
        at = n * self.block_size + off
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, n, buf, off=None):
        if self.left is not None:
            if not self.left:
                return -errno.EIO
            self.left -= 1
        at = n * self.block_size + (off or 0)
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // self.block_size
        if op == 5:
            return self.block_size
        if op == 6:
            return 0


def mount(disk, kind=vfs.VfsLfs2, fresh=True):
    if fresh:
        kind.mkfs(disk)
    try:
        vfs.umount("/st")
    except OSError:
        pass
    vfs.mount(kind(disk), "/st")


def make(value, calibrated=True):
    heads = []
    for exit, d in ((0, 5), (1, 7)):
        head = Head(exit, d, 2)
        for i in range(2 * d):
            head.weights[i] = value + i
        head.bias[1] = value * 2
        heads.append(head)
    quantiles = array("f", [0.25, 0.5, 1.0])
    return s.Snapshot("lda", ["äpfel", "b"], heads, 17, 0.5 if calibrated else None, quantiles if calibrated else None)


def same(a, b):
    return (
        (a.kind, a.labels, a.covered, a.exit_ratio) == (b.kind, b.labels, b.covered, b.exit_ratio)
        and (a.quantiles is b.quantiles or list(a.quantiles) == list(b.quantiles))
        and len(a.heads) == len(b.heads)
        and all(
            (x.exit, x.d, list(x.bias), list(x.weights)) == (y.exit, y.d, list(y.bias), list(y.weights))
            for x, y in zip(a.heads, b.heads)
        )
    )


def refused(identity=ID):
    try:
        s.load(PATH, identity)
    except ValueError as error:
        assert PATH in str(error), error
        return str(error)
    raise AssertionError("expected ValueError")


for kind, disk in [(vfs.VfsLfs2, Disk(512, 30))] + ([(vfs.VfsFat, Disk(512, 100))] if hasattr(vfs, "VfsFat") else []):
    mount(disk, kind)
    assert s.load(PATH, ID) is None
    for shot in (make(1.0), make(2.0, calibrated=False), make(3.0)):
        s.save(PATH, shot, ID)
        assert same(s.load(PATH, ID), shot)
    assert os.listdir("/st/task") == ["heads.bin"]
print("save and load")

mount(Disk(512, 30))
s.save(PATH, make(1.0), ID)
with open(PATH, "rb") as file:
    whole = file.read()
for at in range(len(whole)):
    gc.collect()
    broken = bytearray(whole)
    broken[at] ^= 0x81
    with open(PATH, "wb") as file:
        file.write(broken)
    refused()
for length in range(len(whole)):
    with open(PATH, "wb") as file:
        file.write(whole[:length])
    refused()
print("damaged at each of %d bytes, cut at each length" % len(whole))
with open(PATH, "wb") as file:
    file.write(whole)
words = refused(bytes(32))
assert "00010203" in words and "00000000" in words, words
# a rename that was cut on a file system where it cannot replace: the new one is whole and opens
os.rename(PATH, PATH + ".new")
assert same(s.load(PATH, ID), make(1.0))

for kind, blocks in ((vfs.VfsLfs2, 30),):
    cut = 0
    while True:
        disk = Disk(512, blocks)
        mount(disk, kind)
        s.save(PATH, make(1.0), ID)
        disk.left = cut
        try:
            s.save(PATH, make(2.0), ID)
            finished = True
        except OSError:
            finished = False
        disk.left = None
        mount(disk, kind, fresh=False)
        found = s.load(PATH, ID)
        assert same(found, make(2.0)) or (not finished and same(found, make(1.0))), cut
        s.save(PATH, make(4.0), ID)
        assert same(s.load(PATH, ID), make(4.0))
        gc.collect()
        if finished:
            break
        cut += 1
    print("power cut at each of %d writes" % cut)

# full: the old one stays
mount(Disk(512, 8))
s.save(PATH, make(1.0), ID)
large = make(2.0)
large.heads[0] = Head(0, 400, 2)
try:
    s.save(PATH, large, ID)
    raise AssertionError("expected a full flash")
except OSError as error:
    assert error.errno == s.ENOSPC, error
assert same(s.load(PATH, ID), make(1.0))
vfs.umount("/st")
print("OK")
