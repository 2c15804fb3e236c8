# SPDX-License-Identifier: MIT
"""How an operator's constants lie in the file: what every target's layouts are made of."""

from dataclasses import dataclass, field

import numpy as np

# layouts that every target has
TENSORFLOW = 0
IN_PLACE = 1


@dataclass(frozen=True)
class Laid:
    """An op's constants as the file holds them.

    layout: the file's number; scratch: bytes that the kernel needs in the arena beside its tensors;
    why: where an operator that has faster layouts got TensorFlow Lite's order, the reason.
    """

    layout: int
    weights: bytes
    bias: bytes
    requant: bytes
    scratch: int = 0
    why: str = field(default="", compare=False)


def plain(weights=None, bias=None, requant=None, scratch=0, why=""):
    """TensorFlow Lite's order. weights: int8, bias: int32 (channels,), requant: int32 (channels, 2)
    of {multiplier, shift}, of any integer type; None where the operator has none."""
    blobs = [
        b"" if values is None else np.asarray(values).astype(kind).tobytes()
        for values, kind in ((weights, "i1"), (bias, "<i4"), (requant, "<i4"))
    ]
    return Laid(TENSORFLOW, *blobs, scratch, why)
