# SPDX-License-Identifier: MIT
"""Random layers of the operators beside convolutions, and of operators that the compiler turns
into others, against TensorFlow Lite's reference kernels."""

import numpy as np
import pytest
import tflite_file as tfl
from random_layers import check_many, compare, finish, inputs_of
from random_operators import (
    FUNCTIONS,
    arithmetic,
    concatenation_on_any_axis,
    dilated,
    function,
    mean_over_any_axes,
    other,
    pool,
    prelu,
    reduce_max,
    slice_,
    strided_slice,
    transpose,
)

from microt.compiler import compile_tflite
from microt.engine import Backbone


def kinds(content):
    return [layer["op"] for layer in compile_tflite(content).report["layers"]]


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_all_values_of_a_function(kind):
    every = np.arange(-128, 128).astype(np.int8)
    seen = set()
    for seed in range(150):
        content = function(kind, np.random.default_rng([seed, 5]))
        reference = tfl.Reference(content)
        reference.run(every)
        expected = reference.output().reshape(-1)
        compiled = compile_tflite(content)
        ops = [layer["op"] for layer in compiled.report["layers"]]
        assert ops in ([kind, "RESHAPE"], ["RESHAPE"])  # QUANTIZE to the same scale changes nothing
        found = Backbone(compiled.data).run(every.reshape(16, 4, 4))
        wrong = found != expected
        assert not wrong.any(), f"seed {seed}: {every[wrong]}: {found[wrong]}, expected {expected[wrong]}"
        seen.update(found.tolist())
    assert len(seen) > 200


def test_max_pool_2d():
    assert len(check_many(pool("MAX_POOL_2D"), range(100))) > 200


def test_reduce_max():
    check_many(reduce_max, range(30))


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"])
def test_arithmetic(kind):
    assert len(check_many(arithmetic(kind), range(160), 3)) > 200


def test_prelu():
    assert len(check_many(prelu, range(60), 3)) > 200


def test_constants_of_one_value_become_a_table():
    file = tfl.File()
    x, y = file.int8((1, 2, 2, 3), 0.1, 5), file.int8((1, 2, 2, 3), 0.2, -9)
    constant = file.int8((3,), 0.05, 1, np.full(3, 40, np.int8))
    file.add("SUB", [constant, x], y)
    compiled = compile_tflite(finish(file, x, y, None))
    first = compiled.report["layers"][0]
    assert first["op"] == "SUB" and first["weight_bytes"] == 256


def test_strided_slice():
    check_many(strided_slice, range(120))


def test_slice():
    check_many(slice_, range(40))


def test_transpose():
    check_many(transpose, range(40))


def test_concatenation():
    check_many(concatenation_on_any_axis, range(80))


def test_mean_over_any_axes():
    assert len(check_many(mean_over_any_axes, range(150), 3)) > 200


@pytest.mark.parametrize("depthwise", [False, True])
def test_dilated_convolutions_are_folded(depthwise):
    def make(rng):
        content, shape = dilated(rng, depthwise)
        assert kinds(content) == ["DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", "RESHAPE"]
        return content, shape

    assert len(check_many(make, range(60))) > 200


def test_operators_change_places_where_that_saves_memory():
    """Wide maps that are pooled, in a file that computes all of them before it pools one."""
    rng = np.random.default_rng(0)
    file = tfl.File()
    x = file.int8((1, 16, 16, 2), 0.1, 3)
    wide = [other(file, x, (16, 16, 2), 0.1, 3, rng, 8) for _ in range(3)]
    pool = {"filterHeight": 4, "filterWidth": 4, "strideH": 4, "strideW": 4, "padding": tfl.VALID}
    small = [file.add("MAX_POOL_2D", [t], file.int8((1, 4, 4, 8), 0.1, 3), **pool) for t in wide]
    y = file.add("CONCATENATION", small, file.int8((1, 4, 4, 24), 0.1, 3), axis=3)
    content = finish(file, x, y, rng)
    report = compile_tflite(content).report
    assert [layer["op"] for layer in report["layers"]][:6] == ["CONV_2D", "MAX_POOL_2D"] * 3
    assert report["arena_bytes"] == 16 * 16 * (2 + 8) + 2 * 128
    compare(content, inputs_of(rng, (16, 16, 2), 3))
