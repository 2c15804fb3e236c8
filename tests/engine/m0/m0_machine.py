# SPDX-License-Identifier: MIT
"""The bare-metal runner for the Thumb-1 kernels: Armv6-M code on QEMU's mps2-an386, which traps unaligned accesses.

Cases, their files and expected values are those of the DSP kernels' tests (``tests/engine/dsp``), laid out for m0.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DSP = HERE.parent / "dsp"

sys.path[:0] = [str(HERE), str(DSP)]

import dsp_machine as base  # noqa: E402
import dsp_reference as reference  # noqa: E402

from microt.compiler import layout_m0 as layouts  # noqa: E402

base.CORES["m0"] = base.Core("-mcpu=cortex-m0plus -mfloat-abi=soft -O2", "mps2-an386", 0x21000000, HERE)
base.CORES["m3"] = base.Core("-mcpu=cortex-m3 -mfloat-abi=soft -O2", "mps2-an385", 0x21000000, HERE)
CORES = ("m0", "m3")
ROOT = base.ROOT
Case = base.Case
image = base.image
available = base.available
command = base.command


on_this_core = functools.partial(base.load_for, __name__)


def build(core: str = "m0") -> Path:
    return base.build(core)


def run(cases: list[Case], tmp: Path, core: str = "m0", timeout: float = 600) -> list[str]:
    """Runs the cases; returns one line for each that is not bit for bit as expected."""
    return base.run(cases, tmp, core, timeout)


def conv_case(name, window, weights, requant, x, clamp=(-128, 127), **options) -> Case:
    laid = options.pop("laid", None) or layouts.lay_out_conv(window, weights, requant)
    return base.conv_case(name, window, weights, requant, x, clamp, laid=laid, **options)


depthwise_in_place = False  # whether depthwise layers overwrite their input where they can


def depthwise_case(name, window, weights, requant, x, clamp=(-128, 127), **options) -> Case:
    out = reference.depthwise(x, window, weights, requant, clamp)
    laid = layouts.lay_out_depthwise(window, weights, requant)
    if depthwise_in_place and laid.in_place:
        options.update(in_place=1, at_end=0)
    args = base.conv_args(window, clamp, window.outputs[2] // window.inputs[2])
    zeros = [requant.zero_in, requant.zero_out]
    return Case(name, base.DEPTHWISE, laid, args, [x], zeros, out, out.size * weights[..., 0].size, **options)


fully_connected_case = base.fully_connected_case
add_case = base.add_case
average_pool_case = base.average_pool_case
mean_case = base.mean_case
