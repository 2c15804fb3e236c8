# SPDX-License-Identifier: MIT
# ruff: noqa: B904, E402
# A task where memory is short: heads made in place of those before. On a LittleFS in RAM.

try:
    from random import seed

    import vfs
    from microt.heads import Head, dual

    from microt import Task
except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit

import fruits
from byte_net import ByteNet
from ram_disk import Disk, mount

PATH = "/sh/task"
seed(3)
net = ByteNet(6, 6)
CENTRES, sample = fruits.make(("apple", "pear", "fig"), 12, noise=4)


def values(heads):
    return [list(h.weights) + list(h.bias) + list(h.background) + [h.background_bias] for h in heads]


room = 0


def few(exit, d, classes):
    # as many heads as there is room for
    global room
    room -= 1
    if room < 0:
        raise MemoryError
    return Head(exit, d, classes)


mount(Disk(40), "/sh")
task = Task(net, PATH)
for _ in range(5):
    for name in CENTRES:
        task.learn(sample(name), name)
task.fit()
task.calibrate(0.5)
before, old = task._heads, values(task._heads)
for name in CENTRES:
    task.learn(sample(name), name)
# room for none, and for one that then goes to waste: the same heads as with room, where the old ones were
for left in (0, 1):
    other = Task(net, PATH)
    other.fit()
    wanted = values(other._heads)
    room, dual.Head = left, few
    task.fit()
    dual.Head = Head
    assert task._heads[0] is before[0] and task._heads[1] is before[1]
    assert values(task._heads) == wanted != old
    assert task.threshold is None and task.fitted
    task.calibrate(0.5)
    task.learn(sample("fig"), "fig")
    old = wanted
# none before: an error, and all is as it was
other = Task(net, PATH)
room = 1
dual.Head = few
try:
    other.fit()
    raise AssertionError
except MemoryError as error:
    assert "3 classes and 20 samples are kept" in str(error), error
dual.Head = Head
assert not other.fitted and other.predict(sample("pear")).label == "pear"
vfs.umount("/sh")
print("OK")
