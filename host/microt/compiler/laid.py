# SPDX-License-Identifier: MIT
"""How an operator's constants lie in the file: what every target's layouts are made of."""

from dataclasses import dataclass, field, replace

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
    that it has passed; least: the scratch that the kernel can do with, more slowly, where that is less.
    """

    layout: int
    weights: bytes
    bias: bytes
    requant: bytes
    scratch: int = 0
    why: str = field(default="", compare=False)
    in_place: bool = False
    least: int | None = None

    def within(self, room):
        """As this with no more scratch than `room`, if that can be."""
        least = self.scratch if self.least is None else self.least
        return replace(self, scratch=min(self.scratch, max(least, room // 16 * 16)))


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


def _outputs(sums: np.ndarray, requant: Requant) -> tuple[np.ndarray, np.ndarray]:
    """int8 outputs of sums that include the bias, and where no step of the way wraps."""
    left, right = np.maximum(requant.shift, 0), np.maximum(-requant.shift, 0)
    inside = np.abs(sums) < (1 << 31) >> left
    y = (np.where(inside, sums << left, 0) * requant.multiplier + (1 << 30)) >> 31
    half = np.where(right > 0, 1 << np.maximum(right - 1, 0), 0)
    y = np.where(y >= 0, (y + half) >> right, -((half - y) >> right))
    return np.clip(y + requant.zero_out, -128, 127), inside


def settle(weights: np.ndarray, requant: Requant) -> tuple[np.ndarray, Requant]:
    """Channels that give one value whatever the input, as pruned ones do, get it from their bias alone.

    So their scale does not matter, and often it is one that the fast kernels do not take. weights: i8 (channels, taps).
    """
    bias, multiplier, shift = (
        np.array(values, np.int64) for values in (requant.bias, requant.multiplier, requant.shift)
    )
    settled = Requant(bias, multiplier, shift, requant.zero_in, requant.zero_out)
    w = weights.astype(np.int64)
    below, above = -128 - requant.zero_in, 127 - requant.zero_in
    lowest, low_inside = _outputs(bias + np.minimum(w * below, w * above).sum(axis=1), settled)
    highest, high_inside = _outputs(bias + np.maximum(w * below, w * above).sum(axis=1), settled)
    constant = low_inside & high_inside & (lowest == highest)
    bias[constant] = 4 * (lowest - requant.zero_out)[constant]  # times 1/2 and 1/2
    multiplier[constant] = 1 << 30
    shift[constant] = -1
    return np.where(constant[:, None], 0, weights).astype(np.int8), settled


def round_up(n: int, to: int) -> int:
    return -(-n // to) * to
