# SPDX-License-Identifier: MIT
"""Boards: what they are, their firmware, the emulator, and the line to a running one. Use:

>>> board = Board.load("MPS2_AN386")
>>> with Emulator(board, storage="board.bin") as emulator, Link(emulator.port) as link:
...     link.eval("6 * 7")
42
"""

from microt.boards.board import Board
from microt.boards.emulator import Emulator, EmulatorError
from microt.boards.link import Link, LinkError
from microt.boards.romfs import romfs_folder, romfs_image

__all__ = ["Board", "Emulator", "EmulatorError", "Link", "LinkError", "romfs_folder", "romfs_image"]
