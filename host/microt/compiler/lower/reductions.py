# SPDX-License-Identifier: MIT
"""What goes over height and width: pooling.cc, reduce.cc."""

from .fixed_point import INT8_MAX, INT8_MIN, activation_range, quantize_multiplier
from .lowered import Lowered, expect
from .operands import activation_of, constant_of, expect_arity, expect_same_quantisation, expect_shape
from .products import MAX_TAPS
from .window import window_of


def pool_2d(graph, op):
    expect_arity(op, 1)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect_same_quantisation(x, y)
    h, w, c = x.hwc
    kernel_h, kernel_w = op.options["FilterHeight"], op.options["FilterWidth"]
    strides, _, pads, out_h, out_w = window_of(op, h, w, kernel_h, kernel_w)
    expect(
        kernel_h * kernel_w <= MAX_TAPS,
        f"expected at most {MAX_TAPS} values in a window, got {kernel_h * kernel_w}",
    )
    expect_shape(op, y, (out_h, out_w, c))
    low, high = activation_range(op.options["activation"], y.scale, y.zero_point)
    args = strides + pads + [kernel_h, kernel_w, low, high]
    return Lowered(op.kind, [op.inputs[0]], op.output, args)


def reduced_axes(graph, op):
    """The axes that MEAN or REDUCE_MAX goes over, counted from the last: -1 the channels."""
    if "axes" in op.options:
        return op.options["axes"]
    axes = constant_of(graph, op.inputs[1], "int32", "axes")
    rank = len(graph.tensors[op.inputs[0]].shape)
    values = {int(a) for a in axes.data.reshape(-1)}
    expect(all(-rank <= a < rank for a in values), f"axes {sorted(values)} of {rank} dimensions")
    return {a - rank if a >= 0 else a for a in values}


def _over_height_and_width(graph, op):
    """Raise Unsupported unless just height and width go; sizes of 1 may stay or go."""
    x = graph.tensors[op.inputs[0]]
    values = reduced_axes(graph, op)
    sizes = dict(zip((-3, -2, -1), x.hwc, strict=True))
    reduced = {axis for axis in values if sizes.get(axis, 1) > 1}
    expect(
        bool(values) and min(values) >= -3 and reduced == {axis for axis in (-3, -2) if sizes[axis] > 1},
        f"{op.kind} over axes {sorted(values)} of shape {list(x.shape)}: expected all but batch and channels",
    )


def mean(graph, op):
    expect_arity(op, 2)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    _over_height_and_width(graph, op)
    h, w, c = x.hwc
    expect(y.elements == c, f"output {y.name!r} has shape {list(y.shape)}, expected {c} values")
    multiplier, shift = quantize_multiplier(float(x.scale) / float(y.scale))
    # the division by the count goes into the multiplier (QuantizedMeanOrSum)
    count = h * w
    expect(count <= 1 << 23, f"expected a mean of at most 2**23 values, got {count}")
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    multiplier = (multiplier << extra) // count
    return Lowered(op.kind, [op.inputs[0]], op.output, [multiplier, shift - extra])


def reduce_max(graph, op):
    """The largest over height and width: a pool with one window."""
    expect_arity(op, 2)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect_same_quantisation(x, y)
    _over_height_and_width(graph, op)
    expect(y.elements == x.hwc[2], f"output {y.name!r} has shape {list(y.shape)}, expected {x.hwc[2]} values")
    h, w, _ = x.hwc
    expect(h * w <= 1 << 23, f"expected a maximum of at most 2**23 values, got {h * w}")
    return Lowered("MAX_POOL_2D", [op.inputs[0]], op.output, [1, 1, 0, 0, 0, 0, h, w, INT8_MIN, INT8_MAX])
