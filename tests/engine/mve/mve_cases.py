# SPDX-License-Identifier: MIT
"""Random layers of every operator: the DSP tests' generators, on the M55 and laid out for MVE."""

from __future__ import annotations

import mve_machine as machine
import numpy as np

from microt.compiler import layout_mve as layouts

shared = machine.on_this_core("dsp_cases")
MAKERS = shared.MAKERS
every_pair = shared.every_pair


def make(operator: str, count: int, seed: int) -> list[machine.Case]:
    rng = np.random.default_rng([seed, list(MAKERS).index(operator)])
    return [MAKERS[operator](rng, i) for i in range(count)]


def depthwise_in(layout: int, count: int, seed: int, *, in_place: bool = False) -> list[machine.Case]:
    """Depthwise layers, laid out so wherever that fits; in_place: overwriting their input wherever they may."""
    rng = np.random.default_rng([seed, layout])
    machine.preferred_depthwise, machine.depthwise_in_place = layout, in_place
    try:
        return [MAKERS["depthwise"](rng, i) for i in range(count)]
    finally:
        machine.preferred_depthwise, machine.depthwise_in_place = None, False


def large_planes(count: int, seed: int) -> list:
    """(window, case) of depthwise layers most of whose planes are cut into strips."""
    rng = np.random.default_rng([seed, 1])
    made = []
    for i in range(count):
        k, stride, channels = int(rng.choice([3, 5, 7])), int(rng.choice([1, 2])), int(rng.integers(1, 5))
        h, w = rng.integers(50, 100, 2).tolist()
        window = shared.window(rng, (h, w, channels), channels, (k, k), (stride, stride))
        q = shared.requant(rng, channels, k * k)
        weights, x = shared.values(rng, k, k, channels), shared.values(rng, h, w, channels)
        clamp, at_end = shared.clamp(rng, q.zero_out), shared.at_end(rng)
        name = f"large plane {i} {window}"
        made.append((window, machine.depthwise_case(name, window, weights, q, x, clamp, at_end=at_end)))
    return made


def at_limits(seed: int) -> list[machine.Case]:
    """Depthwise layers at the ends of what the layouts take, the layout in the name."""
    rng = np.random.default_rng([seed, 2])
    made = []
    for layout, kernel, h, w, channels in (
        (layouts.PLANES, 3, 8, 12, 4369),  # gather offsets of 16 bits
        (layouts.BLOCKS, 3, 8, 12, 4370),
        (layouts.PLANES, 3, 8, 350, 2),
        (layouts.BLOCKS, 3, 3, 320, 210),  # a row of descriptors for each class
        (layouts.PLAIN, 3, 3, 1100, 3),
        (layouts.PLAIN, 9, 12, 12, 5),  # taps
        (layouts.PLAIN, 7, 9, 9, 4),  # a weight of -128; PLANES takes it, so a stride of 3
    ):
        k, stride = (kernel, kernel), (3, 3) if (layout, kernel) == (layouts.PLAIN, 7) else (1, 1)
        window = shared.window(rng, (h, w, channels), channels, k, stride, pads=(kernel // 2,) * 4)
        q = shared.requant(rng, channels, kernel * kernel, friendly=True)
        weights = rng.integers(-127, 128, (*k, channels), dtype=np.int8)
        if kernel == 7:
            weights[0, 0, 0] = -128
        x = shared.values(rng, h, w, channels)
        made.append(machine.depthwise_case(f"{layout} {window}", window, weights, q, x))
    return made


# ---- requantisation

WAYS = ("narrow", "wide", "planes 3x3", "planes 5x5", "blocks", "plain")


def boundaries(rng, e: int, way: str) -> machine.Case:
    """Weights of 0, so that the biases are the sums: next to where M(sum, m, -e) + zero point steps."""
    channels = 128
    zero_out = int(rng.integers(-128, 128))
    m = rng.integers(1 << 30, 1 << 31, channels)
    m[rng.random(channels) < 0.1] = (1 << 31) - 1
    steps = rng.integers(-129, 129, channels) - zero_out
    exact = [(2 * int(k) + 1) << (30 + e) for k in steps]  # (k + 1/2) 2^(31 + e)
    sums = [n // int(d) + int(rng.integers(-1, 3)) for n, d in zip(exact, m, strict=True)]
    sums = np.clip(np.array(sums, np.int64), -(1 << 31), (1 << 31) - 1)
    sums = np.where(rng.random(channels) < 0.1, rng.integers(-3, 4, channels), sums)
    shift = np.full(channels, -e)
    q = shared.Requant(sums, m, shift, int(rng.integers(-128, 128)), zero_out)
    name = f"boundaries e {e} {way}"
    if way in ("narrow", "wide"):
        cin = 16 if way == "narrow" else 32
        shape = shared.Window((2, 3, cin), (2, 3, channels), (1, 1))
        x = shared.values(rng, 2, 3, cin)
        return machine.conv_case(name, shape, np.zeros((channels, 1, 1, cin), np.int8), q, x)
    k = 5 if "5" in way else 3
    window = shared.Window((4, 4, channels), (4, 4, channels), (k, k), (1, 1), (1, 1), (k // 2,) * 4)
    layout = {"b": layouts.BLOCKS, "p": layouts.PLANES}[way[0]] if way != "plain" else layouts.PLAIN
    weights, x = np.zeros((k, k, channels), np.int8), shared.values(rng, 4, 4, channels)
    return machine.depthwise_case(name, window, weights, q, x, layout=layout)


def settled(seed: int) -> list[machine.Case]:
    """Layers some of whose channels give one value whatever the input, with scales of 0.5 and more."""
    rng = np.random.default_rng([seed, 3])
    made = []
    for way in WAYS[:5]:
        q = shared.requant(rng, 24, 16, friendly=True)
        dead = rng.random(24) < 0.5
        bias, shift = (
            np.where(dead, rng.integers(-200, 200, 24), q.bias),
            np.where(dead, rng.integers(0, 8, 24), q.shift),
        )
        q = shared.Requant(bias, q.multiplier, shift, q.zero_in, q.zero_out)
        if way in ("narrow", "wide"):
            cin = 16 if way == "narrow" else 20
            shape = shared.Window((3, 5, cin), (3, 5, 24), (1, 1))
            weights = np.where(dead[:, None, None, None], 0, rng.integers(-127, 128, (24, 1, 1, cin))).astype(np.int8)
            made.append(machine.conv_case(f"settled {way}", shape, weights, q, shared.values(rng, 3, 5, cin)))
            continue
        k = 5 if "5" in way else 3
        shape = shared.Window((5, 6, 24), (5, 6, 24), (k, k), (1, 1), (1, 1), (k // 2,) * 4)
        weights = np.where(dead, 0, rng.integers(-127, 128, (k, k, 24))).astype(np.int8)
        layout = layouts.BLOCKS if way == "blocks" else layouts.PLANES
        x = shared.values(rng, 5, 6, 24)
        made.append(machine.depthwise_case(f"settled {way}", shape, weights, q, x, layout=layout))
    return made
