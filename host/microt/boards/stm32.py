# SPDX-License-Identifier: MIT
"""Firmware for STM32 boards: MicroPython's stm32 port from the user's checkout, which has ST's HAL as a submodule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from microt.boards import checkout, image, make
from microt.boards.board import ROOT, Board, reference_only

PREFIX = image.ARM
_TOOLS = {"arm-none-eabi-gcc": "gcc-arm-none-eabi", "make": "make", "gcc": "gcc"}
_WITNESSES = ("lib/stm32lib/README.md", "lib/libhydrogen/README.md")
# an upstream board without Ethernet, whose submodules are all that is needed
_SUBMODULES_OF = "NUCLEO_L4A6ZG"


def check(board: Board) -> None:
    """RuntimeError says which tool or part of the checkout is missing and how to get it."""
    checkout.require(board.name, "stm32", _WITNESSES, board_argument=_SUBMODULES_OF)
    make.require(board.name, _TOOLS)


def build(
    board: Board, *, source: Path, folder: Path, cross: Path, modules: Path, log: Callable[[str], object]
) -> Path:
    """Builds firmware.elf (and .hex, .dfu) in a folder; returns the first."""
    variables = {
        "BOARD": board.name,
        "BOARD_DIR": board.path,
        "BUILD": folder,
        "USER_C_MODULES": modules,
        "MICROPY_MPYCROSS": cross,
        "MICROPY_MPYCROSS_DEPENDENCY": cross,
        # the manifest requires nothing of micropython-lib; makemanifest.py only looks for a README.md
        "MPY_LIB_DIR": ROOT / "boards" / "mps" / "lib",
    }
    if reference_only():
        variables["MICROT_REFERENCE"] = 1
    make.make(source / "ports" / "stm32", variables, board.name, log)
    elf = folder / "firmware.elf"
    if not elf.is_file():
        raise RuntimeError(f"{board.name}: make succeeded but left no {elf}")
    return elf


def romfs(elf: Path) -> tuple[int, int]:
    """(address, bytes) of the ROMFS partition, as the linker script has it. ValueError if it has none."""
    found = image.symbols(elf, PREFIX, "_micropy_hw_romfs_part0_start", "_micropy_hw_romfs_part0_size")
    return tuple(found.values())


def memory(board: Board, elf: Path) -> dict[str, int]:
    """As firmware.memory. The heap is what the linker script leaves between the variables and the stack."""
    found = image.symbols(
        elf,
        PREFIX,
        *("_heap_start", "_heap_end", "_microt_flash_start", "_microt_flash_end"),
        *("_micropy_hw_internal_flash_storage_start", "_micropy_hw_internal_flash_storage_end"),
    )
    used = image.size(elf)["flash_bytes"]
    heap = found["_heap_end"] - found["_heap_start"]
    return {
        "flash_bytes": used,
        "flash_left_bytes": found["_microt_flash_end"] - found["_microt_flash_start"] - used,
        "ram_bytes": board.ram_bytes - heap,
        "heap_bytes": heap,
        "romfs_bytes": romfs(elf)[1],
        "storage_bytes": found["_micropy_hw_internal_flash_storage_end"]
        - found["_micropy_hw_internal_flash_storage_start"],
    }
