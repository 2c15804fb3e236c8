# SPDX-License-Identifier: MIT
"""An operator as the engine runs it, or why it cannot."""

from dataclasses import dataclass

import numpy as np


class Unsupported(ValueError):
    """An operator that the engine cannot run; the message says why."""


@dataclass
class Lowered:
    """One operator as the engine runs it.

    `inputs` and `output` index the graph's tensors, `args` is int32 (n,), `weights` int8 in
    TensorFlow Lite's own order or None, `bias` int32 (channels,), `requant` int32 (channels, 2)
    of {multiplier, shift}, `macs` the multiply-accumulates, `plane` the pixels of the input where
    the output could take its place channel by channel (a depthwise convolution of multiplier 1 to
    no more pixels), else 0; `in_place` whether it does.
    """

    kind: str
    inputs: list
    output: int
    args: list
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    requant: np.ndarray | None = None
    macs: int = 0
    unmatched: int = 0
    plane: int = 0
    in_place: bool = False


def expect(condition, message):
    if not condition:
        raise Unsupported(message)
