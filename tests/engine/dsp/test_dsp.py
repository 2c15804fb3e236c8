# SPDX-License-Identifier: MIT
"""The DSP kernels, on the emulated cores, bit for bit against the formulas of mtb.c."""

import dataclasses
from collections import Counter

import dsp_cases as cases
import dsp_machine as machine
import pytest
from count_layers import case, over

from microt.compiler import layout_dsp as layouts

SEED = 20261120

pytestmark = pytest.mark.skipif(not machine.available(), reason="arm-none-eabi-gcc or qemu-system-arm is missing")


@pytest.mark.parametrize("operator", cases.MAKERS)
def test_random_layers(operator, tmp_path):
    assert machine.run(cases.make(operator, 120, SEED), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("core", ["m4", "m7", "m33"])
@pytest.mark.parametrize("operator", cases.MAKERS)
def test_many_random_layers(operator, core, tmp_path):
    assert machine.run(cases.make(operator, 600, SEED), tmp_path, core) == []


def test_every_layout_and_way_out_is_drawn():
    made = [case for operator in cases.MAKERS for case in cases.make(operator, 120, SEED)]
    drawn = Counter(case.laid.layout for case in made)
    known = (layouts.PLAIN, *layouts.NAMES)
    assert all(drawn[layout] >= 5 for layout in known), drawn
    assert len({case.laid.why for case in made}) == 4  # three reasons for layout 0, and none


@pytest.mark.parametrize("name", ["pw_6x6_8-5", "pw_12x12_40-6", "conv3x3s2_8x8_3-4", "conv3x3s1_6x6_8-4"])
def test_scratch_for_one_tile_is_the_least(name, tmp_path):
    each = case(name)
    each.laid = each.laid.within(0)
    assert 0 < each.laid.scratch == each.laid.least < case(name).laid.scratch
    assert machine.run([each], tmp_path) == []
    each.laid = dataclasses.replace(each.laid, scratch=each.laid.scratch - 1)
    (line,) = machine.run([each], tmp_path)
    assert "needs more scratch" in line


# Instructions per MAC that may not be passed; CMSIS-NN needs 2 to 4 times as many.
LIMITS = {
    "conv3x3s2_96x96_3-8+relu": 1.23,
    "pw_48x48_8-16+relu": 1.55,
    "pw_24x24_32-32+relu": 0.94,
    "pw_6x6_128-128+relu": 0.79,
    "pw_3x3_256-256+relu": 0.89,
    "dw3x3s1_24x24_32+relu": 1.82,
    "dw3x3s2_24x24_32+relu": 2.72,
    "dw3x3s1_3x3_256+relu": 1.68,
    "dw5x5s1_12x12_120+relu": 1.15,
    "dw7x7s2_12x12_144+relu": 1.31,
}


def test_instructions_stay_where_they_are():
    assert over(LIMITS) == {}
