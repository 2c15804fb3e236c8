# SPDX-License-Identifier: MIT
"""Random layers of every operator and shape class against TensorFlow Lite's reference kernels."""

import numpy as np
import pytest
import tflite_file as tfl
from random_layers import check_many, compare, finish, inputs_of, scale, weight_scales, zero_point
from random_operators import (
    add,
    average_pool,
    concatenation,
    convolution,
    fully_connected,
    mean,
    pad,
    reshape,
    softmax,
    tiled_convolution,
)

from microt.compiler import compile_tflite
from microt.engine import Backbone


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


@pytest.mark.parametrize("depthwise", [False, True])
def test_convolutions_in_tiles(depthwise):
    """Layers that tuned kernels cut into parts and strips, elsewhere and in the place of their input."""
    assert len(check_many(lambda rng: tiled_convolution(rng, depthwise), range(50))) > 200


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD"])
def test_many_layers_of_tuned_operators(kind):
    makers = {
        "CONV_2D": tiled_convolution,
        "DEPTHWISE_CONV_2D": lambda rng: tiled_convolution(rng, depthwise=True),
        "FULLY_CONNECTED": fully_connected,
        "ADD": add,
    }
    assert len(check_many(makers[kind], range(1000, 1400))) > 200


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


def test_add():
    assert len(check_many(add, range(80), 3)) > 200


def test_pad():
    check_many(pad, range(40))


def test_average_pool_2d():
    assert len(check_many(average_pool, range(100))) > 200


def test_mean():
    assert len(check_many(mean, range(100), 4)) > 200


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


def test_concatenation():
    assert len(check_many(concatenation, range(40))) > 200


def test_reshape():
    check_many(reshape, range(20))
