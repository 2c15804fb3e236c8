# SPDX-License-Identifier: MIT
"""Firmware for ESP32 boards: MicroPython's esp32 port from the user's checkout, with the user's ESP-IDF."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from microt.boards import checkout, image, make
from microt.boards.board import ROOT, Board, reference_only

PREFIX = "xtensa-esp32s3-elf-"
_CHIP = "esp32s3"
_WITNESSES = ("lib/tinyusb/src/tusb.h",)
# ESP-IDF versions that MicroPython 1.25 supports, and the one to recommend
_OLDEST_IDF, _BEFORE_IDF, _IDF_TAG = (5, 2), (5, 5), "v5.4"
_PARTITION_ENTRY = 32
_PARTITION_MAGIC = b"\xaa\x50"


def check(board: Board) -> None:
    """RuntimeError says what of the checkout, ESP-IDF or its compiler is missing and how to get it."""
    checkout.require(board.name, "esp32", _WITNESSES, board_argument=board.name)
    named = os.environ.get("IDF_PATH")
    idf = Path(named or "esp-idf")
    export = f". {idf}/export.sh"
    clone = (
        f"git clone --depth 1 -b {_IDF_TAG} --recursive https://github.com/espressif/esp-idf.git && "
        f"esp-idf/install.sh {_CHIP} && . esp-idf/export.sh"
    )
    if not named:
        raise RuntimeError(f"{board.name}: IDF_PATH names no ESP-IDF; run: {clone}")
    if not (idf / "export.sh").is_file():
        raise RuntimeError(f"IDF_PATH: expected ESP-IDF, found no export.sh in {idf}; run: {clone}")
    version = idf_version(idf)
    if not _OLDEST_IDF <= version < _BEFORE_IDF:
        raise RuntimeError(
            f"IDF_PATH: expected ESP-IDF 5.2 to 5.4, {idf} is {version[0]}.{version[1]}; run: "
            f"git -C {idf} fetch --depth 1 origin tag {_IDF_TAG} && git -C {idf} checkout {_IDF_TAG} && "
            f"git -C {idf} submodule update --init --recursive && {idf}/install.sh {_CHIP} && {export}"
        )
    if shutil.which("idf.py") is None:
        raise RuntimeError(f"{board.name}: idf.py is not on PATH; run: {export}")
    if shutil.which(f"{PREFIX}gcc") is None:
        raise RuntimeError(f"{board.name}: {PREFIX}gcc is not installed; run: {idf}/install.sh {_CHIP} && {export}")
    make.require(board.name, {"make": "make", "gcc": "gcc"})  # for mpy-cross


def idf_version(idf: Path) -> tuple[int, int]:
    """(major, minor) of an ESP-IDF checkout, from tools/cmake/version.cmake."""
    text = (idf / "tools" / "cmake" / "version.cmake").read_text()
    return tuple(int(re.search(rf"IDF_VERSION_{part}\s+(\d+)", text)[1]) for part in ("MAJOR", "MINOR"))


def build(
    board: Board, *, source: Path, folder: Path, cross: Path, modules: Path, log: Callable[[str], object]
) -> Path:
    """Builds firmware.elf and firmware.bin (bootloader, partition table, program, for offset 0); returns the first."""
    port = source / "ports" / "esp32"
    options = {
        "MICROPY_BOARD": board.name,
        "MICROPY_BOARD_DIR": board.path,
        "USER_C_MODULES": modules / "micropython.cmake",
        # the manifest requires nothing of micropython-lib; cmake only looks for a README.md
        "MICROPY_LIB_DIR": ROOT / "boards" / "mps" / "lib",
    }
    environment = {"MICROPY_MPYCROSS": cross, "MICROT_REFERENCE": int(reference_only())}
    definitions = [word for key, value in options.items() for word in ("-D", f"{key}={value}")]
    make.run(["idf.py", "-C", port, *definitions, "-B", folder, "build"], board.name, log, environment=environment)
    program = folder / "micropython.elf"
    if not program.is_file():
        raise RuntimeError(f"{board.name}: idf.py succeeded but left no {program}")
    parts = ["sdkconfig", "bootloader/bootloader.bin", "partition_table/partition-table.bin", "micropython.bin"]
    combine = [sys.executable, port / "makeimg.py", *(folder / part for part in parts)]
    make.run([*combine, folder / "firmware.bin", folder / "micropython.uf2"], board.name, log)
    shutil.copyfile(program, folder / "firmware.elf")
    return folder / "firmware.elf"


def romfs(elf: Path) -> tuple[int, int]:
    """(offset in flash, bytes) of the partition "romfs". ValueError if there is none."""
    partitions = read_partitions((elf.parent / "partition_table" / "partition-table.bin").read_bytes())
    if "romfs" not in partitions:
        raise ValueError(f"expected a partition romfs, got {', '.join(partitions) or 'none'}")
    return partitions["romfs"]


def read_partitions(table: bytes) -> dict[str, tuple[int, int]]:
    """(offset, bytes) of each partition by name, of ESP-IDF's binary partition table."""
    partitions = {}
    for start in range(0, len(table) - _PARTITION_ENTRY + 1, _PARTITION_ENTRY):
        entry = table[start : start + _PARTITION_ENTRY]
        if entry[:2] != _PARTITION_MAGIC:
            break
        name = entry[12:28].rstrip(b"\0").decode()
        partitions[name] = (int.from_bytes(entry[4:8], "little"), int.from_bytes(entry[8:12], "little"))
    return partitions


def memory(board: Board, elf: Path) -> dict[str, int]:
    """As firmware.memory. The heap is what ESP-IDF gives at run time: no linker script says how much."""
    partitions = read_partitions((elf.parent / "partition_table" / "partition-table.bin").read_bytes())
    used = (elf.parent / "micropython.bin").stat().st_size
    data = image.symbols(elf, PREFIX, "_data_start", "_bss_end")
    return {
        "flash_bytes": used,
        "flash_left_bytes": partitions["factory"][1] - used,
        "ram_bytes": data["_bss_end"] - data["_data_start"],
        "romfs_bytes": partitions.get("romfs", (0, 0))[1],
        "storage_bytes": partitions["vfs"][1],
    }
