# SPDX-License-Identifier: MIT
"""Sums of products with weights: conv.cc, depthwise_conv.cc, fully_connected.cc."""

import numpy as np

from .fixed_point import activation_range, requant_of, requant_of_one_rounding
from .lowered import Lowered, expect
from .operands import activation_of, bias_of, expect_arity, expect_shape, weights_of
from .window import window_of

MAX_TAPS = 65535


def _convolution(graph, op, depthwise):
    expect_arity(op, 2, 3)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect(op.inputs[1] >= 0, "weights are absent")
    filters = graph.tensors[op.inputs[1]]
    expect(
        len(filters.shape) == 4,
        f"weights {filters.name!r} have shape {list(filters.shape)}, expected 4 dimensions",
    )
    h, w, cin = x.hwc
    extra = []
    if depthwise:
        one, kernel_h, kernel_w, cout = filters.shape
        weights, scales = weights_of(graph, op.inputs[1], cout, 3)
        multiplier = op.options["DepthMultiplier"]
        # 0 in the file: TensorFlow Lite derives it from the shapes
        multiplier = multiplier or cout // cin
        expect(
            one == 1 and multiplier >= 1 and cout == cin * multiplier,
            f"weights of shape {list(filters.shape)} do not fit {cin} channels with depth multiplier {multiplier}",
        )
        extra = [multiplier]
        per_output = kernel_h * kernel_w
    else:
        cout, kernel_h, kernel_w, group = filters.shape
        weights, scales = weights_of(graph, op.inputs[1], cout, 0)
        expect(
            group >= 1 and cin % group == 0 and cout % (cin // group) == 0,
            f"weights of shape {list(filters.shape)} do not fit {cin} channels",
        )
        per_output = kernel_h * kernel_w * group
    expect(
        1 <= per_output <= MAX_TAPS,
        f"expected 1 to {MAX_TAPS} products a sum, got {per_output}",
    )
    strides, dilations, pads, out_h, out_w = window_of(op, h, w, kernel_h, kernel_w)
    expect_shape(op, y, (out_h, out_w, cout))
    low, high = activation_range(op.options["activation"], y.scale, y.zero_point)
    reals = np.float64(x.scale) * scales.astype(np.float64) / np.float64(y.scale)
    return Lowered(
        op.kind,
        [op.inputs[0]],
        op.output,
        strides + dilations + pads + [low, high, kernel_h, kernel_w] + extra,
        weights.data,
        bias_of(graph, op, cout),
        requant_of(reals),
        out_h * out_w * cout * per_output,
        plane=h * w if depthwise and cout == cin and out_h * out_w <= h * w else 0,
    )


def conv_2d(graph, op):
    return _convolution(graph, op, depthwise=False)


def depthwise_conv_2d(graph, op):
    return _convolution(graph, op, depthwise=True)


def fully_connected(graph, op):
    expect_arity(op, 2, 3)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect(op.options["WeightsFormat"] == 0, "shuffled weights are not supported")
    expect(op.inputs[1] >= 0, "weights are absent")
    matrix = graph.tensors[op.inputs[1]]
    expect(
        len(matrix.shape) == 2,
        f"weights {matrix.name!r} have shape {list(matrix.shape)}, expected 2 dimensions",
    )
    rows, columns = matrix.shape
    weights, scales = weights_of(graph, op.inputs[1], rows, 0)
    count = x.elements // columns if columns else 0
    expect(
        count >= 1 and x.elements == count * columns and y.elements == count * rows and y.hwc[2] == rows,
        f"input of {x.elements} and output of shape {list(y.shape)} do not fit weights of shape {list(matrix.shape)}",
    )
    expect(columns <= MAX_TAPS, f"expected at most {MAX_TAPS} products a sum, got {columns}")
    low, high = activation_range(op.options["activation"], y.scale, y.zero_point)
    reals = np.float64(x.scale) * scales.astype(np.float64) / np.float64(y.scale)
    bias = bias_of(graph, op, rows)
    furthest = max(127 - x.zero_point, x.zero_point + 128)
    reach = np.abs(weights.data.astype(np.int64)).sum(axis=1) * furthest
    reach += np.abs(bias.astype(np.int64))
    expect(int(reach.max()) < 1 << 31, f"sums of up to {reach.max()} do not fit 32 bits")
    requant, unmatched = requant_of_one_rounding(reals, reach)
    return Lowered(
        op.kind,
        [op.inputs[0]],
        op.output,
        [low, high, 0],
        weights.data,
        bias,
        requant,
        count * rows * columns,
        unmatched,
    )
