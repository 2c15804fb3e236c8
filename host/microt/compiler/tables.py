# SPDX-License-Identifier: MIT
"""Functions of one int8 value as tables of all 256, each entry what TensorFlow Lite's reference
kernel gives (tensorflow/lite/kernels/activations.cc, quantize.cc and internal/reference/).

Tables are int8 (256,), from the input -128 upwards.
"""

import math

import numpy as np

INPUTS = np.arange(-128, 128, dtype=np.int64)


def requantize(values, multiplier, shift):
    """M of mtb.c of an int64 array: two roundings, the second with halves away from zero."""
    left, right = max(shift, 0), max(-shift, 0)
    x = (np.asarray(values, np.int64) << left).astype(np.int32).astype(np.int64)
    high = (x * multiplier + (1 << 30)) >> 31
    if right == 0:
        return high
    half = 1 << (right - 1)
    return np.sign(high) * ((np.abs(high) + half) >> right)


def saturate(values, low=-128, high=127):
    """The values clamped, as int8."""
    return np.clip(values, low, high).astype(np.int8)


def real_function(function, x, y):
    """The table of a function of real values between the tensors `x` and `y`, in float32 as
    TensorFlow Lite fills its own tables: LOGISTIC, TANH, EXP and GELU."""
    inverse = np.float32(1) / y.scale
    out = []
    for value in INPUTS:
        real = x.scale * np.float32(int(value) - x.zero_point)
        with np.errstate(over="ignore"):
            scaled = min(np.float32(function(float(real))) * inverse, np.float32(1 << 20))
        out.append(math.copysign(math.floor(abs(float(scaled)) + 0.5), scaled) + y.zero_point)
    return saturate(np.array(out))


def logistic(real):
    """1 / (1 + exp(-x)), each step in float32."""
    with np.errstate(over="ignore"):
        power = np.float32(np.exp(-real)) if real > -700 else np.float32(np.inf)
        return np.float32(1) / (np.float32(1) + power)


def tanh(real):
    return math.tanh(real)


def exp(real):
    return math.exp(min(real, 700.0))


def gelu(real):
    """x times the normal distribution at x, in float32."""
    x = np.float32(real)
    return np.float32(0.5) * x * np.float32(math.erfc(x * np.float32(-math.sqrt(0.5))))


def gelu_by_tanh(real):
    x = np.float32(real)
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.float32(0.5) * x * (np.float32(1) + np.float32(math.tanh(inner)))


def _high_mul_16(a, b):
    """Two int16 to the rounded high half of twice their product, saturated."""
    product = a * b
    nudge = np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.minimum(_divide(product + nudge, 1 << 15), 32767)


def _divide(values, by):
    """Integer division that truncates, as C does."""
    return np.sign(values) * (np.abs(values) // by)


def _round_shift(values, exponent):
    """values / 2**exponent to the nearest, halves away from zero."""
    if exponent == 0:
        return values
    return np.sign(values) * ((np.abs(values) + (1 << (exponent - 1))) >> exponent)


def hard_swish(x_zero, y_zero, output, reluish):
    """HARD_SWISH from its two {multiplier int16, exponent}: TensorFlow Lite's int16 arithmetic."""
    fine = (INPUTS - x_zero) << 7
    scaled = _high_mul_16(fine, output[0])
    gate = fine
    exponent = reluish[1]
    if exponent > 0:
        gate = np.clip(gate << (exponent - 1), -32768, 32767)
    gate = _high_mul_16(gate, reluish[0])
    if exponent > 0:
        gate = np.clip(gate << 1, -32768, 32767)
    if exponent < 0:
        gate = _round_shift(gate, -exponent)
    gate = (gate + (1 << 15)) >> 1
    product = np.minimum(_divide(gate * scaled, 1 << 15), 32767)
    return saturate(_round_shift(product, -output[1]) + y_zero)
