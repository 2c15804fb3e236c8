# SPDX-License-Identifier: MIT
"""QEMU's counting plugin: built for the QEMU that is installed, its arguments, its output."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from microt.bench.cycles import Count
from microt.bench.elf import Elf

QEMU = "qemu-system-arm"
CHECKOUT = Path(__file__).resolve().parents[3]
SOURCE = CHECKOUT / "tools" / "insn_count" / "insn_count.c"
BUILD = CHECKOUT / "build" / "insn_count"

# Versions of the plugin API whose functions used by the plugin are declared as in its source.
KNOWN_API_VERSIONS = range(1, 5)


class PluginUnavailable(RuntimeError):
    """Instructions cannot be counted by address here; the message says why."""


@dataclass
class Segment:
    """What ran between two marks.

    Attributes:
        region: number of the begin mark, from 1.
        first, last: names of the marks at both ends.
        blocks: executed translation blocks.
        device_accesses: accesses to device registers; when not 0 the counts may be a few too high.
        counts: by address.
    """

    region: int
    first: str
    last: str
    blocks: int
    device_accesses: int
    counts: dict[int, Count] = field(default_factory=dict)

    @property
    def instructions(self) -> int:
        return sum(count.executed for count in self.counts.values())


def build(*, qemu: str = QEMU, compiler: str = "gcc") -> Path:
    """Builds the plugin for the installed QEMU, unless that was done before.

    Returns:
        Path of the shared object.

    Raises:
        PluginUnavailable: QEMU, the compiler or the source is missing, QEMU was built without
            plugins, or its plugin API is one that the source does not know.
    """
    if not SOURCE.is_file():
        raise PluginUnavailable(f"{SOURCE} is missing: counting needs a checkout of the repository")
    version = KNOWN_API_VERSIONS[0]
    key = hashlib.sha256(SOURCE.read_bytes() + _qemu_version(qemu).encode()).hexdigest()[:12]
    chosen = BUILD / f"insn_count-{key}.so"
    if chosen.is_file():
        return chosen
    BUILD.mkdir(parents=True, exist_ok=True)
    candidate = BUILD / f"insn_count-{key}.{os.getpid()}.so"
    while True:
        _compile(compiler, version, candidate)
        refusal = _try_load(qemu, candidate)
        if refusal is None:
            candidate.replace(chosen)
            return chosen
        wanted = re.search(r"minimum version of (\d+)", refusal)
        if wanted is None or not version < int(wanted.group(1)) <= KNOWN_API_VERSIONS[-1]:
            candidate.unlink()
            raise PluginUnavailable(f"{qemu} does not take the counting plugin: {refusal}")
        version = int(wanted.group(1))


def _qemu_version(qemu: str) -> str:
    try:
        done = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PluginUnavailable(f"{qemu} --version failed: {error}") from None
    return done.stdout.splitlines()[0]


def _compile(compiler: str, version: int, target: Path) -> None:
    command = [compiler, "-shared", "-fPIC", "-O2", "-std=gnu11", "-fvisibility=hidden"]
    command += [f"-DAPI_VERSION={version}", "-o", str(target), str(SOURCE)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PluginUnavailable(f"{compiler} does not run: {error}") from None
    if done.returncode != 0:
        raise PluginUnavailable(f"{' '.join(command)} failed:\n{done.stderr.strip()}")


def _try_load(qemu: str, plugin: Path) -> str | None:
    """QEMU's refusal of the plugin, None when it takes it."""
    command = [qemu, "-M", "none", "-display", "none", "-serial", "none", "-monitor", "stdio"]
    command += ["-plugin", f"{plugin},out=/dev/null"]
    try:
        done = subprocess.run(command, input="quit\n", capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return "it did not answer within 30 seconds"
    if done.returncode == 0:
        return None
    return done.stderr.strip() or f"exit status {done.returncode}"


def arguments(
    plugin: Path,
    out: Path,
    marks: Mapping[str, Iterable[int]],
    ignored: Iterable[tuple[int, int]] = (),
) -> str:
    """The text for QEMU's option ``-plugin``.

    Args:
        marks: addresses by name; "begin" and "end" bound the regions.
        ignored: (first, one past the last) address of code that is not counted.

    Raises:
        ValueError: a path holds a comma, which the option cannot take.
    """
    for path in (plugin, out):
        if "," in str(path):
            raise ValueError(f"expected a path without a comma for QEMU, got {path}")
    parts = [str(plugin), f"out={out}"]
    for name, addresses in marks.items():
        parts += [f"mark={name}@{address:x}" for address in addresses]
    parts += [f"ignore={start:x}-{end:x}" for start, end in ignored]
    return ",".join(parts)


def interrupt_ranges(elf: Elf) -> list[tuple[int, int]]:
    """Code of the exception handlers, which strike at any time and belong to no inference."""
    return [(function.address, function.end) for function in elf.exception_handlers()]


def parse(text: str) -> list[Segment]:
    """Reads what the plugin wrote.

    Raises:
        ValueError: the text is cut off or not the plugin's.
    """
    segments = []
    current = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words[:1] == ["segment"] and len(words) == 6 and current is None:
            current = Segment(int(words[1]), words[2], words[3], int(words[4]), int(words[5]))
        elif words == ["end"] and current is not None:
            segments.append(current)
            current = None
        elif len(words) == 4 and current is not None:
            current.counts[int(words[0], 16)] = Count(*map(int, words[1:]))
        else:
            raise ValueError(f"line {number} of the counts is not the plugin's: {line!r}")
    if current is not None:
        raise ValueError("the counts end in the middle of a segment: was the emulator killed?")
    return segments


def add_counts(parts: Iterable[Mapping[int, Count]]) -> dict[int, Count]:
    """The sum of counts, address by address."""
    total: dict[int, Count] = {}
    for counts in parts:
        for address, count in counts.items():
            old = total.get(address)
            total[address] = count if old is None else Count(*map(sum, zip(old, count, strict=True)))
    return total
