# SPDX-License-Identifier: MIT
"""Small .mtb files for each target, without the compiler: every layout, and layout 0 with scratch."""

import mtb_file as mtb
import numpy as np

from microt.compiler import layout_dsp, layout_m0, layout_mve

# operators in order, one after the other; (kind, (h, w, c) of the output, kernel, stride, pads, groups)
LAYERS = [
    ("CONV_2D", (8, 8, 8), 3, 1, (1, 1, 1, 1), 1),
    ("CONV_2D", (8, 8, 16), 1, 1, (0, 0, 0, 0), 1),
    ("DEPTHWISE_CONV_2D", (8, 8, 16), 3, 1, (1, 1, 1, 1), 1),
    ("ADD", (8, 8, 16), 0, 0, (), 1),  # of the two before
    ("DEPTHWISE_CONV_2D", (3, 3, 16), 5, 2, (0, 0, 1, 1), 1),
    ("DEPTHWISE_CONV_2D", (3, 3, 16), 3, 1, (1, 1, 1, 1), 1),
    ("CONV_2D", (3, 3, 20), 1, 1, (0, 0, 0, 0), 1),
    ("CONV_2D", (3, 3, 8), 3, 1, (1, 1, 1, 1), 4),  # groups
    ("CONV_2D", (1, 1, 6), 3, 1, (0, 0, 0, 0), 1),  # one pixel
    ("DEPTHWISE_CONV_2D", (1, 1, 6), 4, 1, (1, 1, 2, 2), 1),
]
LAYOUTS = {
    "m0": ["FIRST", "WIDE", "PLANES", "PLAIN", "PLANES", "PLANES", "WIDE", "PLAIN", "WIDE", "PLAIN"],
    "dsp": ["FIRST", "NARROW", "PLANES", "PLAIN", "PLANES", "SMALL", "WIDE", "PLAIN", "PLAIN", "PLAIN"],
    "mve": ["FIRST", "NARROW", "PLANES", "PLAIN", "PLANES", "PLANES", "NARROW", "PLAIN", "WIDE", "BLOCKS"],
}
TARGETS = {"m0": (1, layout_m0), "dsp": (2, layout_dsp), "mve": (3, layout_mve)}
INPUT = (8, 8, 3)


def every_layout(target: str, seed: int = 0) -> bytes:
    """The file for "generic", "m0", "dsp" or "mve": the same network, input int8 (8, 8, 3), embedding int8 (6,)."""
    rng = np.random.default_rng(seed)
    tensors = [mtb.tensor(*INPUT, 0, 0.02, -3)]
    end = _size(INPUT)
    ops = []
    for i, (kind, out, k, stride, pads, groups) in enumerate(LAYERS):
        tensors.append(mtb.tensor(*out, end, 0.05, int(rng.integers(-128, 20))))
        end += _size(out)
        cin = tensors[i]["hwc"][2]
        inputs, weights, bias, requant, macs = [i], None, None, None, 0
        if kind == "ADD":
            inputs = [i, i - 1]
            args = [20, 1 << 30, 0, 1 << 30, -1, 1 << 30, -18, -100, 127]
        else:
            args = [stride, stride, 1, 1, *pads, -128, 120, k, k]
            shape = (out[2], k, k, cin // groups)
            if kind != "CONV_2D":
                args, shape = [*args, 1], (k, k, cin)
            weights = rng.integers(-127, 128, shape)
            taps = weights.size // out[2]
            bias = rng.integers(-2000, 2000, out[2])
            scale = 40 / (5000 * np.sqrt(taps))
            exponent = int(np.floor(np.log2(scale))) + 1
            requant = np.stack([rng.integers(1 << 30, (1 << 31) - 1, out[2]), np.full(out[2], exponent)], 1)
            macs = out[0] * out[1] * out[2] * taps
        op = mtb.op(kind, inputs, i + 1, args, weights=weights, bias=bias, requant=requant, macs=macs)
        if target != "generic":
            layouts = TARGETS[target][1]
            zeros = tensors[inputs[0]]["zero_point"], tensors[-1]["zero_point"]
            shapes = [tensors[t]["hwc"] for t in inputs]
            laid = layouts.lay_out(kind, args, shapes, out, weights, bias, requant, *zeros)
            assert laid.layout == getattr(layouts, LAYOUTS[target][i]), (i, laid.layout, laid.why)
            op |= {"layout": laid.layout, "weights": laid.weights, "bias": laid.bias, "requant": laid.requant}
            op["scratch"] = (0, laid.scratch)
        ops.append(op)
    for op in ops:
        if op["scratch"][1]:
            op["scratch"] = (end, op["scratch"][1])
    program = {
        "tensors": tensors,
        "ops": ops,
        "exits": [(len(LAYERS), len(LAYERS))],
        "features": [],
        "pixels": None,
        "arena": end + max(op["scratch"][1] for op in ops),
        "input": 0,
    }
    data = mtb.pack(program)
    return data if target == "generic" else mtb.put_header(data, "target", TARGETS[target][0])


def _size(shape) -> int:
    return -(-int(np.prod(shape)) // 16) * 16
