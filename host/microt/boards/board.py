# SPDX-License-Identifier: MIT
"""What a board is: the contents of boards/<BOARD>/board.toml."""

from __future__ import annotations

import os
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


def reference_only() -> bool:
    """Whether the environment asks for firmware whose reference kernels run every operator (MICROT_REFERENCE=1)."""
    return os.environ.get("MICROT_REFERENCE") == "1"


@dataclass(frozen=True)
class Qemu:
    """The machine that emulates the board.

    machine: QEMU's -M; clock_hz: the clock its timers see; memory: the machine property that names the memory
    which is shared with the host; shared_bytes: its size, all of which the file behind it has (sparsely);
    shared_offset: where the board's flash and device page begin in it; program: QEMU for the board's processor;
    options: more of its arguments.
    """

    machine: str
    clock_hz: int
    memory: str
    shared_bytes: int
    shared_offset: int = 0
    program: str = "qemu-system-arm"
    options: str = ""


@dataclass(frozen=True)
class Flash:
    """How a real board gets its firmware.

    method: "uf2" (a drive that appears), "esptool" (serial port) or "stlink" (the debugger on the board); file: what
    is written, beside firmware.elf; bootloader, running: USB "vid:pid" in hexadecimal while it waits for firmware and
    while it runs MicroPython, more than one where it may have several; chip: as esptool or the drive names it.
    """

    method: str
    file: str
    running: tuple[str, ...]
    bootloader: tuple[str, ...] = ()
    chip: str | None = None


@dataclass(frozen=True)
class Board:
    """A board. Sizes in bytes; figures that stand for no microcontroller (the unix build) are None.

    port: MicroPython's ("rp2", "stm32", "esp32", "unix") or ours for emulated boards, "mps" (Arm) and "virt"
    (RISC-V); core: the CPU's name;
    target: what to compile backbones for ("generic" where there are no kernels for the instruction set, or
    MICROT_REFERENCE=1 has the reference kernels run everything); mcu, clock_hz, ram_bytes, flash_bytes: the
    microcontroller that is there or, emulated, modelled; power_mw: what that one takes while computing at clock_hz,
    None if no source gives a figure; power_source: where the figure comes from; heap_bytes, stack_bytes: what
    MicroPython gets, of a real board at least; romfs_bytes: for backbones; qemu: how it is emulated, None for others;
    flash: how a real board gets its firmware, None for others.
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
    romfs_bytes: int | None = None
    qemu: Qemu | None = None
    flash: Flash | None = None

    @property
    def kernels(self) -> str:
        """The fastest kernels that firmware for it has, as `_microt.kernels()` names them."""
        plain = "reference" if reference_only() else "c"
        return plain if self.target == "generic" else self.target

    def check_target(self, target: str) -> None:
        """ValueError when a backbone that was compiled for another target cannot run here."""
        if target not in ("generic", self.target):
            fits = " or ".join(dict.fromkeys(["generic", self.target]))
            raise ValueError(
                f"the backbone is compiled for target {target}, {self.name} runs {fits}: "
                f"microt compile --target {self.target}"
            )

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
        if reference_only():
            table["target"] = "generic"
        try:
            build, qemu, flash = table.pop("build"), table.pop("qemu", None), table.pop("flash", None)
            microcontroller = table.pop("modelled" if qemu else "hardware", {})
            if flash:
                flash = Flash(
                    **{key: tuple(value) if isinstance(value, list) else value for key, value in flash.items()}
                )
            return cls(path=path, qemu=Qemu(**qemu) if qemu else None, flash=flash, **table, **microcontroller, **build)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path / 'board.toml'}: {error}") from error
