# SPDX-License-Identifier: MIT
"""Two operands, value by value: add.cc, sub.cc, mul.cc, maximum_minimum.cc and PRELU of activations.cc."""

import numpy as np

from .. import tables
from ..mtb import ARITHMETIC
from .fixed_point import INT8_MAX, INT8_MIN, activation_range, quantize_multiplier
from .functions import lookup
from .lowered import Lowered, expect
from .operands import activation_of, constant_of, expect_arity, expect_same_quantisation


def _operand(graph, index):
    """An operand of arithmetic, an activation or an int8 constant, and its (h, w, c)."""
    expect(index >= 0, "an operand is absent")
    tensor = graph.tensors[index]
    if not tensor.is_constant:
        return activation_of(graph, index, "input"), tensor.hwc
    constant_of(graph, index, "int8", "constant operands")
    expect(
        len(tensor.scales) == 1 and tensor.scale > 0 and INT8_MIN <= tensor.zero_point <= INT8_MAX,
        f"constant {tensor.name!r} has {len(tensor.scales)} scales, expected one above 0",
    )
    shape = (1,) * (4 - len(tensor.shape)) + tuple(tensor.shape)
    expect(
        len(shape) == 4 and shape[0] == 1 and tensor.elements >= 1,
        f"constant {tensor.name!r} of shape {list(tensor.shape)}: expected a batch of 1 and at most 4 dimensions",
    )
    return tensor, shape[1:]


def _sum_args(a, b, y):
    """left_shift and {multiplier, shift} of both operands and the output: add.cc and sub.cc."""
    left_shift = 20
    twice = 2.0 * float(max(a.scale, b.scale))
    args = [left_shift]
    for real in (
        float(a.scale) / twice,
        float(b.scale) / twice,
        twice / ((1 << left_shift) * float(y.scale)),
    ):
        expect(0 < real < 1, f"expected scales with a ratio below 1, got {real:g}")
        multiplier, shift = quantize_multiplier(real)
        expect(shift <= 0, f"expected a right shift, got {shift}")
        args += [multiplier, shift]
    return args


def _product_args(kind, a, b, y):
    """The same eight for MUL and PRELU: mul.cc and PreluPrepare."""
    identity = quantize_multiplier(float(a.scale / y.scale)) if kind == "PRELU" else (0, 0)
    # float32, in this order
    return [0, *identity, 0, 0, *quantize_multiplier(float(a.scale * b.scale / y.scale))]


def _combine(kind, args, x1, x2):
    """The kernel's arithmetic on int64 values without their zero points, before the output's."""
    left_shift, m1, s1, m2, s2, mo, so = args
    if kind in ("ADD", "SUB"):
        first = tables.requantize(x1 << left_shift, m1, s1)
        second = tables.requantize(x2 << left_shift, m2, s2)
        return tables.requantize(first + second if kind == "ADD" else first - second, mo, so)
    product = tables.requantize(x1 * x2, mo, so)
    if kind in ("MINIMUM", "MAXIMUM"):
        return np.minimum(x1, x2) if kind == "MINIMUM" else np.maximum(x1, x2)
    if kind == "MUL":
        return product
    return np.where(x1 >= 0, tables.requantize(x1, m1, s1), product)


def arithmetic(graph, op):
    """ADD, SUB, MUL, PRELU, MINIMUM and MAXIMUM of two tensors or a tensor and a constant, with
    broadcasting."""
    expect_arity(op, 2)
    (a, a_shape), (b, b_shape) = (_operand(graph, index) for index in op.inputs)
    y = activation_of(graph, op.output, "output")
    constants = [t.is_constant for t in (a, b)]
    expect(not all(constants), "both operands are constants")
    try:
        broadcast = np.broadcast_shapes(a_shape, b_shape)
    except ValueError:
        broadcast = None
    expect(
        broadcast == tuple(y.hwc),
        f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast to {list(y.shape)}",
    )
    kind = op.kind
    if kind in ("MINIMUM", "MAXIMUM"):
        expect_same_quantisation(a, y)
        expect_same_quantisation(b, y)
        args = [0] * 7
    else:
        args = _sum_args(a, b, y) if kind in ("ADD", "SUB") else _product_args(kind, a, b, y)
    low, high = activation_range(op.options.get("activation", "NONE"), y.scale, y.zero_point)
    if kind == "ADD" and a_shape == b_shape and not any(constants):
        return Lowered("ADD", list(op.inputs), op.output, [*args, low, high])
    if not any(constants):
        args = [ARITHMETIC.index(kind), *args, low, high, 0, 0, 0, 0, 0]
        return Lowered("ARITHMETIC", list(op.inputs), op.output, args)
    at = constants.index(True)
    constant, x = (a, b) if at == 0 else (b, a)
    values = constant.data.reshape(-1)
    if (values == values[0]).all() and x.hwc == y.hwc:
        pair = [tables.INPUTS - x.zero_point, np.int64(values[0]) - constant.zero_point]
        table = _combine(kind, args, *(reversed(pair) if at == 0 else pair)) + y.zero_point
        return lookup(op, op.inputs[1 - at], tables.saturate(table, low, high))
    shape = a_shape if at == 0 else b_shape
    args = [ARITHMETIC.index(kind), *args, low, high, at + 1, *shape, constant.zero_point]
    return Lowered("ARITHMETIC", [op.inputs[1 - at]], op.output, args, constant.data)
