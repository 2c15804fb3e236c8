# SPDX-License-Identifier: MIT
"""Flashing by copying a UF2 file to the drive that an RP2040 or RP2350 shows while it waits for firmware.

The format: https://github.com/microsoft/uf2. The drive is known by its INFO_UF2.TXT.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_BLOCK = 512
_MAGIC = (0x0A324655, 0x9E5D5157)
_HAS_FAMILY = 0x2000
FAMILIES = {0xE48BFF56: "RP2040", 0xE48BFF59: "RP2350"}


class DriveError(RuntimeError):
    """Why no firmware can be copied."""


def family(uf2: bytes, name: str = "file") -> str:
    """The chip that a UF2 file is for. ValueError if it is no whole UF2 file or for no chip that is known."""
    if not uf2 or len(uf2) % _BLOCK:
        raise ValueError(f"{name}: expected UF2 blocks of {_BLOCK} bytes, got {len(uf2)} bytes")
    found = set()
    for start in range(0, len(uf2), _BLOCK):
        magic, second, flags, _, _, index, count, chip = struct.unpack_from("<8I", uf2, start)
        if (magic, second) != _MAGIC or index != start // _BLOCK or count != len(uf2) // _BLOCK:
            raise ValueError(f"{name}: block {start // _BLOCK} of {len(uf2) // _BLOCK} is no UF2 block in its place")
        found.add(chip if flags & _HAS_FAMILY else None)
    if len(found) != 1 or not found <= set(FAMILIES):
        shown = ", ".join("none" if chip is None else f"{chip:#x}" for chip in sorted(found, key=str))
        raise ValueError(f"{name}: expected a UF2 file for {' or '.join(FAMILIES.values())}, got family {shown}")
    return FAMILIES[found.pop()]


def board_id(drive: Path) -> str | None:
    """What a drive's INFO_UF2.TXT calls its board; None for a folder without that file."""
    try:
        found = re.search(r"^Board-ID: *(\S+)", (drive / "INFO_UF2.TXT").read_text(errors="replace"), re.M)
    except OSError:
        return None
    return found[1] if found else None


def drives() -> list[Path]:
    """Mounted drives with an INFO_UF2.TXT (Linux and macOS)."""
    try:
        mounts = [line.split()[1].encode().decode("unicode_escape") for line in Path("/proc/mounts").open()]
    except OSError:
        mounts = [str(path) for path in Path("/Volumes").glob("*")]
    return [Path(mount) for mount in mounts if board_id(Path(mount)) is not None]


def find(chip: str, candidates: Iterable[Path]) -> Path:
    """The one drive whose Board-ID begins with chip. DriveError names those that are there."""
    found = {path: board_id(path) for path in candidates}
    fitting = [path for path, name in found.items() if name is not None and name.startswith(chip)]
    if len(fitting) == 1:
        return fitting[0]
    shown = ", ".join(f"{path} ({name or 'no INFO_UF2.TXT'})" for path, name in found.items()) or "none"
    raise DriveError(
        f"expected one drive of an {chip} board, got {shown}; hold BOOTSEL while plugging the board in, "
        f"and mount the drive that appears"
    )


def copy(image: Path, drive: Path) -> None:
    """Copies a UF2 file to a drive to the last byte. The board restarts as soon as it has all, and the drive is gone.

    DriveError if the drive keeps the file with other bytes.
    """
    data = image.read_bytes()
    target = drive / image.name
    try:
        with open(target, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # it may be gone before the last sync returns, but not before the last byte
        if drive.exists() and board_id(drive) is not None:
            raise DriveError(f"{target}: {error}") from error
        return
    if target.is_file() and target.read_bytes() != data:
        raise DriveError(f"{target}: the drive does not hold what was written to it")


def wait(search: Callable[[], Path], seconds: float) -> Path:
    """Asks search() until it raises no DriveError; the last one after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        try:
            return search()
        except DriveError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def load_with_picotool(image: Path) -> bool:
    """Writes and verifies with picotool, for a board in BOOTSEL mode whose drive is not mounted; False without it."""
    if shutil.which("picotool") is None:
        return False
    done = subprocess.run(["picotool", "load", "--verify", "--execute", image], capture_output=True, text=True)
    if done.returncode:
        raise DriveError(f"picotool: {(done.stderr or done.stdout).strip() or f'status {done.returncode}'}")
    return True
