# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# The power goes at every write of a task's life: first sample, more, fit, save, a new class, undo, forget,
# compaction, save again; and a second time at writes of what comes after. What was acknowledged is there after each,
# and the task goes on. On a LittleFS in RAM.

try:
    import errno
    import gc
    from random import getrandbits, seed

    import vfs

    from microt import Task
except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit
if not hasattr(vfs, "VfsLfs2"):
    print("SKIP needs vfs.VfsLfs2")
    raise SystemExit

PATH = "/pt/task"


class Net:
    # as much of a backbone as a task looks at; its embeddings are the sample's own bytes
    exits = 2
    dims = (6, 4)
    sha256 = bytes(range(32))
    output_scale = (0.1, 0.1)
    output_zero_point = (0, 0)

    def run(self, x, exit=0):
        self.x = x
        return x[:6]

    def resume(self):
        return self.x[6:]

    def feature_size(self, exit):
        return (0, 0)

    def feature_defaults(self, exit):
        return None


class Disk:
    # loses its power after `left` writes: nothing written after that arrives
    def __init__(self, blocks):
        self.data = bytearray(512 * blocks)
        self.left = None

    def readblocks(self, n, buf, off=0):
        at = n * 512 + off
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, n, buf, off=None):
        if self.left is not None:
            if not self.left:
                return -errno.EIO
            self.left -= 1
        at = n * 512 + (off or 0)
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // 512
        if op == 5:
            return 512
        if op == 6:
            return 0


def mount(disk):
    try:
        vfs.umount("/pt")
    except OSError:
        pass
    vfs.mount(vfs.VfsLfs2(disk), "/pt")


seed(6)
CENTRES = {name: bytes(getrandbits(6) for _ in range(10)) for name in ("apple", "pear", "fig")}


def sample(name):
    return bytes(v + getrandbits(3) for v in CENTRES[name])


def life(note):
    # note(counts, saved) after each step that was acknowledged
    task = Task(Net(), PATH)
    for _ in range(3):
        for name in ("apple", "pear"):
            task.learn(sample(name), name)
            note(task.counts, None)
    task.fit()
    task.calibrate(0.5)
    task.save()
    note(task.counts, ["apple", "pear"])
    for _ in range(2):
        task.learn(sample("fig"), "fig")
        note(task.counts, None)
    task.learn(sample("fig"), "fig")
    note(task.counts, None)
    task.undo()
    note(task.counts, None)
    task.forget("apple")
    note(task.counts, None)
    task.compact()
    note(task.counts, None)
    task.fit()
    task.save()
    note(task.counts, ["pear", "fig"])


def allowed(before, found):
    # what was acknowledged, and at most the step that the cut interrupted
    if found == before:
        return True
    if found == {name: n for name, n in before.items() if name != "apple"}:
        return True
    more = dict(before)
    for name in CENTRES:
        more[name] = more.get(name, 0) + 1
        if found == more:
            return True
        more[name] -= 1
        if name == "fig" and more[name] > 1:  # undone
            less = dict(more)
            less[name] -= 1
            if found == less:
                return True
        if not more[name]:
            del more[name]
    return False


net = Net()
cut = 0
finished = False
while not finished:
    gc.collect()
    disk = Disk(28)
    vfs.VfsLfs2.mkfs(disk)
    mount(disk)
    state = [{}, None]

    def note(counts, saved, state=state):
        state[0] = counts
        state[1] = saved or state[1]

    disk.left = cut
    try:
        life(note)
        finished = True
    except OSError as error:
        assert error.errno == errno.EIO, error
    disk.left = None
    mount(disk)
    task = Task(net, PATH)
    assert allowed(state[0], task.counts), (cut, state, task.counts)
    assert not task.notes, (cut, task.notes)
    if state[1] and task.classes == state[1]:
        assert task.fitted, cut
    # a second cut, in the middle of what comes next
    disk.left = cut % 7
    try:
        task.learn(sample("pear"), "pear")
        task.compact()
        disk.left = None
        task.undo()
    except OSError as error:
        assert error.errno == errno.EIO, error
    disk.left = None
    counts = task.counts
    mount(disk)
    task = Task(net, PATH)
    found = task.counts
    pears = found.pop("pear", 0)
    expected = dict(counts)
    more = pears - expected.pop("pear", 0)
    assert 0 <= more <= 1 and found == expected, (cut, counts, task.counts)
    assert not task.notes, (cut, task.notes)
    # and it goes on: three classes, fitted, saved, opened again
    for name in ("apple", "pear", "fig"):
        task.learn(sample(name), name)
        task.learn(sample(name), name)
    task.fit()
    task.calibrate()
    task.save()
    again = Task(net, PATH)
    assert again.fitted and again.counts == task.counts and again.threshold == task.threshold
    for name in CENTRES:
        assert again.predict(CENTRES[name]).label == task.predict(CENTRES[name]).label == name, (cut, name)
    cut += 1
vfs.umount("/pt")
print("the power went at each of %d writes" % (cut - 1))
print("OK")
