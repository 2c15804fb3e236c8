# SPDX-License-Identifier: MIT
"""Building a board's firmware, out of tree, into build/<BOARD>/.

With MICROT_REFERENCE=1 in the environment into build/<BOARD>-reference/, without the kernels for an instruction set.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from microt.boards import esp32, image, make, rp2, stm32
from microt.boards.board import ROOT, Board, reference_only
from microt.boards.image import size, symbol

__all__ = ["build", "flashable", "folder", "memory", "micropython", "size", "symbol"]

BUILD = ROOT / "build"
MODULES = ROOT / "device" / "cmodules"

# Ports of MicroPython that have a module here; each has check(), build(), romfs(), memory() and PREFIX.
_PORTS = {"rp2": rp2, "stm32": stm32, "esp32": esp32}


def build(board: Board, *, log: Callable[[str], object] = print) -> Path:
    """Builds what has changed and returns firmware.elf (for the unix port the program `micropython`).

    log is called with a line of progress now and then. RuntimeError says what is missing, or shows the end of the
    compiler's output; or what a real board's image lacks.
    """
    port = _PORTS.get(board.port)
    if port:
        port.check(board)
    else:
        make.require(board.name, TOOLS[board.port])
    source = micropython(log=log)
    here = folder(board)
    cross = BUILD / "mpy-cross" / "mpy-cross"
    with make.lock(BUILD / "mpy-cross"):
        make.make(source / "mpy-cross", {"BUILD": BUILD / "mpy-cross"}, "mpy-cross", log)
    with make.lock(here):
        if port:
            program = port.build(board, source=source, folder=here, cross=cross, modules=MODULES, log=log)
            image.check(board, program, port)
            return program
        return _build_here(board, source, here, cross, log)


# Programs that our own ports and the unix port are built with, and their Debian packages.
TOOLS = {
    "mps": {"arm-none-eabi-gcc": "gcc-arm-none-eabi", "make": "make"},
    "virt": {"riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf and picolibc-riscv64-unknown-elf", "make": "make"},
    "unix": {"gcc": "gcc", "make": "make"},
}


def _build_here(board: Board, source: Path, folder: Path, cross: Path, log: Callable[[str], object]) -> Path:
    """Our own ports for the emulated boards, and the unix port."""
    variables = {
        "BUILD": folder,
        "MICROPY_MPYCROSS": cross,
        "MICROPY_MPYCROSS_DEPENDENCY": cross,
        "USER_C_MODULES": MODULES,
    }
    if board.port == "unix":
        directory, program = source / "ports" / "unix", folder / "micropython"
        variables["VARIANT_DIR"] = board.path
    else:
        directory, program = ROOT / "boards" / board.port, folder / "firmware.elf"
        variables |= {
            "MICROPYTHON_DIR": source,
            "BOARD": board.name,
            "BOARD_DIR": board.path,
            "HEAP_BYTES": board.heap_bytes,
            "STACK_BYTES": board.stack_bytes,
        }
    if reference_only():
        variables["MICROT_REFERENCE"] = 1
    make.make(directory, variables, board.name, log)
    if not program.is_file():
        raise RuntimeError(f"{board.name}: make succeeded but left no {program}")
    return program


def folder(board: Board) -> Path:
    """Where a board's firmware is built."""
    return BUILD / (f"{board.name}-reference" if reference_only() else board.name)


def flashable(board: Board, elf: Path) -> Path | None:
    """The file that `microt flash` writes to a real board, beside its firmware.elf; None for other boards."""
    return elf.with_name(board.flash.file) if board.flash else None


def memory(board: Board, elf: Path) -> dict[str, int]:
    """Where the bytes of a board's firmware go. What does not apply is absent.

    {"flash_bytes": code, constants and initial data; "flash_left_bytes": before the next partition; "ram_bytes": all
    RAM in use, heap and stack included (of a real board: without the heap); "heap_bytes": MicroPython's heap;
    "romfs_bytes": for backbones; "storage_bytes": of the file system}
    """
    port = _PORTS.get(board.port)
    if port:
        return port.memory(board, elf)
    used = size(elf)
    if board.flash_bytes is not None:
        used["flash_left_bytes"] = board.flash_bytes - used["flash_bytes"]
        used["heap_bytes"] = board.heap_bytes
    return used


def micropython(*, log: Callable[[str], object] = print) -> Path:
    """MicroPython's source tree, fetched on first use. RuntimeError says why there is none."""
    result = subprocess.run(["sh", ROOT / "tools" / "get_micropython.sh"], capture_output=True, text=True)
    for line in result.stderr.splitlines():
        log(line)
    if result.returncode:
        raise RuntimeError(f"no MicroPython source:\n{result.stderr.rstrip()}")
    return Path(result.stdout.strip())
