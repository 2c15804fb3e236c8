# SPDX-License-Identifier: MIT
"""Sections and symbols of a 32-bit little-endian ELF file of an Arm or RISC-V core, as far as counting needs them."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

SHT_SYMTAB = 2
SHT_NOBITS = 8
SHF_WRITE = 1
SHF_ALLOC = 2
STT_OBJECT = 1
STT_FUNC = 2
EM_RISCV = 243


@dataclass(frozen=True)
class Section:
    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int

    @property
    def allocated(self) -> bool:
        """Whether the section takes room in the target's memory."""
        return bool(self.flags & SHF_ALLOC)


@dataclass(frozen=True)
class Symbol:
    """A function or an object; ``address`` is without Arm's Thumb bit."""

    name: str
    address: int
    size: int
    kind: int

    @property
    def is_function(self) -> bool:
        return self.kind == STT_FUNC

    @property
    def is_object(self) -> bool:
        return self.kind == STT_OBJECT

    @property
    def end(self) -> int:
        return self.address + self.size


class Elf:
    """An ELF file read to memory.

    Raises:
        ValueError: not a 32-bit little-endian ELF file.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._data = self.path.read_bytes()
        if self._data[:6] != b"\x7fELF\x01\x01":
            raise ValueError(
                f"{self.path}: expected a 32-bit little-endian ELF file, "
                f"got a file that starts with {self._data[:6].hex() or 'nothing'}"
            )
        self.riscv = self._data[18:20] == EM_RISCV.to_bytes(2, "little")
        self.sections = self._read_sections()
        self.symbols = self._read_symbols()
        self._functions = sorted(
            (symbol for symbol in self.symbols if symbol.is_function and symbol.size),
            key=lambda symbol: symbol.address,
        )
        self._starts = [symbol.address for symbol in self._functions]

    def _read_sections(self) -> list[Section]:
        (table,) = struct.unpack_from("<I", self._data, 32)
        entry_size, count, names_index = struct.unpack_from("<HHH", self._data, 46)
        headers = [struct.unpack_from("<10I", self._data, table + i * entry_size) for i in range(count)]
        names = headers[names_index][4]
        return [
            Section(self._string(names + name), kind, flags, address, offset, size, link)
            for name, kind, flags, address, offset, size, link, *_ in headers
        ]

    def _read_symbols(self) -> list[Symbol]:
        symbols = []
        for section in self.sections:
            if section.kind != SHT_SYMTAB:
                continue
            strings = self.sections[section.link].offset
            for at in range(section.offset, section.offset + section.size, 16):
                name, value, size, info, _, _ = struct.unpack_from("<IIIBBH", self._data, at)
                kind = info & 15
                if kind == STT_FUNC and not self.riscv:
                    value &= ~1
                symbols.append(Symbol(self._string(strings + name), value, size, kind))
        return symbols

    def _string(self, at: int) -> str:
        return self._data[at : self._data.index(b"\0", at)].decode()

    def symbol(self, name: str) -> Symbol | None:
        """The function or object of that name, or None."""
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol
        return None

    def function_at(self, address: int) -> Symbol | None:
        """The function whose code holds ``address``, or None."""
        i = bisect_right(self._starts, address) - 1
        if i >= 0 and address < self._functions[i].end:
            return self._functions[i]
        return None

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes of the image at ``address``.

        Raises:
            ValueError: no section of the file holds them.
        """
        for section in self.sections:
            inside = section.address <= address and address + size <= section.address + section.size
            if section.allocated and section.kind != SHT_NOBITS and inside:
                at = section.offset + address - section.address
                return self._data[at : at + size]
        raise ValueError(f"{self.path}: no section holds {size} bytes at {address:#x}")

    def exception_handlers(self) -> list[Symbol]:
        """The functions of the vector table, without the reset handler. Of a RISC-V core the one function ``trap``.

        The table is the section ``.vectors`` or ``.isr_vector``; entries 0 and 1 are the stack
        pointer and reset (Armv7-M Architecture Reference Manual, B1.5.3).

        Raises:
            ValueError: the file has neither section, or no such function.
        """
        if self.riscv:
            trap = self.symbol("trap")
            if trap is None:
                raise ValueError(f"{self.path}: no function trap")
            return [trap]
        for section in self.sections:
            if section.name in (".vectors", ".isr_vector"):
                break
        else:
            raise ValueError(f"{self.path}: no section .vectors or .isr_vector")
        words = struct.unpack(f"<{section.size // 4}I", self.read(section.address, section.size & ~3))
        reset = words[1] & ~1
        found = {}
        for word in words[2:]:
            function = self.function_at(word & ~1)
            if word and function is not None and function.address not in (reset,):
                found[function.address] = function
        return list(found.values())
