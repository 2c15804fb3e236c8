# SPDX-License-Identifier: MIT
"""What is in a firmware image (an ELF file): sizes, symbols, bytes; and whether a board's has all that it must."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path
from types import ModuleType

from microt.boards.board import Board

ARM = "arm-none-eabi-"
_ELF_ARM = 40  # e_machine
_PT_LOAD = 1
_NEAR = 1024
_PACKAGE = b"microt/__init__.py\0"  # the name of the frozen package's first file


def size(elf: Path) -> dict[str, int]:
    """{"flash_bytes": code, constants and initial data; "ram_bytes": all of RAM, heap and stack included}.

    elf: an emulated board's firmware.elf or the unix port's program. Of the latter the heap is not part: it is
    allocated later.
    """
    with open(elf, "rb") as file:
        machine = int.from_bytes(file.read(20)[18:], "little")
    tool = f"{ARM}size" if machine == _ELF_ARM else "size"
    text, data, bss = (int(field) for field in _output(tool, elf).splitlines()[1].split()[:3])
    return {"flash_bytes": text + data, "ram_bytes": data + bss}


def symbol(elf: Path, name: str) -> int:
    """Address of a function or variable of the firmware, without the Thumb bit. ValueError if there is none."""
    return symbols(elf, ARM, name)[name] & ~1


def symbols(elf: Path, prefix: str, *names: str) -> dict[str, int]:
    """Values of symbols by name, as the linker set them. prefix: of the tools. ValueError names what is not there."""
    found = {name: int(value, 16) for value, name in re.findall(r"^(\w+) \w (\S+)$", _output(f"{prefix}nm", elf), re.M)}
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"{elf}: no symbol {', '.join(missing)}")
    return {name: found[name] for name in names}


def read(elf: Path, prefix: str, address: int, count: int) -> bytes:
    """Bytes at an address, of the sections that the image initialises."""
    text = _output(f"{prefix}objdump", "-s", f"--start-address={address}", f"--stop-address={address + count}", elf)
    rows = re.findall(r"^ [0-9a-f]+ ((?:[0-9a-f]+ ){1,4})", text, re.M)
    return bytes.fromhex("".join(rows).replace(" ", ""))[:count]


def segments(elf: Path) -> list[tuple[int, bytes]]:
    """(address, bytes) of what goes into flash, in order; pieces less than a kilobyte apart are one, zeros between."""
    data = elf.read_bytes()
    start, size, count = (struct.unpack_from(form, data, at)[0] for form, at in (("<I", 28), ("<H", 42), ("<H", 44)))
    headers = (struct.unpack_from("<8I", data, start + size * index) for index in range(count))
    found: list[tuple[int, bytes]] = []
    for address, offset, length in sorted((h[3], h[1], h[4]) for h in headers if h[0] == _PT_LOAD and h[4]):
        piece = data[offset : offset + length]
        if found and 0 <= address - (found[-1][0] + len(found[-1][1])) < _NEAR:
            first, before = found.pop()
            found.append((first, before + bytes(address - first - len(before)) + piece))
        else:
            found.append((address, piece))
    return found


def check(board: Board, elf: Path, port: ModuleType) -> None:
    """RuntimeError unless a real board's image has the C module and its kernels, the frozen package, the ROMFS
    partition and the heap that board.toml promises.

    port: the module for the board's port, with PREFIX (of its tools), romfs(elf) and memory(board, elf).
    """
    kernels = "ref" if board.target == "generic" else board.target
    try:
        symbols(elf, port.PREFIX, "microt_user_cmodule", "microt_open", f"microt_{kernels}_conv_2d")
        partition = port.romfs(elf)
    except ValueError as error:
        raise RuntimeError(
            f"{board.name}: the image lacks the module, its {kernels} kernels or ROMFS: {error}"
        ) from None
    if partition[1] != board.romfs_bytes:
        raise RuntimeError(
            f"{board.name}: expected a ROMFS partition of {board.romfs_bytes} bytes, the image has {partition[1]}"
        )
    if _PACKAGE not in elf.read_bytes():
        raise RuntimeError(f"{board.name}: the package microt is not frozen into {elf}")
    memory = port.memory(board, elf)
    if memory["flash_left_bytes"] < 0:
        raise RuntimeError(
            f"{board.name}: the image takes {memory['flash_bytes']} bytes of flash, "
            f"{-memory['flash_left_bytes']} more than there are before the next partition"
        )
    heap = memory.get("heap_bytes", board.heap_bytes)
    if heap < board.heap_bytes:
        raise RuntimeError(
            f"{board.name}: expected a heap of {board.heap_bytes} bytes or more, the image leaves {heap}"
        )


def _output(tool: str, *arguments: object) -> str:
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=True).stdout
