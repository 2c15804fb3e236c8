# SPDX-License-Identifier: MIT
"""Random layers of every operator and shape class against TensorFlow Lite's reference kernels."""

import numpy as np
import pytest
import tflite_file as tfl
from random_layers import check_many, compare, finish, inputs_of, out_size, pick, scale, weight_scales, zero_point

from microt.compiler import compile_tflite
from microt.engine import Backbone


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


@pytest.mark.parametrize("block", range(5))
def test_conv_2d(block):
    seen = check_many(convolution, range(40 * block, 40 * block + 40))
    assert len(seen) > 200


@pytest.mark.parametrize("block", range(5))
def test_depthwise_conv_2d(block):
    seen = check_many(lambda rng: convolution(rng, depthwise=True), range(40 * block, 40 * block + 40))
    assert len(seen) > 200


@pytest.mark.parametrize("depthwise", [False, True])
def test_larger_convolutions(depthwise):
    assert len(check_many(lambda rng: convolution(rng, depthwise, large=True), range(15))) > 200


@pytest.mark.parametrize("kernel, dilation", [((3, 3), 1), ((5, 5), 1), ((7, 1), 1), ((3, 3), 2), ((2, 4), 1)])
def test_depthwise_in_the_place_of_its_input(kernel, dilation):
    """Odd kernels, dilation; the arena holds one tensor and one plane."""
    for seed in range(8):
        rng = np.random.default_rng([seed, 9])
        h, w = (int(n) for n in rng.integers(1, 14, 2))
        c = int(rng.integers(16, 40))
        file = tfl.File()
        si, zi, zo = scale(rng, 0.005, 0.2), zero_point(rng), zero_point(rng)
        sw = weight_scales(rng, c, True)
        x, y = (file.int8((1, h, w, c), s, z) for s, z in ((si, zi), (float(si * sw.max() * 400), zo)))
        weights = rng.integers(-127, 128, (1, *kernel, c)).astype(np.int8)
        inputs = [
            x,
            file.int8((1, *kernel, c), sw, 0, weights, axis=3),
            file.int32(rng.integers(-999, 999, c), si * sw),
        ]
        file.add("DEPTHWISE_CONV_2D", inputs, y, padding=tfl.SAME, strideH=1, strideW=1, depthMultiplier=1,
                 dilationHFactor=dilation, dilationWFactor=dilation)  # fmt: skip
        content = finish(file, x, y, rng)
        report = compile_tflite(content).report
        assert report["layers"][0]["scratch_bytes"] == h * w
        assert report["arena_bytes"] == -(-h * w * c // 16) * 16 + -(-h * w // 16) * 16
        compare(content, inputs_of(rng, (h, w, c), 2))


def test_depthwise_of_stride_2_in_the_place_of_its_input():
    """As where MobileNets narrow: the wide map is all that is alive."""
    rng = np.random.default_rng(4)
    file = tfl.File()
    x, wide = file.int8((1, 12, 11, 4), 0.1, 3), file.int8((1, 12, 11, 24), 0.2, -5)
    w = file.int8((24, 1, 1, 4), 0.02, 0, rng.integers(-127, 128, (24, 1, 1, 4)).astype(np.int8))
    file.add("CONV_2D", [x, w, file.int32(np.arange(24), 0.002)], wide, strideH=1, strideW=1)
    y = file.int8((1, 6, 6, 24), 0.5, 9)
    w = file.int8((1, 3, 3, 24), 0.02, 0, rng.integers(-127, 128, (1, 3, 3, 24)).astype(np.int8), axis=3)
    bias = file.int32(np.arange(24), 0.004)
    file.add("DEPTHWISE_CONV_2D", [wide, w, bias], y, strideH=2, strideW=2, depthMultiplier=1)
    content = finish(file, x, y, rng)
    assert compile_tflite(content, in_place=False).report["arena_bytes"] == 12 * 11 * 24 + 36 * 24
    assert compile_tflite(content).report["arena_bytes"] == 12 * 11 * 24 + 12 * 11 * 4
    compare(content, inputs_of(rng, (12, 11, 4), 3))


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


@pytest.mark.parametrize("block", range(3))
def test_fully_connected(block):
    assert len(check_many(fully_connected, range(40 * block, 40 * block + 40), 4)) > 200


def test_fully_connected_without_bias():
    rng = np.random.default_rng(3)
    file = tfl.File()
    x, y = file.int8((1, 50), 0.05, 7), file.int8((1, 30), 0.5, -2)
    w = file.int8((30, 50), 0.02, 0, rng.integers(-127, 128, (30, 50)).astype(np.int8))
    file.add("FULLY_CONNECTED", [x, w, -1], y)
    compare(finish(file, x, y, rng), inputs_of(rng, (1, 1, 50), 3), 30)


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


def test_add():
    assert len(check_many(add, range(80), 3)) > 200


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


def test_pad():
    check_many(pad, range(40))


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


def test_average_pool_2d():
    assert len(check_many(average_pool, range(100))) > 200


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


def test_mean():
    assert len(check_many(mean, range(100), 4)) > 200


def softmax(rng):
    n = int(rng.integers(1, 120))
    file = tfl.File()
    s = scale(rng, 0.0005, 3.0)
    x, y = file.int8((1, n), s, zero_point(rng)), file.int8((1, n), 1 / 256, -128)
    file.add("SOFTMAX", [x], y, beta=float(pick(rng, 1.0, 1.0, 0.5, 2.0)))
    return file.pack([x], [y]), (1, 1, n)


@pytest.mark.parametrize("block", range(2))
def test_softmax(block):
    assert len(check_many(softmax, range(60 * block, 60 * block + 60), 4)) > 100


def test_softmax_of_many_equal_classes():
    """Above 511 equal inputs TensorFlow Lite shifts by more than 31, which C leaves undefined."""
    file = tfl.File()
    x, y = file.int8((1, 1001), 0.1, 0), file.int8((1, 1001), 1 / 256, -128)
    file.add("SOFTMAX", [x], y, beta=1.0)
    net = Backbone(compile_tflite(file.pack([x], [y])).data)
    assert set(net.run(np.zeros(1001, np.int8)).tolist()) == {-128}


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


def test_concatenation():
    assert len(check_many(concatenation, range(40))) > 200


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


def test_reshape():
    check_many(reshape, range(20))
