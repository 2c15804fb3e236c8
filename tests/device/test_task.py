# SPDX-License-Identifier: MIT
# ruff: noqa: B023, B904, B905, E402
# A task from the first sample to a restart: teaching, answers, every error, and that each error leaves
# what was taught before. With a backbone of two layers, on a LittleFS of its own in RAM.

try:
    import gc
    import os
    from array import array
    from binascii import a2b_base64
    from random import getrandbits, seed

    import vfs

    import microt
except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit

import ram_disk
from ram_disk import Disk

# printed by tests/host/tiny_backbone.py: (4, 4, 3) int8 or pixels, exits of 12 and 8 values
TINY = (
    "TVRCAAEAgADQCAAAxdZG8DcZDag4I3MUtvQ3WcREiOlBYsiK6Q6c4AgJGi46+ZU6AAACAFAAAAAAAAAAAAAAAAAAAACAAAAAYAAAAOAAAACAAAAA"
    "YAEAAEAAAACgAQAAYAAAAAACAAAAAQAAAAMAABAAAAAQAwAAwAUAAAAAAAAAAAAABAAAAAQAAAADAAAAgYCAO4D///8AAAAA//8AADAAAAABAAAA"
    "AQAAAAwAAADNzEw9gP///wYAAAAAAAEAQAAAAAEAAAABAAAACAAAAM3MTD2A////CwAAAAEA//8DAAEAAAD///////8BAP//EAMAAAwAAAAgAwAA"
    "QAIAAGAFAAAwAAAAkAUAAGAAAABAAgAABgAAAAAAAAAAAAAAAwABAAEA////////AgD///AFAAAMAAAAAAYAAGAAAABgBgAAIAAAAIAGAABAAAAA"
    "YAAAAAsAAAAAAAAAAAAAAAEAAAABAAAAQAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAIAAACgAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAEA"
    "DAAAAAgAAADABgAAyAYAAAAHAABgBwAAAAAAPwAAgD8AAAAAAAAAAAAAAAACAAEAFAAAAAoAAACABwAAkAcAAOAHAACoCAAAAAAAPwAAgD8AAAAA"
    "AAAAAAAAAACAgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrL"
    "zM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2BhYmNkZWZnaGlqa2xtbm9wcXJz"
    "dHV2d3h5ent8fX5/aW5wdXQAcGFydABmdWxsAID///9/AAAAAAAAAAAAAAAsToZP+AQhyXqOx+IS6aKMgY2mf7EnQLzI78R5rmVMWJ7lIf4qLSqQ"
    "dQ5nxt1hsJHgLqBe17oLZWJfz4VHNUWBigHW8G60B9PMTqjRn6fIMxTzrExMvZDSpkwFAssCd71EhNFuX5ZXWPTeenMt5rZvxQ4tvtE+syxxLyX3"
    "d7nbJCecqjFXI2/h1UyLsrLkqUxY4og2nB2scC19HjngT52n3Db8WXHn7Q4l+xp1PNHt56eBSuzaIhBvHWwU1NN9FrBUUoOpMejXk7FbVVQSpNMH"
    "fsIM/gEONJx7XUTI8fPPjz6BQ7Ik2L1t+mOx+9n0hCvYW7fXjEsJ5moYdj0WALQxSjLqgjyKTafPtwq0wo17uLEapWJI2ufePOvJLqRJ7XDD4F81"
    "i9iFU+u7Ol+bAd45bglA0RT/O429i3oI/fqJVViGHw/i/mEZ/TsxBlQQHv4XHWbA3Q3XLFOxj30CP0J0ict78ubDhox5haS/yVzTquUw88Cfkf6y"
    "Fi3iAI8NrvScxuv9iGzstLM78MHzsqrTdpgMb/beD60ygRGQhrc46+waknv8ZEG+zhxXa/2aflo35aNItdNeIM0CHZvGQiFSPPzN47RyiOCSYSfr"
    "SuD33UKQDMd5u+aQAAtA8cCHaqhGa9OjMeCKc2idOumRTVqFm5J1blYvmMME+5vAM2Scc9GTagYqr2jo3z5BNryxEdWJ7Ubj6i54SqbWCvG7kibe"
    "0nJUAWgPaxvbETJOeMOb0RRjaQCMdbukuUgI+dr5N2EwdQAAMHUAADB1AAAwdQAAMHUAADB1AAAwdQAAMHUAADB1AAAwdQAAMHUAADB1AACaM81m"
    "9v///5ozzWb2////mjPNZvb///+aM81m9v///5ozzWb2////mjPNZvb///+aM81m9v///5ozzWb2////mjPNZvb///+aM81m9v///5ozzWb2////"
    "mjPNZvb///+A////fwAAAAAAAAAAAAAAc6I9BN/Akdi8UWTm5EmohLZ/8nSJLsSzIyhIsVfgkImXkiapCK9AVla/8VNPgiqPIpAUbuhRzIQFbji6"
    "w8QRFhi1PHm03vYSYxJ4yCg8Vn75GD6WOk8PK039kicdw+7OQB8AAEAfAABAHwAAQB8AAEAfAABAHwAAQB8AAEAfAAAfhetR+v///x+F61H6////"
    "H4XrUfr///8fhetR+v///x+F61H6////H4XrUfr///8fhetR+v///x+F61H6////AAAAAAwAAABmZmY/ZmZmP2ZmZj9mZmY/ZmZmP2ZmZj9mZmY/"
    "ZmZmP2ZmZj9mZmY/ZmZmP2ZmZj8AAAAAAAAAAKAE7JLKFo+vxsF/ZtYW8r+pMzZ/2mVsTFDVGhXrFvKX7zFXBYUG4T0slHC3CHyXzUzCI5Ol0AAP"
    "84oVyu7ChqjcSlJ2yWrr8bqRR9kpBvThnztkPvplfviivSlp9WKcoQrXozwK16M8CtejPArXozwK16M8CtejPArXozwK16M8AAAAAAwAAAABAAAA"
    "CAAAAGZmZj9mZmY/ZmZmP2ZmZj9mZmY/ZmZmP2ZmZj9mZmY/ZmZmP2ZmZj9mZmY/ZmZmP2ZmZj9mZmY/ZmZmP2ZmZj9mZmY/ZmZmP2ZmZj9mZmY/"
    "+LbOKW9SwHWEhlqxT+wQDQ5HNQ5XBZe+gybAFZJyU7EQoDHbEtQH9OGsuTVjUhmCS2nPmLnP3/3Y7d+3HzoXVqi7qqvLBbamgnDQWhxViOlISbTk"
    "cfVHnC2KKiuusr90bxFmFBll2swag9m5hPUNpxLIqT304XHYWrwgCKt+d6zbWJlGzBoAC8oFB5s7Evp9wDqt92Px717QgouzD3V1J8tU3wlLiwcJ"
    "vyE4l3D7M3FXkAKMe5udLuRkz6j/WBu5PAoiQzmflPoK16M8CtejPArXozwK16M8CtejPArXozwK16M8CtejPArXozwK16M8"
)
PATH = "/tt/task"
NAMES = ("apple", "pear", "plum", "fig")


def mount(blocks):
    gc.collect()
    disk = Disk(blocks)
    ram_disk.mount(disk, "/tt")
    return disk


def raises(kind, words, call):
    # the error, which must hold every word: what was expected and what came
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return error
    raise AssertionError("expected %s" % kind)


seed(2)
CENTRES = [bytes(getrandbits(8) for _ in range(48)) for _ in range(6)]


def sample(which):
    return bytes(min(255, max(0, v + (getrandbits(8) - 128) // 2)) for v in CENTRES[which])


def teach(task, count):
    for i in range(count):
        task.learn(sample(i % 4), NAMES[i % 4])


def answers(task):
    # what a task says to the same samples
    return [(r.label, round(r.confidence, 5), r.exit) for r in [task.predict(x) for x in TESTED]]


def right(task):
    return sum(1 for i, x in enumerate(TESTED) if task.predict(x).label == NAMES[i % 4])


TESTED = [sample(i % 4) for i in range(40)]
net = microt.Backbone(a2b_base64(TINY))

# the embeddings after a resume are those of a straight run
for x in TESTED[:8]:
    first = bytes(net.run(x))
    last = bytes(net.resume())
    assert bytes(net.embedding(0)) == first and bytes(net.run(x, 1)) == last
    signed = array("b", [v - 128 for v in x])
    assert bytes(net.run(signed, exit=0)) == first and bytes(net.resume()) == last
raises(RuntimeError, ["resume"], net.resume)
print("resume equals run")

raises(OSError, ["/tt/no.mtb"], lambda: microt.Backbone("/tt/no.mtb"))
mount(32)
with open("/tt/wrong.mtb", "wb") as file:
    file.write(b"not a backbone")
raises(ValueError, ["/tt/wrong.mtb"], lambda: microt.Backbone("/tt/wrong.mtb"))
with open("/tt/tiny.mtb", "wb") as file:
    file.write(a2b_base64(TINY))
assert bytes(microt.Backbone("/tt/tiny.mtb").run(TESTED[0])) == bytes(net.run(TESTED[0]))

# nothing taught, one class, what is no sample and what is no label
mount(32)
task = microt.Task(net, PATH)
assert len(task) == 0 and task.classes == [] and task.counts == {} and not task.fitted
raises(RuntimeError, ["predict", "2 classes", "got 0"], lambda: task.predict(TESTED[0]))
raises(RuntimeError, ["fit", "got 0"], task.fit)
raises(RuntimeError, ["save", "fit()"], task.save)
raises(RuntimeError, ["calibrate", "fit()"], task.calibrate)
task.learn(sample(0), "apple")
raises(RuntimeError, ["predict", "2 classes", "got 1 (apple)"], lambda: task.predict(TESTED[0]))
raises(RuntimeError, ["fit", "got 1 (apple)"], task.fit)
raises(TypeError, ["label", "expected str", "int 3"], lambda: task.learn(sample(0), 3))
raises(TypeError, ["label", "expected str", "None"], lambda: task.learn(sample(0), None))
raises(ValueError, ["label", "1 to 64", "got 0"], lambda: task.learn(sample(0), ""))
raises(ValueError, ["label", "1 to 64", "got 70"], lambda: task.learn(sample(0), "ä" * 35))
raises(ValueError, ["48", "(4, 4, 3)", "got 47"], lambda: task.learn(sample(0)[1:], "apple"))
raises(ValueError, ["48", "float32"], lambda: task.learn(array("f", [0.0] * 48), "apple"))
raises(TypeError, [], lambda: task.learn(7, "apple"))
raises(ValueError, ["forget", "apple", "kiwi"], lambda: task.forget("kiwi"))
raises(ValueError, ["lda, logistic, means or ridge", "svm"], lambda: microt.Task(net, PATH, head="svm"))
assert len(task) == 1 and task.classes == ["apple"] and len(microt.Task(net, PATH)) == 1
print("errors")

# from the first sample on; then fitted, calibrated, saved, and after a restart
mount(64)
task = microt.Task(net, PATH)
teach(task, 8)
assert right(task) >= 30 and not task.fitted and task.threshold is None
assert {r.exit for r in [task.predict(x) for x in TESTED]} == {1}, "not calibrated: the last exit"
assert [a[:2] for a in answers(microt.Task(net, PATH))] == [a[:2] for a in answers(task)]
teach(task, 32)
assert task.counts == {name: 10 for name in NAMES} and task.classes == list(NAMES)
steps = []
task.fit(progress=lambda what, done, total: steps.append((what, done, total)))
assert steps and all(1 <= done <= total for _, done, total in steps)
assert task.fitted and right(task) >= 36, right(task)
raises(RuntimeError, ["calibrate"], lambda: setattr(task, "exit_ratio", 0.5))
for wrong in (2, -1, "x"):
    raises(ValueError, ["exit_ratio", "0 to 1"], lambda: task.calibrate(wrong))
# a fit lifts the garbage collector's threshold and sets it again, also where it fails
gc.threshold(1 << 15)
during = []
task.fit(progress=lambda *_: during.append(gc.threshold()))
assert set(during) == {-1} and gc.threshold() == 1 << 15, (set(during), gc.threshold())


def stop(*_):
    raise OSError("stopped")


raises(OSError, ["stopped"], lambda: task.fit(progress=stop))
assert gc.threshold() == 1 << 15
gc.threshold(-1)
task.calibrate(exit_ratio=0.5)
result = task.predict(TESTED[0])
assert abs(sum(result.scores) - 1) < 1e-4 and max(result.scores) == result.confidence
assert task.classes[list(result.scores).index(result.confidence)] == result.label
for x in TESTED:
    result = task.predict(x)
    both = task.answers(x)
    assert [r.exit for r in both] == [0, 1]
    chosen = both[0] if task.exit_score(both[0]) >= task.threshold else both[1]
    assert (result.label, result.confidence, result.exit) == (chosen.label, chosen.confidence, chosen.exit)
shares = []
for ratio in (0, 0.25, 0.5, 0.75, 1):
    task.exit_ratio = ratio
    shares.append(sum(1 for a in answers(task) if a[2] == 0) / len(TESTED))
assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares), shares
assert 0.25 <= shares[2] <= 0.75, shares
task.exit_ratio = 0.4
task.save()
before = answers(task)
again = microt.Task(net, PATH)
assert again.fitted and again.notes == [] and again.counts == task.counts
assert (again.exit_ratio, again.threshold) == (0.4, task.threshold)
assert answers(again) == before
print("restart")

# a sample more of a known class keeps the heads; a new class is known at once, before and after fit
again.learn(sample(0), "apple")
assert again.fitted
assert microt.Task(net, PATH).fitted
again.learn(sample(4), "quince")
assert not again.fitted and again.classes[-1] == "quince"
assert again.predict(CENTRES[4]).label == "quince"
again = microt.Task(net, PATH)
assert not again.fitted and again.predict(CENTRES[4]).label == "quince" and len(again) == 42
for _ in range(4):
    again.learn(sample(4), "quince")
again.fit()
again.calibrate()
again.save()
assert again.predict(CENTRES[4]).label == "quince" and right(again) >= 35
again.forget("pear")
assert again.fitted and "pear" not in again.classes and len(again.predict(TESTED[0]).scores) == 4
for task in (again, microt.Task(net, PATH)):
    assert task.classes == ["apple", "plum", "fig", "quince"] and task.fitted
    assert task.predict(CENTRES[1]).label != "pear"
assert answers(task) == answers(again)
# taught anew after it was forgotten: the saved heads do not pretend to know it
again.learn(sample(1), "pear")
assert not again.fitted and not microt.Task(net, PATH).fitted
again.fit()
again.save()
again.forget("pear")
again.learn(sample(1), "pear")
assert not microt.Task(net, PATH).fitted
for kind in ("logistic", "means", "ridge"):
    again.head = kind
    again.fit()
    again.calibrate()
    assert answers(again)
print("new classes")

# a damaged snapshot: said, and fitted again from the journal
mount(64)
task = microt.Task(net, PATH)
teach(task, 24)
task.fit()
before = answers(task)
task.save()
with open(PATH + "/heads.bin", "r+b") as file:
    file.seek(100)
    byte = file.read(1)[0]
    file.seek(100)
    file.write(bytes([byte ^ 1]))
again = microt.Task(net, PATH)
assert len(again.notes) == 1 and "heads.bin" in again.notes[0] and "damaged" in again.notes[0], again.notes
assert again.fitted and again.threshold is None and answers(again) == before
# a torn journal: said, and nothing else is lost
with open(PATH + "/journal.bin", "ab") as file:
    file.write(b"\xa5\x01\x20")
again = microt.Task(net, PATH)
assert len(again) == 24 and any("3 bytes" in note for note in again.notes), again.notes
# another backbone: both are named, nothing is touched; a damaged header likewise
listed = os.listdir(PATH)


class Other:
    # the same backbone by another name
    sha256 = bytes(32)

    def __getattr__(self, name):
        return getattr(net, name)


raises(ValueError, ["journal.bin", "00000000", "as it is"], lambda: microt.Task(Other(), PATH))
with open(PATH + "/journal.bin", "r+b") as file:
    file.write(b"X")
raises(ValueError, ["journal.bin", "damaged", "as it is"], lambda: microt.Task(net, PATH))
assert os.listdir(PATH) == listed
with open(PATH + "/journal.bin", "r+b") as file:
    assert file.read(1) == b"X"
    file.seek(0)
    file.write(b"M")
assert answers(microt.Task(net, PATH)) == before
print("damage")

# a full flash, then one that takes no writes at all
disk = mount(14)
task = microt.Task(net, PATH)
teach(task, 8)
task.fit()
before = answers(task)
error = None
try:
    for i in range(1000):
        task.learn(sample(i % 4), NAMES[i % 4])
except OSError as found:
    error = found
taught = len(task)
assert error.errno == 28 and taught >= 16, (error, taught)
for word in ("learn", PATH + "/journal.bin", "no space left", "4 classes and %d samples" % taught):
    assert word in str(error), (word, error)
assert sum(task.counts.values()) == taught
again = microt.Task(net, PATH)
assert len(again) == taught and again.counts == task.counts and right(again) >= 28
disk.error = 30
raises(OSError, ["learn", "read-only"], lambda: task.learn(sample(0), "kiwi"))
raises(OSError, ["save", "heads.bin", "read-only"], task.save)
raises(OSError, ["forget", "read-only"], lambda: task.forget("pear"))
assert answers(task) == before and task.classes == list(NAMES)
disk.error = 0
# the same while class means answer: the class that could not be kept leaves nothing behind
task = microt.Task(net, PATH)
assert not task.fitted and right(task) >= 28
disk.error = 30
raises(OSError, ["learn", "read-only"], lambda: task.learn(sample(4), "kiwi"))
disk.error = 0
assert right(task) >= 28 and len(task.predict(TESTED[0]).scores) == 4
raises(
    OSError,
    ["learn", "/tt/no/such", "no such folder"],
    lambda: microt.Task(net, "/tt/no/such").learn(sample(0), "kiwi"),
)


class NoWriting:
    # as ROMFS: a file system without mkdir
    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def open(self, path, mode):
        raise OSError(2)


vfs.mount(NoWriting(), "/ro")
raises(OSError, ["learn", "/ro/task", "read-only"], lambda: microt.Task(net, "/ro/task").learn(sample(0), "kiwi"))
vfs.umount("/ro")
print("full flash")


# memory ends: one class more does not fit, nothing has changed, and it fits once there is room
class Wide:
    # a backbone with long embeddings, so that memory ends at a head and not at a message
    exits = 2
    dims = (400, 250)
    sha256 = bytes(range(32))
    output_scale = (0.1, 0.1)
    output_zero_point = (0, 0)

    def __init__(self):
        self.first = bytearray(400)
        self.last = bytearray(250)

    def run(self, x, exit=0):
        for i in range(48):
            self.first[i * 7] = self.last[i * 5] = x[i] >> 1
        return self.first

    def resume(self):
        return self.last

    def feature_size(self, exit):
        return (0, 0)

    def feature_defaults(self, exit):
        return None


def over(depth):
    # writes over the stack, where pointers to what is done with would keep it from being collected
    return depth and over(depth - 1)


def fill_memory(largest):
    blocks = []
    over(30)
    gc.collect()
    for size in (65536, 8192, largest):
        try:
            while True:
                blocks.append(bytearray(size))
        except MemoryError:
            pass
    return blocks


task = again = disk = None
if gc.mem_alloc() + gc.mem_free() < 256 << 10:
    # this script, compiled here, leaves no stretch for the largest head among what is alive while memory is full
    vfs.umount("/tt")
    print("full memory: left out, the heap is smaller than 256 KB")
    print("OK")
    raise SystemExit
mount(60)
gc.collect()
task = microt.Task(Wide(), PATH)
teach(task, 12)
task.fit()
before = answers(task)
for taught in ("fitted", "not fitted"):
    x = sample(4)
    blocks = fill_memory(1024)
    try:
        error = raises(
            MemoryError, ["learn", "bytes needed", "free", "4 classes and 12 samples"], lambda: task.learn(x, "fifth")
        )
        # what the error before has set free, and what looked like a pointer to it on the stack and no longer does
        more = []
        for attempt in range(8):
            more.append(fill_memory(1024))
            try:
                error = raises(MemoryError, ["fit", "bytes needed", "4 classes and 12 samples"], task.fit)
                break
            except AssertionError:
                if attempt == 7:
                    raise
        error = None
    finally:
        blocks = more = None
        gc.collect()
    assert task.classes == list(NAMES) and len(task) == 12
    assert [a[0] for a in answers(task)] == [a[0] for a in before], taught
    assert len(microt.Task(Wide(), PATH)) == 12
    task = microt.Task(Wide(), PATH)
    before = answers(task)
task = before = error = None
over(30)
gc.collect()
task = microt.Task(Wide(), PATH)
task.learn(x, "fifth")
assert len(task) == 13 and task.predict(x).label == "fifth"
print("full memory")
vfs.umount("/tt")
print("OK")
