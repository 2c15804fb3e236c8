# SPDX-License-Identifier: MIT
"""Which board hangs on which serial port, and what answers there."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from serial.tools import list_ports

from microt.boards.board import Board
from microt.boards.link import Link

_ASK = """
import os, sys
def ask():
    try:
        import _microt
        module = _microt.version, _microt.kernels()
    except ImportError:
        module = None, ()
    try:
        rom = os.statvfs('/rom')
        rom = rom[0] * rom[2]
    except OSError:
        rom = None
    return os.uname().machine, '.'.join(str(part) for part in sys.implementation.version[:3]), module[0], module[1], rom
print(repr(ask()))
"""


@dataclass(frozen=True)
class Firmware:
    """What answered on a port.

    machine: the firmware's name for its board; board: its folder's name, None if no folder has that name;
    micropython: its version; module: version of _microt, None if the firmware has none; kernels: those it runs;
    rom_bytes: of what is in /rom, None if nothing is.
    """

    machine: str
    board: str | None
    micropython: str
    module: str | None
    kernels: tuple[str, ...]
    rom_bytes: int | None


@dataclass(frozen=True)
class Port:
    """A serial port. usb: "vid:pid" or None; boards: names of the boards that it may be."""

    device: str
    usb: str | None
    description: str
    boards: tuple[str, ...]


def firmware(port: str) -> Firmware:
    """Asks what runs at a port. LinkError if no MicroPython answers."""
    with Link(port) as link:
        machine, version, module, kernels, rom = ast.literal_eval(link.exec(_ASK, timeout=5))
    return Firmware(machine, board_of(machine), version, module, tuple(kernels), rom)


def board_of(machine: str) -> str | None:
    """The board whose mpconfigboard.h gives the name that a firmware reports, "NAME with MCU"."""
    for name in Board.names():
        config = Board.load(name).path / "mpconfigboard.h"
        found = re.search(r'#define MICROPY_HW_BOARD_NAME +"(.*)"', config.read_text()) if config.is_file() else None
        if found and machine.startswith(f"{found[1]} with "):
            return name
    return None


def ports() -> list[Port]:
    """The serial ports of this machine that are on USB, with the boards that have their numbers."""
    return [
        _port(found) for found in sorted(list_ports.comports(), key=lambda port: port.device) if found.vid is not None
    ]


def ports_of(board: Board) -> list[Port]:
    """The ports where that board may be."""
    return [port for port in ports() if board.name in port.boards]


def _port(found) -> Port:
    usb = f"{found.vid:04x}:{found.pid:04x}"
    boards = [Board.load(name) for name in Board.names()]
    matching = tuple(board.name for board in boards if board.flash and usb in board.flash.running)
    return Port(found.device, usb, found.description or "", matching)
