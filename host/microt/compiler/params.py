# SPDX-License-Identifier: MIT
"""What each kernel needs to know, computed as TensorFlow Lite's reference kernels prepare it.

Multipliers, shifts, clamps and paddings equal those of the `Prepare` functions in
tensorflow/lite/kernels (conv.cc, depthwise_conv.cc, fully_connected.cc, add.cc, sub.cc, mul.cc,
pad.cc, pooling.cc, reduce.cc, activations.cc, concatenation.cc) bit for bit: same order of float
and double arithmetic.
"""

import math
from dataclasses import dataclass

import numpy as np

from . import tables
from .mtb import ARITHMETIC, ORIGINS

_Q_MIN, _Q_MAX = -128, 127
_MAX_TAPS = 65535


class Unsupported(ValueError):
    """An operator that the engine cannot run; the message says why."""


@dataclass
class Lowered:
    """One operator as the engine runs it.

    `inputs` and `output` index the graph's tensors, `args` is int32 (n,), `weights` int8 in
    TensorFlow Lite's own order or None, `bias` int32 (channels,), `requant` int32 (channels, 2)
    of {multiplier, shift}, `macs` the multiply-accumulates, `plane` the pixels of the input where
    the output could take its place channel by channel (a depthwise convolution of multiplier 1 to
    no more pixels), else 0; `in_place` whether it does.
    """

    kind: str
    inputs: list
    output: int
    args: list
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    requant: np.ndarray | None = None
    macs: int = 0
    unmatched: int = 0
    plane: int = 0
    in_place: bool = False


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
        return _Q_MIN, _Q_MAX
    if activation == "RELU":
        return max(_Q_MIN, quantize(0.0)), _Q_MAX
    if activation == "RELU6":
        return max(_Q_MIN, quantize(0.0)), min(_Q_MAX, quantize(6.0))
    if activation == "RELU_N1_TO_1":
        return max(_Q_MIN, quantize(-1.0)), min(_Q_MAX, quantize(1.0))
    if activation == "RELU_0_TO_1":
        return max(_Q_MIN, quantize(0.0)), min(_Q_MAX, quantize(1.0))
    raise Unsupported(f"fused activation {activation} is not supported")


def padding(kind, size, kernel, stride, dilation):
    """(before, after, output size) of one dimension under SAME or VALID."""
    extent = (kernel - 1) * dilation + 1
    if kind == "SAME":
        out = -(-size // stride)
        total = max((out - 1) * stride + extent - size, 0)
        return total // 2, total - total // 2, out
    return 0, 0, (size - extent) // stride + 1


def _expect(condition, message):
    if not condition:
        raise Unsupported(message)


def _activation(graph, index, role):
    """The tensor, checked to be an int8 activation with one scale and zero point."""
    _expect(index >= 0, f"{role} is absent")
    tensor = graph.tensors[index]
    _expect(not tensor.is_constant, f"{role} {tensor.name!r} is a constant")
    _expect(
        tensor.dtype == "int8",
        f"{role} {tensor.name!r} is {tensor.dtype}, expected int8",
    )
    _expect(
        len(tensor.scales) == 1 and tensor.scale > 0,
        f"{role} {tensor.name!r} has {len(tensor.scales)} scales, expected one above 0",
    )
    _expect(
        _Q_MIN <= tensor.zero_point <= _Q_MAX,
        f"{role} {tensor.name!r} has zero point {tensor.zero_point}, expected -128..127",
    )
    try:
        hwc = tensor.hwc
    except ValueError as error:
        raise Unsupported(str(error)) from None
    _expect(
        all(1 <= n <= 65535 for n in hwc),
        f"{role} {tensor.name!r} has shape {list(tensor.shape)}, expected sizes 1..65535",
    )
    return tensor


def _constant(graph, index, dtype, role):
    _expect(index >= 0, f"{role} are absent")
    tensor = graph.tensors[index]
    _expect(tensor.is_constant, f"{role} {tensor.name!r} are computed, expected a constant")
    _expect(
        tensor.dtype == dtype,
        f"{role} {tensor.name!r} are {tensor.dtype}, expected {dtype}",
    )
    return tensor


def _arity(op, *counts):
    _expect(
        len(op.inputs) in counts and len(op.outputs) == 1,
        f"expected {' or '.join(map(str, counts))} inputs and 1 output, got {len(op.inputs)} and {len(op.outputs)}",
    )


def _weights(graph, index, channels, axis):
    """The weights tensor and its `channels` scales, one per output channel, float32."""
    weights = _constant(graph, index, "int8", "weights")
    _expect(
        len(weights.scales) in (1, channels),
        f"weights {weights.name!r} have {len(weights.scales)} scales, expected 1 or {channels}",
    )
    _expect(
        len(weights.scales) == 1 or weights.axis == axis,
        f"weights {weights.name!r} are quantised along {weights.axis}, expected {axis}",
    )
    _expect(
        not weights.zero_points.any(),
        f"weights {weights.name!r} are asymmetric, expected zero point 0",
    )
    return weights, np.broadcast_to(weights.scales, (channels,))


def _bias(graph, op, channels):
    index = op.inputs[2] if len(op.inputs) > 2 else -1
    if index < 0:
        return np.zeros(channels, np.int32)
    bias = _constant(graph, index, "int32", "bias")
    _expect(
        bias.elements == channels,
        f"bias {bias.name!r} has {bias.elements} values, expected {channels}",
    )
    return bias.data.reshape(channels).astype(np.int32)


def _requant(reals):
    return np.array([quantize_multiplier(float(r)) for r in reals], np.int32).reshape(-1, 2)


def _requant_once(reals, reach):
    """Multipliers and shifts for one rounding, halves away from zero: FULLY_CONNECTED.

    TensorFlow Lite's reference kernel rounds the double product of sum and factor there. Each
    multiplier is checked at every sum up to `reach` (int64 (channels,)) where that product
    crosses a half; of the two integers around the exact one, the better is taken. Returns
    (int32 (channels, 2), the number of sums, of all channels, where the integers still differ).
    """
    pairs = _requant(reals)
    unmatched = 0
    for channel, (multiplier, shift) in enumerate(pairs.tolist()):
        real, limit = float(reals[channel]), int(reach[channel])
        halves = np.arange(0.5, min(real * limit + 1.5, 256.0))
        if real == 0 or multiplier == 0:
            _expect(real * limit < 0.5, f"a rescaling factor of {real:g} is too small")
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


def _shape(op, tensor, expected):
    _expect(
        tuple(tensor.hwc) == tuple(expected),
        f"output {tensor.name!r} has shape {list(tensor.hwc)}, expected {list(expected)}",
    )


def _same_quantisation(a, b):
    # the kernels do not rescale here: a difference that no value can show is let through
    close = abs(float(a.scale) - float(b.scale)) <= 1e-5 * float(b.scale)
    _expect(
        close and a.zero_point == b.zero_point,
        f"{a.name!r} and {b.name!r} differ in scale or zero point "
        f"({a.scale}, {a.zero_point} and {b.scale}, {b.zero_point}), expected the same",
    )


def _window(op, h, w, kernel_h, kernel_w):
    """Strides, dilations, (top, left, bottom, right), output height and width."""
    options = op.options
    stride_h, stride_w = options["StrideH"], options["StrideW"]
    dilation_h = options.get("DilationHFactor", 1)
    dilation_w = options.get("DilationWFactor", 1)
    for name, value in (
        ("stride", stride_h),
        ("stride", stride_w),
        ("dilation", dilation_h),
        ("dilation", dilation_w),
        ("kernel", kernel_h),
        ("kernel", kernel_w),
    ):
        _expect(1 <= value <= 32767, f"expected a {name} of 1..32767, got {value}")
    if "pads" in options:
        top, left, bottom, right = options["pads"]
        _, _, out_h = padding("VALID", h + top + bottom, kernel_h, stride_h, dilation_h)
        _, _, out_w = padding("VALID", w + left + right, kernel_w, stride_w, dilation_w)
    else:
        top, bottom, out_h = padding(options["Padding"], h, kernel_h, stride_h, dilation_h)
        left, right, out_w = padding(options["Padding"], w, kernel_w, stride_w, dilation_w)
    _expect(out_h >= 1 and out_w >= 1, f"the window does not fit into {h} x {w}")
    return (
        [stride_h, stride_w],
        [dilation_h, dilation_w],
        [top, left, bottom, right],
        out_h,
        out_w,
    )


def _convolution(graph, op, depthwise):
    _arity(op, 2, 3)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _expect(op.inputs[1] >= 0, "weights are absent")
    filters = graph.tensors[op.inputs[1]]
    _expect(
        len(filters.shape) == 4,
        f"weights {filters.name!r} have shape {list(filters.shape)}, expected 4 dimensions",
    )
    h, w, cin = x.hwc
    extra = []
    if depthwise:
        one, kernel_h, kernel_w, cout = filters.shape
        weights, scales = _weights(graph, op.inputs[1], cout, 3)
        multiplier = op.options["DepthMultiplier"]
        # 0 in the file: TensorFlow Lite derives it from the shapes
        multiplier = multiplier or cout // cin
        _expect(
            one == 1 and multiplier >= 1 and cout == cin * multiplier,
            f"weights of shape {list(filters.shape)} do not fit {cin} channels with depth multiplier {multiplier}",
        )
        extra = [multiplier]
        per_output = kernel_h * kernel_w
    else:
        cout, kernel_h, kernel_w, group = filters.shape
        weights, scales = _weights(graph, op.inputs[1], cout, 0)
        _expect(
            group >= 1 and cin % group == 0 and cout % (cin // group) == 0,
            f"weights of shape {list(filters.shape)} do not fit {cin} channels",
        )
        per_output = kernel_h * kernel_w * group
    _expect(
        1 <= per_output <= _MAX_TAPS,
        f"expected 1 to {_MAX_TAPS} products a sum, got {per_output}",
    )
    strides, dilations, pads, out_h, out_w = _window(op, h, w, kernel_h, kernel_w)
    _shape(op, y, (out_h, out_w, cout))
    low, high = activation_range(op.options["activation"], y.scale, y.zero_point)
    reals = np.float64(x.scale) * scales.astype(np.float64) / np.float64(y.scale)
    return Lowered(
        op.kind,
        [op.inputs[0]],
        op.output,
        strides + dilations + pads + [low, high, kernel_h, kernel_w] + extra,
        weights.data,
        _bias(graph, op, cout),
        _requant(reals),
        out_h * out_w * cout * per_output,
        plane=h * w if depthwise and cout == cin and out_h * out_w <= h * w else 0,
    )


def _conv_2d(graph, op):
    return _convolution(graph, op, depthwise=False)


def _depthwise_conv_2d(graph, op):
    return _convolution(graph, op, depthwise=True)


def _fully_connected(graph, op):
    _arity(op, 2, 3)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _expect(op.options["WeightsFormat"] == 0, "shuffled weights are not supported")
    _expect(op.inputs[1] >= 0, "weights are absent")
    matrix = graph.tensors[op.inputs[1]]
    _expect(
        len(matrix.shape) == 2,
        f"weights {matrix.name!r} have shape {list(matrix.shape)}, expected 2 dimensions",
    )
    rows, columns = matrix.shape
    weights, scales = _weights(graph, op.inputs[1], rows, 0)
    count = x.elements // columns if columns else 0
    _expect(
        count >= 1 and x.elements == count * columns and y.elements == count * rows and y.hwc[2] == rows,
        f"input of {x.elements} and output of shape {list(y.shape)} do not fit weights of shape {list(matrix.shape)}",
    )
    _expect(columns <= _MAX_TAPS, f"expected at most {_MAX_TAPS} products a sum, got {columns}")
    low, high = activation_range(op.options["activation"], y.scale, y.zero_point)
    reals = np.float64(x.scale) * scales.astype(np.float64) / np.float64(y.scale)
    bias = _bias(graph, op, rows)
    furthest = max(127 - x.zero_point, x.zero_point + 128)
    reach = np.abs(weights.data.astype(np.int64)).sum(axis=1) * furthest
    reach += np.abs(bias.astype(np.int64))
    _expect(int(reach.max()) < 1 << 31, f"sums of up to {reach.max()} do not fit 32 bits")
    requant, unmatched = _requant_once(reals, reach)
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


def _operand(graph, index):
    """An operand of arithmetic, an activation or an int8 constant, and its (h, w, c)."""
    _expect(index >= 0, "an operand is absent")
    tensor = graph.tensors[index]
    if not tensor.is_constant:
        return _activation(graph, index, "input"), tensor.hwc
    _constant(graph, index, "int8", "constant operands")
    _expect(
        len(tensor.scales) == 1 and tensor.scale > 0 and _Q_MIN <= tensor.zero_point <= _Q_MAX,
        f"constant {tensor.name!r} has {len(tensor.scales)} scales, expected one above 0",
    )
    shape = (1,) * (4 - len(tensor.shape)) + tuple(tensor.shape)
    _expect(
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
        _expect(0 < real < 1, f"expected scales with a ratio below 1, got {real:g}")
        multiplier, shift = quantize_multiplier(real)
        _expect(shift <= 0, f"expected a right shift, got {shift}")
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


def _arithmetic(graph, op):
    """ADD, SUB, MUL, PRELU, MINIMUM and MAXIMUM of two tensors or a tensor and a constant, with
    broadcasting."""
    _arity(op, 2)
    (a, a_shape), (b, b_shape) = (_operand(graph, index) for index in op.inputs)
    y = _activation(graph, op.output, "output")
    constants = [t.is_constant for t in (a, b)]
    _expect(not all(constants), "both operands are constants")
    try:
        broadcast = np.broadcast_shapes(a_shape, b_shape)
    except ValueError:
        broadcast = None
    _expect(
        broadcast == tuple(y.hwc),
        f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast to {list(y.shape)}",
    )
    kind = op.kind
    if kind in ("MINIMUM", "MAXIMUM"):
        _same_quantisation(a, y)
        _same_quantisation(b, y)
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
        return _lookup(op, op.inputs[1 - at], tables.saturate(table, low, high))
    shape = a_shape if at == 0 else b_shape
    args = [ARITHMETIC.index(kind), *args, low, high, at + 1, *shape, constant.zero_point]
    return Lowered("ARITHMETIC", [op.inputs[1 - at]], op.output, args, constant.data)


def _lookup(op, source, table):
    return Lowered("LOOKUP", [source], op.output, [ORIGINS[op.kind]], table)


def _function(graph, op):
    """LOGISTIC, TANH, EXP, GELU, HARD_SWISH, RELU and its kin, LEAKY_RELU, QUANTIZE: a table."""
    _arity(op, 1)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _shape(op, y, x.hwc)
    return _lookup(op, op.inputs[0], _TABLES[op.kind](op, x, y))


def _bounded_table(op, x, y):
    """ReluPrepare and QuantizedReluX."""
    low, high = activation_range(op.kind, y.scale, y.zero_point)
    values = tables.requantize(tables.INPUTS - x.zero_point, *quantize_multiplier(float(x.scale / y.scale)))
    return tables.saturate(values + y.zero_point, low, high)


def _leaky_table(op, x, y):
    """LeakyReluPrepare and QuantizeLeakyRelu."""
    values = tables.INPUTS - x.zero_point
    slope = np.float32(op.options["Alpha"])
    _expect(slope >= 0, f"expected a slope of 0 or more, got {slope}")
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
    _expect(-15 <= pairs[0][1] <= 0, f"expected an output scale above {fine}, got {y.scale}")
    _expect(-15 <= pairs[1][1] <= 15, f"an input scale of {x.scale} is out of reach")
    return tables.hard_swish(x.zero_point, y.zero_point, *pairs)


_TABLES = {
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


def pad_amounts(graph, op):
    """The (4, 2) int64 amounts before and after each dimension, and the value."""
    x = graph.tensors[op.inputs[0]]
    table = graph.tensors[op.inputs[1]]
    _expect(op.inputs[1] >= 0, "paddings are absent")
    _expect(
        table.is_constant and table.dtype in ("int32", "int64"),
        f"paddings {table.name!r} are computed or {table.dtype}, expected constant integers",
    )
    rank = len(x.shape)
    _expect(
        2 <= rank <= 4 and table.shape == (rank, 2),
        f"paddings of shape {list(table.shape)} for an input of shape {list(x.shape)}",
    )
    amounts = np.zeros((4, 2), np.int64)
    # a vector (1, n) is (1, 1, 1, n), a sequence (1, n, c) is (1, 1, n, c)
    amounts[0] = table.data[0]
    amounts[4 - (rank - 1) :] = table.data[1:]
    _expect(
        not amounts[0].any() and (amounts >= 0).all() and (amounts < 65536).all(),
        f"paddings {table.data.tolist()}: expected 0 or more, none of the batch",
    )
    value = graph.tensors[op.output].zero_point
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        constant = _constant(graph, op.inputs[2], "int8", "padding value")
        _expect(constant.elements == 1, f"padding value {constant.name!r} is no scalar")
        value = int(constant.data.reshape(-1)[0])
    return amounts, value


def _pad(graph, op):
    _arity(op, 2, 3)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _same_quantisation(x, y)
    amounts, value = pad_amounts(graph, op)
    sides = [int(n) for n in amounts[1:].reshape(-1)]
    expected = [n + sides[2 * i] + sides[2 * i + 1] for i, n in enumerate(x.hwc)]
    _shape(op, y, expected)
    return Lowered("PAD", [op.inputs[0]], op.output, sides + [value])


def _pool_2d(graph, op):
    _arity(op, 1)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _same_quantisation(x, y)
    h, w, c = x.hwc
    kernel_h, kernel_w = op.options["FilterHeight"], op.options["FilterWidth"]
    strides, _, pads, out_h, out_w = _window(op, h, w, kernel_h, kernel_w)
    _expect(
        kernel_h * kernel_w <= _MAX_TAPS,
        f"expected at most {_MAX_TAPS} values in a window, got {kernel_h * kernel_w}",
    )
    _shape(op, y, (out_h, out_w, c))
    low, high = activation_range(op.options["activation"], y.scale, y.zero_point)
    args = strides + pads + [kernel_h, kernel_w, low, high]
    return Lowered(op.kind, [op.inputs[0]], op.output, args)


def reduced_axes(graph, op):
    """The axes that MEAN or REDUCE_MAX goes over, counted from the last: -1 the channels."""
    if "axes" in op.options:
        return op.options["axes"]
    axes = _constant(graph, op.inputs[1], "int32", "axes")
    rank = len(graph.tensors[op.inputs[0]].shape)
    values = {int(a) for a in axes.data.reshape(-1)}
    _expect(all(-rank <= a < rank for a in values), f"axes {sorted(values)} of {rank} dimensions")
    return {a - rank if a >= 0 else a for a in values}


def _over_height_and_width(graph, op):
    """Raise Unsupported unless just height and width go; sizes of 1 may stay or go."""
    x = graph.tensors[op.inputs[0]]
    values = reduced_axes(graph, op)
    sizes = dict(zip((-3, -2, -1), x.hwc, strict=True))
    reduced = {axis for axis in values if sizes.get(axis, 1) > 1}
    _expect(
        bool(values) and min(values) >= -3 and reduced == {axis for axis in (-3, -2) if sizes[axis] > 1},
        f"{op.kind} over axes {sorted(values)} of shape {list(x.shape)}: expected all but batch and channels",
    )


def _mean(graph, op):
    _arity(op, 2)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _over_height_and_width(graph, op)
    h, w, c = x.hwc
    _expect(y.elements == c, f"output {y.name!r} has shape {list(y.shape)}, expected {c} values")
    multiplier, shift = quantize_multiplier(float(x.scale) / float(y.scale))
    # the division by the count goes into the multiplier (QuantizedMeanOrSum)
    count = h * w
    _expect(count <= 1 << 23, f"expected a mean of at most 2**23 values, got {count}")
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    multiplier = (multiplier << extra) // count
    return Lowered(op.kind, [op.inputs[0]], op.output, [multiplier, shift - extra])


def _reshape(graph, op):
    _arity(op, 1)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _same_quantisation(x, y)
    _expect(
        x.elements == y.elements,
        f"{x.elements} values of {x.name!r} into {y.elements} of {y.name!r}",
    )
    return Lowered("RESHAPE", [op.inputs[0]], op.output, [])


def _softmax(graph, op):
    _arity(op, 1)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _shape(op, y, x.hwc)
    _expect(
        y.zero_point == -128 and abs(float(y.scale) - 1 / 256) <= 0.001 / 256,
        f"output {y.name!r} has scale {y.scale} and zero point {y.zero_point}, expected 1/256 and -128",
    )
    _expect(x.hwc[2] < 4096, f"expected a softmax over fewer than 4096 values, got {x.hwc[2]}")
    bits = 5
    beta = float(np.float32(op.options["Beta"]))
    real = min(beta * float(x.scale) * (1 << (31 - bits)), float((1 << 31) - 1))
    _expect(real > 1, f"expected beta and scale with a product above 2**-26, got {real:g}")
    multiplier, left_shift = quantize_multiplier(real)
    radius = ((1 << bits) - 1) * float(1 << (31 - bits)) / float(1 << left_shift)
    return Lowered(op.kind, [op.inputs[0]], op.output, [multiplier, left_shift, -math.floor(radius)])


def _reduce_max(graph, op):
    """The largest over height and width: a pool with one window."""
    _arity(op, 2)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _same_quantisation(x, y)
    _over_height_and_width(graph, op)
    _expect(y.elements == x.hwc[2], f"output {y.name!r} has shape {list(y.shape)}, expected {x.hwc[2]} values")
    h, w, _ = x.hwc
    _expect(h * w <= 1 << 23, f"expected a maximum of at most 2**23 values, got {h * w}")
    return Lowered("MAX_POOL_2D", [op.inputs[0]], op.output, [1, 1, 0, 0, 0, 0, h, w, _Q_MIN, _Q_MAX])


def concatenation_axis(graph, op):
    """The axis of CONCATENATION counted from the last: -1 channels, -2 width, -3 height."""
    rank = len(graph.tensors[op.output].shape)
    axis = op.options["Axis"]
    _expect(-rank <= axis < rank, f"concatenation along axis {axis} of {rank}")
    axis = axis - rank if axis >= 0 else axis
    _expect(axis > -rank and axis >= -3, f"concatenation along axis {rank + axis} of {rank}, the batch")
    return axis


def _concatenation(graph, op):
    _expect(len(op.inputs) >= 1 and len(op.outputs) == 1, "expected inputs and one output")
    _expect(len(op.inputs) <= 4, f"expected at most 4 inputs, got {len(op.inputs)}")
    y = _activation(graph, op.output, "output")
    axis = concatenation_axis(graph, op)
    _expect(
        op.options["activation"] == "NONE",
        f"fused activation {op.options['activation']} is not supported",
    )
    total = 0
    for index in op.inputs:
        x = _activation(graph, index, "input")
        _same_quantisation(x, y)
        sizes, expected = list(x.hwc), list(y.hwc)
        total += sizes[axis]
        sizes[axis] = expected[axis]
        _expect(sizes == expected, f"input {x.name!r} of shape {list(x.shape)} does not fit {list(y.shape)}")
    _expect(total == y.hwc[axis], f"{total} along axis {axis} into {y.hwc[axis]}")
    return Lowered(op.kind, list(op.inputs), op.output, [])


def _integers(graph, op, which, role, count):
    """A constant input of `count` integers as a list."""
    tensor = graph.tensors[op.inputs[which]]
    _expect(
        op.inputs[which] >= 0 and tensor.is_constant and tensor.dtype in ("int32", "int64"),
        f"{role} {tensor.name!r}: expected constant integers",
    )
    _expect(tensor.elements == count, f"{role} {tensor.name!r}: expected {count} integers, got {tensor.elements}")
    return [int(n) for n in tensor.data.reshape(-1)]


def _strided_slice(graph, op, places):
    options = op.options
    _expect(
        not options["EllipsisMask"] and not options["NewAxisMask"],
        "an ellipsis or a new axis in the slice is not supported",
    )
    rank = places.ndim
    begin, end, stride = (_integers(graph, op, i, "slice", rank) for i in (1, 2, 3))
    index = []
    for axis in range(rank):
        bit = 1 << axis
        _expect(stride[axis] != 0, "expected strides other than 0")
        if options["ShrinkAxisMask"] & bit:
            size = places.shape[axis]
            _expect(-size <= begin[axis] < size, f"the slice takes element {begin[axis]} of {size}")
            index.append(begin[axis])
            continue
        first = None if options["BeginMask"] & bit else begin[axis]
        last = None if options["EndMask"] & bit else end[axis]
        if last is not None and options["Offset"]:
            last += begin[axis]
        index.append(slice(first, last, stride[axis]))
    return places[tuple(index)]


def _slice(graph, op, places):
    begin, sizes = (_integers(graph, op, i, "slice", places.ndim) for i in (1, 2))
    index = []
    for first, size, whole in zip(begin, sizes, places.shape, strict=True):
        last = whole if size == -1 else first + size
        _expect(0 <= first <= last <= whole, f"the slice takes elements {first} to {last} of {whole}")
        index.append(slice(first, last))
    return places[tuple(index)]


def _transpose(graph, op, places):
    order = _integers(graph, op, 1, "permutation", places.ndim)
    _expect(sorted(order) == list(range(places.ndim)), f"permutation {order} of {places.ndim} dimensions")
    return places.transpose(order)


_VIEWS = {"STRIDED_SLICE": (_strided_slice, 4), "SLICE": (_slice, 3), "TRANSPOSE": (_transpose, 2)}


def _strided_copy(graph, op):
    """STRIDED_SLICE, SLICE and TRANSPOSE: a copy that moves by one step a row, column, channel."""
    view, inputs = _VIEWS[op.kind]
    _arity(op, inputs)
    x = _activation(graph, op.inputs[0], "input")
    y = _activation(graph, op.output, "output")
    _same_quantisation(x, y)
    places = view(graph, op, np.arange(x.elements).reshape(x.shape))
    _expect(places.size == y.elements, f"{places.size} values into {y.elements} of {y.name!r}")
    places = places.reshape(y.hwc)
    base = int(places[0, 0, 0])
    nexts = (places[1:, 0, 0], places[0, 1:, 0], places[0, 0, 1:])
    steps = [int(line[0]) - base if line.size else 0 for line in nexts]
    rows, columns, channels = np.ogrid[tuple(slice(n) for n in y.hwc)]
    even = base + rows * steps[0] + columns * steps[1] + channels * steps[2]
    _expect((even == places).all(), f"from {list(x.shape)} to {list(y.shape)} in no even steps")
    if places.size == x.elements and (places.reshape(-1) == np.arange(x.elements)).all():
        return Lowered("RESHAPE", [op.inputs[0]], op.output, [])
    return Lowered("STRIDED_COPY", [op.inputs[0]], op.output, [base, *steps, ORIGINS[op.kind]])


_LOWER = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _arithmetic,
    "SUB": _arithmetic,
    "MUL": _arithmetic,
    "PRELU": _arithmetic,
    "MINIMUM": _arithmetic,
    "MAXIMUM": _arithmetic,
    "PAD": _pad,
    "PADV2": _pad,
    "AVERAGE_POOL_2D": _pool_2d,
    "MAX_POOL_2D": _pool_2d,
    "MEAN": _mean,
    "REDUCE_MAX": _reduce_max,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "SOFTMAX": _softmax,
    "CONCATENATION": _concatenation,
    **dict.fromkeys(_TABLES, _function),
    **dict.fromkeys(_VIEWS, _strided_copy),
}


OPERATORS = tuple(sorted(_LOWER))


def lower(graph, op):
    """The operator as the engine runs it; raises Unsupported with the reason."""
    if op.kind not in _LOWER:
        raise Unsupported("operator not supported")
    return _LOWER[op.kind](graph, op)
