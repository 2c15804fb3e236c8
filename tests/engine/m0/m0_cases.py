# SPDX-License-Identifier: MIT
"""Random layers of every operator: the DSP tests' generators, laid out for Thumb-1, and what those do not draw."""

from __future__ import annotations

import m0_machine as machine
import numpy as np

from microt.compiler import layout_m0 as layouts

shared = machine.on_this_core("dsp_cases")
MAKERS = shared.MAKERS
every_pair = shared.every_pair


def make(operator: str, count: int, seed: int) -> list[machine.Case]:
    rng = np.random.default_rng([seed, list(MAKERS).index(operator)])
    return [MAKERS[operator](rng, i) for i in range(count)]


def depthwise_in_place(count: int, seed: int) -> list[machine.Case]:
    """Depthwise layers, overwriting their input wherever they may."""
    rng = np.random.default_rng([seed, 1])
    machine.depthwise_in_place = True
    try:
        return [MAKERS["depthwise"](rng, i) for i in range(count)]
    finally:
        machine.depthwise_in_place = False


def large_planes(count: int, seed: int) -> list:
    """(window, case) of depthwise layers many of whose planes are cut into strips."""
    rng = np.random.default_rng([seed, 2])
    made = []
    for i in range(count):
        k, stride, channels = int(rng.choice([3, 5, 7])), int(rng.choice([1, 2])), int(rng.integers(1, 4))
        h, w = rng.integers(50, 110, 2).tolist()
        window = shared.window(rng, (h, w, channels), channels, (k, k), (stride, stride))
        q = shared.requant(rng, channels, k * k, friendly=True)
        weights, x = shared.values(rng, k, k, channels), shared.values(rng, h, w, channels)
        at_end = shared.at_end(rng)
        made.append((window, machine.depthwise_case(f"large plane {i} {window}", window, weights, q, x, at_end=at_end)))
    return made


def pointwise_sums(rng, sums: np.ndarray, q: shared.Requant, name: str) -> machine.Case:
    """A pointwise layer whose channels' sums are these: weights of 0, the biases alone."""
    channels = len(sums)
    shape = shared.Window((1, 2, 4), (1, 2, channels), (1, 1))
    q = shared.Requant(sums, q.multiplier, q.shift, q.zero_in, q.zero_out)
    return machine.conv_case(name, shape, np.zeros((channels, 1, 1, 4), np.int8), q, shared.values(rng, 1, 2, 4))


def boundaries(rng, e: int, kernel: int | None) -> machine.Case:
    """Sums next to those at which the output changes, for a right shift of e; kernel: None for a pointwise layer.

    Channel by channel the input runs over a range of sums around a boundary: the weight is 1 for one tap.
    """
    channels, zero_out = 24, int(rng.integers(-128, 128))
    m = rng.integers(1 << 30, 1 << 31, channels)
    m[rng.random(channels) < 0.2] = (1 << 31) - 1
    m[rng.random(channels) < 0.1] = 1 << 30
    shift = np.full(channels, -e)
    steps = rng.integers(-128, 128, channels) - zero_out
    near = np.array([(2 * int(k) + 1) * (1 << (30 + e)) // int(d) for k, d in zip(steps, m, strict=True)], dtype=object)
    fits = np.abs(near) < 1 << 28
    near = np.where(fits, near, 0).astype(np.int64)
    zero_in = int(rng.integers(-128, 128))
    # inputs run over all 256 values, twice the weight 1 or -1: the sum over 256 around the boundary
    bias = near - rng.integers(-3, 4, channels)
    q = shared.Requant(bias, m, shift, zero_in, zero_out)
    sign = rng.choice([-1, 1], channels)
    x = np.arange(-128, 128, dtype=np.int8).reshape(16, 16, 1)
    name = f"boundaries e {e} kernel {kernel}"
    if kernel is None:
        inputs = np.repeat(x, 4, axis=2)
        weights = np.zeros((channels, 1, 1, 4), np.int8)
        weights[:, 0, 0, 1] = sign
        return machine.conv_case(name, shared.Window((16, 16, 4), (16, 16, channels), (1, 1)), weights, q, inputs)
    inputs = np.repeat(x, channels, axis=2)
    weights = np.zeros((kernel, kernel, channels), np.int8)
    weights[kernel // 2, kernel // 2] = sign
    window = shared.Window((16, 16, channels), (16, 16, channels), (kernel, kernel), (1, 1), (1, 1), (kernel // 2,) * 4)
    return machine.depthwise_case(name, window, weights, q, inputs)


def extreme_pairs(rng, kind: str) -> machine.Case:
    """Products as large as pairs of weights allow, of both signs, in every place."""
    values = np.array([-128, -127, 127, 126], np.int8)
    if kind == "pointwise":
        weights = rng.choice(values, (20, 1, 1, 32))
        weights[..., 1::2] = np.where(weights[..., 1::2] == -128, -127, weights[..., 1::2])
        flat = weights.reshape(20, 8, 4)  # pairs are taps 0 and 2, 1 and 3
        flat[..., 2:] = np.where(flat[..., 2:] == -128, -127, flat[..., 2:])
        q = shared.requant(rng, 20, 32, friendly=True)
        window = shared.Window((9, 7, 32), (9, 7, 20), (1, 1))
        return machine.conv_case("extreme pointwise", window, weights, q, rng.choice(values, (9, 7, 32)))
    k = int(kind)
    weights = rng.choice(values, (k, k, 20))
    weights[:, 1::2] = np.where(weights[:, 1::2] == -128, 127, weights[:, 1::2])
    stride = int(rng.choice([1, 2]))
    window = shared.window(rng, (15, 14, 20), 20, (k, k), (stride, stride))
    q = shared.requant(rng, 20, k * k, friendly=True)
    return machine.depthwise_case(f"extreme {k}x{k}", window, weights, q, rng.choice(values, (15, 14, 20)))


def small_quads(rng, i: int) -> machine.Case:
    """Quads of weights of size 255 at most, mostly exactly, or in some channels 256, one too many; extreme inputs."""
    cin, cout = 4 * int(rng.integers(1, 20)), int(rng.integers(2, 20))
    quads = rng.dirichlet(np.ones(4) * rng.choice([0.3, 5]), (cout, cin // 4))
    weights = np.minimum(np.floor(quads * 256), 127).astype(np.int64)
    weights[..., 0] = np.minimum(255 - weights[..., 1:].sum(axis=2), 127)
    weights = rng.permuted(weights, axis=2) * rng.choice([-1, 1], weights.shape)
    weights[rng.random(cout) < 0.3] = [-127, -1, -127, -1]  # times -128: 2^15
    weights = weights.reshape(cout, 1, 1, cin)
    q = shared.requant(rng, cout, cin, friendly=True)
    window = shared.Window((5, 9, cin), (5, 9, cout), (1, 1))
    x = rng.choice(np.array([-128, 127, -127, 0], np.int8), (5, 9, cin))
    x[0] = -128
    return machine.conv_case(f"small quads {i}", window, weights.astype(np.int8), q, x)


LAYOUTS = (layouts.PLAIN, layouts.WIDE, layouts.FIRST, layouts.PLANES)
