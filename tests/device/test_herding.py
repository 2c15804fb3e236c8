# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905, E402
# Which samples a class keeps by herding: a stream by the definition, a restart, compaction, and a power cut at every
# write. On a LittleFS in RAM.

try:
    import errno
    import gc
    import os
    import sys
    from array import array
    from random import seed

    import vfs
    from microt.store import herding

    from microt import Task
except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit

import fruits
from byte_net import ByteNet
from ram_disk import Disk, mount, power_on

PATH = "/hd/task"
LIMIT = 4
STEP = 1 if sys.platform == "linux" else 7  # of cuts: a board takes its time
seed(8)
net = ByteNet(6, 6)
CENTRES, sample = fruits.make(("apple", "pear"), 12, noise=4)


def z_of(x):
    # the last exit's embedding
    return array("f", list(x[6:]))


def mean_of(rows):
    return [sum(r[j] for r in rows) / len(rows) for j in range(len(rows[0]))]


def expected(kept, x, shown):
    # the samples of a class after one more; shown: z of all that there were, x among them
    mean, now, rows = mean_of(shown), kept + [x], [z_of(v) for v in kept + [x]]

    def distance(i):
        left = mean_of(rows[:i] + rows[i + 1 :])
        return sum((a - b) ** 2 for a, b in zip(left, mean))

    # of equals the new one, then the first
    now.pop(min([len(kept)] + list(range(len(kept))), key=distance))
    return now


def stored(task, name):
    buffer = bytearray(12)
    row = task.classes.index(name)
    return [bytes(buffer) for _, r in task._journal.embeddings(buffer) if r == row]


mount(Disk(32), "/hd")
try:
    Task(net, PATH, limit=LIMIT, keep="first")
    raise AssertionError
except ValueError as error:
    assert "herding, random" in str(error), error
task = Task(net, PATH, limit=LIMIT, keep="herding")
kept = {name: [] for name in CENTRES}
shown = {name: [] for name in CENTRES}
passed = largest = 0
for i in range(60):
    for name in CENTRES:
        x = sample(name)
        shown[name].append(z_of(x))
        after = expected(kept[name], x, shown[name]) if len(kept[name]) == LIMIT else kept[name] + [x]
        assert task.learn(x, name) == (x in after)
        passed += x not in after
        kept[name] = after
        assert stored(task, name) == after, (i, name)
        largest = max(largest, os.stat(task._journal.path)[6])
    if i % 20 == 9:
        task = Task(net, PATH, limit=LIMIT, keep="herding")
        assert not task.notes
        for row, name in enumerate(CENTRES):
            # what the class was shown is known again as the mean of what it kept
            count = task._journal.shown(row)
            assert LIMIT <= count <= len(shown[name])
            shown[name] = [mean_of([z_of(v) for v in kept[name]])] * count
    if i % 20 == 19:
        task.compact()
assert passed and largest < 64 + 40 * 40, (passed, largest)
task = Task(net, PATH, limit=2, keep="herding")
while not task.learn(sample("apple"), "apple"):
    pass
assert task.counts == {"apple": 2, "pear": LIMIT}, "a lower limit takes more away"
task.forget("pear")
x, largest = sample("pear"), 0
for _ in range(2):
    assert task.learn(x, "pear")
for _ in range(60):
    # what is passed over writes nothing, what is undone stays in the file
    task.undo()
    task.learn(x, "pear")
    task.learn(x, "pear")
    largest = max(largest, os.stat(task._journal.path)[6])
assert largest < 64 + 40 * 40, largest
print("stream, restart, compaction")

# running means are those of the samples kept, and are not read anew from flash to be so
reads, embeddings = 0, task._journal.embeddings


def counted(buffer, only=None):
    global reads
    reads += only is None
    return embeddings(buffer, only)


assert not task.fitted
task.predict(x)
task._journal.embeddings = counted
for _ in range(40):
    task.learn(sample("apple"), "apple")
task.undo()
task.learn(x, "pear")
assert reads == 0 and len(task._means) == 2
task._journal.embeddings = embeddings
running, task._means = task._means, None
for a, b in zip(running.weights, task._running_means().weights):
    assert abs(a - b) < 1e-3, (a, b)
for a, b in zip(running.bias, task._running_means().bias):
    assert abs(a - b) < 1e-3, (a, b)
print("running means")

# no memory: the means of what was shown are given up, and begin again as those of the samples kept
assert Task(net, PATH, limit=2).keep == "herding"
goes, failed = herding.goes, 0


def short_of_memory(journal, row, start, mean=None):
    global failed
    if task._shown_means:
        failed += 1
        raise MemoryError
    return goes(journal, row, start, mean)


assert "apple" in task._shown_means
herding.goes = short_of_memory
for _ in range(8):
    task.learn(sample("apple"), "apple")
    assert task.counts["apple"] == 2 and list(task._shown_means) == ["apple"]
herding.goes = goes
assert failed == 8
mean = array("f", task._shown_means["apple"])
full = task._journal.append


def no_room(label):
    raise MemoryError


task._journal.append = no_room
for _ in range(20):
    try:
        taken = task.learn(sample("apple"), "apple")
        mean = array("f", task._shown_means["apple"])
    except MemoryError:
        break
assert list(task._shown_means["apple"]) == list(mean), "a sample that was not taught is in the mean"
task._journal.append = full
print("memory")

cut, done = 0, False
while not done:
    task = disk = kept = shown = None
    gc.collect()
    seed(5)
    disk = Disk(24)
    mount(disk, "/hd")
    task = Task(net, PATH, limit=2, keep="herding")
    for _ in range(2):
        task.learn(sample("apple"), "apple")
    sure = stored(task, "apple")
    shown = [z_of(v) for v in sure]
    disk.left = cut
    try:
        for _ in range(16):
            x = sample("apple")
            shown.append(z_of(x))
            after = expected(sure, x, shown)
            task.learn(x, "apple")
            sure = after
        task.compact()
        done = True
    except OSError as error:
        assert error.errno == errno.EIO, error
    disk.left = -1
    shown = None
    gc.collect()
    mount(power_on(disk), "/hd", fresh=False)
    task = Task(net, PATH, limit=2, keep="herding")
    found = stored(task, "apple")
    assert not task.notes and found in (sure, sure + [x], after), (cut, found, sure)
    while not task.learn(sample("apple"), "apple"):
        pass
    assert task.counts == {"apple": 2}
    cut += STEP
assert cut > 16
print("power, %d cuts" % (cut // STEP))
vfs.umount("/hd")
print("OK")
