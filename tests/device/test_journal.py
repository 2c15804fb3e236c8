# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905, E402
# The sample journal: append, reopen, forget; torn tails of every length, every byte damaged, a power
# cut at every write, a full flash. On a LittleFS (and a FAT) of its own in RAM.

try:
    import gc
    import struct
    import sys

    import vfs
    from microt.store import journal as j

    from microt import Task
except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit

from byte_net import ByteNet
from ram_disk import Disk, mount, power_on

SIZE = 20
ID = bytes(range(32))
ROOT = "/jt"
FOLDER = "/jt/task"
PATH = FOLDER + "/journal.bin"


def put(journal, label, value):
    journal.buffer[:] = bytes([value]) * SIZE
    journal.append(label)


def content(journal):
    # ((label, value), ...), every embedding checked to be whole
    buffer = bytearray(SIZE)
    found = []
    for _, row in journal.embeddings(buffer):
        assert buffer == bytes([buffer[0]]) * SIZE
        found.append((journal.labels[row], buffer[0]))
    return found


def read(path=PATH):
    with open(path, "rb") as file:
        return file.read()


def write(data, path=PATH):
    with open(path, "wb") as file:
        file.write(data)


def fresh():
    return j.Journal(PATH, ID, SIZE)


def ordinary(kind, disk):
    mount(disk, ROOT, kind)
    journal = fresh()
    assert not len(journal) and journal.labels == [] and content(journal) == []
    taught = [("apple", 1), ("pear", 2), ("apple", 3), ("äö", 4), ("pear", 5)]
    for label, value in taught:
        put(journal, label, value)
    for each in (journal, fresh()):
        assert content(each) == taught
        assert each.labels == ["apple", "pear", "äö"] and each.count(0) == 2
        assert each.tail == 0 and each.damage == []
    journal.forget("apple")
    put(journal, "plum", 6)
    put(journal, "apple", 7)
    left = [t for t in taught if t[0] != "apple"] + [("plum", 6), ("apple", 7)]
    for each in (journal, fresh()):
        assert content(each) == left
        assert each.labels == ["pear", "äö", "plum", "apple"]
        assert [each.born(label, None) for label in each.labels + ["kiwi"]] == [1, 3, 6, 7, None]


ordinary(vfs.VfsLfs2, Disk(40))
if hasattr(vfs, "VfsFat"):
    ordinary(vfs.VfsFat, Disk(100))
print("append, forget, reopen")

disk = Disk(40)
mount(disk, ROOT)
journal = fresh()
taught = [("apple", 1), ("pear", 0xA5), ("apple", 3), ("fig", 4)]
ends = []
for label, value in taught:
    put(journal, label, value)
    ends.append(journal._end)
whole = read()
assert len(whole) == ends[-1]
for length in range(len(whole) + 1):
    gc.collect()
    write(whole[:length])
    journal = fresh()
    kept = [t for t, end in zip(taught, ends) if end <= length]
    assert content(journal) == kept, length
    good = ([0] if length < j.HEADER_SIZE else [j.HEADER_SIZE]) + [e for e in ends if e <= length]
    assert journal.tail == length - good[-1] and journal.damage == [], length
    put(journal, "new", 9)
    again = fresh()
    assert content(again) == content(journal) == kept + [("new", 9)], length
    assert again.damage == [], "the new record takes the torn one's place"
    # what was cut off may stick out behind the new record; it never comes back
    put(again, "newer", 10)
    assert content(fresh()) == kept + [("new", 9), ("newer", 10)], length
print("torn at each of %d lengths" % (len(whole) + 1))

for at in range(len(whole)):
    gc.collect()
    broken = bytearray(whole)
    broken[at] ^= 0x55
    write(broken)
    if at < j.HEADER_SIZE:
        try:
            fresh()
            raise AssertionError(at)
        except ValueError as error:
            assert PATH in str(error), error
        assert read() == broken, "a file that is refused stays as it is"
        continue
    journal = fresh()
    hit = [i for i in range(4) if at < ends[i]][0]
    assert content(journal) == [t for i, t in enumerate(taught) if i != hit], at
    if hit == 3:
        assert journal.damage == [] and journal.tail == ends[3] - ends[2]
    else:
        assert journal.damage == [(ends[hit - 1] if hit else j.HEADER_SIZE, ends[hit])]
        assert journal.tail == 0
    put(journal, "new", 9)
    assert content(fresh())[-1] == ("new", 9)
print("each of %d bytes damaged" % len(whole))


# every kind of record, every bit of it broken: what is left is what the other records say, and the task says which
# bytes it stepped over
def records(data):
    # [(start, end, kind, number, payload)]
    found, at = [], j.HEADER_SIZE
    while at < len(data):
        _, kind, length, number = struct.unpack_from(j.RECORD, data, at)
        end = at + j.RECORD_SIZE + length + j.CRC_SIZE
        found.append((at, end, kind, number, data[at + j.RECORD_SIZE : end - j.CRC_SIZE]))
        at = end
    return found


def replay(records):
    # what they leave: [(label, value)]
    kept = []
    for _, _, kind, number, payload in records:
        if kind == j.SAMPLE:
            kept.append((number, str(payload[j.TIME_SIZE + SIZE :], "utf-8"), payload[j.TIME_SIZE]))
        elif kind == j.FORGET:
            kept = [k for k in kept if k[1] != str(payload, "utf-8")]
        elif kind == j.DROP:
            kept = [k for k in kept if k[0] != struct.unpack_from("<I", payload)[0]]
    return [k[1:] for k in kept]


mount(Disk(40), ROOT)
journal = fresh()
for label, value in taught:
    put(journal, label, value)
journal.drop(2)
journal.compact()
put(journal, "kiwi", 8)
journal.forget("pear")
put(journal, "pear", 9)
journal.drop(0)
put(journal, "fig", 0xA5)
whole = read(journal.path)
every = records(whole)
assert {r[2] for r in every} == {j.SAMPLE, j.FORGET, j.DROP, j.LABEL} and replay(every) == content(journal)
net = ByteNet(12, SIZE - 12)
broken = bytearray(whole)
tried = 0
for place, (start, end, _, _, _) in enumerate(every):
    expected = replay(every[:place] + every[place + 1 :])
    for at in range(start, end):
        # a board takes its time: one bit of each byte there
        for bit in range(8) if sys.platform == "linux" else (at % 8,):
            gc.collect()
            broken[at] ^= 1 << bit
            write(broken, journal.path)
            task = Task(net, FOLDER)
            assert content(task._journal) == expected, (at, bit)
            says = "bytes %d to %d are damaged" % (start, end)
            if place == len(every) - 1:
                says = "%d bytes at its end" % (end - start)
            assert len(task.notes) == 1 and says in task.notes[0], (at, bit, task.notes)
            broken[at] ^= 1 << bit
            tried += 1
for length in range(len(whole)):
    gc.collect()
    write(whole[:length], journal.path)
    left = [r for r in every if r[1] <= length]
    task = Task(net, FOLDER)
    assert content(task._journal) == replay(left), length
    torn = length - (left[-1][1] if left else j.HEADER_SIZE if length >= j.HEADER_SIZE else 0)
    assert task.notes == [] if not torn else "%d bytes at its end" % torn in task.notes[0], (length, task.notes)
print("each of %d bits of %d records broken, cut at each of %d lengths" % (tried, len(every), len(whole)))

mount(Disk(40), ROOT)
journal = fresh()
for label, value in taught:
    put(journal, label, value)
whole = read()

# a whole record that is older than the one before it was overwritten once: it does not come back
write(whole + whole[ends[0] : ends[1]])
journal = fresh()
assert content(journal) == taught and journal.tail == ends[1] - ends[0]

# another backbone's, another size: both hashes are named
write(whole)
for identity, size, words in ((bytes(32), SIZE, ("00010203", "00000000")), (ID, SIZE + 1, ("20", "21"))):
    try:
        j.Journal(PATH, identity, size)
        raise AssertionError
    except ValueError as error:
        assert all(word in str(error) for word in words), error
assert read() == whole

# the power goes at every write of a new journal's first samples, then of a grown one's
for start in (0, 3):
    cut = 0
    while True:
        disk = Disk(24)
        mount(disk, ROOT)
        journal = fresh()
        for i in range(start):
            put(journal, "old", i)
        sure = content(journal)
        disk.left = cut
        finished = False
        try:
            for label, value in taught:
                put(journal, label, value)
                sure = content(journal)
            finished = True
        except OSError:
            pass
        disk = power_on(disk)
        mount(disk, ROOT, fresh=False)
        journal = fresh()
        found = content(journal)
        assert found[: len(sure)] == sure and len(found) <= len(sure) + 1, (cut, found, sure)
        put(journal, "after", 77)
        assert content(fresh()) == found + [("after", 77)], cut
        gc.collect()
        if finished:
            break
        cut += 1
    print("power cut at each of %d writes" % cut)

# full: the sample that does not fit is not taught, all others stay, and there is an end to it
mount(Disk(10), ROOT)
journal = fresh()
count = 0
try:
    while True:
        put(journal, "class %d" % (count % 3), count % 256)
        count += 1
except OSError as error:
    assert error.errno == j.ENOSPC, error
assert count > 20
for each in (journal, fresh()):
    assert content(each) == [("class %d" % (i % 3), i % 256) for i in range(count)]
print("full after %d samples" % count)
vfs.umount(ROOT)
print("OK")
