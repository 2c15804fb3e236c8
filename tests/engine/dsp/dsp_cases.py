# SPDX-License-Identifier: MIT
"""Random layers of every operator, friendly and odd, from a seed."""

from __future__ import annotations

import dataclasses

import dsp_machine as machine
import numpy as np

from microt.compiler import layout_dsp as layouts
from microt.compiler.layout_dsp import Requant, Window


def values(rng, *shape) -> np.ndarray:
    """int8 inputs; sometimes only the extremes."""
    if rng.random() < 0.1:
        return rng.choice(np.array([-128, 127], np.int8), shape)
    return rng.integers(-128, 128, shape, dtype=np.int8)


def zero_point(rng) -> int:
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))


def clamp(rng, zero_out: int) -> tuple[int, int]:
    """Mostly all of int8; ReLU and ReLU6 at this zero point; any other."""
    kind = rng.random()
    if kind < 0.7:
        return -128, 127
    if kind < 0.8:
        return zero_out, 127
    if kind < 0.9:
        return zero_out, min(127, zero_out + int(rng.integers(0, 200)))
    low, high = sorted(rng.integers(-128, 128, 2).tolist())
    return low, high


def requant(rng, channels: int, taps: int, *, friendly: bool | None = None) -> Requant:
    """Scales that put the sums about where int8 can hold them; odd ones now and then."""
    spread = 74.0 * 74.0 * np.sqrt(taps)
    scale = rng.uniform(20, 90, channels) / spread
    kind = 0.0 if friendly else rng.random()
    if kind > 0.9:
        scale *= 2.0 ** rng.integers(-24, 14)  # dead channels, left shifts, saturation
    elif kind > 0.85:
        scale = 2.0 ** rng.uniform(-30, 4, channels)
    mantissa, exponent = np.frexp(scale)
    multiplier = np.rint(mantissa * (1 << 31)).astype(np.int64)
    exponent = np.where(multiplier == 1 << 31, exponent + 1, exponent)
    multiplier = np.where(multiplier == 1 << 31, 1 << 30, multiplier)
    if kind > 0.83 and rng.random() < 0.3:
        multiplier[rng.integers(channels)] = rng.choice([0, (1 << 31) - 1, 1 << 30])
    bias = rng.integers(-3000, 3000, channels)
    if friendly:
        pass
    elif rng.random() < 0.1:
        bias = rng.integers(-(1 << 30), 1 << 30, channels)
    elif rng.random() < 0.1:
        bias *= 0
    return Requant(
        bias.astype(np.int64),
        multiplier.astype(np.int64),
        np.clip(exponent, -31, 30).astype(np.int64),
        zero_point(rng),
        zero_point(rng),
    )


def window(rng, inputs, channels, kernel, stride=(1, 1), dilation=(1, 1), pads=None) -> Window:
    """Output shape from the input's; pads None: SAME, VALID or any, at random."""
    sizes = []
    chosen = []
    for axis in (0, 1):
        k = (kernel[axis] - 1) * dilation[axis] + 1
        n, s = inputs[axis], stride[axis]
        kind = rng.random()
        if pads is not None:
            before, after = pads[axis], pads[axis + 2]
        elif kind < 0.5 or n < k:  # SAME
            total = max((-(-n // s) - 1) * s + k - n, 0)
            before, after = total // 2, total - total // 2
        elif kind < 0.65:
            before = after = 0
        elif kind < 0.75:
            before = after = (k - 1) // 2
        else:
            before, after = rng.integers(0, k, 2).tolist()
        sizes.append((n + before + after - k) // s + 1)
        chosen.append((before, after))
    (top, bottom), (left, right) = chosen
    return Window(tuple(inputs), (*sizes, channels), kernel, stride, dilation, (top, left, bottom, right))


def prune(rng, weights: np.ndarray, q: Requant) -> tuple[np.ndarray, Requant]:
    """Some channels (first axis of weights) without weights, as TensorFlow writes dead ones: huge biases."""
    dead = rng.random(len(weights)) < (0.5 if rng.random() < 0.15 else 0)
    weights = np.where(dead.reshape(-1, *[1] * (weights.ndim - 1)), 0, weights).astype(np.int8)
    huge = (1 << 30) + 128 * rng.integers(-1, 2, len(dead))
    bias = np.where(dead, rng.choice([-1, 1], len(dead)) * huge, q.bias)
    shift = np.where(dead, rng.integers(-31, -21, len(dead)), q.shift)
    return weights, dataclasses.replace(q, bias=bias, shift=shift)


def at_end(rng) -> int:
    return int(rng.choice([0, 1, 1, 2, 3]))


def size(rng, most: int) -> int:
    return int(rng.choice([1, 2, 3, int(rng.integers(1, most + 1)), int(rng.integers(1, most + 1))]))


def pointwise(rng, i) -> machine.Case:
    h, w = size(rng, 20), size(rng, 20)
    friendly = rng.random() < 0.6
    if friendly:
        h, w = rng.integers(3, 20, 2).tolist()
    cin = int(8 * rng.integers(1, 5 if rng.random() < 0.5 else 14)) if friendly else int(rng.integers(1, 70))
    cout = int(rng.choice([int(rng.integers(1, 40)), 2 * int(rng.integers(1, 24))]))
    shape = Window((h, w, cin), (h, w, cout), (1, 1))
    if rng.random() < 0.1:
        stride = tuple(rng.integers(1, 4, 2).tolist())
        shape = window(rng, (h, w, cin), cout, (1, 1), stride)
    q = requant(rng, cout, cin)
    weights, q = prune(rng, values(rng, cout, 1, 1, cin), q)
    name = f"pointwise {i} {shape.inputs}-{shape.outputs}"
    return machine.conv_case(
        name, shape, weights, q, values(rng, h, w, cin), clamp(rng, q.zero_out), at_end=at_end(rng)
    )


def convolution(rng, i) -> machine.Case:
    kernel = tuple(rng.integers(1, 6, 2).tolist()) if rng.random() < 0.5 else (3, 3)
    dilation = tuple(rng.integers(1, 4, 2).tolist()) if rng.random() < 0.2 else (1, 1)
    stride = (1, 1)
    if rng.random() < 0.5:
        stride = (2, 2) if rng.random() < 0.7 else tuple(rng.integers(1, 4, 2).tolist())
    h, w, cin, cout = size(rng, 16), size(rng, 16), int(rng.integers(1, 18)), size(rng, 20)
    groups = 1
    if rng.random() < 0.15:
        groups = int(rng.integers(1, 5))
        cin, cout = cin * groups, cout * groups
    shape = window(rng, (h, w, cin), cout, kernel, stride, dilation)
    weights = values(rng, cout, *kernel, cin // groups)
    weights, q = prune(rng, weights, requant(rng, cout, weights[0].size))
    name = f"conv {i} {shape} groups {groups}"
    return machine.conv_case(
        name, shape, weights, q, values(rng, h, w, cin), clamp(rng, q.zero_out), at_end=at_end(rng)
    )


def first_convolution(rng, i) -> machine.Case:
    h, w, cout = size(rng, 40), size(rng, 40), size(rng, 20)
    stride = int(rng.choice([1, 2, 2, 2, 3]))
    shape = window(rng, (h, w, 3), cout, (3, 3), (stride, stride))
    q = requant(rng, cout, 27)
    weights = values(rng, cout, 3, 3, 3)
    return machine.conv_case(
        f"first conv {i} {shape}", shape, weights, q, values(rng, h, w, 3), clamp(rng, q.zero_out),
        at_end=at_end(rng),
    )  # fmt: skip


def depthwise(rng, i, kernel: int | None = None) -> machine.Case:
    stride, dilation = (1, 1), (1, 1)
    k = kernel or int(rng.choice([3, 5, 7]))
    shape_k = (k, k)
    if rng.random() < 0.5:
        stride = (2, 2)
    odd = rng.random()
    if odd < 0.05:
        shape_k = tuple(rng.integers(1, 8, 2).tolist())
    elif odd < 0.1:
        dilation = tuple(rng.integers(1, 4, 2).tolist())
    elif odd < 0.13:
        stride = tuple(rng.integers(1, 4, 2).tolist())
    channels = int(rng.choice([size(rng, 24), 4 * int(rng.integers(1, 8))]))
    multiplier = int(rng.integers(2, 4)) if rng.random() < 0.04 else 1
    h, w = size(rng, 34), size(rng, 70)
    pads = None
    if rng.random() < 0.2 and shape_k == (k, k) and dilation == (1, 1):  # onto 3x3
        k = 3 if stride == (2, 2) or rng.random() < 0.5 else 5
        shape_k = (k, k)
        h = w = 3 * stride[0]
        before = shape_k[0] // 2 if stride == (1, 1) or rng.random() < 0.5 else 0
        pads = (before, before, shape_k[0] // 2, shape_k[1] // 2)
    shape = window(rng, (h, w, channels), channels * multiplier, shape_k, stride, dilation, pads)
    q = requant(rng, channels * multiplier, shape_k[0] * shape_k[1])
    weights, q = prune(rng, values(rng, channels * multiplier, *shape_k), q)
    weights = np.moveaxis(weights, 0, 2)
    made = machine.depthwise_case(
        f"depthwise {i} {shape}", shape, weights, q, values(rng, h, w, channels),
        clamp(rng, q.zero_out), at_end=at_end(rng),
    )  # fmt: skip
    plane = h * w if shape.pixels <= h * w else 0
    laid = layouts.in_place(plane, made.laid) if rng.random() < 0.5 else None
    return made if laid is None else dataclasses.replace(made, laid=laid, in_place=1, at_end=0)


def fully_connected(rng, i) -> machine.Case:
    depth, out, rows = size(rng, 300), size(rng, 40), int(rng.choice([1, 1, 1, 3]))
    q = requant(rng, out, depth)
    x = values(rng, rows, 1, depth)
    weights = values(rng, out, depth)
    return machine.fully_connected_case(
        f"fully connected {i} {rows}x{depth}-{out}", weights, q, x, (rows, 1, out),
        clamp(rng, q.zero_out), at_end=at_end(rng),
    )  # fmt: skip


def quantize(scale: float) -> tuple[int, int]:
    mantissa, exponent = np.frexp(scale)
    multiplier = int(np.rint(mantissa * (1 << 31)))
    if multiplier == 1 << 31:
        multiplier, exponent = 1 << 30, exponent + 1
    return multiplier, int(exponent)


def addition(rng, i) -> machine.Case:
    h, w, c = size(rng, 12), size(rng, 12), size(rng, 40)
    one, two, out = 2.0 ** rng.uniform(-8, -2, 3)
    if rng.random() < 0.7:
        two, out = one * rng.uniform(0.5, 2), one * rng.uniform(0.7, 2.5)
    twice = 2 * max(one, two)
    scales = one / twice, two / twice, twice / ((1 << 20) * out)
    zeros = zero_point(rng), zero_point(rng), zero_point(rng)
    args = [20]
    for scale in scales:
        args += quantize(scale)
    if args[-1] > 0:
        args[-1] = 0
    args += clamp(rng, zeros[2])
    a, b = values(rng, h, w, c), values(rng, h, w, c)
    in_place = int(rng.choice([0, 0, 1, 2]))
    end = 0 if in_place else int(rng.choice([0, 1, 4]))
    return machine.add_case(f"add {i} {h}x{w}x{c} {args}", a, b, zeros, args, at_end=end,
                            in_place=in_place)  # fmt: skip


def every_pair(rng, i: int) -> machine.Case:
    """ADD of all pairs of int8 values."""
    one, two, out = 2.0 ** rng.uniform(-2, 0, 3)
    twice = 2 * max(one, two)
    args = [20]
    for scale in (one / twice, two / twice, twice / ((1 << 20) * out)):
        args += quantize(scale)
    a, b = np.meshgrid(np.arange(-128, 128, dtype=np.int8), np.arange(-128, 128, dtype=np.int8))
    zeros = [zero_point(rng) for _ in range(3)]
    shape = (256, 16, 16)
    return machine.add_case(f"every pair {i}", a.reshape(shape), b.reshape(shape), zeros, [*args, -128, 127])


def average_pool(rng, i) -> machine.Case:
    h, w, c = size(rng, 20), size(rng, 20), size(rng, 20)
    if rng.random() < 0.4:
        shape = Window((h, w, c), (1, 1, c), (h, w))
    else:
        kernel = (int(rng.integers(1, min(h, 6) + 1)), int(rng.integers(1, min(w, 6) + 1)))
        shape = window(rng, (h, w, c), c, kernel, tuple(rng.integers(1, 4, 2).tolist()))
    zero = zero_point(rng)
    return machine.average_pool_case(
        f"average pool {i} {shape}", shape, values(rng, h, w, c), zero, clamp(rng, zero),
        at_end=int(rng.integers(0, 2)),
    )  # fmt: skip


def mean(rng, i) -> machine.Case:
    h, w, c = size(rng, 24), size(rng, 24), size(rng, 40)
    multiplier, shift = quantize(float(rng.uniform(0.3, 3)))
    n = h * w
    bits = min(int(np.floor(np.log2(n))), 32, 31 + shift)
    multiplier, shift = (multiplier << bits) // n, shift - bits
    return machine.mean_case(
        f"mean {i} {h}x{w}x{c}", values(rng, h, w, c), multiplier, shift,
        [zero_point(rng), zero_point(rng)], at_end=int(rng.integers(0, 2)),
    )  # fmt: skip


MAKERS = {
    "pointwise": pointwise,
    "convolution": convolution,
    "first_convolution": first_convolution,
    "depthwise": depthwise,
    "fully_connected": fully_connected,
    "addition": addition,
    "average_pool": average_pool,
    "mean": mean,
}


def make(operator: str, count: int, seed: int) -> list[machine.Case]:
    """Some of them with less scratch than the kernel would like."""
    rng = np.random.default_rng([seed, list(MAKERS).index(operator)])
    made = [MAKERS[operator](rng, i) for i in range(count)]
    for each in made:
        if rng.random() < 0.3:
            each.laid = each.laid.within(int(rng.integers(0, each.laid.scratch + 1)))
    return made
