# SPDX-License-Identifier: MIT
"""ROMFS images whose files are aligned, so that a board can use them in place.

The format is told at the top of MicroPython's extmod/vfs_rom.c. mpremote's writer puts a file's bytes
wherever its record ends up; here they come first, each behind a padding record, and the files point to them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mpremote.romfs import VfsRomWriter

ALIGNMENT = 16
_SHORTEST_PADDING = 2  # kind and length


class AlignedRomWriter(VfsRomWriter):
    """mpremote's writer, with file data at multiples of ALIGNMENT from the start of the image."""

    def mkaligned(self, data: bytes) -> tuple[int, int]:
        """Writes a file's bytes; returns what mkfile takes in their place: (size, offset)."""
        top = self._dir_stack[0][1]
        header = len(self._encode_uint(self.ROMFS_RECORD_KIND_DATA_VERBATIM)) + len(self._encode_uint(len(data)))
        padding = -(len(top) + header) % ALIGNMENT
        if 0 < padding < _SHORTEST_PADDING:
            padding += ALIGNMENT
        if padding:
            self._extend(self._pack(self.ROMFS_RECORD_KIND_PADDING, bytes(padding - _SHORTEST_PADDING)))
        return len(data), self.mkdata(data)

    def finalise(self) -> bytes:
        """The image. Its header takes ALIGNMENT bytes: a length may begin with any number of 0x80."""
        _, data = self._dir_stack.pop()
        if len(data) % 2:
            # the whole must be even; an odd padding record makes it so
            data += self._pack(self.ROMFS_RECORD_KIND_PADDING, bytes(1))
        length = self._encode_uint(len(data))
        filler = bytes([0x80]) * (ALIGNMENT - len(self.ROMFS_HEADER) - len(length))
        return bytes(self.ROMFS_HEADER + filler + length + data)


def romfs_image(files: Mapping[str, bytes | os.PathLike]) -> bytes:
    """A ROMFS image of files, given by name ("objects.mtb", "lib/x.py") as bytes or as the path of a file.

    Mounted at /rom by the board. Each file's data lies at a multiple of 16 from the start of the image.
    """
    tree: dict = {}
    writer = AlignedRomWriter()
    for name, data in files.items():
        *folders, leaf = Path(name).parts
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf] = writer.mkaligned(data if isinstance(data, bytes) else Path(data).read_bytes())
    _write_folder(writer, tree)
    return writer.finalise()


def romfs_folder(folder: Path) -> bytes:
    """A ROMFS image of all files below a folder. ValueError if there is none."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if not files:
        raise ValueError(f"{folder}: expected files for a ROMFS, got an empty folder")
    return romfs_image(files)


def _write_folder(writer: AlignedRomWriter, folder: dict) -> None:
    for name in sorted(folder):
        if isinstance(folder[name], dict):
            writer.opendir(name)
            _write_folder(writer, folder[name])
            writer.closedir()
        else:
            writer.mkfile(name, folder[name])
