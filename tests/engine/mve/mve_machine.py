# SPDX-License-Identifier: MIT
"""Builds the bare-metal runner for the M55, runs lists of layers under QEMU's mps3-an547.

Cases, their files and expected values are those of the DSP kernels' tests (``tests/engine/dsp``), laid out for MVE.
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

from microt.compiler import layout_mve as layouts  # noqa: E402

Case = base.Case
image = base.image

base.CORES["m55"] = base.Core("-mcpu=cortex-m55 -mfloat-abi=hard -O2", "mps3-an547", 0x60000000, HERE)  # cases in DDR
ROOT = base.ROOT
KERNELS = base.ENGINE / "kernels" / "mve"
available = base.available
command = base.command


on_this_core = functools.partial(base.load_for, __name__)


def build(core: str = "m55") -> Path:
    return base.build(core)


def run(cases: list[Case], tmp: Path, core: str = "m55", timeout: float = 600) -> list[str]:
    """Runs the cases; returns one line for each that is not bit for bit as expected."""
    return base.run(cases, tmp, core, timeout)


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
