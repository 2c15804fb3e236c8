# SPDX-License-Identifier: MIT
"""Rescaling factors and clamps as TensorFlow Lite's quantization_util.cc and kernel_util.cc compute them."""

import math

import numpy as np

from .lowered import Unsupported, expect

INT8_MIN, INT8_MAX = -128, 127


def quantize_multiplier(real):
    """(multiplier int32, shift) with real = multiplier * 2**(shift - 31), rounded half away.

    TensorFlow Lite's QuantizeMultiplier. Raises Unsupported where the shift exceeds 30.
    """
    if not (math.isfinite(real) and real >= 0):
        raise Unsupported(f"expected a rescaling factor of 0 or more, got {real}")
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    fixed = math.floor(fraction * (1 << 31) + 0.5)
    if fixed == 1 << 31:
        fixed //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        raise Unsupported(f"expected a rescaling factor below 2**30, got {real:g}")
    return fixed, shift


def activation_range(activation, scale, zero_point):
    """(lowest, highest) int8 output of a fused activation."""

    def quantize(value):
        with np.errstate(over="ignore"):
            real = float(np.float32(value) / np.float32(scale))
        if abs(real) > 2**31 - 1024:
            raise Unsupported(f"a scale of {scale} is too small for the activation {activation}")
        return zero_point + int(math.copysign(math.floor(abs(real) + 0.5), real))

    if activation == "NONE":
        return INT8_MIN, INT8_MAX
    if activation == "RELU":
        return max(INT8_MIN, quantize(0.0)), INT8_MAX
    if activation == "RELU6":
        return max(INT8_MIN, quantize(0.0)), min(INT8_MAX, quantize(6.0))
    if activation == "RELU_N1_TO_1":
        return max(INT8_MIN, quantize(-1.0)), min(INT8_MAX, quantize(1.0))
    if activation == "RELU_0_TO_1":
        return max(INT8_MIN, quantize(0.0)), min(INT8_MAX, quantize(1.0))
    raise Unsupported(f"fused activation {activation} is not supported")


def requant_of(reals):
    return np.array([quantize_multiplier(float(r)) for r in reals], np.int32).reshape(-1, 2)


def requant_of_one_rounding(reals, reach):
    """Multipliers and shifts for one rounding, halves away from zero: FULLY_CONNECTED.

    TensorFlow Lite's reference kernel rounds the double product of sum and factor there. Each
    multiplier is checked at every sum up to `reach` (int64 (channels,)) where that product
    crosses a half; of the two integers around the exact one, the better is taken. Returns
    (int32 (channels, 2), the number of sums, of all channels, where the integers still differ).
    """
    pairs = requant_of(reals)
    unmatched = 0
    for channel, (multiplier, shift) in enumerate(pairs.tolist()):
        real, limit = float(reals[channel]), int(reach[channel])
        halves = np.arange(0.5, min(real * limit + 1.5, 256.0))
        if real == 0 or multiplier == 0:
            expect(real * limit < 0.5, f"a rescaling factor of {real:g} is too small")
            continue
        # first[k]: the least sum that the double product rounds to k + 1 or more
        first = np.ceil(halves / real)
        first -= (first - 1) * real >= halves
        first += first * real < halves
        first = first[first <= limit + 1].astype(np.int64)
        exact = math.ldexp(real, 31 - shift)
        other = math.floor(exact) if multiplier > exact else math.ceil(exact)
        misses = [_misses(m, shift, first) for m in (multiplier, other)]
        if misses[1] < misses[0] and other < 1 << 31:
            pairs[channel, 0] = other
        unmatched += min(misses)
    return pairs, unmatched


def _misses(multiplier, shift, first):
    """How many of the sums at the steps `first`, int64 (steps,), are rounded otherwise."""
    bits = 31 - shift
    half = 1 << (bits - 1)
    steps = np.arange(1, len(first) + 1)
    late = (first * multiplier + half) >> bits < steps
    early = ((first - 1) * multiplier + half) >> bits >= steps
    return int(late.sum() + early.sum())
