# SPDX-License-Identifier: MIT
"""Layers of compiled backbones, with the inputs and outputs that the host engine gives."""

from __future__ import annotations

import struct

import dsp_machine as machine
import numpy as np

from microt.compiler import layout_dsp as layouts
from microt.engine import Backbone

_OP = struct.Struct("<BBBB4HHH8II I 8x")
_TENSOR = struct.Struct("<I3Ifi IHH")


def cases(mtb: bytes, x: np.ndarray, exit: int = 0) -> list[machine.Case]:
    """One case for every op that has a DSP kernel; mtb is compiled for the generic target, x int8 (h, w, c)."""
    sections = struct.unpack_from("<14I", mtb, 68)
    tensors = [_TENSOR.unpack_from(mtb, sections[0] + i) for i in range(0, sections[1], _TENSOR.size)]
    shapes = [t[1:4] for t in tensors]
    zeros = [t[5] for t in tensors]
    values = {struct.unpack_from("<H", mtb, 56)[0]: np.asarray(x)}
    outputs = iter(Backbone(mtb).tensors(x))
    made = []
    for at in range(sections[2], sections[2] + sections[3], _OP.size):
        code, _, n_inputs, _, *ids, output, branch = _OP.unpack_from(mtb, at)[:10]
        if branch not in (0xFFFF, exit):
            continue
        where = _OP.unpack_from(mtb, at)[10:18]
        args, weights, bias, requant = (
            np.frombuffer(mtb, kind, size // np.dtype(kind).itemsize, offset)
            for kind, offset, size in zip(("<i4", "i1", "<i4", "<i4"), where[::2], where[1::2], strict=True)
        )
        name, got = next(outputs)
        values[output] = got.reshape(shapes[output])
        inputs = [values[i].reshape(shapes[i]) for i in ids[:n_inputs]]
        zero = [zeros[i] for i in ids[:n_inputs]] + [zeros[output]]
        made += _case(name, code, args.tolist(), weights, bias, requant, inputs, zero, values[output])
    return made


KINDS = {
    machine.CONV_2D: "CONV_2D",
    machine.DEPTHWISE: "DEPTHWISE_CONV_2D",
    machine.FULLY_CONNECTED: "FULLY_CONNECTED",
    machine.ADD: "ADD",
    machine.AVERAGE_POOL: "AVERAGE_POOL_2D",
    machine.MEAN: "MEAN",
}


def _case(name, code, args, weights, bias, requant, inputs, zero, out) -> list[machine.Case]:
    if code not in KINDS:
        return []
    shapes = [x.shape for x in inputs]
    constants = (weights, bias, requant) if weights.size else (None, None, None)
    laid = layouts.lay_out(KINDS[code], args, shapes, out.shape, *constants, zero[0], zero[-1])
    pixels = out.shape[0] * out.shape[1]
    return [machine.Case(name, code, laid, tuple(args), inputs, zero, out, pixels * weights.size)]
