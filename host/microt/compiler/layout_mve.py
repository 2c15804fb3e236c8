# SPDX-License-Identifier: MIT
"""Weight layouts of the MVE kernels, chosen and written ahead of time.

The head of ``device/cmodules/microt/engine/kernels/mve/mve.h`` says what each layout is; ``shapes.h``, ``blocks.h``
and ``layouts.c`` there hold the same rules in C, and ``microt_mve_check`` refuses what breaks them.
"""

from __future__ import annotations

import numpy as np

from .laid import TENSORFLOW as PLAIN
from .laid import Laid, convolution, in_order, plain, round_up, settle

NARROW = 32
WIDE = 33
FIRST = 34
PLANES = 35
BLOCKS = 36
NAMES = {NARROW: "narrow", WIDE: "wide", FIRST: "first", PLANES: "planes", BLOCKS: "blocks"}

FILL_BYTES = 2048
FIRST_TILE = 128
PLANE_BYTES = 12288
BLOCK_TAPS = 64
BLOCK_CLASSES = 32
BLOCK_BYTES = 16384
ADD_TABLES = 2048
ADD_TABLES_PAY = 256

# Channel of entry 4 i + j of a block of 16: the order of the lanes of widened products.
LANES = [4 * j + i for i in (0, 2, 1, 3) for j in range(4)]


def _wrap(sums: np.ndarray) -> np.ndarray:
    """Modulo 2^32, as int32 in the kernels."""
    return sums.astype(np.int64).astype(np.uint32).astype(np.int32)


def records(weights: np.ndarray, requant) -> np.ndarray:
    """i32 (channels, 3): bias with the input's zero point folded in, multiplier, shift.

    weights: i8 (channels, taps).
    """
    folded = requant.bias.astype(np.int64) - requant.zero_in * weights.astype(np.int64).sum(axis=1)
    return np.stack([_wrap(folded), requant.multiplier, requant.shift], axis=1).astype("<i4")


def _shifts_right(requant) -> str:
    return "" if (requant.shift <= -1).all() else "a channel's scale is 0.5 or more"


# ---- CONV_2D


def _direct(window) -> bool:
    return window.kernel == (1, 1) and window.stride == (1, 1) and window.pads == (0, 0, 0, 0)


def _steps(window, layout: int) -> int:
    return 2 if layout == FIRST else -(-window.kernel[0] * window.kernel[1] * window.inputs[2] // 16)


def _filled_tiles(window, tile: int) -> int:
    pixels = window.outputs[0] * window.outputs[1]
    most = FILL_BYTES // tile
    return 1 if most == 0 or window.outputs[2] % 4 else min(-(-pixels // 4), most)


def conv_scratch(window, layout: int, channel_bytes: int = 0) -> int:
    """channel_bytes: bytes of weights of an output channel, read in layout 0 only."""
    channels = window.outputs[2]
    stage = 4 * round_up(channels, 4) if channels % 4 else 0
    if layout == NARROW:
        return stage
    if layout == FIRST:
        columns = max((window.outputs[1] - 1) * window.stride[1] + 3, window.inputs[1] + window.pads[1])
        return stage + _filled_tiles(window, FIRST_TILE) * FIRST_TILE + 16 + 3 * round_up(3 * columns + 16, 16)
    if layout == WIDE:
        tile = 64 * _steps(window, layout)
        if _direct(window) and window.outputs[0] * window.outputs[1] >= 3:
            return stage + tile
        return stage + _filled_tiles(window, tile) * tile + tile // 4
    taps = window.kernel[0] * window.kernel[1] * window.inputs[2]
    return round_up(taps + (channel_bytes if channel_bytes < taps else 0), 16)


def _conv_layout(window, groups: int) -> int:
    channels = window.inputs[2]
    if groups != 1:
        return PLAIN
    if _direct(window) and channels <= 16:
        return NARROW
    if (
        window.kernel == (3, 3)
        and channels == 3
        and window.dilation == (1, 1)
        and window.stride in ((1, 1), (2, 2))
        and window.outputs[1] >= 4
    ):
        return FIRST
    return WIDE


def lay_out_conv(window, weights: np.ndarray, requant) -> Laid:
    """weights: i8 (cout, kh, kw, cin / groups)."""
    flat = weights.reshape(len(weights), -1)
    layout = _conv_layout(window, window.inputs[2] // weights.shape[3])
    scratch = conv_scratch(window, PLAIN, flat.shape[1])
    if layout == PLAIN:
        return in_order(weights, requant, scratch, "groups")
    flat, settled = settle(flat, requant)
    if why := _shifts_right(settled):
        return in_order(weights, requant, scratch, why)
    channels, steps = round_up(len(flat), 4), _steps(window, layout)
    record = np.zeros((channels, 3), "<i4")
    record[:, 2] = -1
    record[: len(flat)] = records(flat, settled)
    laid = np.zeros((channels, steps * 16), np.int8)
    if layout == FIRST:
        laid[: len(flat), :16] = flat[:, :16]
        laid[: len(flat), 16:25] = flat[:, 18:]
        laid[: len(flat), 25:27] = flat[:, 16:18]
    else:
        laid[: len(flat), : flat.shape[1]] = flat
    if layout != NARROW:
        laid = laid.reshape(-1, 2, steps, 16).transpose(0, 2, 1, 3)
    return Laid(layout, laid.tobytes(), b"", record.tobytes(), conv_scratch(window, layout))


# ---- DEPTHWISE_CONV_2D


def _strip(window, rows: int) -> tuple[int, int]:
    """Bytes of plane and table of a strip of output rows."""
    k, stride = window.kernel[0], window.stride[0]
    columns = max((window.outputs[1] - 1) * stride + k, window.pads[1] + window.inputs[1])
    pitch = columns * (4 if k == 3 else 2)
    reach = (rows - 1 + (rows & 1)) * stride + k
    plane = round_up((reach // 2 + 3) * pitch + 64, 16)
    return plane, round_up(2 * min(window.inputs[0], reach) * window.inputs[1] + 16, 16)


def _plane_rows(window) -> int:
    """Output rows of a strip; 0 when not even two fit."""
    height = window.outputs[0]
    rows, parts = height, 2
    while sum(_strip(window, rows)) > PLANE_BYTES:
        rows = (-(-height // parts) + 1) & ~1
        parts += 1
        if rows == 2 and sum(_strip(window, rows)) > PLANE_BYTES:
            return 0
    return rows


def _classes(window, axis: int) -> list[tuple[int, int]]:
    """(first, end) taps inside the input of each class of windows along an axis, and the class of each output."""
    found: list[tuple[int, int]] = []
    kernel, dilation, size = window.kernel[axis], window.dilation[axis], window.inputs[axis]
    for out in range(window.outputs[axis]):
        at = out * window.stride[axis] - window.pads[axis]
        first = min(-(at // dilation), kernel) if at < 0 else 0
        end = kernel
        if at + (kernel - 1) * dilation >= size:
            end = max((size - at + dilation - 1) // dilation, first)
        if not found or found[-1] != (first, end):
            found.append((first, end))
    return found


def depthwise_scratch(window, layout: int) -> int:
    if layout == PLANES:
        return sum(_strip(window, _plane_rows(window)))
    if layout == BLOCKS:
        rows, columns = len(_classes(window, 0)), len(_classes(window, 1))
        pairs = rows * columns * ((window.kernel[0] * window.kernel[1] + 1) // 2)
        return round_up(16 * (pairs + rows * window.outputs[1]) + 8 * window.outputs[0], 16)
    return 0


def strips(window) -> int:
    """Into how many strips PLANES cuts a layer."""
    return -(-window.outputs[0] // _plane_rows(window))


def in_place(window, layout: int) -> bool:
    """Whether the output of a depthwise convolution may overwrite its input, from the same offset on."""
    (h, w, _), (rows, columns, _) = window.inputs, window.outputs
    return layout == PLANES and _plane_rows(window) == rows and rows * columns <= h * w


def _fits_planes(window) -> bool:
    k, s, channels = window.kernel[0], window.stride[0], window.inputs[2]
    return (
        window.kernel == (k, k)
        and window.stride == (s, s)
        and window.dilation == (1, 1)
        and k in (3, 5, 7)
        and s in (1, 2)
        and 15 * channels <= 65535
        and (window.outputs[1] + 3) * channels <= 65535
        and max(window.outputs[1], window.inputs[1]) <= PLANE_BYTES
        and _plane_rows(window) > 0
    )


def _fits_blocks(window, weights: np.ndarray) -> bool:
    return (
        window.kernel[0] * window.kernel[1] <= BLOCK_TAPS
        and len(_classes(window, 0)) * len(_classes(window, 1)) <= BLOCK_CLASSES
        and depthwise_scratch(window, BLOCKS) <= BLOCK_BYTES
        and bool(weights.min() > -128)
    )


def _planes_cost(window) -> int:
    """About how many instructions the kernels of PLANES take; tests/engine/dsp/count_layers.py --core m55 measures."""
    (h, w, channels), (rows, columns, _) = window.inputs, window.outputs
    k, stride = window.kernel[0], window.stride[0]
    if k == 3:
        tile = 30 if stride == 1 else 36
    else:
        tile = {(5, 1): 70, (5, 2): 72, (7, 1): 85, (7, 2): 86}[k, stride]
    calls = 2 if columns > 6 and columns % 4 else 1
    move = h * w * (10 if k == 3 else 8) // 16
    kernel = calls * -(-rows // 2) * 12 + -(-rows // 2) * -(-columns // 4) * tile
    return channels * (strips(window) * 35 + move + kernel)


def _blocks_cost(window) -> int:
    def taps(axis):
        counts = []
        for out in range(window.outputs[axis]):
            at = out * window.stride[axis] - window.pads[axis]
            steps = range(at, at + window.kernel[axis] * window.dilation[axis], window.dilation[axis])
            counts.append(sum(0 <= i < window.inputs[axis] for i in steps))
        return counts

    block = sum(50 + 27 * -(-rows * columns // 2) for rows in taps(0) for columns in taps(1))
    classes = len(_classes(window, 0)) * len(_classes(window, 1))
    set_up = 800 + 8 * classes * window.kernel[0] * window.kernel[1]
    return -(-window.inputs[2] // 16) * block + set_up


def depthwise_layouts(window, weights: np.ndarray) -> list[int]:
    """Those that take the layer, the best first."""
    if window.inputs[2] != window.outputs[2]:
        return [PLAIN]
    costs = {}
    if _fits_blocks(window, weights):
        costs[BLOCKS] = _blocks_cost(window)
    if _fits_planes(window):
        costs[PLANES] = _planes_cost(window)
    return [*sorted(costs, key=costs.get), PLAIN]


def lay_out_depthwise(window, weights: np.ndarray, requant, layout: int | None = None) -> Laid:
    """weights: i8 (kh, kw, cout). layout: one that fits, instead of the one thought best."""
    layout = depthwise_layouts(window, weights)[0] if layout is None else layout
    if layout == PLAIN:
        return in_order(weights, requant, 0, "depth multiplier, or a shape that neither layout takes")
    flat, settled = settle(weights.reshape(-1, weights.shape[2]).T, requant)
    if why := _shifts_right(settled):
        return in_order(weights, requant, 0, why)
    lay_out = _lay_out_planes if layout == PLANES else _lay_out_blocks
    laid, record = lay_out(window, flat.T.reshape(weights.shape), settled)
    return Laid(
        layout,
        laid.tobytes(),
        b"",
        record.astype("<i4").tobytes(),
        depthwise_scratch(window, layout),
        in_place=in_place(window, layout),
    )


def _lay_out_planes(window, weights, requant):
    k, channels = window.kernel[0], weights.shape[2]
    by_channel = weights.transpose(2, 1, 0)  # (channel, column, row)
    if k == 3:
        laid = np.zeros((1 + channels, 16), np.int8)
        laid[1:].reshape(channels, 4, 4)[:, :3, :3] = by_channel
    else:
        vectors = (k + 1) // 2
        laid = np.zeros((channels, vectors, 8, 2), np.int8)
        padded = np.zeros((channels, k, 2 * vectors), np.int8)
        padded[:, :, :k] = by_channel
        laid[:, :, :k] = padded.reshape(channels, k, vectors, 2).transpose(0, 2, 1, 3)
    return laid, records(weights.reshape(-1, channels).T, requant)


def _lay_out_blocks(window, weights, requant):
    taps, channels = window.kernel[0] * window.kernel[1], weights.shape[2]
    padded = round_up(channels, 16)
    laid = np.zeros((taps + 1, padded), np.int8)
    laid[:taps, :channels] = weights.reshape(taps, channels)
    rows = [requant.multiplier, requant.shift]
    for top, bottom in _classes(window, 0):
        for left, right in _classes(window, 1):
            inside = weights[top:bottom, left:right].astype(np.int64).sum(axis=(0, 1))
            rows.append(_wrap(requant.bias.astype(np.int64) - requant.zero_in * inside))
    record = np.zeros((len(rows), padded), np.int32)
    record[1] = -1
    record[:, :channels] = rows
    blocks = record.reshape(len(rows), -1, 16)[:, :, LANES].transpose(1, 0, 2)
    return laid.reshape(taps + 1, -1, 16).transpose(1, 0, 2), blocks


# ---- operators of layout 0


def add_scratch(elements: int) -> int:
    return ADD_TABLES if elements >= ADD_TABLES_PAY else 0


def lay_out(kind, args, inputs, output, weights, bias, requant, zero_in: int, zero_out: int) -> Laid:
    """The constants of an operator for the MVE kernels, and the scratch of its kernel.

    Args:
        kind: "CONV_2D" and so on, as in the specification; those without kernels here are let through.
        args: as in the specification. inputs, output: (h, w, c), one or more and one.
        weights: i8, any shape with the order of the specification, None for operators without. bias: i32 (channels,).
        requant: i32 (channels, 2).
    """
    if kind == "ADD":
        return plain(scratch=add_scratch(int(np.prod(output))))
    if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return plain(weights, bias, requant)
    window, weights, after = convolution(kind, args, inputs, output, weights, bias, requant, zero_in, zero_out)
    return (lay_out_conv if kind == "CONV_2D" else lay_out_depthwise)(window, weights, after)
