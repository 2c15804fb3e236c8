# SPDX-License-Identifier: MIT
"""Samples from a NumPy `.npy` file, one at a time; and into one.

The format (NumPy's, version 1 or 2): "\\x93NUMPY", u8 major and minor version, the length of the
header (u16 little-endian in version 1, u32 in version 2), then the header, a Python dictionary as
text:

    {'descr': '|u1', 'fortran_order': False, 'shape': (220, 96, 96, 3), }

then the values. Taken here: uint8 ('|u1'), int8 ('|i1') and int16 ('<i2') in C order, two dimensions or
more.
"""

import io
import struct
from array import array

MAGIC = b"\x93NUMPY"
DESCR = {"uint8": "|u1", "int8": "|i1", "int16": "<i2"}


class Npy:
    """The samples of a file: len(samples), samples[i], samples.shape (of one sample), samples.dtype ("int16").

    path: in ROMFS samples of uint8 and int16 are views of flash and cost no RAM, those of int16 as the bytes they
    are; else, and for int8, each is read into the same buffer, valid until the next. ValueError says what the file
    holds instead.
    """

    def __init__(self, path):
        self.path = path
        self._file = io.open(path, "rb")
        text, self._start = read_header(path, self._file)
        descr = between(text, "'descr':", ",").strip(" '\"")
        if descr not in ("|u1", "|i1", "u1", "i1", "<i2"):
            raise ValueError("%s: expected uint8, int8 or int16 (|u1, |i1, <i2), got %s" % (path, descr))
        if between(text, "'fortran_order':", ",").strip() != "False":
            raise ValueError("%s: expected C order, got Fortran order" % path)
        self.dtype = next(name for name in DESCR if DESCR[name].endswith(descr[-2:]))
        shape = [int(n) for n in between(text, "'shape':", ")").strip(" (").split(",") if n.strip()]
        if len(shape) < 2:
            raise ValueError("%s: expected samples x shape, got shape %s" % (path, tuple(shape)))
        self._count = shape[0]
        self.shape = tuple(shape[1:])
        self.size = int(descr[-1])  # bytes of a sample
        for n in self.shape:
            self.size *= n
        found = self._file.seek(0, 2) - self._start
        if found < self._count * self.size:
            raise ValueError("%s: expected %d bytes of samples, got %d" % (path, self._count * self.size, found))
        self._view = self._buffer = None
        if not descr.endswith("i1"):
            try:
                self._view = memoryview(self._file)
            except TypeError:  # this file system cannot lend its memory
                self._buffer = bytearray(self.size)
        else:
            self._buffer = array("b", bytes(self.size))

    def __len__(self):
        return self._count

    def __getitem__(self, i):
        if not 0 <= i < self._count:
            raise IndexError("%s: expected 0 to %d, got %d" % (self.path, self._count - 1, i))
        at = self._start + i * self.size
        if self._view is not None:
            return self._view[at : at + self.size]
        self._file.seek(at)
        if self._file.readinto(self._buffer) != self.size:
            raise OSError("%s: sample %d cannot be read" % (self.path, i))
        return self._buffer

    def close(self):
        """Closes the file; samples taken from it are no longer valid."""
        self._view = None
        self._file.close()


class Cycle:
    """read() -> the samples of a file, from the first to the last and again. shape, dtype: of one."""

    def __init__(self, path):
        self._samples = Npy(path)
        self._next = 0
        self.shape, self.dtype = self._samples.shape, self._samples.dtype

    def read(self):
        """The next sample, valid until the next call."""
        sample = self._samples[self._next]
        self._next = (self._next + 1) % len(self._samples)
        return sample


def open(path):
    """The samples of a file, a `Npy`."""
    return Npy(path)


def save(path, values, shape=None, dtype=None):
    """Writes a buffer as a .npy file of a shape, by default one dimension; returns the bytes of the file.

    values: an array of typecode "b" or "h", or any buffer of bytes. dtype: "uint8", "int8" or "int16", what the bytes
    are; None: as the array's typecode, else uint8. ValueError: another dtype, or another number of values than the
    shape says. OSError: the file is not whole.
    """
    descr, width = typed(values)
    size = len(values) * width
    if dtype:
        if dtype not in DESCR:
            raise ValueError("%s: expected dtype uint8, int8 or int16, got %r" % (path, dtype))
        descr = DESCR[dtype]
        width = int(descr[-1])
    shape = tuple(shape or (size // width,))
    count = 1
    for n in shape:
        count *= n
    if count * width != size:
        raise ValueError("%s: expected %d values %s, got %d" % (path, count, shape, size // width))
    inner = ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "")
    text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (descr, inner)
    text += " " * (-(11 + len(text)) % 64) + "\n"  # so that the values start at a multiple of 64
    head = MAGIC + struct.pack("<BBH", 1, 0, len(text)) + text.encode()
    with io.open(path, "wb") as file:
        if file.write(head) + file.write(values) != len(head) + size:
            raise OSError("%s: cannot be written" % path)
    return len(head) + size


def whole(path):
    """Whether a file is as long as its header says; False too for what is no .npy file."""
    try:
        with io.open(path, "rb") as file:
            text, start = read_header(path, file)
            length = file.seek(0, 2) - start
        for n in between(text, "'shape':", ")").strip(" (").split(","):
            if n.strip():
                length /= int(n)
        return length == int(between(text, "'descr':", ",").strip(" '\"")[-1])
    except (OSError, ValueError):
        return False


def typed(values):
    """(NumPy's name of a buffer's type, bytes of a value)."""
    for code, descr, width in (("h", "<i2", 2), ("b", "|i1", 1)):
        if isinstance(values, array) and str(values[:1]).startswith("array('%s'" % code):
            return descr, width
    return "|u1", 1


def read_header(path, file):
    """The header's text, and where the values start."""
    head = file.read(8)
    if head[:6] != MAGIC or len(head) < 8 or head[6] not in (1, 2):
        raise ValueError("%s: not a .npy file of version 1 or 2" % path)
    layout = "<H" if head[6] == 1 else "<I"
    size = struct.calcsize(layout)
    (length,) = struct.unpack(layout, file.read(size))
    return str(file.read(length), "ascii"), 8 + size + length


def between(text, start, end):
    """What stands between two marks in a text; ValueError when it is not there."""
    a = text.find(start)
    b = text.find(end, a + len(start))
    if a < 0 or b < 0:
        raise ValueError("expected %s ... %s in %s" % (start, end, text))
    return text[a + len(start) : b]
