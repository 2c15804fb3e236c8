# SPDX-License-Identifier: MIT
"""Builds the bare-metal runner of whole networks for a core; runs lists of .mtb files under QEMU."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microt import engine

HERE = Path(__file__).resolve().parent
BUILD = engine.ROOT / "build" / "network_tests"
CASES_BYTES = 0xE00000  # a list and the copy of one of its files fit the machine's memory


@dataclass(frozen=True)
class Core:
    """flags: the compiler's; machine: QEMU's; cases, stack, variables, code: addresses; target: of the files it is for;
    compiler, qemu: programs; library: the compiler's options for the C library."""

    flags: str
    machine: str
    cases: int
    stack: int
    variables: int
    target: str
    code: int = 0
    compiler: str = "arm-none-eabi-gcc"
    qemu: str = "qemu-system-arm"
    library: str = "-mthumb --specs=nosys.specs --specs=nano.specs"


_HARD = "-mfloat-abi=hard"
# QEMU has no machine with a Cortex-M0+ and memory enough; code for it runs on an M4, which has its instructions.
CORES = {
    "m4": Core(f"-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 {_HARD}", "mps2-an386", 0x21000000, 0x20010000, 0x20000000, "dsp"),
    "m7": Core(f"-mcpu=cortex-m7 -mfpu=fpv5-sp-d16 {_HARD}", "mps2-an500", 0x60000000, 0x20010000, 0x20000000, "dsp"),
    "m55": Core(f"-mcpu=cortex-m55 {_HARD}", "mps3-an547", 0x60000000, 0x20020000, 0x20010000, "mve"),
    "m0": Core("-mcpu=cortex-m0plus", "mps2-an386", 0x21000000, 0x20010000, 0x20000000, "m0"),
    # As the Hazard3 cores of the RP2350 and the ESP32-C3: integers, multiplication, no floating point.
    "rv32": Core(
        "-march=rv32imac -mabi=ilp32",
        "virt -bios none -m 64M",
        0x82000000,
        0x80800000,
        0x80400000,
        "generic",
        0x80000000,
        "riscv64-unknown-elf-gcc",
        "qemu-system-riscv32",
        "--specs=picolibc.specs",
    ),
}
FLAGS = (
    "-std=c99 -O2 -ffunction-sections -fdata-sections -ffp-contract=off -fno-math-errno "
    "-Wall -Wextra -Werror -nostartfiles -Wl,--gc-sections"
).split()


def available(core: str = "m4") -> bool:
    return all(map(shutil.which, (CORES[core].compiler, CORES[core].qemu)))


def build(core: str) -> Path:
    """The runner's ELF, rebuilt when a source changes."""
    its = CORES[core]
    sources = [HERE / "network_runner.c", *engine.sources(), *sorted((engine.SOURCES / "kernels").glob("*/*.S"))]
    flags = [*its.flags.split(), *its.library.split(), *FLAGS, f"-I{engine.SOURCES}"]
    flags += [f"-DCASES={its.cases:#x}u", f"-DSTACK={its.stack:#x}u"]
    flags += [f"-Wl,--defsym=VARIABLES={its.variables:#x}", f"-Wl,--defsym=CODE={its.code:#x}"]
    script = HERE / "network_runner.ld"
    digest = hashlib.sha256(" ".join(flags).encode())
    for path in sorted({*sources, *engine.SOURCES.rglob("*.h"), *HERE.glob("*.h"), script}):
        digest.update(path.name.encode() + path.read_bytes())
    elf = BUILD / f"runner-{core}-{digest.hexdigest()[:12]}.elf"
    if not elf.is_file():
        BUILD.mkdir(parents=True, exist_ok=True)
        command = [its.compiler, *flags, "-T", str(script), "-o", str(elf), *map(str, sources), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
    return elf


@dataclass
class Case:
    """One file. expected: all outputs of its ops in the order of a run from exit to exit, then every embedding; None
    for a file that only must do no harm."""

    name: str
    file: bytes
    input: np.ndarray | None = None
    expected: list[np.ndarray] | None = None


_RECORD = struct.Struct("<8I")


def image(cases: list[Case]) -> bytes:
    """The list in the form network_runner.c reads."""
    base = 16 + len(cases) * _RECORD.size
    data = bytearray()
    table = bytearray(struct.pack("<4I", len(cases), 0, 0, 0))

    def put(chunk: bytes) -> tuple[int, int]:
        data.extend(bytes(-len(data) % 16))
        data.extend(chunk)
        return base + len(data) - len(chunk), len(chunk)

    for case in cases:
        x = b"" if case.input is None else np.ascontiguousarray(case.input).tobytes()
        expected = b"".join(np.ascontiguousarray(each).tobytes() for each in case.expected or [])
        table += _RECORD.pack(*put(case.file), *put(x), *put(expected), case.expected is not None, 0)
    return bytes(table + data)


def is_for(file: bytes, target: str) -> bool:
    """Whether a core with the kernels of a target runs the file, by its header."""
    code = int.from_bytes(file[48:50], "little")
    return code == 0 or engine.TARGETS[code : code + 1] == (target,)


def command(core: str, elf: Path, blob: Path) -> list[str]:
    machine = "-display none -monitor none -serial none -semihosting-config enable=on,target=native"
    loader = f"loader,file={blob},addr={CORES[core].cases:#x},force-raw=on"
    its = CORES[core]
    return [its.qemu, "-M", *its.machine.split(), *machine.split(), "-kernel", str(elf), "-device", loader]


def lists(cases: list[Case]) -> Iterable[list[Case]]:
    """The cases in lists that fit the machine."""
    part, size = [], 0
    for case in cases:
        needed = 2 * len(case.file) + sum(each.size for each in case.expected or []) + 65536
        if part and size + needed > CASES_BYTES:
            yield part
            part, size = [], 0
        part.append(case)
        size += needed
    if part:
        yield part


def run(cases: list[Case], tmp: Path, core: str = "m4", timeout: float = 900) -> list[tuple[str, str, str]]:
    """(case's name, "ok", "refused" or "bad", reason) of every case; the run goes on behind one that faults."""
    elf = build(core)
    found = []
    for part in lists(cases):
        while part:
            blob = tmp / f"{core}.bin"
            blob.write_bytes(image(part))
            done = subprocess.run(command(core, elf, blob), capture_output=True, text=True, timeout=timeout)
            said = re.findall(r"(ok|refused|bad) (\d+) ?(.*)", done.stdout + done.stderr)
            if not said:
                raise RuntimeError(f"{core}: the runner said nothing: {done.stderr[-300:]}")
            found += [(part[int(number)].name, word, reason) for word, number, reason in said]
            part = part[len(said) :]
    return found


def wrong(cases: list[Case], tmp: Path, core: str = "m4") -> list[str]:
    """One line for every case that is not bit for bit as expected."""
    return [f"{name}: {word} {reason}" for name, word, reason in run(cases, tmp, core) if word != "ok"]
