# SPDX-License-Identifier: MIT
"""How an operator's constants lie in the file: what every target's layouts are made of."""

from dataclasses import dataclass, field

import numpy as np

# layouts that every target has
TENSORFLOW = 0
IN_PLACE = 1


@dataclass(frozen=True)
class Window:
    """Geometry of a CONV_2D or DEPTHWISE_CONV_2D; pairs are (vertical, horizontal).

    Attributes:
        inputs: (h, w, c). outputs: (h, w, c).
        pads: (top, left, bottom, right).
    """

    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def pixels(self) -> int:
        return self.outputs[0] * self.outputs[1]


@dataclass(frozen=True)
class Requant:
    """What follows the sums, per output channel: bias i32, multiplier i32, shift i32 (left > 0)."""

    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    zero_in: int
    zero_out: int


@dataclass(frozen=True)
class Laid:
    """An op's constants as the file holds them.

    layout: the file's number; scratch: bytes that the kernel needs in the arena beside its tensors;
    why: where an operator that has faster layouts got TensorFlow Lite's order, the reason; in_place:
    whether this layout's kernel can put the output where the input is, though it reads inputs again
    that it has passed.
    """

    layout: int
    weights: bytes
    bias: bytes
    requant: bytes
    scratch: int = 0
    why: str = field(default="", compare=False)
    in_place: bool = False


def plain(weights=None, bias=None, requant=None, scratch=0, why=""):
    """TensorFlow Lite's order. weights: int8, bias: int32 (channels,), requant: int32 (channels, 2)
    of {multiplier, shift}, of any integer type; None where the operator has none."""
    blobs = [
        b"" if values is None else np.asarray(values).astype(kind).tobytes()
        for values, kind in ((weights, "i1"), (bias, "<i4"), (requant, "<i4"))
    ]
    return Laid(TENSORFLOW, *blobs, scratch, why)


def in_order(weights, requant, scratch=0, why=""):
    """TensorFlow Lite's order, of weights int8 and a Requant."""
    return plain(weights, requant.bias, np.stack([requant.multiplier, requant.shift], axis=1), scratch, why)


def convolution(kind, args, inputs, output, weights, bias, requant, zero_in, zero_out):
    """(Window, weights, Requant) of a CONV_2D, weights i8 (cout, kh, kw, cin / groups), or a DEPTHWISE_CONV_2D,
    weights i8 (kh, kw, cout). The arguments are those of a target's `lay_out`."""
    scale = np.asarray(requant).reshape(-1, 2).astype(np.int64)
    after = Requant(np.asarray(bias).astype(np.int64), scale[:, 0], scale[:, 1], zero_in, zero_out)
    pairs = [tuple(args[i : i + 2]) for i in (10, 0, 2)]
    window = Window(tuple(inputs[0]), tuple(output), *pairs, tuple(args[4:8]))
    shape = (output[2], *window.kernel, -1) if kind == "CONV_2D" else (*window.kernel, output[2])
    return window, weights.reshape(shape), after


def round_up(n: int, to: int) -> int:
    return -(-n // to) * to
