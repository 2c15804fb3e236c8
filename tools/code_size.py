#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What takes the room in a board's firmware: by part, and the engine's share by file.

    python tools/code_size.py [BOARD | FIRMWARE.ELF] [--json]

Reads the ELF file and the linker's map beside it (firmware.map). Every byte of the image is in
one row: code and constants, initial values of variables (both take flash), and zeroed variables;
padding between objects counts as "alignment", heap and stack as "heap and stack".
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from microt.bench.elf import SHF_WRITE, SHT_NOBITS, Elf

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("code", "data", "zeroed")

# The part an object file belongs to: the first pattern found in its path decides. The engine's
# parts come first, so that they are told apart; everything else is MicroPython or a library.
# Sensor input is what makes a model's input from sound, motion and camera frames.
PARTS = [
    ("microt sensor input", r"/microt/(engine/(front_end|mtb_input|picture)|modmicrot_picture)\.o$"),
    ("microt engine", r"/microt/engine/"),
    ("microt module", r"/microt/[^/]*\.o$"),
    ("frozen Python", r"/frozen_content\.o$"),
    ("MicroPython core", r"/py/"),
    ("MicroPython modules", r"/extmod/|/shared/"),
    ("LittleFS", r"/lib/littlefs/"),
    ("other libraries", r"/lib/[^/]+/[^/]+\.o$"),
    ("compiler and C library", r"\.a\("),
    ("board", r"\.o$"),
]


def part_of(path: str) -> str:
    """The part of the firmware that an object file belongs to."""
    for name, pattern in PARTS:
        if re.search(pattern, path) and not (".a(" in path and name != "compiler and C library"):
            return name
    return "linker"


def read_map(text: str) -> list[tuple[str, str, int, int]]:
    """The placed input sections of a GNU ld map: (output section, object file, address, size).

    Padding has the object file "".
    """
    _, _, text = text.partition("Linker script and memory map")
    placed = []
    output = ""
    pending = False
    for line in text.splitlines():
        start = re.match(r"([._]\S+)(?:\s+0x|\s*$)", line)
        if start:
            output = start.group(1)
            pending = False
            continue
        if re.match(r" [.A-Za-z_]\S*$", line):
            pending = True  # a long name: the rest is on the next line
            continue
        fill = re.match(r" \*fill\*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)", line)
        found = re.match(r" (?:\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$", line)
        if fill:
            placed.append((output, "", int(fill.group(1), 16), int(fill.group(2), 16)))
        elif found and (pending or re.match(r" [.A-Z]", line)):
            size = int(found.group(2), 16)
            placed.append((output, found.group(3), int(found.group(1), 16), size))
        pending = False
    return _without_overlap([entry for entry in placed if entry[3]])


def _without_overlap(placed):
    """Cuts sections where the next begins: merged strings are listed with more than is left."""
    placed.sort(key=lambda entry: (entry[0], entry[2]))
    cut = []
    for entry, following in zip(placed, [*placed[1:], None], strict=True):
        output, path, address, size = entry
        if following is not None and following[0] == output:
            size = min(size, following[2] - address)
        cut.append((output, path, address, size))
    return cut


def measure(elf_path: Path) -> dict:
    """Sizes in bytes by part and, for the engine and its module, by file.

    Raises:
        ValueError: the ELF file is none, or the map is missing or another image's.
    """
    elf = Elf(elf_path)
    map_path = elf_path.with_suffix(".map")
    if not map_path.is_file():
        raise ValueError(f"expected the linker's map {map_path}, found none")
    kinds, ends = {}, {}
    totals = dict.fromkeys(KINDS, 0)
    reserved = 0
    for section in elf.sections:
        if not section.allocated:
            continue
        if section.name in (".heap", ".stack"):
            reserved += section.size
            continue
        zeroed = section.kind == SHT_NOBITS
        kind = "zeroed" if zeroed else "data" if section.flags & SHF_WRITE else "code"
        kinds[section.name] = kind
        ends[section.name] = section.address + section.size
        totals[kind] += section.size

    parts = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    files = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    for output, path, address, size in read_map(map_path.read_text()):
        if output not in kinds:
            continue
        if address <= ends[output]:
            size = min(size, ends[output] - address)  # merged strings at the end
        part = part_of(path) if path else "alignment"
        parts[part][kinds[output]] += size
        if part.startswith("microt"):
            files[path.partition("/microt/")[2].removesuffix(".o")][kinds[output]] += size
    for kind in KINDS:
        rest = totals[kind] - sum(part[kind] for part in parts.values())
        if rest < 0:
            raise ValueError(f"{map_path}: {-rest} bytes of {kind} more than {elf_path} has: another image's?")
        if rest:
            parts["alignment"][kind] += rest
    return {
        "flash_bytes": totals["code"] + totals["data"],
        "ram_bytes": totals["data"] + totals["zeroed"] + reserved,
        "heap_and_stack_bytes": reserved,
        "parts": dict(sorted(parts.items(), key=_biggest_first)),
        "microt_files": dict(sorted(files.items(), key=_biggest_first)),
    }


def _biggest_first(item: tuple[str, dict]) -> int:
    return -item[1]["code"] - item[1]["data"]


def describe(sizes: dict) -> str:
    """The sizes as a table."""
    lines = [f"{'part':28} {'code':>9} {'data':>9} {'zeroed':>9}   share of flash"]
    for name, row in sizes["parts"].items():
        share = (row["code"] + row["data"]) / sizes["flash_bytes"]
        lines.append(f"{name:28} {_columns(row)} {share:14.1%}")
    if sizes["microt_files"]:
        lines += ["", "the engine and its module by file"]
        for name, row in sizes["microt_files"].items():
            lines.append(f"{name:28} {_columns(row)}")
    lines += [
        "",
        f"flash {sizes['flash_bytes']:,} bytes, RAM {sizes['ram_bytes']:,} bytes, "
        f"{sizes['heap_and_stack_bytes']:,} of it heap and stack",
    ]
    return "\n".join(lines)


def _columns(row: dict) -> str:
    return " ".join(f"{row[kind]:>9,}" for kind in KINDS)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("firmware", nargs="?", default="MPS2_AN386", help="a board, or its .elf")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    path = Path(options.firmware)
    if path.suffix != ".elf":
        path = ROOT / "build" / options.firmware / "firmware.elf"
    if not path.is_file():
        print(f"no {path}: build it with microt build {options.firmware}", file=sys.stderr)
        return 1
    try:
        sizes = measure(path)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(sizes) if options.json else describe(sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
