# SPDX-License-Identifier: MIT
"""The MVE kernels on the emulated M55, bit for bit against the formulas of mtb.c."""

from collections import Counter

import mve_cases as cases
import mve_machine as machine
import numpy as np
import pytest

from microt.compiler import layout_mve as layouts

COUNT = 120
SEED = 20261120
counts = machine.on_this_core("count_layers", cases=cases.shared)
case = counts.case

pytestmark = pytest.mark.skipif(not machine.available(), reason="arm-none-eabi-gcc or qemu-system-arm is missing")


@pytest.mark.parametrize("operator", cases.MAKERS)
def test_random_layers(operator, tmp_path):
    assert machine.run(cases.make(operator, COUNT, SEED), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("operator", cases.MAKERS)
def test_many_random_layers(operator, tmp_path):
    assert machine.run(cases.make(operator, 1000, SEED), tmp_path) == []


@pytest.mark.parametrize("layout", [layouts.PLANES, layouts.BLOCKS])
def test_depthwise_in_every_layout_that_fits(layout, tmp_path):
    """Layers go the other way too, not only the one thought best."""
    made = cases.depthwise_in(layout, COUNT, SEED + 2)
    assert sum(each.laid.layout == layout for each in made) > COUNT // 3
    assert machine.run(made, tmp_path) == []


def test_depthwise_in_place(tmp_path):
    made = [each for each in cases.depthwise_in(layouts.PLANES, COUNT, SEED + 3, in_place=True) if each.in_place]
    assert len(made) > COUNT // 3
    assert machine.run(made, tmp_path) == []


def test_rounding_next_to_boundaries(tmp_path):
    """Sums at which the output changes, one below, one above: through every way of requantising."""
    rng = np.random.default_rng(SEED)
    made = [cases.boundaries(rng, e, way) for e in range(1, 32) for way in cases.WAYS]
    assert machine.run(made, tmp_path) == []


def test_channels_without_choice_do_not_keep_a_layer_from_its_layout(tmp_path):
    made = cases.settled(SEED + 6)
    assert all(each.laid.layout != layouts.PLAIN for each in made)
    assert machine.run(made, tmp_path) == []


def test_every_pair_of_values_of_add(tmp_path):
    rng = np.random.default_rng(SEED)
    assert machine.run([cases.every_pair(rng, i) for i in range(12)], tmp_path) == []


def test_every_layout_and_way_out_is_drawn():
    made = [each for operator in cases.MAKERS for each in cases.make(operator, 80, SEED)]
    drawn = Counter(each.laid.layout for each in made)
    known = (layouts.PLAIN, layouts.NARROW, layouts.WIDE, layouts.FIRST, layouts.PLANES, layouts.BLOCKS)
    assert all(drawn[layout] >= 5 for layout in known), drawn
    assert len({each.laid.why for each in made}) == 4  # three reasons for layout 0, and none


def test_depthwise_in_strips(tmp_path):
    made = cases.large_planes(COUNT // 4, SEED + 4)
    assert sum(layouts.strips(window) > 1 for window, _ in made) > COUNT // 8
    assert machine.run([each for _, each in made], tmp_path) == []


def test_depthwise_at_the_limits_of_layouts(tmp_path):
    made = cases.at_limits(SEED + 5)
    assert [each.name.split()[0] for each in made] == [str(each.laid.layout) for each in made]
    assert machine.run(made, tmp_path) == []


# Instructions per MAC (add: per output) that may not be passed; CMSIS-NN needs 2 to 6 times as many.
LIMITS = {
    "conv3x3s2_96x96_3-8+relu": 0.312,
    "pw_48x48_8-16+relu": 0.472,
    "pw_24x24_32-32+relu": 0.197,
    "pw_6x6_128-128+relu": 0.139,
    "pw_3x3_256-256+relu": 0.138,
    "dw3x3s1_24x24_32+relu": 0.5,
    "dw3x3s2_24x24_32+relu": 0.89,
    "dw3x3s1_3x3_256+relu": 0.98,
    "dw5x5s1_12x12_120+relu": 0.397,
    "dw7x7s2_12x12_144+relu": 0.372,
    "add_24x24_24": 2.83,
}


def test_instructions_stay_where_they_are():
    assert counts.over(LIMITS, "m55") == {}


def test_any_shape_is_checked_without_an_overflow(tmp_path):
    """The decoder asks about shapes of any size, from files that may mean harm."""
    taken = machine.base.any_shape("mve", 5000, tmp_path)
    assert all(taken[layout] > 0 for layout in (layouts.NARROW, layouts.WIDE, layouts.PLANES, layouts.BLOCKS)), taken
