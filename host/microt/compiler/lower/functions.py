# SPDX-License-Identifier: MIT
"""Functions of one value as tables, and softmax: activations.cc, quantize.cc."""

import math

import numpy as np

from .. import tables
from ..mtb import ORIGINS
from .fixed_point import activation_range, quantize_multiplier
from .lowered import Lowered, expect
from .operands import activation_of, expect_arity, expect_shape


def lookup(op, source, table):
    return Lowered("LOOKUP", [source], op.output, [ORIGINS[op.kind]], table)


def function(graph, op):
    """LOGISTIC, TANH, EXP, GELU, HARD_SWISH, RELU and its kin, LEAKY_RELU, QUANTIZE: a table."""
    expect_arity(op, 1)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect_shape(op, y, x.hwc)
    return lookup(op, op.inputs[0], TABLES[op.kind](op, x, y))


def _bounded_table(op, x, y):
    """ReluPrepare and QuantizedReluX."""
    low, high = activation_range(op.kind, y.scale, y.zero_point)
    values = tables.requantize(tables.INPUTS - x.zero_point, *quantize_multiplier(float(x.scale / y.scale)))
    return tables.saturate(values + y.zero_point, low, high)


def _leaky_table(op, x, y):
    """LeakyReluPrepare and QuantizeLeakyRelu."""
    values = tables.INPUTS - x.zero_point
    slope = np.float32(op.options["Alpha"])
    expect(slope >= 0, f"expected a slope of 0 or more, got {slope}")
    above = tables.requantize(values, *quantize_multiplier(float(x.scale / y.scale)))
    below = tables.requantize(values, *quantize_multiplier(float(x.scale * slope / y.scale)))
    return tables.saturate(np.where(values >= 0, above, below) + y.zero_point)


def _quantize_table(op, x, y):
    """Requantize in quantize.cc: the factor in double."""
    pair = quantize_multiplier(float(x.scale) / float(y.scale))
    return tables.saturate(tables.requantize(tables.INPUTS - x.zero_point, *pair) + y.zero_point)


def _hard_swish_table(op, x, y):
    """HardSwishPrepare: multipliers of 16 bits."""
    fine = np.float32(1 / 128) * x.scale
    pairs = []
    for scale in (y.scale, np.float32(3 / 32768)):
        multiplier, exponent = quantize_multiplier(float(fine / scale))
        pairs.append((32767 if multiplier >= (1 << 31) - (1 << 15) else (multiplier + (1 << 15)) >> 16, exponent))
    expect(-15 <= pairs[0][1] <= 0, f"expected an output scale above {fine}, got {y.scale}")
    expect(-15 <= pairs[1][1] <= 15, f"an input scale of {x.scale} is out of reach")
    return tables.hard_swish(x.zero_point, y.zero_point, *pairs)


TABLES = {
    "RELU": _bounded_table,
    "RELU6": _bounded_table,
    "RELU_N1_TO_1": _bounded_table,
    "RELU_0_TO_1": _bounded_table,
    "LEAKY_RELU": _leaky_table,
    "QUANTIZE": _quantize_table,
    "HARD_SWISH": _hard_swish_table,
    "LOGISTIC": lambda op, x, y: tables.real_function(tables.logistic, x, y),
    "TANH": lambda op, x, y: tables.real_function(tables.tanh, x, y),
    "EXP": lambda op, x, y: tables.real_function(tables.exp, x, y),
    "GELU": lambda op, x, y: tables.real_function(
        tables.gelu_by_tanh if op.options["Approximate"] else tables.gelu, x, y
    ),
}


def softmax(graph, op):
    expect_arity(op, 1)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect_shape(op, y, x.hwc)
    expect(
        y.zero_point == -128 and abs(float(y.scale) - 1 / 256) <= 0.001 / 256,
        f"output {y.name!r} has scale {y.scale} and zero point {y.zero_point}, expected 1/256 and -128",
    )
    expect(x.hwc[2] < 4096, f"expected a softmax over fewer than 4096 values, got {x.hwc[2]}")
    bits = 5
    beta = float(np.float32(op.options["Beta"]))
    real = min(beta * float(x.scale) * (1 << (31 - bits)), float((1 << 31) - 1))
    expect(real > 1, f"expected beta and scale with a product above 2**-26, got {real:g}")
    multiplier, left_shift = quantize_multiplier(real)
    radius = ((1 << bits) - 1) * float(1 << (31 - bits)) / float(1 << left_shift)
    return Lowered(op.kind, [op.inputs[0]], op.output, [multiplier, left_shift, -math.floor(radius)])
