# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905, E402
# The power goes at every write of a task's life: format, first sample, more, fit, save, a new class, undo, forget,
# compaction, save again; and a second time in what comes after. What was acknowledged is there after each, byte for
# byte, and the task goes on. On LittleFS and on FAT in RAM. microt.learning.power runs it with arguments:
#
#     micropython test_power.py lfs|fat STRIDE [FILES]
#
# STRIDE: second cuts at every so many writes, 1: every pair of writes. FILES: how many others lie in the folder.
# The last line but one is `CUTS`, how many were tried, and after how many something was lost.

try:
    import errno
    import gc
    import os
    import sys
    from random import seed

    import vfs

    from microt import Task
except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit

import fruits
from byte_net import ByteNet
from ram_disk import Disk, mount, power_on

ROOT = "/pt"
PATH = "/pt/task"
STRIDE = 11  # of second cuts, unless told otherwise
STEP = 1 if sys.platform == "linux" else 6  # of first cuts: a board takes its time
BLOCKS = {"lfs": 40, "fat": 120}
FILES = 12  # with "." and ".." and one or two of ours they fill a sector of a FAT folder

seed(6)
CENTRES, sample = fruits.make(("apple", "pear", "fig"), 10, noise=3)
net = ByteNet(6, 4)


class Life:
    # what is sure, what the step under way makes of it, and what was saved
    def __init__(self):
        self.sure = self.pending = ()  # (label, embeddings) of each sample
        self.saved = self.saving = None  # (labels, threshold) of the last save acknowledged, and of the last begun
        self.task = None

    def copy(self):
        life = Life()
        life.sure, life.pending, life.saved, life.saving = self.sure, self.pending, self.saved, self.saving
        return life

    def open(self):
        self.task = Task(net, PATH)

    def step(self, call, pending):
        self.pending = pending
        call()
        self.sure = pending

    def learn(self, name, times=1):
        for _ in range(times):
            x = sample(name)
            self.step(lambda x=x: self.task.learn(x, name), self.sure + ((name, x),))

    def undo(self):
        self.step(self.task.undo, self.sure[:-1])

    def forget(self, name):
        self.step(lambda: self.task.forget(name), tuple(s for s in self.sure if s[0] != name))

    def compact(self):
        self.step(self.task.compact, self.sure)

    def save(self):
        self.task.fit()
        self.task.calibrate(0.5)
        self.saving = (self.task.classes, self.task.threshold)
        self.step(self.task.save, self.sure)
        self.saved = self.saving

    def check(self):
        # the power is back: what is there is what was acknowledged, and at most the step that was cut
        self.open()
        task = self.task
        buffer = bytearray(sum(net.dims))
        found = tuple((task.classes[row], bytes(buffer)) for _, row in task._journal.embeddings(buffer))
        assert found in (self.sure, self.pending), (found, self.sure, self.pending)
        assert not task.notes, task.notes
        if self.saved and task.classes == self.saved[0]:
            assert task.fitted and task.threshold in (self.saved[1], self.saving[1]), "the save is lost"
        self.sure = self.pending = found


def first(life):
    life.open()
    for _ in range(3):
        life.learn("apple")
        life.learn("pear")
    life.save()
    life.learn("fig", 3)
    life.undo()
    life.forget("apple")
    life.compact()
    life.save()
    life.learn("apple", 2)
    life.compact()
    life.save()


def second(life):
    # any state may come before it
    life.learn("pear")
    life.learn("fig")
    life.compact()
    life.undo()
    life.learn("apple", 2)
    life.save()
    life.forget("pear")
    life.compact()


def last(life):
    for name in CENTRES:
        life.learn(name, 2)
    life.save()
    life.check()
    assert life.task.fitted and life.task.threshold == life.saved[1]
    for name in CENTRES:
        assert life.task.predict(CENTRES[name]).label == name


def boot(disk, kind):
    # as a board's _boot.py: what cannot be mounted is formatted
    try:
        mount(disk, ROOT, kind, fresh=False)
    except OSError:
        mount(disk, ROOT, kind)


def fill_folder(files):
    # a task's own files then have their entries in two sectors of the folder
    os.mkdir(PATH)
    for i in range(files):
        open("%s/%d" % (PATH, i), "w").close()


def until_cut(disk, left, half, steps):
    # whether the steps came to their end before the power went, `left` writes from here
    disk.left, disk.half = left, half
    try:
        steps()
        return True
    except OSError as error:
        assert error.errno == errno.EIO, error
        return False
    finally:
        disk.left = -1


def cuts(name, stride, files):
    # (cuts tried, cuts that lost something)
    kind = vfs.VfsLfs2 if name == "lfs" else vfs.VfsFat
    # half a sector is more than FAT can bear; half a block is nothing to LittleFS
    halves = (False, True) if name == "lfs" else (False,)
    tried = lost = writes = 0
    for half in halves:
        cut, done = 0, False
        while not done:
            gc.collect()
            disk = Disk(BLOCKS[name])
            begun = Life()
            if name == "fat":  # a card comes formatted; a cut in its formatting is not made good
                mount(disk, ROOT, kind)
                fill_folder(files)

            def begin(disk=disk, begun=begun):
                boot(disk, kind)
                first(begun)

            done = until_cut(disk, cut, half, begin)
            tried += not done
            again, ended = cut % stride, False
            while not ended:
                # from the same first cut each time, one more
                gc.collect()
                copy = power_on(disk)
                life = begun.copy()
                seed(cut)
                try:
                    boot(copy, kind)
                    life.check()
                    ended = until_cut(copy, again, half, lambda life=life: second(life))
                    tried += not ended
                    copy = power_on(copy)
                    boot(copy, kind)
                    life.check()
                    last(life)
                except (AssertionError, OSError, ValueError) as error:
                    print("lost: cut at write %d, again at %d, half %s: %r" % (cut, again, half, error))
                    lost += 1
                    break
                again += stride
            writes = max(writes, cut)
            cut += STEP
    vfs.umount(ROOT)
    print("%s: the power went at %d writes" % (name, writes // STEP))
    return tried, lost


arguments = sys.argv[1:] if hasattr(sys, "argv") else []
if arguments:
    found = [cuts(arguments[0], int(arguments[1]), int(arguments[2]) if len(arguments) > 2 else FILES)]
else:
    found = [cuts("lfs", STRIDE, 0)]
    if hasattr(vfs, "VfsFat"):
        found.append(cuts("fat", STRIDE, FILES))
tried, lost = sum(f[0] for f in found), sum(f[1] for f in found)
print("CUTS", tried, lost)
assert not lost
print("OK")
