# SPDX-License-Identifier: MIT
"""What a user's checkout of MicroPython must have before a port of it can be built; never changed from here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

OLDEST = (1, 25, 0)
TAG = "v1.25.0"
REPOSITORY = "https://github.com/micropython/micropython"


def require(board: str, port: str, witnesses: Iterable[str], *, board_argument: str) -> Path:
    """The checkout that MICROPYTHON_DIR names, for a port whose vendor's code no package carries.

    witnesses: a file of each submodule, relative to the checkout. board_argument: an upstream board whose
    `make submodules` fetches them. RuntimeError says what is missing and the commands that get it.
    """
    named = os.environ.get("MICROPYTHON_DIR")
    folder = Path(named or "micropython")
    fetch = f"make -C {folder}/ports/{port} BOARD={board_argument} submodules"
    if not named:
        raise RuntimeError(
            f"{board}: MicroPython's {port} port needs vendor code that no package carries, and MICROPYTHON_DIR names "
            f"no checkout that has it; run: git clone --depth 1 -b {TAG} {REPOSITORY} && {fetch} && "
            f'export MICROPYTHON_DIR="$PWD/{folder}"'
        )
    folder = folder.resolve()
    if not (folder / "py" / "mpconfig.h").is_file():
        raise RuntimeError(f"MICROPYTHON_DIR: expected a MicroPython source tree, found no py/mpconfig.h in {folder}")
    fetch = f"make -C {folder}/ports/{port} BOARD={board_argument} submodules"
    found = version(folder)
    if found < OLDEST:
        raise RuntimeError(
            f"MICROPYTHON_DIR: expected MicroPython {_dotted(OLDEST)} or later, {folder} is {_dotted(found)}; run: "
            f"git -C {folder} fetch --depth 1 origin tag {TAG} && git -C {folder} checkout {TAG} && {fetch}"
        )
    missing = [witness for witness in witnesses if not (folder / witness).is_file()]
    if missing:
        raise RuntimeError(f"MICROPYTHON_DIR: {folder} lacks {', '.join(missing)} of its submodules; run: {fetch}")
    return folder


def version(folder: Path) -> tuple[int, int, int]:
    """Of a source tree: of the tag that git describes, else what py/mpconfig.h says."""
    if shutil.which("git"):
        git = ["git", "-C", folder]
        described = subprocess.run([*git, "describe", "--tags", "--match", "v[1-9].*"], capture_output=True, text=True)
        top = subprocess.run([*git, "rev-parse", "--show-toplevel"], capture_output=True, text=True)
        tag = re.match(r"v(\d+)\.(\d+)\.(\d+)", described.stdout)
        if tag and Path(top.stdout.strip()) == folder:
            return tuple(int(part) for part in tag.groups())
    text = (folder / "py" / "mpconfig.h").read_text()
    parts = re.findall(r"^#define MICROPY_VERSION_(?:MAJOR|MINOR|MICRO) (\d+)", text, re.M)
    return tuple(int(part) for part in parts)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
