# SPDX-License-Identifier: MIT
"""The snapshot: fitted heads and their threshold, so that a task opens without a fit.

Format, version 4, little-endian.

    header, 112 bytes
       0  u8[4]   magic "MTS\\0"
       4  u16     version = 4
       6  u16     header size = 112
       8  u32     file size
      12  u32     CRC-32 of bytes 16..file size
      16  u8[32]  SHA-256 of the backbone
      48  u32     number of the journal's next record when the heads were fitted
      52  u16     classes
      54  u16     heads
      56  u8[16]  kind of the heads, UTF-8, zero padded
      72  f64     exit ratio; -1: not calibrated
      80  u16     quantiles of held-out exit scores; 0: not calibrated
      82  u16     1: a shift of the exit score for each class; 0: none
      84  u32     bytes of the labels
      88  u32     serial of the journal
      92  f32[4]  reject: the share of known samples, then levels of familiarity; share -1: does not reject
     108  u32     generation: how often it was saved
    labels       each u8 length, UTF-8; in the order of the heads' rows
    quantiles    f32[]
    shifts       f32[classes], where there are any
    head, each   u16 exit, u16 1: what `microt.heads.familiar` needs follows; 0: none, u32 d, f32[classes] bias,
                 f32[classes][d] weights, f32 background bias, f32[d] background; then f32[2] terms,
                 f32[classes][classes + 1] centres, f32[] lower triangle of the scatter

Each goes into the free file of a pair (`microt.store.slots`), is flushed, and the one before is removed. Of two
that are whole the later generation opens. What a cut leaves unfinished is shorter than a header, which is as if
it were not there, or has a wrong size or CRC.
"""

import binascii
import struct
from array import array

from microt.arrays import zeros
from microt.heads import Head
from microt.heads.familiar import Familiar
from microt.store.journal import ENOSPC, make_folder, short_hash, write_all
from microt.store.slots import open_there, other, pair, remove

MAGIC = b"MTS\0"
VERSION = 4
HEADER = "<4sHHII32sIHH16sdHHII4fI"
HEADER_SIZE = 112
CHECKED_FROM = 16
HEAD = "<HHI"
HEAD_SIZE = 8
READ = 512


class Snapshot:
    """What a snapshot holds.

    kind: name of the heads' kind. labels: of the heads' rows. heads: list of `Head`. covered:
    number of the journal's next record when they were fitted. exit_ratio and quantiles
    (array("f")): None when not calibrated. serial: of the journal. reject: None, or what
    `microt.reject` made. shifts: None, or {label: shift of the exit score}.
    """

    def __init__(
        self, kind, labels, heads, covered, exit_ratio=None, quantiles=None, serial=0, reject=None, shifts=None
    ):
        self.kind = kind
        self.labels = labels
        self.heads = heads
        self.covered = covered
        self.exit_ratio = exit_ratio
        self.quantiles = quantiles
        self.serial = serial
        self.reject = reject
        self.shifts = shifts


def save(path, snapshot, identity):
    """Writes a snapshot. OSError: the one before is still there, and still the one that opens."""
    labels = bytearray()
    for label in snapshot.labels:
        text = label.encode()
        labels.append(len(text))
        labels.extend(text)
    calibrated = snapshot.quantiles is not None
    pieces = [labels]
    if calibrated:
        pieces.append(snapshot.quantiles)
        if snapshot.shifts:
            pieces.append(array("f", [snapshot.shifts.get(label, 0.0) for label in snapshot.labels]))
    for head in snapshot.heads:
        pieces.append(struct.pack(HEAD, head.exit, 1 if head.familiar else 0, head.d))
        pieces.append(head.bias)
        pieces.append(head.weights)
        pieces.append(struct.pack("<f", head.background_bias))
        pieces.append(head.background or zeros(head.d))
        if head.familiar:
            pieces.append(head.familiar.terms)
            pieces.append(head.familiar.centres)
            pieces.append(head.familiar.scatter)
    size = HEADER_SIZE
    for piece in pieces:
        size += byte_length(piece)
    fields = [
        MAGIC,
        VERSION,
        HEADER_SIZE,
        size,
        0,
        identity,
        snapshot.covered,
        len(snapshot.labels),
        len(snapshot.heads),
        snapshot.kind.encode(),
        snapshot.exit_ratio if calibrated else -1.0,
        len(snapshot.quantiles) if calibrated else 0,
        1 if calibrated and snapshot.shifts else 0,
        len(labels),
        snapshot.serial,
    ]
    fields.extend(snapshot.reject or (-1.0, 0.0, 0.0, 0.0))
    generation, old, _ = newest(path)
    fields.append(generation + 1)
    crc = binascii.crc32(memoryview(struct.pack(HEADER, *fields))[CHECKED_FROM:])
    for piece in pieces:
        crc = binascii.crc32(piece, crc)
    fields[4] = crc
    make_folder(path)
    new = other(path, old)
    try:
        with open(new, "wb") as file:
            write_all(file, struct.pack(HEADER, *fields))
            for piece in pieces:
                if file.write(piece) != byte_length(piece):
                    raise OSError(ENOSPC)
            file.flush()
    except OSError:
        remove(new)
        raise
    if old:
        remove(old)


def load(path, identity):
    """Reads the snapshot that was saved last. None: there is none.

    ValueError names the file and what is wrong with it.
    """
    _, name, problem = newest(path)
    if name:
        with open(name, "rb") as file:
            return read(name, file, identity)
    if problem:
        raise problem
    return None


def newest(path):
    """(generation, name, problem) of the later whole file of a pair: (0, None, ValueError or None) if none is."""
    generation, latest, problem = 0, None, None
    for name in pair(path):
        file = open_there(name)
        if file:
            with file:
                try:
                    found = check(name, file)
                except ValueError as error:
                    problem = error
                    continue
            if found is not None and (latest is None or found > generation):
                generation, latest = found, name
    return generation, latest, problem


def check(name, file):
    """The generation of an open file, None for what was never finished; ValueError unless it is whole."""
    size = file.seek(0, 2)
    if size < HEADER_SIZE:
        return None
    file.seek(0)
    head = file.read(HEADER_SIZE)
    fields = struct.unpack(HEADER, head)
    if fields[:3] != (MAGIC, VERSION, HEADER_SIZE):
        raise ValueError("%s: not a snapshot of version %d" % (name, VERSION))
    if fields[3] != size:
        raise ValueError("%s: expected %d bytes, got %d" % (name, fields[3], size))
    got = binascii.crc32(memoryview(head)[CHECKED_FROM:])
    chunk = bytearray(READ)
    while True:
        n = file.readinto(chunk)
        if not n:
            break
        got = binascii.crc32(memoryview(chunk)[:n], got)
    if got != fields[4]:
        raise ValueError("%s: damaged: expected CRC %08x, got %08x" % (name, fields[4], got))
    return fields[-1]


def read(name, file, identity):
    """A snapshot from an open file that `check` found whole; ValueError when it is another backbone's."""
    (_, _, _, _, _, found, covered, classes, count, kind, ratio, points, shifted, label_bytes, serial, share, clear,
     first, last, _) = struct.unpack(HEADER, file.read(HEADER_SIZE))  # fmt: skip
    if found != identity:
        raise ValueError("%s: made with backbone %s, this one is %s" % (name, short_hash(found), short_hash(identity)))
    labels, packed, at = [], file.read(label_bytes), 0
    while at < label_bytes:
        length = packed[at]
        labels.append(str(packed[at + 1 : at + 1 + length], "utf-8"))
        at += 1 + length
    quantiles = None
    if points:
        quantiles = zeros(points)
        file.readinto(quantiles)
    shifts = None
    if shifted:
        by = zeros(classes)
        file.readinto(by)
        shifts = {label: by[row] for row, label in enumerate(labels)}
    heads = []
    for _ in range(count):
        exit, knows, d = struct.unpack(HEAD, file.read(HEAD_SIZE))
        one = Head(exit, d, classes)
        file.readinto(one.bias)
        file.readinto(one.weights)
        (one.background_bias,) = struct.unpack("<f", file.read(4))
        one.background = zeros(one.d)
        file.readinto(one.background)
        if knows:
            one.familiar = familiar = Familiar(classes)
            file.readinto(familiar.terms)
            file.readinto(familiar.centres)
            file.readinto(familiar.scatter)
            familiar.decompose()
        heads.append(one)
    kind = str(kind, "utf-8").rstrip("\0")
    reject = (share, clear, first, last) if share >= 0 else None
    return Snapshot(kind, labels, heads, covered, ratio if points else None, quantiles, serial, reject, shifts)


def byte_length(piece):
    """Bytes of a bytes object or array("f")."""
    return len(piece) * (4 if isinstance(piece, array) else 1)
