# SPDX-License-Identifier: MIT
"""The tensors of an operator, checked for what the kernels rely on."""

import numpy as np

from .fixed_point import INT8_MAX, INT8_MIN
from .lowered import Unsupported, expect


def activation_of(graph, index, role):
    """The tensor, checked to be an int8 activation with one scale and zero point."""
    expect(index >= 0, f"{role} is absent")
    tensor = graph.tensors[index]
    expect(not tensor.is_constant, f"{role} {tensor.name!r} is a constant")
    expect(
        tensor.dtype == "int8",
        f"{role} {tensor.name!r} is {tensor.dtype}, expected int8",
    )
    expect(
        len(tensor.scales) == 1 and tensor.scale > 0,
        f"{role} {tensor.name!r} has {len(tensor.scales)} scales, expected one above 0",
    )
    expect(
        INT8_MIN <= tensor.zero_point <= INT8_MAX,
        f"{role} {tensor.name!r} has zero point {tensor.zero_point}, expected -128..127",
    )
    try:
        hwc = tensor.hwc
    except ValueError as error:
        raise Unsupported(str(error)) from None
    expect(
        all(1 <= n <= 65535 for n in hwc),
        f"{role} {tensor.name!r} has shape {list(tensor.shape)}, expected sizes 1..65535",
    )
    return tensor


def constant_of(graph, index, dtype, role):
    expect(index >= 0, f"{role} are absent")
    tensor = graph.tensors[index]
    expect(tensor.is_constant, f"{role} {tensor.name!r} are computed, expected a constant")
    expect(
        tensor.dtype == dtype,
        f"{role} {tensor.name!r} are {tensor.dtype}, expected {dtype}",
    )
    return tensor


def integers_of(graph, op, which, role, count):
    """A constant input of `count` integers as a list."""
    tensor = graph.tensors[op.inputs[which]]
    expect(
        op.inputs[which] >= 0 and tensor.is_constant and tensor.dtype in ("int32", "int64"),
        f"{role} {tensor.name!r}: expected constant integers",
    )
    expect(tensor.elements == count, f"{role} {tensor.name!r}: expected {count} integers, got {tensor.elements}")
    return [int(n) for n in tensor.data.reshape(-1)]


def expect_arity(op, *counts):
    expect(
        len(op.inputs) in counts and len(op.outputs) == 1,
        f"expected {' or '.join(map(str, counts))} inputs and 1 output, got {len(op.inputs)} and {len(op.outputs)}",
    )


def weights_of(graph, index, channels, axis):
    """The weights tensor and its `channels` scales, one per output channel, float32."""
    weights = constant_of(graph, index, "int8", "weights")
    expect(
        len(weights.scales) in (1, channels),
        f"weights {weights.name!r} have {len(weights.scales)} scales, expected 1 or {channels}",
    )
    expect(
        len(weights.scales) == 1 or weights.axis == axis,
        f"weights {weights.name!r} are quantised along {weights.axis}, expected {axis}",
    )
    expect(
        not weights.zero_points.any(),
        f"weights {weights.name!r} are asymmetric, expected zero point 0",
    )
    return weights, np.broadcast_to(weights.scales, (channels,))


def bias_of(graph, op, channels):
    index = op.inputs[2] if len(op.inputs) > 2 else -1
    if index < 0:
        return np.zeros(channels, np.int32)
    bias = constant_of(graph, index, "int32", "bias")
    expect(
        bias.elements == channels,
        f"bias {bias.name!r} has {bias.elements} values, expected {channels}",
    )
    return bias.data.reshape(channels).astype(np.int32)


def expect_shape(op, tensor, expected):
    expect(
        tuple(tensor.hwc) == tuple(expected),
        f"output {tensor.name!r} has shape {list(tensor.hwc)}, expected {list(expected)}",
    )


def expect_same_quantisation(a, b):
    # the kernels do not rescale here: a difference that no value can show is let through
    close = abs(float(a.scale) - float(b.scale)) <= 1e-5 * float(b.scale)
    expect(
        close and a.zero_point == b.zero_point,
        f"{a.name!r} and {b.name!r} differ in scale or zero point "
        f"({a.scale}, {a.zero_point} and {b.scale}, {b.zero_point}), expected the same",
    )
