# SPDX-License-Identifier: MIT
"""Quantised operators in NumPy, straight from the formulas at the top of engine/mtb.c (int64)."""

from __future__ import annotations

import numpy as np


def _round_shift(y: np.ndarray, e: np.ndarray) -> np.ndarray:
    """y / 2^e, nearest, halves away from zero."""
    half = np.where(e > 0, 1 << np.maximum(e - 1, 0), 0)
    return np.where(y >= 0, (y + half) >> e, -((-y + half) >> e))


def rescale(x: np.ndarray, multiplier, shift) -> np.ndarray:
    """M of mtb.c; multiplier and shift broadcast over the last axis."""
    shift = np.asarray(shift, np.int64)
    left = np.maximum(shift, 0)
    x = (x.astype(np.int64) << left).astype(np.int32).astype(np.int64)
    y = (x * np.asarray(multiplier, np.int64) + (1 << 30)) >> 31
    return _round_shift(y, np.maximum(-shift, 0))


def rescale_once(x: np.ndarray, multiplier, shift) -> np.ndarray:
    """M1 of mtb.c."""
    product = x.astype(np.int64) * np.asarray(multiplier, np.int64)
    return _round_shift(product, 31 - np.asarray(shift, np.int64))


def _finish(y, zero_out, clamp):
    return np.clip(y + zero_out, *clamp).astype(np.int8)


def _windows(x, window, zero):
    """x i8 (h, w, c) -> (oh, ow, kh, kw, c) i64 of x - zero, zeros outside."""
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    top, left = window.pads[:2]
    oh, ow = window.outputs[:2]
    tall, wide = (oh - 1) * sh + (kh - 1) * dh + 1, (ow - 1) * sw + (kw - 1) * dw + 1
    padded = np.zeros((max(tall, x.shape[0] + top), max(wide, x.shape[1] + left), x.shape[2]), int)
    padded[top : top + x.shape[0], left : left + x.shape[1]] = x.astype(np.int64) - zero
    rows = np.arange(oh)[:, None] * sh + np.arange(kh)[None] * dh
    columns = np.arange(ow)[:, None] * sw + np.arange(kw)[None] * dw
    return padded[rows[:, None, :, None], columns[None, :, None, :]]


def conv(x, window, weights, requant, clamp):
    """weights i8 (cout, kh, kw, cin / groups)."""
    patches = _windows(x, window, requant.zero_in)
    cout, depth = weights.shape[0], weights.shape[3]
    groups = x.shape[2] // depth
    out = np.empty((*window.outputs[:2], cout), np.int64)
    for g in range(groups):
        mine = slice(g * cout // groups, (g + 1) * cout // groups)
        part = patches[..., g * depth : (g + 1) * depth].reshape(*out.shape[:2], -1)
        w = weights[mine].reshape(cout // groups, -1).astype(np.float64)
        out[..., mine] = np.rint(part.astype(np.float64) @ w.T).astype(np.int64)  # exact: < 2^53
    return _end(out, requant, clamp)


def _end(sums, requant, clamp):
    y = rescale(sums + requant.bias, requant.multiplier, requant.shift)
    return _finish(y, requant.zero_out, clamp)


def depthwise(x, window, weights, requant, clamp):
    """weights i8 (kh, kw, cout)."""
    multiplier = weights.shape[2] // x.shape[2]
    patches = np.repeat(_windows(x, window, requant.zero_in), multiplier, axis=4)
    return _end((patches * weights).sum(axis=(2, 3)), requant, clamp)


def fully_connected(x, weights, requant, clamp):
    """x i8 (h, w, c) as rows of depth inputs; weights i8 (out, depth)."""
    rows = x.reshape(-1, weights.shape[1]).astype(np.int64) - requant.zero_in
    sums = rows @ weights.T.astype(np.int64)
    y = rescale_once(sums + requant.bias, requant.multiplier, requant.shift)
    return _finish(y, requant.zero_out, clamp)


def add(a, b, zeros, args):
    """args: left_shift, mult1, shift1, mult2, shift2, mult_out, shift_out, low, high."""
    left, m1, s1, m2, s2, mo, so, low, high = args
    one = rescale((a.astype(np.int64) - zeros[0]) << left, m1, s1)
    two = rescale((b.astype(np.int64) - zeros[1]) << left, m2, s2)
    return _finish(rescale(one + two, mo, so), zeros[2], (low, high))


def average_pool(x, window, clamp):
    inside = _windows(np.ones_like(x[..., :1]), window, 0).sum(axis=(2, 3))
    sums = _windows(x, window, 0).sum(axis=(2, 3))
    half = inside // 2
    y = np.where(sums > 0, (sums + half) // inside, -((-sums + half) // inside))
    return np.clip(y, *clamp).astype(np.int8)


def mean(x, multiplier, shift, zero_in, zero_out):
    sums = x.astype(np.int64).sum(axis=(0, 1)) - x.shape[0] * x.shape[1] * zero_in
    return _finish(rescale(sums, multiplier, shift), zero_out, (-128, 127)).reshape(1, 1, -1)
