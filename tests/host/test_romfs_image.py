# SPDX-License-Identifier: MIT
"""ROMFS images: every file aligned, whatever lies before it."""

import pytest

from microt.boards import romfs_folder, romfs_image
from microt.boards.romfs import ALIGNMENT


def test_every_file_is_aligned():
    # lengths around the borders of the one- and two-byte encodings
    sizes = [*range(40), 126, 127, 128, 129, 16383, 16384]
    files = {f"folder{size % 3}/f{size}": bytes([1 + size % 250, 254, 253]) * 3 + bytes(size) for size in sizes}
    files |= {f"g{size}": b"%5d" % size + b"\xff" * size for size in sizes}
    image = romfs_image(files)
    assert len(image) % 2 == 0
    for name, data in files.items():
        assert image.find(data) % ALIGNMENT == 0, name


def test_folder(tmp_path):
    with pytest.raises(ValueError, match="empty folder"):
        romfs_folder(tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("x = 1")
    assert romfs_folder(tmp_path) == romfs_image({"lib/a.py": b"x = 1"})
