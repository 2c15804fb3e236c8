# SPDX-License-Identifier: MIT
"""Weight layouts of the kernels in Thumb-1 (Cortex-M0+), chosen and written ahead of time.

The head of ``device/cmodules/microt/engine/kernels/m0/m0.h`` says what each layout is, that of ``requantize.h`` what a
record is; ``shapes.h`` and ``layouts.c`` there hold the same rules in C, and ``microt_m0_check`` refuses what breaks
them.
"""

from __future__ import annotations

import numpy as np

from .laid import TENSORFLOW as PLAIN
from .laid import Laid, Requant, Window, convolution, in_order, plain, round_up, settle

WIDE = 48
FIRST = 49
PLANES = 50
NAMES = {WIDE: "wide", FIRST: "first", PLANES: "planes"}

TILE_PIXELS = 64
TILE_BYTES = 9216
TILE_BYTES_SMALL = 17408
SMALL_PIXELS = 64
FIRST_DEPTH = 28
PLANE_BYTES = 10240
SMALL_WEIGHTS = 1 << 31
ADD_TABLES = 2048

# Taps of FIRST, 27 stands for none: rows of 8, then the ninth of each row.
FIRST_ORDER = [9 * row + tap for row in range(3) for tap in range(8)] + [8, 17, 26, 27]

SCALE = "a channel's scale is 0.5 or more, or its sums are too large"
LOWEST = "neighbouring weights of -128"


# ---- requantisation


def _thresholds(m: int, e: int, zero_out: int) -> np.ndarray:
    """The smallest sum whose output is at least v, for v = -127 .. 127; Python's integers or int64."""
    k = np.arange(-127 - zero_out, 128 - zero_out, dtype=np.int64 if e <= 22 else object)
    one, half = 1 << e, 1 << (e - 1)
    # halves are rounded away from zero
    y = np.where(k >= 1, k * one - half, (k - 1) * one + half + 1)
    return -((-(y * (1 << 31) - (1 << 30))) // m)


def _record(m: int, e: int, zero_out: int, lowest: int, highest: int) -> tuple[int, int, int, int] | None:
    """(first, range, offset, window) for sums of lowest to highest; None when they do not fit."""
    at = _thresholds(m, e, zero_out)
    first = min(max(int(at[0]), lowest), highest + 1)
    end = min(max(int(at[-1]), first), highest + 1)
    shift, drop = max(e - 8, 0), min(e + 7, 15)
    factor = (m + (1 << (drop - 1))) >> drop
    if end - first >= 1 << 27 or max(-first, end) >= 1 << 29:
        return None
    if highest - first >= 1 << 31 or lowest - first < -(1 << 31):
        return None
    if end == first:  # every sum saturates
        return first, 0, 0, 1
    at = np.clip(at, first, end).astype(np.int64)
    bottom = np.arange(-127, 128, dtype=np.int64) << 24
    reached = at < end
    if end - first == 1:  # one sum is left, far from the window
        return first, 1, ((int(np.count_nonzero(reached)) - 127) << 24) - 1, 1
    offset = int((bottom - ((at - first) >> shift) * factor)[reached].max())
    early = (((at - 1 - first) >> shift) * factor + offset - bottom)[at > first]
    return first, end - first, offset, max(int(early.max(initial=0)) + 1, 1)


def records(weights: np.ndarray, requant: Requant) -> np.ndarray | None:
    """The requant section: u32 window, i32 (channels, 5); None when a channel does not fit.

    weights: i8 (channels, taps).
    """
    if (requant.shift > -1).any() or (requant.multiplier < 1).any():
        return None
    w = weights.astype(np.int64)
    below, above = -128 - requant.zero_in, 127 - requant.zero_in
    lowest = requant.bias + np.minimum(w * below, w * above).sum(axis=1)
    highest = requant.bias + np.maximum(w * below, w * above).sum(axis=1)
    if (lowest < -(1 << 31)).any() or (highest >= 1 << 31).any():
        return None
    folded = requant.bias - requant.zero_in * w.sum(axis=1)
    table = np.zeros((len(w), 5), np.int64)
    window = 1
    for c in range(len(w)):
        m, e = int(requant.multiplier[c]), -int(requant.shift[c])
        found = _record(m, e, requant.zero_out, int(lowest[c]), int(highest[c]))
        if found is None or found[3] >= 1 << 24:
            return None
        first, reach, offset, doubtful = found
        table[c] = folded[c] - first, e << 27 | reach, offset, m, first
        window = max(window, doubtful)
    return np.concatenate([[window], table.reshape(-1)]).astype(np.uint32)


def _pairs_fit(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether all pairs of products and their sum fit 16 bits."""
    return not ((a == -128) & (b == -128)).any()


# ---- CONV_2D


def _is_direct(window: Window) -> bool:
    return (
        window.kernel == (1, 1)
        and window.stride == (1, 1)
        and window.pads == (0, 0, 0, 0)
        and window.inputs[2] % 4 == 0
    )


def _tile_pixels(pixels: int, depth: int) -> int:
    limit = TILE_BYTES_SMALL if pixels <= SMALL_PIXELS else TILE_BYTES
    most = max(min(TILE_PIXELS, limit // (2 * depth)), 1)
    tiles = -(-pixels // most)
    return -(-pixels // tiles)


def _depth(window: Window, layout: int) -> int:
    if layout == FIRST:
        return FIRST_DEPTH
    return round_up(window.kernel[0] * window.kernel[1] * window.inputs[2], 4)


def conv_scratch(window: Window, layout: int) -> int:
    if layout == PLAIN:
        return 0
    depth = _depth(window, layout)
    patch = depth if layout == FIRST or not _is_direct(window) else 0
    return round_up(_tile_pixels(window.pixels, depth) * 2 * depth + 4 * depth + 40 + patch, 16)


def _conv_layout(window: Window, groups: int) -> int:
    if groups != 1 or window.outputs[2] < 2:
        return PLAIN
    if window.kernel == (3, 3) and window.inputs[2] == 3 and window.dilation == (1, 1):
        return FIRST
    return WIDE


def lay_out_conv(window: Window, weights: np.ndarray, requant: Requant) -> Laid:
    """weights: i8 (cout, kh, kw, cin / groups)."""
    groups = window.inputs[2] // weights.shape[3]
    layout = _conv_layout(window, groups)
    if layout == PLAIN:
        return in_order(weights, requant, why="groups or a single output channel")
    flat, settled = settle(weights.reshape(len(weights), -1), requant)
    section = records(flat, settled)
    if section is None:
        return in_order(weights, requant, why=SCALE)
    padded = np.zeros((len(flat), _depth(window, layout)), np.int8)
    padded[:, : flat.shape[1]] = flat
    if layout == FIRST:
        padded = padded[:, FIRST_ORDER]
    channels = len(flat)
    pairs = np.array([(min(c, channels - 2), min(c, channels - 2) + 1) for c in range(0, channels, 2)])
    # (pair, [A, B], quad, taps 0 to 3) -> quad by quad A2 A3 A0 A1 B2 B3 B0 B1
    quads = padded[pairs].reshape(len(pairs), 2, -1, 4).transpose(0, 2, 1, 3)
    if not _pairs_fit(quads[..., :2], quads[..., 2:]):
        return in_order(weights, requant, why=LOWEST)
    small = np.abs(quads.astype(np.int32)).sum(axis=3).max(axis=(1, 2)) <= 255
    section[1:].reshape(-1, 5)[pairs[small, 0], 3] |= SMALL_WEIGHTS
    laid = quads[..., [2, 3, 0, 1]]
    return Laid(layout, laid.tobytes(), b"", section.astype("<u4").tobytes(), conv_scratch(window, layout))


# ---- DEPTHWISE_CONV_2D


def _strip(window: Window) -> tuple[int, int]:
    """(output rows, bytes of a row) of a strip; 0 rows: not even one fits."""
    k, s = window.kernel[0], window.stride[0]
    columns = max((round_up(window.outputs[1], 2) - 1) * s + k, window.inputs[1] + window.pads[1])
    pitch = 4 * -(-columns // 2)
    rows = PLANE_BYTES // pitch
    return (0 if rows < k else min((rows - k) // s + 1, window.outputs[0])), pitch


def depthwise_scratch(window: Window, layout: int) -> int:
    if layout != PLANES:
        return 0
    k, s = window.kernel[0], window.stride[0]
    rows, pitch = _strip(window)
    stream = 8 + k * (k + 1) // 2 * (8 if s == 1 else 4) + 16
    return round_up(((rows - 1) * s + k) * pitch + stream, 16)


def strips(window: Window) -> int:
    """Into how many strips PLANES cuts a layer."""
    return -(-window.outputs[0] // _strip(window)[0])


def in_place(window: Window, layout: int) -> bool:
    """Whether the output of a depthwise convolution may overwrite its input, from the same offset on."""
    (h, w, _), (rows, columns, _) = window.inputs, window.outputs
    return layout == PLANES and _strip(window)[0] == rows and rows * columns <= h * w


def _fits_planes(window: Window) -> bool:
    k, s = window.kernel[0], window.stride[0]
    return (
        window.inputs[2] == window.outputs[2]
        and window.kernel == (k, k)
        and window.stride == (s, s)
        and window.dilation == (1, 1)
        and k in (3, 5, 7)
        and s in (1, 2)
        and _strip(window)[0] > 0
    )


def lay_out_depthwise(window: Window, weights: np.ndarray, requant: Requant) -> Laid:
    """weights: i8 (kh, kw, cout)."""
    if not _fits_planes(window):
        return in_order(weights, requant, why="kernel, stride, dilation, multiplier or width")
    flat, settled = settle(weights.reshape(-1, weights.shape[2]).T, requant)
    section = records(flat, settled)
    if section is None:
        return in_order(weights, requant, why=SCALE)
    rows = flat.reshape(-1, window.kernel[1])
    if not _pairs_fit(rows[:, :-1], rows[:, 1:]):
        return in_order(weights, requant, why=LOWEST)
    laid = flat.tobytes()
    return Laid(
        PLANES,
        laid + bytes(-len(laid) % 4),
        b"",
        section.astype("<u4").tobytes(),
        depthwise_scratch(window, PLANES),
        in_place=in_place(window, PLANES),
    )


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
    """The constants of an operator for these kernels, and the scratch of its kernel. See `layout_dsp.lay_out`."""
    if kind == "ADD":
        return plain(scratch=ADD_TABLES)
    if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return plain(weights, bias, requant)
    window, weights, after = convolution(kind, args, inputs, output, weights, bias, requant, zero_in, zero_out)
    return (lay_out_conv if kind == "CONV_2D" else lay_out_depthwise)(window, weights, after)
