# SPDX-License-Identifier: MIT
"""Builds the bare-metal runner, writes lists of layers for it and runs them under QEMU."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from microt.compiler import layout_dsp as layouts

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ENGINE = ROOT / "device" / "cmodules" / "microt" / "engine"
BUILD = ROOT / "build" / "kernel_tests"

sys.path.insert(0, str(HERE))

import dsp_reference as reference  # noqa: E402

CONV_2D, DEPTHWISE, FULLY_CONNECTED, ADD, AVERAGE_POOL, MEAN = 1, 2, 3, 4, 6, 7


@dataclass(frozen=True)
class Core:
    """flags: the compiler's; machine: QEMU's; cases: the address where the list of layers lies; folder: with the core's
    runner_target.h and runner.ld; kernels: the kernels' folder, if it is not named as that one."""

    flags: str
    machine: str
    cases: int
    folder: Path
    kernels: str | None = None


# As the Pico SDK compiles for RP2350.
M33 = "-mcpu=cortex-m33 -march=armv8-m.main+fp+dsp -mfloat-abi=softfp -mcmse"
# Other targets' machines add theirs.
CORES = {
    "m4": Core("-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard -Os", "mps2-an386", 0x21000000, HERE),
    "m7": Core("-mcpu=cortex-m7 -mfpu=fpv5-sp-d16 -mfloat-abi=hard -Os", "mps2-an500", 0x60000000, HERE),
    "m33": Core(f"{M33} -Os", "mps2-an505", 0x80000000, HERE.parent / "m33", "dsp"),
}
FLAGS = "-mthumb -std=c99 -ffp-contract=off -fno-tree-loop-distribute-patterns"
WARNINGS = "-Wall -Wextra -Werror"


def load_for(machine: str, name: str, **others: ModuleType) -> ModuleType:
    """A module of the DSP tests, loaded once more to work with another module's machine instead of this one."""
    spec = importlib.util.spec_from_file_location(f"{machine}_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    vars(module).update(machine=sys.modules[machine], **others)
    return module


def available() -> bool:
    return all(map(shutil.which, ("arm-none-eabi-gcc", "qemu-system-arm")))


def build(core: str = "m4", objects: list[Path] | None = None) -> Path:
    """The runner's ELF, rebuilt when a source changes.

    objects: the kernels as a board's firmware has them, instead of compiling them here.
    """
    chosen = CORES[core]
    kernels, link = ENGINE / "kernels" / (chosen.kernels or chosen.folder.name), chosen.folder / "runner.ld"
    sources = [HERE.parent / "runner.c"]
    sources += objects or [*sorted(kernels.glob("*.[cS]")), *sorted((ENGINE / "kernels" / "ref").glob("*.c"))]
    headers = [*ENGINE.rglob("*.h"), chosen.folder / "runner_target.h", link]
    flags = [*chosen.flags.split(), *FLAGS.split(), *WARNINGS.split(), f"-I{kernels}", f"-I{chosen.folder}"]
    flags.append(f"-DCASES={chosen.cases:#x}u")
    digest = hashlib.sha256(" ".join(flags).encode())
    for path in sorted({*sources, *headers}):
        digest.update(path.name.encode() + path.read_bytes())
    elf = BUILD / f"runner-{core}-{digest.hexdigest()[:12]}.elf"
    if not elf.is_file():
        BUILD.mkdir(parents=True, exist_ok=True)
        linking = ["-nostdlib", "-nostartfiles", "-T", link, "-Wl,--gc-sections"]
        command = ["arm-none-eabi-gcc", *flags, *linking, "-o", elf, *sources, "-lgcc"]
        subprocess.run(command, check=True)
    return elf


@dataclass
class Case:
    """One layer: what runs, on what, and what must come out."""

    name: str
    code: int
    laid: layouts.Laid
    args: tuple[int, ...]
    inputs: list[np.ndarray]
    zeros: list[int]  # of the inputs and the output
    expected: np.ndarray
    macs: int = 0
    at_end: int = 0  # 1 input, 2 weights, 3 requant, 4 second input
    in_place: int = 0
    use_reference: bool = False


def conv_args(window: layouts.Window, clamp, *extra: int) -> tuple[int, ...]:
    return (*window.stride, *window.dilation, *window.pads, *clamp, *window.kernel, *extra)


def conv_case(name, window, weights, requant, x, clamp=(-128, 127), **options) -> Case:
    out = reference.conv(x, window, weights, requant, clamp)
    macs = out.size * weights[0].size
    laid = options.pop("laid", None) or layouts.lay_out_conv(window, weights, requant)
    zeros = [requant.zero_in, requant.zero_out]
    args = conv_args(window, clamp)
    return Case(name, CONV_2D, laid, args, [x], zeros, out, macs, **options)


def depthwise_case(name, window, weights, requant, x, clamp=(-128, 127), **options) -> Case:
    out = reference.depthwise(x, window, weights, requant, clamp)
    macs = out.size * weights[..., 0].size
    laid = layouts.lay_out_depthwise(window, weights, requant)
    zeros = [requant.zero_in, requant.zero_out]
    args = conv_args(window, clamp, window.outputs[2] // window.inputs[2])
    return Case(name, DEPTHWISE, laid, args, [x], zeros, out, macs, **options)


def fully_connected_case(name, weights, requant, x, out_shape, clamp, **options) -> Case:
    out = reference.fully_connected(x, weights, requant, clamp).reshape(out_shape)
    laid = layouts.in_order(weights, requant)
    zeros = [requant.zero_in, requant.zero_out]
    macs = out.size * weights.shape[1]
    return Case(name, FULLY_CONNECTED, laid, (*clamp, 0), [x], zeros, out, macs, **options)


def add_case(name, a, b, zeros, args, **options) -> Case:
    out = reference.add(a, b, zeros, args)
    laid = layouts.Laid(0, b"", b"", b"", layouts.ADD_TABLES)
    return Case(name, ADD, laid, tuple(args), [a, b], list(zeros), out, **options)


def average_pool_case(name, window, x, zero, clamp, **options) -> Case:
    out = reference.average_pool(x, window, clamp)
    laid = layouts.Laid(0, b"", b"", b"", 0)
    args = (*window.stride, *window.pads, *window.kernel, *clamp)
    return Case(name, AVERAGE_POOL, laid, args, [x], [zero, zero], out, **options)


def mean_case(name, x, multiplier, shift, zeros, **options) -> Case:
    out = reference.mean(x, multiplier, shift, *zeros)
    laid = layouts.Laid(0, b"", b"", b"", 0)
    return Case(name, MEAN, laid, (multiplier, shift), [x], list(zeros), out, **options)


_RECORD = struct.Struct("<4I 4i 4i 4i 8I 3I I I I")


def image(cases: list[Case]) -> bytes:
    """The list in the form runner.c reads."""
    data = bytearray()
    base = 16 + len(cases) * _RECORD.size

    def put(chunk: bytes) -> int:
        data.extend(bytes(-len(data) % 16))
        offset = base + len(data)
        data.extend(chunk)
        return offset

    base += -base % 16
    table = bytearray(struct.pack("<4I", len(cases), 0, 0, 0))
    for case in cases:
        shape = [(*x.shape, zero) for x, zero in zip(case.inputs, case.zeros, strict=False)]
        second = shape[1] if len(shape) > 1 else (0, 0, 0, 0)
        sections = []
        args = np.array(case.args, "<i4").tobytes()
        for chunk in (args, case.laid.weights, case.laid.bias, case.laid.requant):
            sections += [put(chunk), len(chunk)]
        x = put(case.inputs[0].tobytes())
        x2 = put(case.inputs[1].tobytes()) if len(case.inputs) > 1 else x
        table += _RECORD.pack(
            case.code,
            case.laid.layout,
            case.at_end,
            case.use_reference,
            *shape[0],
            *second,
            *case.expected.shape,
            case.zeros[-1],
            *sections,
            x,
            x2,
            put(case.expected.tobytes()),
            case.in_place,
            case.laid.scratch,
            0,
        )
    return bytes(table) + bytes(base - len(table)) + bytes(data)


def command(core: str, elf: Path, blob: Path) -> list[str]:
    machine = "-display none -monitor none -serial none -semihosting-config enable=on,target=native"
    loader = f"loader,file={blob},addr={CORES[core].cases:#x},force-raw=on"
    return [
        "qemu-system-arm", "-M", CORES[core].machine, *machine.split(),
        "-kernel", str(elf), "-device", loader,
    ]  # fmt: skip


def run(
    cases: list[Case], tmp: Path, core: str = "m4", timeout: float = 600, objects: list[Path] | None = None
) -> list[str]:
    """Runs the cases; returns one line for each that is not bit for bit as expected. objects: as for build()."""
    elf = build(core, objects)
    wrong = []
    for first in range(0, len(cases), 100):  # the list must fit the PSRAM
        part = cases[first : first + 100]
        blob = tmp / "cases.bin"
        blob.write_bytes(image(part))
        done = subprocess.run(command(core, elf, blob), capture_output=True, text=True, timeout=timeout, check=True)
        results = dict(re.findall(r"(?:ok|bad) (\d+)(.*)", done.stdout + done.stderr))
        for i, case in enumerate(part):
            reason = results.get(str(i), " did not run: " + done.stderr[-200:])
            if reason:
                wrong.append(f"{case.name} (layout {case.laid.layout}):{reason}")
    return wrong


def any_shape(target: str, count: int, tmp: Path) -> list[int]:
    """Asks a target's checks about `count` ops of any shape, under the sanitizers; how many were taken, by layout."""
    program, kernels = tmp / "any_shape", ENGINE / "kernels" / target
    flags = [
        "-std=c99",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsanitize=undefined,address",
        "-fno-sanitize-recover=all",
    ]
    flags += [f'-DKERNELS="{target}.h"', f"-DCHECK=microt_{target}_check", f"-DSCRATCH=microt_{target}_scratch"]
    sources = [HERE.parent / "any_shape.c", kernels / "layouts.c"]
    subprocess.run(["gcc", *flags, f"-I{kernels}", "-o", program, *sources], check=True)
    done = subprocess.run([program, str(count)], check=True, capture_output=True, text=True)
    return [int(n) for n in done.stdout.split()]
