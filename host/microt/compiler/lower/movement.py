# SPDX-License-Identifier: MIT
"""Values that only move: pad.cc, reshape.cc, concatenation.cc, strided_slice.cc, slice.cc, transpose.cc."""

import numpy as np

from ..mtb import ORIGINS
from .lowered import Lowered, expect
from .operands import activation_of, constant_of, expect_arity, expect_same_quantisation, expect_shape, integers_of


def pad_amounts(graph, op):
    """The (4, 2) int64 amounts before and after each dimension, and the value."""
    x = graph.tensors[op.inputs[0]]
    table = graph.tensors[op.inputs[1]]
    expect(op.inputs[1] >= 0, "paddings are absent")
    expect(
        table.is_constant and table.dtype in ("int32", "int64"),
        f"paddings {table.name!r} are computed or {table.dtype}, expected constant integers",
    )
    rank = len(x.shape)
    expect(
        2 <= rank <= 4 and table.shape == (rank, 2),
        f"paddings of shape {list(table.shape)} for an input of shape {list(x.shape)}",
    )
    amounts = np.zeros((4, 2), np.int64)
    # a vector (1, n) is (1, 1, 1, n), a sequence (1, n, c) is (1, 1, n, c)
    amounts[0] = table.data[0]
    amounts[4 - (rank - 1) :] = table.data[1:]
    expect(
        not amounts[0].any() and (amounts >= 0).all() and (amounts < 65536).all(),
        f"paddings {table.data.tolist()}: expected 0 or more, none of the batch",
    )
    value = graph.tensors[op.output].zero_point
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        constant = constant_of(graph, op.inputs[2], "int8", "padding value")
        expect(constant.elements == 1, f"padding value {constant.name!r} is no scalar")
        value = int(constant.data.reshape(-1)[0])
    return amounts, value


def pad(graph, op):
    expect_arity(op, 2, 3)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect_same_quantisation(x, y)
    amounts, value = pad_amounts(graph, op)
    sides = [int(n) for n in amounts[1:].reshape(-1)]
    expected = [n + sides[2 * i] + sides[2 * i + 1] for i, n in enumerate(x.hwc)]
    expect_shape(op, y, expected)
    return Lowered("PAD", [op.inputs[0]], op.output, sides + [value])


def reshape(graph, op):
    expect_arity(op, 1)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect_same_quantisation(x, y)
    expect(
        x.elements == y.elements,
        f"{x.elements} values of {x.name!r} into {y.elements} of {y.name!r}",
    )
    return Lowered("RESHAPE", [op.inputs[0]], op.output, [])


def concatenation_axis(graph, op):
    """The axis of CONCATENATION counted from the last: -1 channels, -2 width, -3 height."""
    rank = len(graph.tensors[op.output].shape)
    axis = op.options["Axis"]
    expect(-rank <= axis < rank, f"concatenation along axis {axis} of {rank}")
    axis = axis - rank if axis >= 0 else axis
    expect(axis > -rank and axis >= -3, f"concatenation along axis {rank + axis} of {rank}, the batch")
    return axis


def concatenation(graph, op):
    expect(len(op.inputs) >= 1 and len(op.outputs) == 1, "expected inputs and one output")
    expect(len(op.inputs) <= 4, f"expected at most 4 inputs, got {len(op.inputs)}")
    y = activation_of(graph, op.output, "output")
    axis = concatenation_axis(graph, op)
    expect(
        op.options["activation"] == "NONE",
        f"fused activation {op.options['activation']} is not supported",
    )
    total = 0
    for index in op.inputs:
        x = activation_of(graph, index, "input")
        expect_same_quantisation(x, y)
        sizes, expected = list(x.hwc), list(y.hwc)
        total += sizes[axis]
        sizes[axis] = expected[axis]
        expect(sizes == expected, f"input {x.name!r} of shape {list(x.shape)} does not fit {list(y.shape)}")
    expect(total == y.hwc[axis], f"{total} along axis {axis} into {y.hwc[axis]}")
    return Lowered(op.kind, list(op.inputs), op.output, [])


def _strided_slice(graph, op, places):
    options = op.options
    expect(
        not options["EllipsisMask"] and not options["NewAxisMask"],
        "an ellipsis or a new axis in the slice is not supported",
    )
    rank = places.ndim
    begin, end, stride = (integers_of(graph, op, i, "slice", rank) for i in (1, 2, 3))
    index = []
    for axis in range(rank):
        bit = 1 << axis
        expect(stride[axis] != 0, "expected strides other than 0")
        if options["ShrinkAxisMask"] & bit:
            size = places.shape[axis]
            expect(-size <= begin[axis] < size, f"the slice takes element {begin[axis]} of {size}")
            index.append(begin[axis])
            continue
        first = None if options["BeginMask"] & bit else begin[axis]
        last = None if options["EndMask"] & bit else end[axis]
        if last is not None and options["Offset"]:
            last += begin[axis]
        index.append(slice(first, last, stride[axis]))
    return places[tuple(index)]


def _slice(graph, op, places):
    begin, sizes = (integers_of(graph, op, i, "slice", places.ndim) for i in (1, 2))
    index = []
    for first, size, whole in zip(begin, sizes, places.shape, strict=True):
        last = whole if size == -1 else first + size
        expect(0 <= first <= last <= whole, f"the slice takes elements {first} to {last} of {whole}")
        index.append(slice(first, last))
    return places[tuple(index)]


def _transpose(graph, op, places):
    order = integers_of(graph, op, 1, "permutation", places.ndim)
    expect(sorted(order) == list(range(places.ndim)), f"permutation {order} of {places.ndim} dimensions")
    return places.transpose(order)


VIEWS = {"STRIDED_SLICE": (_strided_slice, 4), "SLICE": (_slice, 3), "TRANSPOSE": (_transpose, 2)}


def strided_copy(graph, op):
    """STRIDED_SLICE, SLICE and TRANSPOSE: a copy that moves by one step a row, column, channel."""
    view, inputs = VIEWS[op.kind]
    expect_arity(op, inputs)
    x = activation_of(graph, op.inputs[0], "input")
    y = activation_of(graph, op.output, "output")
    expect_same_quantisation(x, y)
    places = view(graph, op, np.arange(x.elements).reshape(x.shape))
    expect(places.size == y.elements, f"{places.size} values into {y.elements} of {y.name!r}")
    places = places.reshape(y.hwc)
    base = int(places[0, 0, 0])
    nexts = (places[1:, 0, 0], places[0, 1:, 0], places[0, 0, 1:])
    steps = [int(line[0]) - base if line.size else 0 for line in nexts]
    rows, columns, channels = np.ogrid[tuple(slice(n) for n in y.hwc)]
    even = base + rows * steps[0] + columns * steps[1] + channels * steps[2]
    expect((even == places).all(), f"from {list(x.shape)} to {list(y.shape)} in no even steps")
    if places.size == x.elements and (places.reshape(-1) == np.arange(x.elements)).all():
        return Lowered("RESHAPE", [op.inputs[0]], op.output, [])
    return Lowered("STRIDED_COPY", [op.inputs[0]], op.output, [base, *steps, ORIGINS[op.kind]])
