# SPDX-License-Identifier: MIT
"""Builds the bare-metal runner for the M55, runs lists of layers under QEMU's mps3-an547.

Cases, their files and expected values are those of the DSP kernels' tests (``tests/engine/dsp``), laid out for MVE.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ENGINE = ROOT / "device" / "cmodules" / "microt" / "engine"
KERNELS = ENGINE / "kernels" / "mve"
BUILD = ROOT / "build" / "mve_tests"
DSP = HERE.parent / "dsp"

sys.path[:0] = [str(HERE), str(DSP)]

import dsp_machine as base  # noqa: E402
import dsp_reference as reference  # noqa: E402

from microt.compiler import layout_mve as layouts  # noqa: E402

Case = base.Case
image = base.image

CORES = ("m55",)
MACHINE = "mps3-an547"
CASES = 0x60000000  # DDR
FLAGS = "-mcpu=cortex-m55 -mthumb -mfloat-abi=hard -std=c99 -O2 -ffp-contract=off -fno-tree-loop-distribute-patterns"
WARNINGS = "-Wall -Wextra -Werror"


def available() -> bool:
    return all(map(shutil.which, ("arm-none-eabi-gcc", "qemu-system-arm")))


def on_this_core(name: str, **others: ModuleType) -> ModuleType:
    """A module of the DSP tests, loaded once more to work with this machine instead of its own."""
    spec = importlib.util.spec_from_file_location(f"mve_{name}", DSP / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    vars(module).update(machine=sys.modules[__name__], **others)
    return module


def build(core: str = "m55") -> Path:
    """The runner's ELF, rebuilt when a source changes."""
    sources = [HERE / "runner.c", *sorted(KERNELS.glob("*.[cS]")), *sorted((ENGINE / "kernels" / "ref").glob("*.c"))]
    headers = [*ENGINE.rglob("*.h"), HERE / "runner.ld"]
    flags = [*FLAGS.split(), *WARNINGS.split(), f"-I{KERNELS}", f"-DCASES={CASES:#x}u"]
    digest = hashlib.sha256(" ".join(flags).encode())
    for path in sorted({*sources, *headers}):
        digest.update(path.name.encode() + path.read_bytes())
    elf = BUILD / f"runner-{core}-{digest.hexdigest()[:12]}.elf"
    if not elf.is_file():
        BUILD.mkdir(parents=True, exist_ok=True)
        link = ["-nostdlib", "-nostartfiles", "-T", HERE / "runner.ld", "-Wl,--gc-sections"]
        subprocess.run(["arm-none-eabi-gcc", *flags, *link, "-o", elf, *sources, "-lgcc"], check=True)
    return elf


# ---- cases


def conv_case(name, window, weights, requant, x, clamp=(-128, 127), **options) -> Case:
    out = reference.conv(x, window, weights, requant, clamp)
    laid = options.pop("laid", None) or layouts.lay_out_conv(window, weights, requant)
    args, zeros = base.conv_args(window, clamp), [requant.zero_in, requant.zero_out]
    return Case(name, base.CONV_2D, laid, args, [x], zeros, out, out.size * weights[0].size, **options)


preferred_depthwise: int | None = None  # layout of depthwise layers that fit it
depthwise_in_place = False  # whether depthwise layers overwrite their input where they can


def depthwise_case(name, window, weights, requant, x, clamp=(-128, 127), layout=None, **options) -> Case:
    out = reference.depthwise(x, window, weights, requant, clamp)
    if layout is None and preferred_depthwise in layouts.depthwise_layouts(window, weights):
        layout = preferred_depthwise
    laid = layouts.lay_out_depthwise(window, weights, requant, layout)
    if depthwise_in_place and layouts.in_place(window, laid.layout):
        options.update(in_place=1, at_end=0)
    args = base.conv_args(window, clamp, window.outputs[2] // window.inputs[2])
    zeros = [requant.zero_in, requant.zero_out]
    return Case(name, base.DEPTHWISE, laid, args, [x], zeros, out, out.size * weights[..., 0].size, **options)


def fully_connected_case(name, weights, requant, x, out_shape, clamp, **options) -> Case:
    out = reference.fully_connected(x, weights, requant, clamp).reshape(out_shape)
    zeros = [requant.zero_in, requant.zero_out]
    laid = layouts.in_order(weights, requant)
    macs = out.size * weights.shape[1]
    return Case(name, base.FULLY_CONNECTED, laid, (*clamp, 0), [x], zeros, out, macs, **options)


def add_case(name, a, b, zeros, args, **options) -> Case:
    out = reference.add(a, b, zeros, args)
    laid = layouts.Laid(0, b"", b"", b"", layouts.add_scratch(a.size))
    return Case(name, base.ADD, laid, tuple(args), [a, b], list(zeros), out, **options)


average_pool_case = base.average_pool_case
mean_case = base.mean_case


# ---- running


def command(core: str, elf: Path, blob: Path) -> list[str]:
    machine = "-display none -monitor none -serial none -semihosting-config enable=on,target=native"
    loader = f"loader,file={blob},addr={CASES:#x},force-raw=on"
    return ["qemu-system-arm", "-M", MACHINE, *machine.split(), "-kernel", str(elf), "-device", loader]


def run(cases: list[Case], tmp: Path, core: str = "m55", timeout: float = 600) -> list[str]:
    """Runs the cases; returns one line for each that is not bit for bit as expected."""
    elf = build(core)
    wrong = []
    for first in range(0, len(cases), 100):
        part = cases[first : first + 100]
        blob = tmp / "cases.bin"
        blob.write_bytes(image(part))
        line = command(core, elf, blob)
        done = subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=True)
        results = dict(re.findall(r"(?:ok|bad) (\d+)(.*)", done.stdout + done.stderr))
        for i, case in enumerate(part):
            reason = results.get(str(i), " did not run: " + done.stderr[-200:])
            if reason:
                wrong.append(f"{case.name} (layout {case.laid.layout}):{reason}")
    return wrong
