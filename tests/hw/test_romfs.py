# SPDX-License-Identifier: MIT
"""The ROMFS image: mounted at /rom, read in place, kept like flash."""

import hashlib
import os

import pytest

from microt.boards import Link, romfs_image


def test_mounted_and_importable(start):
    image = romfs_image({"greet.py": b"word = 'hello'\n", "lib/deep.py": b"depth = 2\n"})
    with start(romfs=image) as emulator, Link(emulator.port) as link:
        link.exec("import os, greet, deep")
        assert link.eval("os.listdir('/rom')") == ["greet.py", "lib"]
        assert link.eval("greet.word, deep.depth") == ("hello", 2)


def test_memoryview_is_zero_copy(start):
    """A file larger than the heap can be looked at as a whole."""
    data = os.urandom(4 << 20)
    with start(romfs=romfs_image({"a": b"1", "big.bin": data})) as emulator, Link(emulator.port) as link:
        link.exec(
            "import gc, hashlib\ngc.collect()\nbefore = gc.mem_alloc()\nv = memoryview(open('/rom/big.bin', 'rb'))"
        )
        assert link.eval("gc.mem_alloc() - before") < 2000
        assert link.eval("len(v), bytes(v[-4:])") == (len(data), data[-4:])
        assert link.eval("hashlib.sha256(v).digest()") == hashlib.sha256(data).digest()


def test_kept_over_a_restart(start):
    start(romfs=romfs_image({"kept.txt": b"kept"})).kill()
    with start() as again, Link(again.port) as link:
        assert link.eval("open('/rom/kept.txt').read()") == "kept"


def test_too_large(start):
    with pytest.raises(ValueError, match="expected at most 14680064 bytes, got 14680065"):
        start(romfs=bytes((14 << 20) + 1))
