# SPDX-License-Identifier: MIT
"""The sample journal: every labelled sample of a task, in an append-only file.

Format, version 1, little-endian. The file is a header and then records, with nothing between them.

    header, 64 bytes
       0  u8[4]   magic "MTJ\\0"
       4  u16     version = 1
       6  u16     header size = 64
       8  u32     embedding size: bytes of one sample, the embeddings of all exits in their order
      12  u8[32]  SHA-256 of the backbone that made them
      44  u32     serial: drawn when the journal was begun; a snapshot names it
      48  u32     generation: how often it was compacted
      52  u32     bytes that the compaction wrote, this header included; 0: there was none
      56  u32     zero
      60  u32     CRC-32 of bytes 0..60

    record
       0  u8      mark = 0xA5
       1  u8      kind
       2  u16     payload bytes
       4  u32     number: grows from record to record, may jump
       8  u8[]    payload
       .  u32     CRC-32 of everything before it in the record

    kind 1, sample   u32 time (`time.time()`, from whatever epoch the board has), i8[embedding
                     size], then the label: UTF-8, 1 to 64 bytes
    kind 2, forget   the label: its samples before this record no longer count
    kind 3, drop     u32 number of a sample's record that no longer counts, u32 samples that its class
                     has been shown so far, those that were not kept included

    kind 4, label    u32 samples it has been shown, u32 number of its first sample's record, the label;
                     a compaction ends with these, in the order of the labels

A good record of another kind, a newer version's, is stepped over; `unknown` counts them.

Every sample carries its label, so that no damaged byte costs more than the record it lies in. A
record is written after the last good one and flushed before the caller hears of success, so a
power cut tears at most a sample that was not acknowledged. Compaction copies the records that count, numbers
and all, into the other file of a pair (`microt.store.slots`) and then removes this one. Opening the
journal reads it all:

  * bytes after the last good record are cut off: the next record is written over them (a torn
    write, or damage at the very end). `tail` says how many there were.
  * bytes between good records that make no good record are damage: they are stepped over, and the
    next good record is found by mark, kind, length, growing number and CRC. `damage` lists
    (start, end) of each such stretch.
  * a file shorter than a header never held a sample: it starts anew.
  * where both files of the pair are there, power went during a compaction: the new one counts if it has all
    that the compaction was to write, else the old one; the other is removed.
  * a damaged header, or one of another backbone, is an error; the file stays as it is.

What this needs of a file system: once `flush` has returned the data is there; a file's old bytes stay when
more are written behind them; of a write that was cut short, blocks before the last one written are whole. LittleFS
keeps that by design, and old data even where a cut leaves half a block. FAT keeps it where the medium writes each
sector wholly or not at all, in the order given: it writes data first and a file's new length last. A cut leaves
clusters there that belong to no file; they cost space until the next check of the file system.
"""

import binascii
import errno
import os
import struct
import time
from array import array

from microt.store.slots import open_there, other, pair, remove

MAGIC = b"MTJ\0"
VERSION = 1
HEADER = "<4sHHI32sIIII"  # and the CRC
HEADER_SIZE = 64
RECORD = "<BBHI"
RECORD_SIZE = 8
CRC_SIZE = 4
MARK = 0xA5
SAMPLE = 1
FORGET = 2
DROP = 3
DROP_PAYLOAD = "<II"
DROP_SIZE = 8
LABEL = 4
LABEL_PAYLOAD = DROP_PAYLOAD
LABEL_SIZE = DROP_SIZE  # and the label
TIME_SIZE = 4
LABEL_BYTES = 64
ENOSPC = 28  # MicroPython's errno does not name these two
EROFS = 30
SCAN = 512  # bytes looked through at a time for the next good record


class Journal:
    """The journal of one task.

    path: the first file of its pair, made at the first `append`; then the one that is in use. identity: 32 bytes,
    the backbone's SHA-256. size: bytes of one sample. ValueError when a header is damaged or another backbone's.

    labels: list of the labels that have samples, in the order they got their first. rows:
    array("H"), for each sample the index of its label. buffer: writable view of `size` bytes,
    where the embeddings of the next sample are put.
    """

    def __init__(self, path, identity, size):
        self.path = path
        self._pair = path  # names both files
        self._generation = 0
        self.identity = bytes(identity)
        self.size = size
        self.labels = []
        self.rows = array("H")
        self.tail = 0
        self.damage = []
        self.unknown = 0
        self.serial = 0
        self.dead = 0  # bytes of the file that no longer count
        self.next = 0  # number of the next record
        self._numbers = array("I")  # of each sample's record
        self._shown = []  # samples that each label has been shown, those that were not kept included
        self._born = []  # record number of each label's first sample
        self._offsets = array("I")  # where each sample's embeddings start
        self._end = 0  # where the next record goes; 0: the file is to be made
        self._record = bytearray(RECORD_SIZE + TIME_SIZE + size + LABEL_BYTES + CRC_SIZE)
        self._view = memoryview(self._record)
        self.buffer = self._view[RECORD_SIZE + TIME_SIZE : RECORD_SIZE + TIME_SIZE + size]
        self._open()

    def __len__(self):
        return len(self.rows)

    def count(self, row):
        """Samples of the label with this index."""
        return sum(1 for r in self.rows if r == row)

    def born(self, label, default):
        """Number of the record with the first sample of a label, or `default` when it has none."""
        return self._born[self.labels.index(label)] if label in self.labels else default

    def append(self, label):
        """Appends a sample of `label`, a str of 1 to 64 bytes, whose embeddings lie in `buffer`.

        Returns once it is in flash. OSError, MemoryError: it is not, the journal is as before.
        """
        new = label not in self.labels
        row = len(self.labels) if new else self.labels.index(label)
        offset = (self._end or HEADER_SIZE) + RECORD_SIZE + TIME_SIZE
        before, labels, number = len(self.rows), len(self.labels), self.next
        done = False
        try:
            # memory for the index before the flash is touched: nothing may fail after it
            self.rows.append(row)
            self._offsets.append(offset)
            self._numbers.append(number)
            if new:
                self.labels.append(label)
                self._born.append(number)
                self._shown.append(0)
            struct.pack_into("<I", self._record, RECORD_SIZE, int(time.time()) & 0xFFFFFFFF)
            self._write(SAMPLE, TIME_SIZE + self.size, label.encode())
            self._shown[row] += 1
            done = True
        finally:
            if not done:
                shorten(self.rows, before)
                shorten(self._offsets, before)
                shorten(self._numbers, before)
                del self.labels[labels:]
                del self._born[labels:]
                del self._shown[labels:]

    def forget(self, label):
        """Appends that the samples of `label`, one of `labels`, no longer count.

        OSError: it could not be written, the journal is as before.
        """
        self._write(FORGET, 0, label.encode())
        self._drop(self.labels.index(label))

    def drop(self, i):
        """Appends that sample i no longer counts; a label without samples goes as well.

        OSError: it could not be written, the journal is as before.
        """
        moves = self._moves(i)
        self._write(DROP, 0, struct.pack(DROP_PAYLOAD, self._numbers[i], self._shown[self.rows[i]]))
        self._drop_sample(i, moves)

    def shown(self, row):
        """Samples that the label with this index has been shown, those that were not kept included."""
        return self._shown[row]

    def passed_over(self, row):
        """Counts a sample that was shown and not kept; it is written with the next `drop`."""
        self._shown[row] += 1

    def compact(self):
        """Writes the file anew, without what no longer counts. OSError: the journal is as before."""
        if not self._end:
            return
        new = other(self._pair, self.path)
        offsets = array("I", self._offsets)  # all memory before the flash is touched
        labels = [label.encode() for label in self.labels]
        length = HEADER_SIZE + len(self) * (RECORD_SIZE + TIME_SIZE + self.size + CRC_SIZE)
        length += sum(len(labels[row]) for row in self.rows)
        length += sum(RECORD_SIZE + LABEL_SIZE + len(label) + CRC_SIZE for label in labels)
        position = HEADER_SIZE
        try:
            with open(self.path, "rb") as source, open(new, "wb") as file:
                write_all(file, header(self.identity, self.size, self.serial, self._generation + 1, length))
                for i in range(len(self)):
                    source.seek(self._offsets[i] - RECORD_SIZE - TIME_SIZE)
                    source.readinto(self._view[:RECORD_SIZE])
                    payload = struct.unpack_from(RECORD, self._record)[2]
                    end = RECORD_SIZE + payload + CRC_SIZE
                    source.readinto(self._view[RECORD_SIZE:end])
                    write_all(file, self._view[:end])
                    offsets[i] = position + RECORD_SIZE + TIME_SIZE
                    position += end
                for row, label in enumerate(labels):
                    text = struct.pack(LABEL_PAYLOAD, self._shown[row], self._born[row]) + label
                    position += write_all(file, self._view[: self._pack(LABEL, 0, text)])
                file.flush()
        except OSError:
            remove(new)
            raise
        old, self.path = self.path, new
        self._generation += 1
        self._offsets = offsets
        self._end = position
        self.tail = self.dead = 0
        remove(old)

    def embeddings(self, buffer, only=None):
        """Reads every sample, in order, into `buffer` (`size` bytes): yields (index, row).

        only: the row whose samples to read, None: all. OSError: one cannot be read.
        """
        if not len(self):
            return
        with open(self.path, "rb") as file:
            for i in range(len(self)):
                if only is None or self.rows[i] == only:
                    self._read(file, i, buffer)
                    yield i, self.rows[i]

    def embedding(self, i, buffer):
        """Reads sample i into `buffer` (`size` bytes). OSError: it cannot be read."""
        with open(self.path, "rb") as file:
            self._read(file, i, buffer)

    def _read(self, file, i, buffer):
        file.seek(self._offsets[i])
        if file.readinto(buffer) != self.size:
            raise OSError(errno.EIO, "%s: sample %d cannot be read" % (self.path, i))

    def _write(self, kind, payload, text):
        end = self._pack(kind, payload, text)
        position = self._end
        if not position:
            make_folder(self.path)
        with open(self.path, "r+b" if position else "wb") as file:
            if position:
                file.seek(position)
            else:
                self.serial = draw(self._view[:end])
                position = write_all(file, header(self.identity, self.size, self.serial, self._generation, 0))
            position += write_all(file, self._view[:end])
            file.flush()
        self._end = position
        self.tail = 0

    def _pack(self, kind, payload, text):
        # a record around the first `payload` bytes of the payload, which are in place, and then `text`; its length
        record, end = self._record, RECORD_SIZE + payload
        record[end : end + len(text)] = text
        payload += len(text)
        end += len(text)
        struct.pack_into(RECORD, record, 0, MARK, kind, payload, self.next)
        # a failed write uses its number up, so that what it left is never taken for new
        self.next += 1
        struct.pack_into("<I", record, end, binascii.crc32(self._view[:end]))
        return end + CRC_SIZE

    def _moves(self, i):
        # (array, where its values behind the i-th go, these values)
        views = [(values, memoryview(values)) for values in (self.rows, self._offsets, self._numbers)]
        return [(values, view[i:-1], view[i + 1 :]) for values, view in views]

    def _drop_sample(self, i, moves):
        # in place: once the record is in flash nothing may need memory
        row, end = self.rows[i], len(self.rows)
        for values, to, rest in moves:
            to[:] = rest
            shorten(values, end - 1)
        self.dead += 2 * RECORD_SIZE + self.size
        if not self.count(row):
            self._drop(row)

    def _drop(self, row):
        # in place: once the record is in flash nothing may need memory
        rows, offsets, numbers = self.rows, self._offsets, self._numbers
        kept = 0
        for i in range(len(rows)):
            if rows[i] != row:
                rows[kept] = rows[i] - (rows[i] > row)
                offsets[kept] = offsets[i]
                numbers[kept] = numbers[i]
                kept += 1
        self.dead += (len(rows) - kept) * (2 * RECORD_SIZE + self.size)
        shorten(rows, kept)
        shorten(offsets, kept)
        shorten(numbers, kept)
        self.labels.pop(row)
        self._born.pop(row)
        self._shown.pop(row)

    def _move_last(self, row):
        # the order of a compaction's label records is that of the labels: a first sample may have gone since
        rows, end = self.rows, len(self.labels) - 1
        for i in range(len(rows)):
            rows[i] = end if rows[i] == row else rows[i] - (rows[i] > row)
        for values in (self.labels, self._born, self._shown):
            values.append(values.pop(row))

    def _open(self):
        found = []  # (whether it is whole, generation, name) of each file that is there
        for name in pair(self._pair):
            file = open_there(name)
            if file:
                with file:
                    size = file.seek(0, 2)
                    file.seek(0)
                    if size < HEADER_SIZE:
                        found.append((False, -1, name))
                    else:
                        head = file.read(HEADER_SIZE)
                        _, generation, length = check_header(name, head, self.identity, self.size)
                        found.append((size >= length, generation, name))
        if not found:
            return
        found.sort()
        whole, _, self.path = found.pop()
        with open(self.path, "rb") as file:
            self._load(file)
        if whole and found:
            remove(found[0][2])

    def _load(self, file):
        size = file.seek(0, 2)
        file.seek(0)
        if size < HEADER_SIZE:
            self.tail = size
            return
        head = file.read(HEADER_SIZE)
        self.serial, self._generation, _ = check_header(self.path, head, self.identity, self.size)
        end = position = HEADER_SIZE
        while position < size:
            length = self._take(file, position, size)
            if length:
                if position > end:
                    self.damage.append((end, position))
                end = position = position + length
            else:
                position = next_mark(file, position + 1, size)
        self.tail = size - end
        self._end = end

    def _take(self, file, position, size):
        # takes in the record at `position` and returns its length; 0 when there is no good one
        view = self._view
        file.seek(position)
        if file.readinto(view[:RECORD_SIZE]) != RECORD_SIZE:
            return 0
        mark, kind, payload, number = struct.unpack_from(RECORD, self._record)
        start = RECORD_SIZE + least(kind, self.size) - 1  # of the label, where there is one
        end = RECORD_SIZE + payload
        if (
            mark != MARK
            or number < self.next
            or not least(kind, self.size) <= payload <= self.size + TIME_SIZE + LABEL_BYTES
            or position + end + CRC_SIZE > size
        ):
            return 0
        rest = view[RECORD_SIZE : end + CRC_SIZE]
        if file.readinto(rest) != len(rest):
            return 0
        (crc,) = struct.unpack_from("<I", self._record, end)
        if binascii.crc32(view[:end]) != crc:
            return 0
        if kind == SAMPLE:
            label = str(view[start:end], "utf-8")
            if label not in self.labels:
                self.labels.append(label)
                self._born.append(number)
                self._shown.append(0)
            row = self.labels.index(label)
            self.rows.append(row)
            self._shown[row] += 1
            self._offsets.append(position + RECORD_SIZE + TIME_SIZE)
            self._numbers.append(number)
        elif kind == FORGET:
            label = str(view[start:end], "utf-8")
            if label in self.labels:
                self._drop(self.labels.index(label))
        elif kind == DROP:
            dropped, shown = struct.unpack_from(DROP_PAYLOAD, self._record, RECORD_SIZE)
            for i in range(len(self)):
                if self._numbers[i] == dropped:
                    self._shown[self.rows[i]] = shown
                    self._drop_sample(i, self._moves(i))
                    break
        elif kind == LABEL:
            label = str(view[start:end], "utf-8")
            if label in self.labels:
                row = self.labels.index(label)
                self._shown[row], self._born[row] = struct.unpack_from(LABEL_PAYLOAD, self._record, RECORD_SIZE)
                self._move_last(row)
        else:
            self.unknown += 1
        self.next = number + 1
        return end + CRC_SIZE


def least(kind, size):
    """The fewest payload bytes of a record: a label has one byte at least."""
    if kind == SAMPLE:
        return TIME_SIZE + size + 1
    if kind == DROP:
        return DROP_SIZE
    if kind == LABEL:
        return LABEL_SIZE + 1
    return 1


def draw(record):
    """A number that another journal is not likely to have, never 0: of its first record and of the time."""
    now = struct.pack("<II", int(time.time()) & 0xFFFFFFFF, time.ticks_us() & 0xFFFFFFFF)
    return binascii.crc32(now, binascii.crc32(record)) or 1


def shorten(values, length):
    """Cuts an array to a length, in place."""
    if len(values) > length:
        values[length:] = values[:0]


def next_mark(file, position, size):
    """The position of the next byte from `position` on that may start a record, else `size`."""
    file.seek(position)
    while position < size:
        chunk = file.read(SCAN)
        if not chunk:
            break
        found = chunk.find(bytes((MARK,)))
        if found >= 0:
            return position + found
        position += len(chunk)
    return size


def write_all(file, data):
    """Writes `data` and returns its length; OSError (ENOSPC) when not all of it went."""
    if file.write(data) != len(data):
        raise OSError(ENOSPC)
    return len(data)


def header(identity, size, serial=0, generation=0, length=0):
    """The 64 bytes at the start of a journal."""
    head = struct.pack(HEADER, MAGIC, VERSION, HEADER_SIZE, size, identity, serial, generation, length, 0)
    return head + struct.pack("<I", binascii.crc32(head))


def check_header(path, head, identity, size):
    """(serial, generation, length) of a header; ValueError names the file and what is wrong with it."""
    magic, version, _, found_size, found, serial, generation, length, _ = struct.unpack(HEADER, head)
    (crc,) = struct.unpack_from("<I", head, HEADER_SIZE - CRC_SIZE)
    if magic != MAGIC or crc != binascii.crc32(head[:-CRC_SIZE]):
        wrong = "the header is damaged, or not a journal's"
    elif version != VERSION:
        wrong = "expected version %d, got %d" % (VERSION, version)
    elif found != identity:
        wrong = "taught with backbone %s, this one is %s" % (
            short_hash(found),
            short_hash(identity),
        )
    elif found_size != size:
        wrong = "expected embeddings of %d bytes, got %d" % (size, found_size)
    else:
        return serial, generation, length
    raise ValueError("%s: %s; the file stays as it is: move it away to start anew" % (path, wrong))


def short_hash(identity):
    """The first eight hexadecimal digits of a SHA-256."""
    return binascii.hexlify(identity[:4]).decode()


def make_folder(path):
    """Makes the folder that `path` lies in, unless it is there."""
    folder = path.rsplit("/", 1)[0]
    if not folder or folder == path:
        return
    try:
        os.mkdir(folder)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    except AttributeError:  # a file system that knows no writing, such as ROMFS
        raise OSError(EROFS) from None
