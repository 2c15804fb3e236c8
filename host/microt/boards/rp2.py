# SPDX-License-Identifier: MIT
"""Firmware for RP2040 and RP2350: MicroPython's rp2 port with the Pico SDK that tools/get_pico_sdk.sh gets."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from microt.boards import image, make
from microt.boards.board import ROOT, Board, reference_only

PREFIX = image.ARM
_TOOLS = {
    "cmake": "cmake",
    "make": "make",
    "gcc": "gcc",
    "g++": "g++",  # of this machine: cmake builds the SDK's pioasm with it
    "arm-none-eabi-g++": "gcc-arm-none-eabi",
}
_FLASH_BASE = 0x10000000
# UF2 families, see MicroPython's tools/uf2families.json
_FAMILIES = {"RP2040": 0xE48BFF56, "RP2350": 0xE48BFF59}


def check(board: Board) -> None:
    """RuntimeError says which tools are missing and how to install them."""
    make.require(board.name, _TOOLS)
    library = subprocess.run([f"{PREFIX}gcc", "-print-file-name=libstdc++.a"], capture_output=True, text=True).stdout
    if not Path(library.strip()).is_absolute():
        raise RuntimeError(
            f"{board.name}: libstdc++ for Arm is not installed; tools/setup.sh {board.name} installs what the build "
            f"needs, or: sudo apt-get install libstdc++-arm-none-eabi-newlib"
        )


def build(
    board: Board, *, source: Path, folder: Path, cross: Path, modules: Path, log: Callable[[str], object]
) -> Path:
    """Builds firmware.elf, .bin and .uf2 in a folder; returns the first."""
    sdk = pico_sdk(log=log)
    port = source / "ports" / "rp2"
    options = {
        "PICO_SDK_PATH_OVERRIDE": sdk,
        "PICO_NO_PICOTOOL": 1,
        "PICO_BUILD_DOCS": 0,
        "MICROPY_BOARD": board.name,
        "MICROPY_BOARD_DIR": board.path,
        "USER_C_MODULES": modules / "micropython.cmake",
        # the manifest requires nothing of micropython-lib; cmake only looks for a README.md
        "MICROPY_LIB_DIR": ROOT / "boards" / "mps" / "lib",
    }
    _forget_other_sources(folder, port, sdk)
    environment = {"MICROPY_MPYCROSS": cross, "MICROT_REFERENCE": int(reference_only())}
    configure = ["cmake", "-S", port, "-B", folder, *(f"-D{key}={value}" for key, value in options.items())]
    make.run(configure, board.name, log, environment=environment)
    make.run(["make", "-C", folder, f"-j{make.jobs()}"], board.name, log, environment=environment)
    elf = folder / "firmware.elf"
    if not elf.is_file():
        raise RuntimeError(f"{board.name}: make succeeded but left no {elf}")
    convert = [sys.executable, source / "tools" / "uf2conv.py", "-c", "-b", f"{_FLASH_BASE:#x}"]
    family = f"{_FAMILIES[board.mcu]:#x}"
    make.run([*convert, "-f", family, "-o", folder / "firmware.uf2", folder / "firmware.bin"], board.name, log)
    return elf


def romfs(elf: Path) -> tuple[int, int]:
    """(address, bytes) of the ROMFS partition, as the firmware has it. ValueError if it has none."""
    address = image.symbols(elf, PREFIX, "rp2_flash_romfs_obj")["rp2_flash_romfs_obj"]
    fields = image.read(elf, PREFIX, address, 12)  # type, offset in flash, bytes
    return _FLASH_BASE + int.from_bytes(fields[4:8], "little"), int.from_bytes(fields[8:12], "little")


def memory(board: Board, elf: Path) -> dict[str, int]:
    """As firmware.memory. The heap is what the linker leaves between the variables and the stack."""
    address = image.symbols(elf, PREFIX, "__flash_binary_end", "__GcHeapStart", "__GcHeapEnd")
    start, size = romfs(elf)
    return {
        "flash_bytes": address["__flash_binary_end"] - _FLASH_BASE,
        "flash_left_bytes": start - address["__flash_binary_end"],
        "ram_bytes": board.ram_bytes - (address["__GcHeapEnd"] - address["__GcHeapStart"]),
        "heap_bytes": address["__GcHeapEnd"] - address["__GcHeapStart"],
        "romfs_bytes": size,
        "storage_bytes": _FLASH_BASE + board.flash_bytes - start - size,
    }


def pico_sdk(*, log: Callable[[str], object]) -> Path:
    """The Pico SDK, fetched on first use. RuntimeError says why there is none."""
    result = subprocess.run(["sh", ROOT / "tools" / "get_pico_sdk.sh"], capture_output=True, text=True)
    for line in result.stderr.splitlines():
        log(line)
    if result.returncode:
        raise RuntimeError(f"no Pico SDK:\n{result.stderr.rstrip()}")
    return Path(result.stdout.strip())


def _forget_other_sources(folder: Path, port: Path, sdk: Path) -> None:
    """Empties a build folder of another MicroPython or SDK, which cmake would refuse."""
    cache = folder / "CMakeCache.txt"
    if cache.is_file():
        kept = dict(re.findall(r"^(\w+):\w+=(.*)$", cache.read_text(), re.M))
        if (kept.get("CMAKE_HOME_DIRECTORY"), kept.get("PICO_SDK_PATH_OVERRIDE")) != (str(port), str(sdk)):
            shutil.rmtree(folder)
