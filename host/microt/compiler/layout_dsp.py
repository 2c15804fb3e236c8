# SPDX-License-Identifier: MIT
"""Weight layouts of the DSP kernels, chosen and written ahead of time.

The head of ``device/cmodules/microt/engine/kernels/dsp/dsp.h`` says what each layout is;
``shapes.h`` and ``layouts.c`` there hold the same rules in C, and ``microt_dsp_check`` refuses what
breaks them. One call lays out any operator, with args, weights, bias and requant as a .mtb file of
the generic target has them (engine/mtb.c):

    laid = lay_out("CONV_2D", args, [(96, 96, 3)], (48, 48, 8), weights, bias, requant, -1, -128)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .laid import TENSORFLOW as PLAIN
from .laid import Laid, Requant, Window, convolution, in_order, plain, round_up

NARROW = 16
WIDE = 17
FIRST = 18
PLANES = 19
SMALL = 20
PLANES_IN_PLACE = 21
NAMES = {
    NARROW: "narrow",
    WIDE: "wide",
    FIRST: "first",
    PLANES: "planes",
    SMALL: "small",
    PLANES_IN_PLACE: "planes in place",
}

BLOCK_TILES = 18
BLOCK_BYTES = 9216
BLOCK_BYTES_SMALL = 17408
SMALL_PIXELS = 64
WIDE_TILES = 8
FIRST_TILE = 224
PLANE_ROW = 256
PLANE_ROWS = 29
ADD_TABLES = 2048
RELU = 256


# ---- requantisation


def _value(sums: np.ndarray, requant: Requant) -> np.ndarray:
    """The int8 output of each channel's sum (bias included), for right shifts."""
    y = (sums * requant.multiplier.astype(np.int64) + (1 << 30)) >> 31
    e = np.maximum(-requant.shift.astype(np.int64), 0)
    half = np.where(e > 0, 1 << np.maximum(e - 1, 0), 0)
    y = np.where(y >= 0, (y + half) >> e, -((-y + half) >> e))
    return np.clip(y + requant.zero_out, -128, 127)


def records(weights: np.ndarray, requant: Requant, *, fold: bool) -> np.ndarray | None:
    """The constants of REQUANTIZE: i32 (channels, 4) = bias, m, round, e; bias doubled.

    Args:
        weights: i8 (channels, taps).
        fold: whether the bias takes the input's zero point away.

    Returns:
        None when a channel does not fit: a scale of 0.5 or more, or too large sums.
    """
    w = weights.astype(np.int64)
    below, above = -128 - requant.zero_in, 127 - requant.zero_in
    lowest = requant.bias + np.minimum(w * below, w * above).sum(axis=1)
    highest = requant.bias + np.maximum(w * below, w * above).sum(axis=1)
    bias = requant.bias - (requant.zero_in * w.sum(axis=1) if fold else 0)
    multiplier = requant.multiplier.astype(np.int64)
    e = -requant.shift.astype(np.int64)
    # A channel that always gives one value, as pruned and dead ones do, needs no sum at all.
    # int32 holds all sums; the output grows with the sum.
    inside = (lowest >= -(1 << 31)) & (highest < 1 << 31) & (requant.shift <= 0)
    value = _value(lowest, requant)
    constant = inside & (value == _value(highest, requant))
    bias, multiplier, e = (np.where(constant, n, v) for n, v in ((0, bias), (0, multiplier), (1, e)))
    if (e < 1).any() or (e > 30).any():
        return None
    half = np.where(constant, 2 * value + 1, (1 << (e - 1)) + requant.zero_out * (1 << e))
    largest = np.maximum(np.abs(lowest), np.abs(highest))
    scaled = (largest * multiplier + (1 << 30)) >> 31
    fits = constant | ((np.abs(half) + scaled + 2 < 1 << 31) & (2 * largest < 1 << 31))
    if not fits.all() or (np.abs(2 * bias) >= 1 << 31).any():
        return None
    e = e + (RELU if requant.zero_out == -128 else 0)
    return np.stack([2 * bias, multiplier, half, e], axis=1).astype(np.int32)


# ---- CONV_2D


def _is_direct(window: Window) -> bool:
    return (
        window.kernel == (1, 1)
        and window.stride == (1, 1)
        and window.pads == (0, 0, 0, 0)
        and window.inputs[2] % 8 == 0
    )


def _depth(window: Window) -> int:
    return round_up(window.kernel[0] * window.kernel[1] * window.inputs[2], 8)


def _wide_tiles(pixels: int, depth: int) -> int:
    tiles = pixels // 4
    limit = BLOCK_BYTES_SMALL if pixels <= SMALL_PIXELS else BLOCK_BYTES
    most = min(BLOCK_TILES, limit // (8 * depth))
    if tiles < WIDE_TILES or most < WIDE_TILES:
        return 0
    blocks = -(-tiles // most)
    return -(-tiles // blocks)


def conv_scratch(window: Window, layout: int, channel_bytes: int, *, least: bool = False) -> int:
    """channel_bytes: bytes of weights of an output channel, read in layout 0 only; least: what the kernel can do
    with, tile by tile."""
    tiles = 1 if least else min(window.pixels // 4, BLOCK_TILES)
    channels = window.inputs[2]
    if layout == NARROW:
        return tiles * 8 * channels
    if layout == FIRST:
        return round_up(tiles * FIRST_TILE + 3 * window.inputs[1], 16)
    if layout == WIDE:
        depth = _depth(window)
        block = 0 if least else _wide_tiles(window.pixels, depth)
        buffer = 4 * depth if block else 0
        patch = 0 if _is_direct(window) else 4 * depth
        return max(block, 1) * 8 * depth + buffer + patch
    taps = window.kernel[0] * window.kernel[1] * channels
    return round_up(taps + (channel_bytes if channel_bytes < taps else 0), 16)


def _conv_layout(window: Window, groups: int) -> int:
    square = window.stride[0] == window.stride[1]
    channels = window.inputs[2]
    if groups != 1 or window.outputs[2] < 2 or window.pixels < 3:
        return PLAIN
    if window.kernel == (3, 3) and channels == 3 and square and window.dilation == (1, 1):
        if window.pixels >= 4:
            return FIRST
    if _is_direct(window) and channels <= 32 and window.pixels >= 12:
        return NARROW
    return WIDE


def _pairs(channels: int) -> np.ndarray:
    """(pairs, 2) output channels; the last pair of an odd number overlaps the one before."""
    pairs = [(c, c + 1) for c in range(0, channels - 1, 2)]
    if channels % 2:
        pairs.append((channels - 2, channels - 1))
    return np.array(pairs)


def lay_out_conv(window: Window, weights: np.ndarray, requant: Requant) -> Laid:
    """weights: i8 (cout, kh, kw, cin / groups)."""
    flat = weights.reshape(len(weights), -1)
    groups = window.inputs[2] // weights.shape[3]
    layout = _conv_layout(window, groups)
    why = "" if layout else "groups, a single output channel or fewer than 3 pixels"
    if layout:
        record = records(flat, requant, fold=True)
        if record is None:
            layout, why = PLAIN, "a channel's scale is 0.5 or more, or its sums are too large"
    if not layout:
        return in_order(weights, requant, conv_scratch(window, PLAIN, flat.shape[1]), why)
    pairs = _pairs(len(flat))
    a, b = record[pairs[:, 0]], record[pairs[:, 1]]
    merged = np.stack([a[:, 0], b[:, 0], *a[:, 1:].T, *b[:, 1:].T], axis=1)
    if layout == NARROW:
        laid = flat
    elif layout == FIRST:
        rows = flat.reshape(-1, 3, 9)
        last = np.zeros((len(flat), 4), np.int8)
        last[:, :3] = rows[:, [0, 2, 1], 8]
        laid = np.concatenate([rows[:, :, :8].reshape(len(flat), 24), last], axis=1)
    else:
        padded = np.zeros((len(flat), _depth(window)), np.int8)
        padded[:, : flat.shape[1]] = flat
        # (pair, quad, [A, B], [0, 1, 2, 3]) -> A0 B0 A2 B2 A1 B1 A3 B3
        quads = padded[pairs].reshape(len(pairs), 2, -1, 4).transpose(0, 2, 3, 1)
        laid = quads[:, :, [0, 2, 1, 3], :]
    return Laid(
        layout,
        laid.astype(np.int8).tobytes(),
        b"",
        merged.astype("<i4").tobytes(),
        conv_scratch(window, layout, 0),
        least=conv_scratch(window, layout, 0, least=True),
    )


# ---- DEPTHWISE_CONV_2D


def _plane_rows(rows: int, kernel: int, stride: int) -> int:
    most = (PLANE_ROWS - kernel) // stride + 1 & ~1
    strips = -(-rows // most)
    return rows if strips == 1 else (-(-rows // strips) + 1) & ~1


def _is_small(window: Window) -> bool:
    k = window.kernel[0]
    onto = window.inputs[:2] == window.outputs[:2] == (3, 3)
    return onto and window.stride[0] == 1 and k <= 5 and window.pads[:2] == (k // 2, k // 2)


def _depthwise_layout(window: Window, multiplier: int) -> int:
    k, s = window.kernel[0], window.stride[0]
    if (
        multiplier != 1
        or window.kernel[1] != k
        or window.stride[1] != s
        or window.dilation != (1, 1)
        or k not in (3, 5, 7)
        or s not in (1, 2)
    ):
        return PLAIN
    if _is_small(window):
        return SMALL
    return PLANES if window.inputs[2] >= 4 else PLAIN


def _pair_columns(kernel: int, stride: int, layout: int, pad_left: int) -> list[int]:
    """First taps of the pairs of a row of weights; taps outside the kernel are 0."""
    if stride == 2 and layout == PLANES:
        return list(range(-(pad_left & 1), kernel, 2))
    if kernel == 3:
        return [0, 1]
    return [0, 2, 1, 3] if kernel == 5 else [0, 2, 4, 1, 3, 5]


def depthwise_scratch(window: Window, layout: int) -> int:
    if layout != PLANES:
        return 0
    rows = _plane_rows(window.outputs[0], window.kernel[0], window.stride[0])
    return ((rows - 1) * window.stride[0] + window.kernel[0]) * PLANE_ROW


def lay_out_depthwise(window: Window, weights: np.ndarray, requant: Requant) -> Laid:
    """weights: i8 (kh, kw, cout)."""
    multiplier = window.outputs[2] // window.inputs[2]
    layout = _depthwise_layout(window, multiplier)
    why = "" if layout else "kernel, stride, dilation, multiplier or fewer than 4 channels"
    if layout:
        flat = weights.reshape(-1, weights.shape[2]).T
        record = records(flat, requant, fold=layout != SMALL)
        if record is None:
            layout, why = PLAIN, "a channel's scale is 0.5 or more, or its sums are too large"
    if not layout:
        return in_order(weights, requant, why=why)
    k, s = window.kernel[0], window.stride[0]
    padded = np.zeros((k, k + 2, weights.shape[2]), np.int16)
    padded[:, 1:-1] = 2 * weights.astype(np.int16)
    columns = np.array(_pair_columns(k, s, layout, window.pads[1])) + 1
    pairs = np.stack([padded[:, columns], padded[:, columns + 1]], axis=2)
    words = pairs.transpose(3, 0, 1, 2).reshape(weights.shape[2], -1).astype("<i2")
    if layout == SMALL:
        laid = np.concatenate([words.view("<i4"), record.astype("<i4")], axis=1)
        return Laid(layout, laid.tobytes(), b"", b"", 0)
    return Laid(
        layout,
        words.tobytes(),
        b"",
        record.astype("<i4").tobytes(),
        depthwise_scratch(window, layout),
    )


def in_place(plane: int, laid: Laid) -> Laid | None:
    """The Laid of a DEPTHWISE_CONV_2D whose output takes the place of its input, with room for a copy of four
    channels; None where there is no kernel for that.

    Args:
        plane: pixels of the input; 0 when the output has more of them, or a multiplier.
    """
    if laid.layout != PLANES or not plane or len(laid.requant) % 64:  # a multiple of 4 channels
        return None
    return replace(laid, layout=PLANES_IN_PLACE, scratch=laid.scratch + 4 * plane)


# ---- any operator


def lay_out(
    kind: str,
    args: list[int],
    inputs: list[tuple[int, int, int]],
    output: tuple[int, int, int],
    weights: np.ndarray | None,
    bias: np.ndarray | None,
    requant: np.ndarray | None,
    zero_in: int,
    zero_out: int,
) -> Laid:
    """The constants of an operator for the DSP kernels, and the scratch of its kernel.

    Args:
        kind: "CONV_2D" and so on, as in the specification; those without layouts here are let through.
        inputs, output: (h, w, c).
        weights: i8, any shape with the order of the specification. bias: i32 (channels,).
        requant: i32 (channels, 2).
    """
    if kind == "ADD":
        return plain(scratch=ADD_TABLES)
    if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return plain(weights, bias, requant)
    window, weights, after = convolution(kind, args, inputs, output, weights, bias, requant, zero_in, zero_out)
    return (lay_out_conv if kind == "CONV_2D" else lay_out_depthwise)(window, weights, after)
