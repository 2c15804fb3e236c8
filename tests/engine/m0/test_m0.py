# SPDX-License-Identifier: MIT
"""The Thumb-1 kernels on an emulated core that runs Armv6-M code and traps unaligned accesses, bit for bit against the
formulas of mtb.c."""

import dataclasses
from collections import Counter

import m0_cases as cases
import m0_machine as machine
import numpy as np
import pytest

from microt.compiler import layout_m0 as layouts

COUNT = 100
SEED = 20261120
counts = machine.on_this_core("count_layers", cases=cases.shared)
case = counts.case

pytestmark = pytest.mark.skipif(not machine.available(), reason="arm-none-eabi-gcc or qemu-system-arm is missing")


@pytest.mark.parametrize("operator", cases.MAKERS)
def test_random_layers(operator, tmp_path):
    assert machine.run(cases.make(operator, COUNT, SEED), tmp_path) == []


@pytest.mark.parametrize("operator", cases.MAKERS)
def test_random_layers_on_a_cortex_m3(operator, tmp_path):
    """The same kernels serve cores with Thumb-2 but without DSP instructions."""
    assert machine.run(cases.make(operator, 20, SEED + 2), tmp_path, "m3") == []


@pytest.mark.slow
@pytest.mark.parametrize("operator", cases.MAKERS)
def test_many_random_layers(operator, tmp_path):
    assert machine.run(cases.make(operator, 1000, SEED + 1), tmp_path) == []


def test_depthwise_in_place(tmp_path):
    made = [each for each in cases.depthwise_in_place(COUNT, SEED + 3) if each.in_place]
    assert len(made) > COUNT // 3
    assert machine.run(made, tmp_path) == []


def test_depthwise_in_strips(tmp_path):
    made = cases.large_planes(COUNT // 4, SEED + 4)
    assert sum(layouts.strips(window) > 1 for window, _ in made) > COUNT // 16
    assert machine.run([each for _, each in made], tmp_path) == []


@pytest.mark.parametrize("kernel", [None, 3, 5, 7])
def test_rounding_next_to_boundaries(kernel, tmp_path):
    """All sums around one at which the output changes, for every right shift: the window and the exact way."""
    rng = np.random.default_rng([SEED, kernel or 0])
    made = [cases.boundaries(rng, e, kernel) for e in range(1, 32)]
    assert sum(each.laid.layout != layouts.PLAIN for each in made) > 20
    assert machine.run(made, tmp_path) == []


@pytest.mark.parametrize("kind", ["pointwise", "3", "5", "7"])
def test_the_largest_products_of_pairs(kind, tmp_path):
    rng = np.random.default_rng([SEED, len(kind), ord(kind[0])])
    made = [cases.extreme_pairs(rng, kind) for _ in range(8)]
    assert all(each.laid.layout != layouts.PLAIN for each in made)
    assert machine.run(made, tmp_path) == []


def test_products_that_are_added_first(tmp_path):
    rng = np.random.default_rng([SEED, 8])
    made = [cases.small_quads(rng, i) for i in range(40)]
    flags = [np.frombuffer(each.laid.requant, "<u4")[1:].reshape(-1, 5)[:, 3] >> 31 for each in made]
    assert 0.3 < np.concatenate(flags).mean() * 2 < 0.9
    assert machine.run(made, tmp_path) == []


def test_neighbouring_weights_of_minus_128_keep_the_reference_kernel():
    each = case("pw_6x6_8-4")
    weights = np.zeros((4, 1, 1, 8), np.int8)
    weights[2, 0, 0, [1, 3]] = -128  # the two of one product
    window = cases.shared.Window((6, 6, 8), (6, 6, 4), (1, 1))
    q = cases.shared.requant(np.random.default_rng(1), 4, 8, friendly=True)
    assert layouts.lay_out_conv(window, weights, q).layout == layouts.PLAIN
    weights[2, 0, 0, 3] = -127
    assert layouts.lay_out_conv(window, weights, q).layout == layouts.WIDE == each.laid.layout


def test_every_pair_of_values_of_add(tmp_path):
    rng = np.random.default_rng(SEED)
    assert machine.run([cases.every_pair(rng, i) for i in range(4)], tmp_path) == []


def test_every_layout_and_way_out_is_drawn():
    made = [each for operator in cases.MAKERS for each in cases.make(operator, 120, SEED)]
    drawn = Counter(each.laid.layout for each in made)
    assert all(drawn[layout] >= 5 for layout in cases.LAYOUTS), drawn
    assert len({each.laid.why for each in made}) == 5  # four reasons for layout 0, and none


def test_sections_at_odd_addresses_are_refused(tmp_path):
    each = case("pw_6x6_8-4")
    each.at_end = 2  # the runner puts the weights' end at a round address
    each.laid = dataclasses.replace(each.laid, weights=each.laid.weights + bytes(1))
    (line,) = machine.run([each], tmp_path)
    assert "must lie at a multiple of 4" in line


def test_any_shape_is_checked_without_an_overflow(tmp_path):
    """The decoder asks about shapes of any size, from files that may mean harm."""
    taken = machine.base.any_shape("m0", 20000, tmp_path)
    assert all(taken[layout] > 0 for layout in (layouts.WIDE, layouts.PLANES)), taken


# Instructions per MAC (add, pools: per output) that may not be passed; CMSIS-NN's plain C takes 1.3 to 12 times that.
LIMITS = {
    "conv3x3s2_96x96_3-8+relu": 3.47,
    "pw_48x48_8-16+relu": 4.26,
    "pw_24x24_32-32+relu": 2.56,
    "pw_6x6_128-128+relu": 2.14,
    "pw_3x3_256-256+relu": 2.29,
    "dw3x3s1_24x24_32+relu": 4.99,
    "dw3x3s2_24x24_32+relu": 6.81,
    "dw3x3s1_3x3_256+relu": 10.8,
    "dw5x5s1_12x12_120+relu": 3.37,
    "dw7x7s2_12x12_144+relu": 3.35,
    "fc_320-10": 4.95,
    "add_24x24_24": 33.2,
    "gap_3x3_320": 133.0,
    "avgpool2x2s2_24x24_24": 91.0,
}


def test_instructions_stay_where_they_are():
    assert counts.over(LIMITS, "m0") == {}


# Millions of instructions of the kernels in the networks of microt.bench.networks; CMSIS-NN's plain C takes 86.9, 155.3
# and 284.5.
NETWORKS = {"vww": 21.3, "mobilenet_v2_035": 36.0, "mcunet_like": 51.7}


@pytest.mark.slow
def test_instructions_of_networks():
    layers = {name: counts.NETWORKS[name]() for name in NETWORKS}
    found, wrong = counts.measure([layer for each in layers.values() for layer in each], "m0")
    assert wrong == []
    totals = {name: sum(found[layer][0] for layer in each) / 1e6 for name, each in layers.items()}
    assert all(totals[name] <= NETWORKS[name] for name in NETWORKS), totals
