# SPDX-License-Identifier: MIT
"""What a board is: the contents of boards/<BOARD>/board.toml."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The checkout: the package is installed from it in place (pip install -e).
ROOT = Path(__file__).resolve().parents[3]
BOARDS = ROOT / "boards"


@dataclass(frozen=True)
class Qemu:
    """The machine that emulates the board.

    machine: QEMU's -M; clock_hz: the clock its timers see; memory: the machine property that names the memory
    which is shared with the host; shared_bytes: its size, all of which the file behind it has (sparsely).
    """

    machine: str
    clock_hz: int
    memory: str
    shared_bytes: int


@dataclass(frozen=True)
class Board:
    """A board. Sizes in bytes; figures that stand for no microcontroller (the unix build) are None.

    port: "mps" (emulated) or "unix"; core: the CPU's name; target: which of the engine's kernels suit it;
    mcu, clock_hz, ram_bytes, flash_bytes: the microcontroller that is modelled; power_mw: what that one takes
    while computing at clock_hz, None if no source gives a figure; power_source: where the figure comes from;
    heap_bytes, stack_bytes: what MicroPython gets; qemu: how it is emulated, None for the unix build.
    """

    name: str
    path: Path
    port: str
    core: str
    target: str
    heap_bytes: int
    stack_bytes: int | None = None
    mcu: str | None = None
    clock_hz: int | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    power_mw: float | None = None
    power_source: str | None = None
    qemu: Qemu | None = None

    @staticmethod
    def names() -> list[str]:
        """All boards of this checkout, sorted."""
        return sorted(path.parent.name for path in BOARDS.glob("*/board.toml"))

    @classmethod
    def load(cls, name: str) -> Board:
        """The board of that name. ValueError names the boards there are, or what its board.toml lacks."""
        path = BOARDS / name
        if not (path / "board.toml").is_file():
            if not BOARDS.is_dir():
                raise ValueError(
                    f"boards: expected the folder {BOARDS}; install microt from its checkout with pip install -e"
                )
            raise ValueError(f"board: expected one of {', '.join(cls.names())}, got {name!r}")
        table = tomllib.loads((path / "board.toml").read_text())
        try:
            modelled, build, qemu = table.pop("modelled", {}), table.pop("build"), table.pop("qemu", None)
            return cls(path=path, qemu=Qemu(**qemu) if qemu else None, **table, **modelled, **build)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path / 'board.toml'}: {error}") from error
