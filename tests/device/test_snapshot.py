# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905, E402
# The snapshot: what it holds comes back, damage is refused, a power cut at any write leaves the old or
# the new one. On a LittleFS (and a FAT) of its own in RAM.

try:
    import gc
    import os
    from array import array

    import vfs
    from microt.heads import Head
    from microt.heads.familiar import Familiar
    from microt.store import snapshot as s
except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit

from ram_disk import Disk, mount, power_on

ID = bytes(range(32))
ROOT = "/st"
PATH = "/st/task/heads.bin"
SECOND = "/st/task/heads2.bin"


def make(value, calibrated=True):
    heads = []
    for exit, d in ((0, 5), (1, 7)):
        head = Head(exit, d, 2)
        for i in range(2 * d):
            head.weights[i] = value + i
        head.bias[1] = value * 2
        if exit:
            head.familiar = familiar = Familiar(2)
            familiar.terms[0], familiar.terms[1] = value, 0.5
            for i in range(6):
                familiar.centres[i] = value - i
                familiar.scatter[i] = (2, 1, 3, 0, 1, 4)[i] * value
        heads.append(head)
    quantiles = array("f", [0.25, 0.5, 1.0])
    shot = s.Snapshot("lda", ["äpfel", "b"], heads, 17, 0.5 if calibrated else None, quantiles if calibrated else None)
    shot.shifts = {"äpfel": 0.25, "b": -0.5} if calibrated else None
    return shot


def ways(head):
    one = head.familiar
    return one and (list(one.terms), list(one.centres), list(one.scatter))


def same(a, b):
    return (
        (a.kind, a.labels, a.covered, a.exit_ratio) == (b.kind, b.labels, b.covered, b.exit_ratio)
        and a.shifts == b.shifts
        and (a.quantiles is b.quantiles or list(a.quantiles) == list(b.quantiles))
        and len(a.heads) == len(b.heads)
        and all(
            (x.exit, x.d, list(x.bias), list(x.weights), ways(x))
            == (y.exit, y.d, list(y.bias), list(y.weights), ways(y))
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


for kind, disk in [(vfs.VfsLfs2, Disk(30))] + ([(vfs.VfsFat, Disk(100))] if hasattr(vfs, "VfsFat") else []):
    mount(disk, ROOT, kind)
    assert s.load(PATH, ID) is None
    for shot in (make(1.0), make(2.0, calibrated=False), make(3.0)):
        s.save(PATH, shot, ID)
        assert same(s.load(PATH, ID), shot)
        loaded = s.load(PATH, ID).heads[1].familiar
        shot.heads[1].familiar.decompose()
        logits = array("f", [1.0, 3.0])
        assert loaded.apart(logits, 2.0, 1) == shot.heads[1].familiar.apart(logits, 2.0, 1) > 0
    assert os.listdir("/st/task") == ["heads.bin"], "two took each other's place, the third is where the first was"
print("save and load")

mount(Disk(30), ROOT)
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
    if length < s.HEADER_SIZE:
        assert s.load(PATH, ID) is None, "the first one was never finished"
    else:
        refused()
print("damaged at each of %d bytes, cut at each length" % len(whole))
with open(PATH, "wb") as file:
    file.write(whole)
words = refused(bytes(32))
assert "00010203" in words and "00000000" in words, words
# of two the later one opens, whichever file it is in; one that is not whole is not taken, and is written over
s.save(PATH, make(2.0), ID)
assert os.listdir("/st/task") == ["heads2.bin"]
with open(PATH, "wb") as file:
    file.write(whole)
assert same(s.load(PATH, ID), make(2.0))
with open(SECOND, "r+b") as file:
    file.write(b"X")
assert same(s.load(PATH, ID), make(1.0))
s.save(PATH, make(3.0), ID)
assert same(s.load(PATH, ID), make(3.0)) and os.listdir("/st/task") == ["heads2.bin"]
s.save(PATH, make(4.0), ID)
with open(SECOND, "wb") as file:
    file.write(whole)
assert same(s.load(PATH, ID), make(4.0)), "the first file may be the later one"

for kind, blocks in ((vfs.VfsLfs2, 30),) + (((vfs.VfsFat, 100),) if hasattr(vfs, "VfsFat") else ()):
    cut = 0
    while True:
        disk = Disk(blocks)
        mount(disk, ROOT, kind)
        s.save(PATH, make(1.0), ID)
        disk.left = cut
        try:
            s.save(PATH, make(2.0), ID)
            finished = True
        except OSError:
            finished = False
        disk = power_on(disk)
        mount(disk, ROOT, kind, fresh=False)
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
mount(Disk(8), ROOT)
s.save(PATH, make(1.0), ID)
large = make(2.0)
large.heads[0] = Head(0, 400, 2)
try:
    s.save(PATH, large, ID)
    raise AssertionError("expected a full flash")
except OSError as error:
    assert error.errno == s.ENOSPC, error
assert same(s.load(PATH, ID), make(1.0))
vfs.umount(ROOT)
print("OK")
