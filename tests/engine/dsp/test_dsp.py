# SPDX-License-Identifier: MIT
"""The DSP kernels, on the emulated cores, bit for bit against the formulas of mtb.c."""

import dataclasses
from collections import Counter

import dsp_cases as cases
import dsp_machine as machine
import pytest
from count_layers import case, measure

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


@pytest.mark.parametrize("operator", cases.MAKERS)
def test_reference_kernels_agree_with_the_formulas(operator, tmp_path):
    made = [case for case in cases.make(operator, 40, SEED + 1) if case.laid.layout == layouts.PLAIN]
    for each in made:
        each.use_reference = True
        each.at_end = 0
    assert machine.run(made, tmp_path) == []


def test_every_layout_and_way_out_is_drawn():
    made = [case for operator in cases.MAKERS for case in cases.make(operator, 120, SEED)]
    drawn = Counter(case.laid.layout for case in made)
    known = (layouts.PLAIN, *layouts.NAMES)
    assert all(drawn[layout] >= 5 for layout in known), drawn
    assert len({case.laid.why for case in made}) == 4  # three reasons for layout 0, and none


def test_one_wrong_byte_is_found(tmp_path):
    made = cases.make("depthwise", 5, SEED)
    for each in made:
        each.expected = each.expected.copy()
        each.expected.reshape(-1)[-1] ^= 1
    assert len(machine.run(made, tmp_path)) == len(made)


@pytest.mark.parametrize("at_end, what", [(1, "input"), (3, "requant")])
def test_reading_past_the_end_is_found(at_end, what, tmp_path):
    """The runner's fault handler, on layers that have less than they claim."""
    each = case("fc_64-8")
    each.at_end = at_end
    if what == "input":
        each.inputs[0] = each.inputs[0][..., :-1]
    else:
        each.laid = dataclasses.replace(each.laid, requant=each.laid.requant[:-8])
    (line,) = machine.run([each], tmp_path)
    assert "faults" in line


def test_sections_of_another_size_are_refused(tmp_path):
    made = []
    for name in ("pw_6x6_8-5", "pw_6x6_40-5", "conv3x3s2_8x8_3-4", "dw3x3s1_6x6_8", "dw3x3s1_3x3_8"):
        each = case(name)
        each.laid = dataclasses.replace(each.laid, weights=each.laid.weights + bytes(4))
        made.append(each)
    refused = machine.run(made, tmp_path)
    assert len(refused) == len(made)
    assert all("section sizes do not fit the weight layout" in line for line in refused)


@pytest.mark.parametrize("name", ["pw_6x6_8-5", "pw_12x12_40-6", "conv3x3s2_8x8_3-4", "conv3x3s1_6x6_8-4"])
def test_scratch_for_one_tile_is_the_least(name, tmp_path):
    each = case(name)
    each.laid = each.laid.within(0)
    assert 0 < each.laid.scratch == each.laid.least < case(name).laid.scratch
    assert machine.run([each], tmp_path) == []
    each.laid = dataclasses.replace(each.laid, scratch=each.laid.scratch - 1)
    (line,) = machine.run([each], tmp_path)
    assert "needs more scratch" in line


def test_a_layout_of_another_operator_is_refused(tmp_path):
    each = case("pw_6x6_8-4")
    each.laid = dataclasses.replace(each.laid, layout=layouts.PLANES)
    (line,) = machine.run([each], tmp_path)
    assert "expected a weight layout that this operator has" in line


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
    found, wrong = measure(list(LIMITS))
    assert wrong == []
    over = {
        name: instructions / layer.macs
        for name, (instructions, _, layer, _) in found.items()
        if instructions / layer.macs > LIMITS[name]
    }
    assert over == {}
