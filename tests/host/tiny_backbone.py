# SPDX-License-Identifier: MIT
"""A backbone of two dense layers and two exits in about 2 kB, for scripts that run on any board.

Run as a program it prints the file in base64, as it stands in tests/device/test_task.py.
"""

import base64
import textwrap

import numpy as np

from microt.compiler import features, mtb
from microt.compiler.lower.fixed_point import quantize_multiplier

INPUT = (4, 4, 3)
WIDTHS = (12, 8)
PROJECTED = (8, 10)


def build():
    """The bytes of the .mtb file: (4, 4, 3) int8 or uint8 pixels, exits of 12 and 8 values."""
    rng = np.random.default_rng(5)
    names = ("input", "part", "full")
    shapes = (INPUT, (1, 1, WIDTHS[0]), (1, 1, WIDTHS[1]))
    scales = (1 / 255, 0.05, 0.05)
    zeros = (-128, -128, -128)
    offsets = (0, 48, 64)
    lives = ((mtb.NONE, 0), (0, 1), (1, mtb.NONE))
    tensors = [
        mtb.TensorRecord(*t, *life) for *t, life in zip(names, shapes, scales, zeros, offsets, lives, strict=True)
    ]
    ops, exits, macs = [], [], 0
    for i in (0, 1):
        inputs, outputs = int(np.prod(shapes[i])), WIDTHS[i]
        weights = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
        multiplier, shift = quantize_multiplier(scales[i] * 0.01 / scales[i + 1])
        ops.append(
            mtb.OpRecord(
                "FULLY_CONNECTED",
                names[i + 1],
                [i],
                i + 1,
                mtb.NONE,
                inputs * outputs,
                0,
                np.array([-128, 127, 0], "<i4").tobytes(),
                weights.tobytes(),
                np.full(outputs, 30000 if i == 0 else 8000, "<i4").tobytes(),
                np.array([[multiplier, shift]] * outputs, "<i4").tobytes(),
            )
        )
        macs += inputs * outputs
        exits.append(mtb.ExitRecord(i + 1, i + 1, macs))
    transforms = []
    for e, k in enumerate(PROJECTED):
        d = sum(WIDTHS[: e + 1])
        transforms.append(
            {
                "parts": [(i, 0, WIDTHS[i]) for i in range(e + 1)],
                "sqrt": True,
                "mean": np.full(d, 0.9),
                "projection": rng.integers(-127, 128, (k, d)).astype(np.int8),
                "row_scale": np.full(k, 0.02, np.float32),
                "shrink": 0.5,
                "prior_trace": 1.0,
            }
        )
    pixels = np.arange(-128, 128, dtype=np.int8)
    return mtb.write(mtb.Program(0, 80, 0, tensors, ops, exits, features.normalise(transforms, WIDTHS), pixels))


def base64_lines():
    """The file as the lines of text that stand in the script."""
    return textwrap.wrap(base64.b64encode(build()).decode(), 112)


if __name__ == "__main__":
    print("\n".join(base64_lines()))
