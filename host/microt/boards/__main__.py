# SPDX-License-Identifier: MIT
"""python -m microt.boards BOARD STORAGE: an emulated board until it is terminated.

Prints its pty on the first line, as `execpty:` of MicroPython's run-tests.py wants it.
"""

import signal
import sys

from microt.boards import Board, Emulator, firmware

if len(sys.argv) != 3:
    sys.exit("usage: python -m microt.boards BOARD STORAGE")
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
board = Board.load(sys.argv[1])
elf = firmware.build(board, log=lambda line: None)  # nothing may come before the pty
with Emulator(board, elf, storage=sys.argv[2]) as emulator:
    print(emulator.port, flush=True)
    emulator.wait()
