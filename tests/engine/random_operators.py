# SPDX-License-Identifier: MIT
"""Random layers of every operator, as small .tflite files: a maker takes a generator of random numbers and returns
(content, (h, w, c) of the input)."""

import numpy as np
import tflite_file as tfl
from random_layers import finish, out_size, pick, scale, weight_scales, zero_point


def convolution(rng, depthwise=False, large=False):
    h, w = (int(n) for n in rng.integers(1, 12, 2))
    if large:
        h, w = (int(n) for n in rng.integers(14, 25, 2))
    cin = int(rng.integers(1, 20))
    groups, multiplier = 1, 1
    if depthwise:
        multiplier = pick(rng, 1, 1, 1, 2, 3, 8)
        cout = cin * multiplier
    elif rng.random() < 0.25:
        groups = pick(rng, 2, 3, 5)
        cin *= groups
        cout = groups * int(rng.integers(1, 9))
    else:
        cout = int(rng.integers(1, 24))
    kh, kw = pick(rng, (1, 1), (3, 3), (3, 3), (5, 5), (2, 3), (7, 1), (1, 4), (10, 4))
    dilation_h, dilation_w = pick(rng, (1, 1), (1, 1), (1, 1), (2, 2), (1, 2), (3, 1))
    stride_h, stride_w = (1, 1) if dilation_h * dilation_w > 1 else pick(rng, (1, 1), (2, 2), (1, 2), (3, 1), (3, 3))
    if depthwise:
        stride_w = stride_h  # TensorFlow's, not the engine's, limit
    padding = tfl.SAME
    if rng.random() < 0.5 and h >= (kh - 1) * dilation_h + 1 and w >= (kw - 1) * dilation_w + 1:
        padding = tfl.VALID
    oh = out_size(h, kh, stride_h, dilation_h, padding)
    ow = out_size(w, kw, stride_w, dilation_w, padding)

    file = tfl.File()
    per_channel = rng.random() < 0.7
    taps = kh * kw * (1 if depthwise else cin // groups)
    si, sw = scale(rng, 0.005, 0.2), weight_scales(rng, cout, per_channel)
    sums = float(si * sw.max() * 74 * 74 * np.sqrt(taps))  # about one standard deviation
    so = sums / float(pick(rng, 20, 40, 80, 300))
    if rng.random() < 0.15:  # left shifts: the output is finer than a product
        so = float(si * sw.min() / rng.uniform(1.0, 3.0))
    zi, zo = zero_point(rng), zero_point(rng)
    x = file.int8((1, h, w, cin), si, zi)
    y = file.int8((1, oh, ow, cout), so, zo)
    extreme = rng.random() < 0.1
    shape = (1, kh, kw, cout) if depthwise else (cout, kh, kw, cin // groups)
    weights = rng.choice([-127, 127], shape) if extreme else rng.integers(-127, 128, shape)
    wt = file.int8(shape, sw, 0, weights.astype(np.int8), axis=3 if depthwise else 0)
    bound = 20 * int(so / (si * float(sw.max())) + 1)
    bias = file.int32(rng.integers(-bound, bound + 1, cout), si * sw)
    options = {
        "padding": padding,
        "strideH": stride_h,
        "strideW": stride_w,
        "dilationHFactor": dilation_h,
        "dilationWFactor": dilation_w,
        "fusedActivationFunction": pick(rng, tfl.NONE, tfl.NONE, tfl.RELU, tfl.RELU6),
    }
    if depthwise:
        options["depthMultiplier"] = multiplier
    file.add("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, wt, bias], y, **options)
    return finish(file, x, y, rng), (h, w, cin)


def tiled_convolution(rng, depthwise=False):
    """Layers that tuned kernels cut into tiles, parts and strips: more taps and larger planes, weights of -128 too."""
    kernel = pick(rng, 3, 3, 5, 7) if depthwise else pick(rng, 1, 1, 1, 3, 3, 5, 2)
    stride = pick(rng, 1, 1, 2)
    if depthwise:
        h, w = (int(n) for n in rng.integers(1, pick(rng, 9, 20, 70), 2))
        cin = cout = int(rng.integers(1, 9))
    else:
        h, w = (int(n) for n in rng.integers(1, pick(rng, 4, 9, 13), 2))
        cin = int(rng.integers(1, pick(rng, 9, 60, 300 if kernel < 3 else 40)))
        cout = int(rng.integers(1, pick(rng, 6, 20, 80)))
    padding = tfl.VALID if rng.random() < 0.3 and min(h, w) >= kernel else tfl.SAME
    dilation = 2 if rng.random() < 0.1 and stride == 1 and min(h, w) > 2 * kernel else 1
    oh, ow = (out_size(size, kernel, stride, dilation, padding) for size in (h, w))

    file = tfl.File()
    taps = kernel * kernel * (1 if depthwise else cin)
    si, sw = scale(rng, 0.005, 0.2), weight_scales(rng, cout, rng.random() < 0.8)
    so = float(si * sw.max() * 74 * 74 * np.sqrt(taps)) / float(pick(rng, 20, 40, 80, 300))
    if rng.random() < 0.1:  # left shifts
        so = float(si * sw.min() / rng.uniform(1.0, 3.0))
    zi, zo = zero_point(rng), zero_point(rng)
    x, y = file.int8((1, h, w, cin), si, zi), file.int8((1, oh, ow, cout), so, zo)
    shape = (1, kernel, kernel, cout) if depthwise else (cout, kernel, kernel, cin)
    weights = rng.choice([-128, 127], shape) if rng.random() < 0.1 else rng.integers(-128, 128, shape)
    wt = file.int8(shape, sw, 0, weights.astype(np.int8), axis=3 if depthwise else 0)
    bound = 20 * int(so / (si * float(sw.max())) + 1)
    bias = file.int32(rng.integers(-bound, bound + 1, cout), si * sw)
    options = {
        "padding": padding,
        "strideH": stride,
        "strideW": stride,
        "dilationHFactor": dilation,
        "dilationWFactor": dilation,
        "fusedActivationFunction": pick(rng, tfl.NONE, tfl.NONE, tfl.RELU, tfl.RELU6),
    }
    if depthwise:
        options["depthMultiplier"] = 1
    file.add("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, wt, bias], y, **options)
    return finish(file, x, y, rng), (h, w, cin)


def fully_connected(rng):
    depth, n = int(rng.integers(1, 300)), int(rng.integers(1, 40))
    rows = pick(rng, 1, 1, 1, 4, 7)
    file = tfl.File()
    si, sw = scale(rng, 0.005, 0.2), weight_scales(rng, n, rng.random() < 0.5)
    so = float(si * sw.max() * 74 * 74 * np.sqrt(depth)) / float(pick(rng, 20, 40, 80, 300))
    if rng.random() < 0.15:
        so = float(si * sw.min() / rng.uniform(1.0, 3.0))
    if rng.random() < 0.2:  # powers of two: the sums fall on halves
        si, sw, so = 0.0625, np.full(len(sw), 2**-7, np.float32), float(2 ** pick(rng, -3, -2, -1, 0))
    bound = 20 * int(so / (si * float(sw.max())) + 1)
    w = file.int8((n, depth), sw, 0, rng.integers(-127, 128, (n, depth)).astype(np.int8))
    bias = file.int32(rng.integers(-bound, bound + 1, n), si * sw)
    activation = pick(rng, tfl.NONE, tfl.NONE, tfl.RELU, tfl.RELU6)
    zi, zo = zero_point(rng), zero_point(rng)
    if rows == 1:
        x, y = file.int8((1, depth), si, zi), file.int8((1, n), so, zo)
        shape = (1, 1, depth)
    else:
        x, y = file.int8((1, rows, 1, depth), si, zi), file.int8((1, rows, 1, n), so, zo)
        shape = (rows, 1, depth)
    file.add("FULLY_CONNECTED", [x, w, bias], y, fusedActivationFunction=activation, keepNumDims=rows > 1)
    return finish(file, x, y, rng), shape


def add(rng):
    h, w, c = (int(n) for n in rng.integers(1, 9, 3))
    file = tfl.File()
    zi, zo = zero_point(rng), zero_point(rng)
    si = scale(rng, 0.01, 0.5)
    s2 = si * float(pick(rng, 0.02, 0.3, 0.99, 1.0, 1.01, 5.0, 40.0))
    x = file.int8((1, h, w, c), si, zi)
    # the second input: the first at another scale, by a 1x1 depthwise convolution
    other = file.int8((1, h, w, c), s2, zero_point(rng))
    ws = np.float32(0.01)
    wt = file.int8((1, 1, 1, c), ws, 0, rng.integers(-127, 128, (1, 1, 1, c)).astype(np.int8), axis=3)
    bias = file.int32(np.zeros(c), np.float32(si) * ws)
    file.add("DEPTHWISE_CONV_2D", [x, wt, bias], other, strideH=1, strideW=1, depthMultiplier=1)
    y = file.int8((1, h, w, c), max(si, s2) * float(pick(rng, 0.3, 1.0, 1.5, 2.0, 30.0)), zo)
    order = [x, other] if rng.random() < 0.5 else [other, x]
    file.add("ADD", order, y, fusedActivationFunction=pick(rng, tfl.NONE, tfl.NONE, tfl.RELU, tfl.RELU6))
    return finish(file, x, y, rng), (h, w, c)


def pad(rng):
    h, w, c = (int(n) for n in rng.integers(1, 8, 3))
    amounts = rng.integers(0, 4, (4, 2))
    amounts[0] = 0
    if rng.random() < 0.6:
        amounts[3] = 0
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.5), zero_point(rng)
    x = file.int8((1, h, w, c), s, z)
    shape = (1, *(n + int(a + b) for n, (a, b) in zip((h, w, c), amounts[1:], strict=True)))
    y = file.int8(shape, s, z)
    file.add("PAD", [x, file.int32(amounts)], y)
    # a layer behind it, so that the compiler cannot make a RESHAPE of it
    s2 = s * 1.7
    n = int(np.prod(shape))
    out = file.int8((1, 1, 1, shape[3]), s2, 3)
    file.add("MEAN", [y, file.int32([1, 2])], out, keepDims=True)
    assert n > 0
    return file.pack([x], [out]), (h, w, c)


def average_pool(rng):
    h, w = (int(n) for n in rng.integers(1, 12, 2))
    c = int(rng.integers(1, 20))
    kh, kw = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    if rng.random() < 0.25:
        kh, kw = h, w
    stride_h, stride_w = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    padding = tfl.VALID if h >= kh and w >= kw and rng.random() < 0.5 else tfl.SAME
    oh, ow = out_size(h, kh, stride_h, 1, padding), out_size(w, kw, stride_w, 1, padding)
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.5), zero_point(rng)
    x, y = file.int8((1, h, w, c), s, z), file.int8((1, oh, ow, c), s, z)
    file.add(
        "AVERAGE_POOL_2D",
        [x],
        y,
        padding=padding,
        strideH=stride_h,
        strideW=stride_w,
        filterHeight=kh,
        filterWidth=kw,
        fusedActivationFunction=pick(rng, tfl.NONE, tfl.NONE, tfl.RELU, tfl.RELU6),
    )
    return finish(file, x, y, rng), (h, w, c)


def mean(rng):
    h, w = (int(n) for n in rng.integers(1, 14, 2))
    c = int(rng.integers(1, 40))
    file = tfl.File()
    s = scale(rng, 0.01, 0.5)
    so = s * float(pick(rng, 0.01, 0.2, 0.5, 0.9, 1.0, 1.3, 2.0))
    keep = bool(rng.random() < 0.5)
    x = file.int8((1, h, w, c), s, zero_point(rng))
    y = file.int8((1, 1, 1, c) if keep else (1, c), so, zero_point(rng))
    file.add("MEAN", [x, file.int32([1, 2])], y, keepDims=keep)
    return file.pack([x], [y]), (h, w, c)


def softmax(rng):
    n = int(rng.integers(1, 120))
    file = tfl.File()
    s = scale(rng, 0.0005, 3.0)
    x, y = file.int8((1, n), s, zero_point(rng)), file.int8((1, n), 1 / 256, -128)
    file.add("SOFTMAX", [x], y, beta=float(pick(rng, 1.0, 1.0, 0.5, 2.0)))
    return file.pack([x], [y]), (1, 1, n)


def concatenation(rng):
    h, w = (int(n) for n in rng.integers(1, 7, 2))
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.3), zero_point(rng)
    c = int(rng.integers(1, 7))
    x = file.int8((1, h, w, c), s, z)
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        n = int(rng.integers(1, 9))
        part = file.int8((1, h, w, n), s, z)
        wt = file.int8((n, 1, 1, c), 0.01, 0, rng.integers(-127, 128, (n, 1, 1, c)).astype(np.int8))
        bias = file.int32(rng.integers(-100, 100, n), s * np.float32([0.01]))
        file.add("CONV_2D", [x, wt, bias], part, strideH=1, strideW=1)
        parts.append((part, n))
    if rng.random() < 0.5:
        parts.append((x, c))
    y = file.int8((1, h, w, sum(n for _, n in parts)), s, z)
    file.add("CONCATENATION", [p for p, _ in parts], y, axis=3)
    return finish(file, x, y, rng), (h, w, c)


def reshape(rng):
    h, w, c = (int(n) for n in rng.integers(1, 7, 3))
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.3), zero_point(rng)
    x = file.int8((1, h, w, c), s, z)
    flat = file.int8((1, h * w * c), s, z)
    file.add("RESHAPE", [x, file.int32([1, h * w * c])], flat, newShape=[1, h * w * c])
    wt = file.int8((5, h * w * c), 0.01, 0, rng.integers(-127, 128, (5, h * w * c)).astype(np.int8))
    y = file.int8((1, 5), s * 3, zero_point(rng))
    file.add("FULLY_CONNECTED", [flat, wt, file.int32(np.zeros(5), s * np.float32([0.01]))], y)
    return file.pack([x], [y]), (h, w, c)


RELU_N1_TO_1 = 2


def shape_of(rng, most=9):
    return tuple(int(n) for n in rng.integers(1, most, 3))


def other(file, x, shape, s, z, rng, channels=None):
    """Another activation of the model: the input at another scale, by a 1x1 convolution."""
    h, w, c = shape
    n = channels or c
    y = file.int8((1, h, w, n), s, z)
    weights = file.int8((n, 1, 1, c), 0.01, 0, rng.integers(-127, 128, (n, 1, 1, c)).astype(np.int8))
    si = file.graph.tensors[x].quantization.scale[0]
    bias = file.int32(rng.integers(-100, 100, n), si * np.float32([0.01]))
    return file.add("CONV_2D", [x, weights, bias], y, strideH=1, strideW=1)


# every input value, whatever the operator


FUNCTIONS = ("LOGISTIC TANH HARD_SWISH RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 LEAKY_RELU QUANTIZE GELU EXP").split()


def function(kind, rng):
    file = tfl.File()
    s = scale(rng, 0.002, 0.3)
    x = file.int8((1, 16, 4, 4), s, zero_point(rng))
    if kind == "LOGISTIC":
        so, zo = 1 / 256, -128
    elif kind == "TANH":
        so, zo = 1 / 128, 0
    else:
        so, zo = s * float(pick(rng, 0.2, 0.5, 0.9, 1.0, 1.0, 1.4, 3.0, 20.0)), zero_point(rng)
        if kind == "HARD_SWISH":
            so = max(so, s / 100)
    options = {"alpha": float(pick(rng, 0.3, 0.2, 0.01, 0.0, 1.0, 1.5))} if kind == "LEAKY_RELU" else {}
    if kind == "GELU":
        options = {"approximate": bool(rng.random() < 0.5)}
    y = file.add(kind, [x], file.int8((1, 16, 4, 4), so, zo), **options)
    return finish(file, x, y, rng)


def pool(kind):
    def make(rng):
        h, w = (int(n) for n in rng.integers(1, 12, 2))
        c = int(rng.integers(1, 20))
        kh, kw = int(rng.integers(1, 6)), int(rng.integers(1, 6))
        if rng.random() < 0.25:
            kh, kw = h, w
        stride_h, stride_w = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        padding = tfl.VALID if h >= kh and w >= kw and rng.random() < 0.5 else tfl.SAME
        oh, ow = out_size(h, kh, stride_h, 1, padding), out_size(w, kw, stride_w, 1, padding)
        file = tfl.File()
        s, z = scale(rng, 0.01, 0.5), zero_point(rng)
        x, y = file.int8((1, h, w, c), s, z), file.int8((1, oh, ow, c), s, z)
        file.add(
            kind,
            [x],
            y,
            padding=padding,
            strideH=stride_h,
            strideW=stride_w,
            filterHeight=kh,
            filterWidth=kw,
            fusedActivationFunction=pick(rng, tfl.NONE, tfl.NONE, tfl.RELU, tfl.RELU6, RELU_N1_TO_1),
        )
        return finish(file, x, y, rng), (h, w, c)

    return make


def reduce_max(rng):
    h, w, c = shape_of(rng, 12)
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.5), zero_point(rng)
    x = file.int8((1, h, w, c), s, z)
    keep = bool(rng.random() < 0.5)
    y = file.int8((1, 1, 1, c) if keep else (1, c), s, z)
    file.add("REDUCE_MAX", [x, file.int32(pick(rng, [1, 2], [2, 1], [-2, -3]))], y, keepDims=keep)
    return file.pack([x], [y]), (h, w, c)


def arithmetic(kind):
    """Two activations, of one shape or one of them repeated; an activation and a constant."""

    def make(rng):
        shape = h, w, c = shape_of(rng)
        file = tfl.File()
        x = file.int8((1, h, w, c), scale(rng, 0.01, 0.5), zero_point(rng))
        si = float(file.graph.tensors[x].quantization.scale[0])
        s2 = si * float(pick(rng, 0.02, 0.3, 0.99, 1.0, 1.01, 5.0, 40.0))
        first, second = other(file, x, shape, s2, zero_point(rng), rng), x
        choice = pick(rng, "same", "pooled", "one channel", "vector", "scalar", "map", "row", "spread")
        if choice == "pooled":  # (1, 1, c), as squeeze and excitation has it
            second = file.int8((1, 1, 1, c), si * 0.7, zero_point(rng))
            file.add("MEAN", [x, file.int32([1, 2])], second, keepDims=True)
        elif choice == "one channel":
            second = other(file, x, shape, si, zero_point(rng), rng, 1)
        elif choice != "same":
            sizes = {
                "vector": pick(rng, (c,), (1, c), (1, 1, c), (1, 1, 1, c)),
                "scalar": pick(rng, (), (1,), (1, 1, 1, 1)),
                "map": (1, h, w, c),
                "row": pick(rng, (1, w, c), (h, 1, 1)),
                "spread": (1, h + 2, w + 1, c),
            }[choice]
            if choice == "spread":  # the constant is the larger one
                pooled = file.int8((1, 1, 1, c), si * 0.7, zero_point(rng))
                file.add("MEAN", [x, file.int32([1, 2])], pooled, keepDims=True)
                first, shape = pooled, (h + 2, w + 1, c)
            values = rng.integers(-128, 128, sizes).astype(np.int8)
            second = file.int8(sizes, s2, zero_point(rng), np.array(values))
        if rng.random() < 0.5:
            first, second = second, first
        if kind in ("MINIMUM", "MAXIMUM"):
            for t in (first, second):
                tensor = file.graph.tensors[t].quantization
                tensor.scale, tensor.zeroPoint = np.float32([si]), np.int64([3])
            y = file.add(kind, [first, second], file.int8((1, *shape), si, 3))
            return finish(file, x, y, rng), (h, w, c)
        if kind == "MUL":
            a, b = (float(file.graph.tensors[t].quantization.scale[0]) for t in (first, second))
            so = a * b * float(pick(rng, 0.4, 1.0, 20.0, 60.0, 200.0))
        else:
            so = max(si, s2) * float(pick(rng, 0.3, 1.0, 1.5, 2.0, 30.0))
        y = file.int8((1, *shape), so, zero_point(rng))
        activation = pick(rng, tfl.NONE, tfl.NONE, tfl.RELU, tfl.RELU6, RELU_N1_TO_1)
        file.add(kind, [first, second], y, fusedActivationFunction=activation)
        return finish(file, x, y, rng), (h, w, c)

    return make


def prelu(rng):
    h, w, c = shape_of(rng)
    file = tfl.File()
    s = scale(rng, 0.01, 0.3)
    x = file.int8((1, h, w, c), s, zero_point(rng))
    sizes = pick(rng, (1, 1, c), (1, 1, 1), (h, w, c), (1, 1, 1, c))
    slopes = file.int8(sizes, scale(rng, 0.001, 0.02), zero_point(rng), rng.integers(-128, 128, sizes).astype(np.int8))
    y = file.int8((1, h, w, c), s * float(pick(rng, 0.3, 0.9, 1.0, 2.0)), zero_point(rng))
    file.add("PRELU", [x, slopes], y)
    return finish(file, x, y, rng), (h, w, c)


# shapes only


def strided_slice(rng):
    h, w, c = shape_of(rng)
    sizes = (1, h, w, c)
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.3), zero_point(rng)
    x = file.int8(sizes, s, z)
    while True:
        stride = [1, *(int(pick(rng, 1, 1, 2, 3, -1, -2)) for _ in range(3))]
        begin, end, index = [], [], []
        begin_mask, end_mask, shrink = (int(rng.integers(16)) for _ in range(3))
        shrink = shrink & 2 if rng.random() < 0.3 else 0
        begin_mask, end_mask = begin_mask | 1, end_mask | 1
        for axis, n in enumerate(sizes):
            first, last = (int(v) for v in rng.integers(-n - 1, n + 2, 2))
            if shrink & (1 << axis):
                first = int(rng.integers(-n, n))
                stride[axis] = 1
                begin_mask &= ~(1 << axis)
                last = first + 1
                index.append(first)
            else:
                index.append(
                    slice(
                        None if begin_mask & (1 << axis) else first,
                        None if end_mask & (1 << axis) else last,
                        stride[axis],
                    )
                )
            begin.append(first)
            end.append(last)
        result = np.zeros(sizes)[tuple(index)].shape
        if np.prod(result) > 0:
            break
    y = file.int8(result, s, z)
    file.add(
        "STRIDED_SLICE",
        [x, *(file.int32(v) for v in (begin, end, stride))],
        y,
        beginMask=begin_mask,
        endMask=end_mask,
        shrinkAxisMask=shrink,
    )
    return flat(file, x, y), (h, w, c)


def flat(file, x, y):
    """A RESHAPE to a vector behind it, whatever the rank."""
    tensor = file.graph.tensors[y]
    n = int(np.prod(tensor.shape))
    z = file.int8((1, n), tensor.quantization.scale[0], int(tensor.quantization.zeroPoint[0]))
    file.add("RESHAPE", [y, file.int32([1, n])], z, newShape=[1, n])
    return file.pack([x], [z])


def slice_(rng):
    sizes = (1, *shape_of(rng))
    begin = [int(rng.integers(n)) for n in sizes]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(sizes, begin, strict=True)]
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.3), zero_point(rng)
    x, y = file.int8(sizes, s, z), file.int8(size, s, z)
    asked = [-1 if b + n == whole and rng.random() < 0.5 else n for n, b, whole in zip(size, begin, sizes, strict=True)]
    file.add("SLICE", [x, file.int32(begin), file.int32(asked)], y)
    return flat(file, x, y), sizes[1:]


def transpose(rng):
    sizes = (1, *shape_of(rng))
    order = [0, *(int(n) for n in rng.permutation([1, 2, 3]))]
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.3), zero_point(rng)
    x = file.int8(sizes, s, z)
    y = file.int8([sizes[i] for i in order], s, z)
    file.add("TRANSPOSE", [x, file.int32(order)], y)
    return flat(file, x, y), sizes[1:]


def concatenation_on_any_axis(rng):
    """Any axis, one to eleven inputs."""
    shape = shape_of(rng, 6)
    axis = int(rng.integers(1, 4))
    file = tfl.File()
    s, z = scale(rng, 0.01, 0.3), zero_point(rng)
    x = file.int8((1, *shape), s, z)
    parts, total = [], 0
    for _ in range(int(rng.integers(1, 12))):
        if rng.random() < 0.2:
            parts.append(x)
            total += shape[axis - 1]
            continue
        n = int(rng.integers(1, shape[axis - 1] + 1))
        sizes = [1, *shape]
        sizes[axis] = n
        part = file.int8(sizes, s, z)
        begin = [0, 0, 0, 0]
        begin[axis] = int(rng.integers(0, shape[axis - 1] - n + 1))
        file.add("SLICE", [x, file.int32(begin), file.int32(sizes)], part)
        parts.append(part)
        total += n
    sizes = [1, *shape]
    sizes[axis] = total
    y = file.int8(sizes, s, z)
    file.add("CONCATENATION", parts, y, axis=int(pick(rng, axis, axis - 4)))
    return flat(file, x, y), shape


def mean_over_any_axes(rng):
    h, w, c = shape_of(rng)
    rank = pick(rng, 4, 4, 4, 3, 2)
    sizes = {4: (1, h, w, c), 3: (1, w, c), 2: (1, c)}[rank]
    axes = [a for a in range(1, rank) if rng.random() < 0.5] or [rank - 1]
    file = tfl.File()
    s = scale(rng, 0.01, 0.5)
    keep = bool(rng.random() < 0.5)
    left = [1 if i in axes else n for i, n in enumerate(sizes) if keep or i not in axes]
    x = file.int8(sizes, s, zero_point(rng))
    y = file.int8(left, s * float(pick(rng, 0.2, 0.5, 0.9, 1.0, 1.3, 2.0)), zero_point(rng))
    asked = [a - rank if rng.random() < 0.3 else a for a in rng.permutation(axes).tolist()]
    file.add("MEAN", [x, file.int32(asked)], y, keepDims=keep)
    return flat(file, x, y), ((h, w, c) if rank == 4 else (1, w, c) if rank == 3 else (1, 1, c))


# convolutions between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND


def dilated(rng, depthwise=False):
    h, w = (int(n) for n in rng.integers(5, 14, 2))
    cin = int(rng.integers(1, 9))
    cout = cin * int(rng.integers(1, 3)) if depthwise else int(rng.integers(1, 9))
    kh, kw = pick(rng, (3, 3), (3, 3), (2, 3), (1, 3), (3, 1))
    dh, dw = pick(rng, (2, 2), (2, 2), (1, 2), (3, 2), (3, 3))
    reach_h, reach_w = (kh - 1) * dh + 1, (kw - 1) * dw + 1
    same = rng.random() < 0.5 or h < reach_h or w < reach_w
    pads, crops, out, inner = [], [], [], []
    for n, d, reach in ((h, dh, reach_h), (w, dw, reach_w)):
        total = max(reach - 1, 0) if same else 0
        before, after = total // 2, total - total // 2
        extra = -(n + total) % d
        pads.append([before, after + extra])
        crops.append([0, extra])
        out.append(n + total - reach + 1)
        inner.append((n + total + extra) // d)
    file = tfl.File()
    si, zi, zo = scale(rng, 0.01, 0.2), zero_point(rng), zero_point(rng)
    so = float(si * 0.01 * 74 * 74 * np.sqrt(kh * kw * (1 if depthwise else cin)) / 40)
    x = file.int8((1, h, w, cin), si, zi)
    batch = file.int8((dh * dw, *inner, cin), si, zi)
    file.add("SPACE_TO_BATCH_ND", [x, file.int32([dh, dw]), file.int32(pads)], batch)
    shape = (1, kh, kw, cout) if depthwise else (cout, kh, kw, cin)
    weights = rng.integers(-127, 128, shape).astype(np.int8)
    wt = file.int8(shape, np.full(cout, 0.01, np.float32), 0, weights, axis=3 if depthwise else 0)
    bias = file.int32(rng.integers(-500, 500, cout), np.full(cout, si * 0.01, np.float32))
    middle = file.int8((dh * dw, inner[0] - kh + 1, inner[1] - kw + 1, cout), so, zo)
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    options = {"depthMultiplier": cout // cin} if depthwise else {}
    activation = pick(rng, tfl.NONE, tfl.RELU, tfl.RELU6)
    options |= {"padding": tfl.VALID, "strideH": 1, "strideW": 1, "fusedActivationFunction": activation}
    file.add(kind, [batch, wt, bias], middle, dilationHFactor=1, dilationWFactor=1, **options)
    y = file.int8((1, *out, cout), so, zo)
    file.add("BATCH_TO_SPACE_ND", [middle, file.int32([dh, dw]), file.int32(crops)], y)
    content = flat(file, x, y)
    return content, (h, w, cin)


def of_kind(kind):
    """`function` as a maker."""
    return lambda rng: (function(kind, rng), (16, 4, 4))


OPERATORS = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": lambda rng: convolution(rng, depthwise=True),
    "FULLY_CONNECTED": fully_connected,
    "PAD": pad,
    "AVERAGE_POOL_2D": average_pool,
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "REDUCE_MAX": reduce_max,
    "MEAN": lambda rng: pick(rng, mean, mean_over_any_axes)(rng),
    "SOFTMAX": softmax,
    "CONCATENATION": lambda rng: pick(rng, concatenation, concatenation_on_any_axis)(rng),
    "RESHAPE": reshape,
    "STRIDED_SLICE": strided_slice,
    "SLICE": slice_,
    "TRANSPOSE": transpose,
    "PRELU": prelu,
    "SPACE_TO_BATCH_ND": lambda rng: dilated(rng, depthwise=bool(rng.random() < 0.5)),
    **{kind: arithmetic(kind) for kind in ("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM")},
    **{kind: of_kind(kind) for kind in FUNCTIONS},
    "CONV_2D in tiles": tiled_convolution,
    "DEPTHWISE_CONV_2D in tiles": lambda rng: tiled_convolution(rng, depthwise=True),
    "ADD of one shape": add,
}
