# SPDX-License-Identifier: MIT
"""Samples that a host feeds over the board's line, as text.

A sample is a line `#17`, which names one of a file's samples, or lines of base64 and then an empty line. Where none has
begun an empty line is someone's Enter. Nothing waits: `read` takes what has come, so much at a time that the rest of
the program has its turn, and returns None until a sample is whole.
"""

import select
import sys
from binascii import a2b_base64

LINE = 512  # characters that a line has at most
TURN = 2048  # characters that are taken at a time


class Stream:
    """read() -> buffer or None. samples: what `#17` names, a `microt.sources.npy.Npy` or a list; size: of a sample in
    bytes.

    coming: whether a sample is on its way, into the buffer of the one before: what `read` gave is valid until then.
    entered: whether there was an empty line that ended no sample; whoever looks sets it back.
    """

    def __init__(self, samples=None, size=0, file=None):
        self._samples = samples
        self.dtype = getattr(samples, "dtype", None)
        self._file = file or sys.stdin
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)
        self._line = ""
        self._ended = ""  # what the line before ended with
        self._size = size
        self._buffer = bytearray(size)  # at once: later the heap of a small board may have no stretch as long
        self._at = 0
        self.coming = False
        self.entered = False
        self.problem = None

    def read(self):
        """The next sample or None. What is no sample is told in `problem` and left out; the one before is lost then."""
        for _ in range(TURN):
            if not self._poll.poll(0):
                return None
            character = self._file.read(1)
            if not character:
                return None
            if character not in "\r\n":
                if len(self._line) < LINE:
                    self._line += character
                continue
            line, self._line = self._line, ""
            ended, self._ended = self._ended, character
            if ended + character == "\r\n" and not line:
                continue  # one end of a line
            sample = self._take(line)
            if sample is not None:
                return sample
        return None

    def _take(self, line):
        try:
            if line.startswith("#"):
                named = self._samples[int(line[1:])]
                self.coming = False
                return named
            if line:
                self.coming = True
                piece = a2b_base64(line)
                if self._at + len(piece) > self._size:
                    raise ValueError("expected %d bytes, got more" % self._size)
                self._buffer[self._at : self._at + len(piece)] = piece
                self._at += len(piece)
                return None
            whole, self._at = self._at, 0
            if whole == self._size and whole:
                self.coming = False
                return self._buffer
            if whole:
                raise ValueError("expected %d bytes, got %d" % (self._size, whole))
            self.entered = True
        except (ValueError, IndexError, TypeError) as error:
            self._at = 0
            self.problem = "sample: %s" % error
        return None
