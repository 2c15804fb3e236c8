# SPDX-License-Identifier: MIT
"""Layers of compiled backbones, with the inputs and outputs that the host engine gives."""

from __future__ import annotations

import struct

import dsp_machine as machine
import layouts
import numpy as np
from layouts import Requant, Window

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


def _case(name, code, args, weights, bias, requant, inputs, zero, out) -> list[machine.Case]:
    x = inputs[0]
    scale = requant.reshape(-1, 2).astype(np.int64)
    after = Requant(bias.astype(np.int64), scale[:, 0], scale[:, 1], zero[0], zero[-1])
    macs = 0
    if code in (machine.CONV_2D, machine.DEPTHWISE):
        window = Window(x.shape, out.shape, tuple(args[10:12]), tuple(args[:2]), tuple(args[2:4]), tuple(args[4:8]))
        if code == machine.CONV_2D:
            weights = weights.reshape(out.shape[2], *window.kernel, -1)
            laid = layouts.lay_out_conv(window, weights, after)
            macs = window.pixels * weights.size
        else:
            weights = weights.reshape(*window.kernel, out.shape[2])
            laid = layouts.lay_out_depthwise(window, weights, after)
            macs = window.pixels * weights.size
    elif code == machine.FULLY_CONNECTED:
        laid = layouts.plain(weights, after)
        macs = weights.size * (x.size * out.shape[2] // weights.size)
    elif code == machine.ADD:
        laid = layouts.Laid(0, b"", b"", b"", layouts.add_scratch())
    elif code in (machine.AVERAGE_POOL, machine.MEAN):
        laid = layouts.Laid(0, b"", b"", b"", 0)
    else:
        return []
    return [machine.Case(name, code, laid, tuple(args), inputs, zero, out, macs)]
