# SPDX-License-Identifier: MIT
"""Kernel parameters and graph changes, against numbers worked out by hand or in double."""

import math

import numpy as np
import pytest

from microt.compiler import passes
from microt.compiler.graph import Graph, Op, Tensor, needed, remove_dead, topological
from microt.compiler.lower import Unsupported, lower
from microt.compiler.lower.fixed_point import activation_range, quantize_multiplier, requant_of, requant_of_one_rounding
from microt.compiler.lower.window import padding


@pytest.mark.parametrize(
    "real, expected",
    [
        (0.0, (0, 0)),
        (0.5, (1 << 30, 0)),
        (1.0, (1 << 30, 1)),
        (0.1, (1717986918, -3)),
        (3.0, (3 << 29, 2)),
        # halves are rounded up, and what becomes 1 takes the next shift
        (0.5 + 0.5 / (1 << 31), ((1 << 30) + 1, 0)),
        (1 - 2.0**-40, (1 << 30, 1)),
        (2.0**-32, (1 << 30, -31)),
        (2.0**-33, (0, 0)),
    ],
)
def test_quantize_multiplier(real, expected):
    assert quantize_multiplier(real) == expected


def test_quantize_multiplier_refuses_what_no_shift_reaches():
    for real in (2.0**31, -1.0, math.inf, math.nan):
        with pytest.raises(Unsupported):
            quantize_multiplier(real)


@pytest.mark.parametrize(
    "activation, scale, zero_point, expected",
    [
        ("NONE", 0.05, 3, (-128, 127)),
        ("RELU", 0.05, -7, (-7, 127)),
        ("RELU6", 0.05, -128, (-128, -8)),
        ("RELU6", 0.01, -128, (-128, 127)),
        ("RELU_N1_TO_1", 0.1, 5, (-5, 15)),
        # -1 / 0.08 = -12.5 is rounded away from zero
        ("RELU_N1_TO_1", 0.08, 0, (-13, 13)),
    ],
)
def test_activation_range(activation, scale, zero_point, expected):
    assert activation_range(activation, np.float32(scale), zero_point) == expected


@pytest.mark.parametrize(
    "kind, size, kernel, stride, dilation, expected",
    [
        ("SAME", 96, 3, 2, 1, (0, 1, 48)),
        ("SAME", 15, 3, 2, 1, (1, 1, 8)),
        ("SAME", 49, 10, 2, 1, (4, 5, 25)),
        ("SAME", 7, 3, 1, 2, (2, 2, 7)),
        ("SAME", 4, 1, 2, 1, (0, 0, 2)),
        ("VALID", 15, 3, 2, 1, (0, 0, 7)),
        ("VALID", 7, 3, 1, 2, (0, 0, 3)),
    ],
)
def test_padding(kind, size, kernel, stride, dilation, expected):
    assert padding(kind, size, kernel, stride, dilation) == expected


def activation(name, shape, scale=0.1, zero_point=-3):
    return Tensor(name, shape, "int8", np.array([scale], np.float32), np.array([zero_point], np.int64))


def constant(name, data):
    data = np.asarray(data)
    return Tensor(name, data.shape, str(data.dtype), data=data)


def graph(tensors, ops, outputs):
    return Graph("test", tensors, ops, [0], outputs)


def test_add_s_parameters():
    tensors = [
        activation("a", (1, 2, 2, 3), 0.02),
        activation("b", (1, 2, 2, 3), 0.05),
        activation("y", (1, 2, 2, 3), 0.08),
    ]
    op = Op("ADD", [0, 1], [2], {"activation": "NONE"}, 0)
    low = lower(graph(tensors, [op], [2]), op)
    a, b, y = (float(t.scale) for t in tensors)
    assert low.args[0] == 20 and low.args[7:] == [-128, 127]
    for i, real in ((1, a / (2 * b)), (3, 0.5), (5, 2 * b / ((1 << 20) * y))):
        multiplier, shift = low.args[i : i + 2]
        assert multiplier * 2.0 ** (shift - 31) == pytest.approx(real, rel=1e-9)


def rounded_once(x, multiplier, shift):
    """mtb.c's M1 in exact integers."""
    bits = 31 - shift
    size = (abs(x) * multiplier + (1 << (bits - 1))) >> bits
    return -size if x < 0 else size


def test_fully_connected_rounds_as_the_double_product_does():
    rng = np.random.default_rng(0)
    reals = 10 ** rng.uniform(-5, -1, 300)
    reals[:5] = [2.0**-n for n in range(1, 6)]
    reach = np.full(300, 1 << 22)
    pairs, unmatched = requant_of_one_rounding(reals, reach)
    plain = requant_of(reals)
    wrong = {"plain": 0, "tuned": 0}
    for real, tuned, untuned in zip(reals.tolist(), pairs.tolist(), plain.tolist(), strict=True):
        for half in np.arange(0.5, min(130, real * (1 << 22))):
            for x in (math.floor(half / real), math.ceil(half / real)):
                product = float(x) * real
                expected = math.floor(product) + (product - math.floor(product) >= 0.5)
                wrong["tuned"] += rounded_once(x, *tuned) != expected
                wrong["plain"] += rounded_once(x, *untuned) != expected
                assert rounded_once(-x, *tuned) == -rounded_once(x, *tuned)
    assert wrong["tuned"] <= unmatched <= 2
    assert wrong["plain"] > wrong["tuned"]


def padded(value=-3, channels=(0, 0), readers=1, padding="VALID", pad=(1, 1)):
    """PAD into a 3 x 3 convolution, (1, 4, 4, 2) to (1, 4, 4, 2)."""
    amounts = np.array([[0, 0], pad, pad, channels], np.int32)
    size = 4 + sum(pad)
    tensors = [
        activation("x", (1, 4, 4, 2)),
        constant("pads", amounts),
        constant("value", np.array(value, np.int8)),
        activation("padded", (1, size, size, 2 + sum(channels))),
        constant("weights", np.ones((2, 3, 3, 2 + sum(channels)), np.int8)),
    ]
    tensors[4].scales, tensors[4].zero_points = np.ones(1, np.float32), np.zeros(1, np.int64)
    options = {
        "Padding": padding, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1,
        "DilationWFactor": 1, "activation": "NONE",
    }  # fmt: skip
    ops = [Op("PADV2", [0, 1, 2], [3], {}, 0)]
    for i in range(readers):
        tensors.append(activation(f"y{i}", (1, size - 2, size - 2, 2), 0.3))
        ops.append(Op("CONV_2D", [3, 4, -1], [5 + i], dict(options), 1 + i))
    return graph(tensors, ops, [5])


def test_a_pad_of_zero_points_is_folded():
    g = padded()
    passes.fold_pads(g, [5])
    (conv,) = g.ops
    assert conv.inputs[0] == 0
    low = lower(g, conv)
    assert low.args[4:8] == [1, 1, 1, 1]
    assert low.macs == 4 * 4 * 2 * 9 * 2


@pytest.mark.parametrize(
    "change",
    [
        {"value": 0},
        {"channels": (1, 0)},
        {"readers": 2},
        {"padding": "SAME"},
        {"pad": (3, 0)},
    ],
)
def test_other_pads_stay(change):
    g = padded(**change)
    count = len(g.ops)
    passes.fold_pads(g, [5])
    assert len(g.ops) == count and g.ops[0].kind == "PADV2"


def test_a_pad_that_is_an_exit_stays():
    g = padded()
    passes.fold_pads(g, [3])
    assert len(g.ops) == 2


def test_pad_keeps_its_value():
    g = padded(value=9, channels=(1, 2), pad=(0, 2))
    low = lower(g, g.ops[0])
    assert low.kind == "PAD" and low.args == [0, 2, 0, 2, 1, 2, 9]


def chain():
    tensors = [activation(name, (1, 4)) for name in "xabcd"]
    ops = [
        Op("RESHAPE", [2], [3], {}, 0),
        Op("RESHAPE", [0], [1], {}, 1),
        Op("RESHAPE", [1], [2], {}, 2),
        Op("RESHAPE", [1], [4], {}, 3),
    ]
    return graph(tensors, ops, [3])


def test_order_and_dead_operators():
    g = chain()
    topological(g)
    assert [op.layer for op in g.ops] == [1, 2, 3, 0]
    assert needed(g, 3) == {0, 1, 3}
    remove_dead(g, [3])
    assert [op.layer for op in g.ops] == [1, 2, 0]


def test_circles_and_double_writers_are_refused():
    g = chain()
    g.ops[1].inputs = [3]
    with pytest.raises(ValueError, match="no layer computes before it"):
        topological(g)
    g = chain()
    g.ops[3].outputs = [2]
    with pytest.raises(ValueError, match="written once"):
        topological(g)


def test_reshapes_that_change_nothing_are_dropped():
    tensors = [
        activation("x", (1, 2, 2, 3)),
        activation("flat", (1, 12)),
        activation("y", (1, 5)),
        activation("same", (1, 1, 1, 5)),
        constant("weights", np.ones((5, 12), np.int8)),
    ]
    ops = [
        Op("RESHAPE", [0], [1], {}, 0),
        Op("FULLY_CONNECTED", [1, 4, -1], [2], {}, 1),
        Op("RESHAPE", [2], [3], {}, 2),
    ]
    g = graph(tensors, ops, [3])
    exits, names = passes.simplify(g, [3])
    assert [op.kind for op in g.ops] == ["FULLY_CONNECTED"]
    assert g.ops[0].inputs[0] == 0 and exits == [2] and names == ["same"]
    # an exit needs the vector itself
    g = graph(tensors, [Op("RESHAPE", [0], [1], {}, 0)], [1])
    exits, _ = passes.simplify(g, [1])
    assert [op.kind for op in g.ops] == ["RESHAPE"] and exits == [1]
