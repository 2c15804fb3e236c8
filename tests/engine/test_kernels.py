# SPDX-License-Identifier: MIT
"""What holds for the kernels of every instruction set: whole models bit for bit, wrong sections found and refused.

What only one of them has is in the folders dsp, mve and m0.
"""

import dataclasses
import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from microt.compiler import compile_tflite, layout_dsp, layout_m0, layout_mve
from microt.engine import Backbone

HERE = Path(__file__).resolve().parent
MODELS = HERE.parents[1].parent / "shared" / "models"
SEED = 20261120

sys.path[:0] = [str(HERE / folder) for folder in ("dsp", "mve", "m0")]

import dsp_machine  # noqa: E402

pytestmark = pytest.mark.skipif(not dsp_machine.available(), reason="arm-none-eabi-gcc or qemu-system-arm is missing")


@dataclasses.dataclass
class Target:
    """machine, cases: the modules <name>_machine and <name>_cases; counts, models: count_layers and dsp_models for that
    machine; sized: layers, one at least of each layout whose sections' sizes are checked."""

    layouts: ModuleType
    sized: tuple[str, ...]
    machine: ModuleType
    cases: ModuleType
    counts: ModuleType
    models: ModuleType


SIZED = ("pw_6x6_8-5", "pw_6x6_40-5", "conv3x3s2_8x8_3-4")
TARGETS = {
    "dsp": (layout_dsp, (*SIZED, "dw3x3s1_6x6_8", "dw3x3s1_3x3_8")),
    "mve": (layout_mve, (*SIZED, "dw3x3s1_12x12_8", "dw3x3s1_3x3_16")),
    "m0": (layout_m0, (*SIZED, "dw3x3s1_6x6_8", "dw5x5s2_6x6_8")),
}


@pytest.fixture(params=TARGETS)
def target(request):
    name = request.param
    layouts, sized = TARGETS[name]
    machine, cases = (importlib.import_module(f"{name}_{part}") for part in ("machine", "cases"))
    if name == "dsp":
        counts, models = (importlib.import_module(module) for module in ("count_layers", "dsp_models"))
    else:
        counts = machine.on_this_core("count_layers", cases=cases.shared)
        models = machine.on_this_core("dsp_models", layouts=layouts)
    return Target(layouts, sized, machine, cases, counts, models)


@pytest.mark.parametrize("name", ["vww_96_int8", "kws_ref_model", "pretrainedResnet_quant"])
def test_every_tensor_of_a_model(target, name, tmp_path):
    path = MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"../shared/models/{name}.tflite is not there")
    mtb = compile_tflite(path).data
    x = np.random.default_rng(7).integers(-128, 128, Backbone(mtb).input_shape).astype(np.int8)
    made = target.models.cases(mtb, x)
    assert len(made) >= 10
    slow = [f"{case.name}: {case.laid.why}" for case in made if case.laid.why]
    assert slow == []  # every layer has a layout of its own
    assert target.machine.run(made, tmp_path) == []


def test_reference_kernels_agree_with_the_formulas(target, tmp_path):
    made = [case for operator in target.cases.MAKERS for case in target.cases.make(operator, 30, SEED + 1)]
    made = [case for case in made if case.laid.layout == target.layouts.PLAIN]
    for each in made:
        each.use_reference = True
        each.at_end = 0
    assert target.machine.run(made, tmp_path) == []


def test_one_wrong_byte_is_found(target, tmp_path):
    made = target.cases.make("depthwise", 5, SEED)
    for each in made:
        each.expected = each.expected.copy()
        each.expected.reshape(-1)[-1] ^= 1
    assert len(target.machine.run(made, tmp_path)) == len(made)


@pytest.mark.parametrize("at_end, what", [(1, "input"), (3, "requant")])
def test_reading_past_the_end_is_found(target, at_end, what, tmp_path):
    """The runner's fault handler, on layers that have less than they claim."""
    each = target.counts.case("fc_64-8")
    each.at_end = at_end
    if what == "input":
        each.inputs[0] = each.inputs[0][..., :-1]
    else:
        each.laid = dataclasses.replace(each.laid, requant=each.laid.requant[:-8])
    (line,) = target.machine.run([each], tmp_path)
    assert "faults" in line


def test_sections_of_another_size_are_refused(target, tmp_path):
    made = [target.counts.case(name) for name in target.sized]
    for each in made:
        each.laid = dataclasses.replace(each.laid, weights=each.laid.weights + bytes(4))
    refused = target.machine.run(made, tmp_path)
    assert len(refused) == len(made)
    assert all("section sizes do not fit the weight layout" in line for line in refused)


def test_a_layout_of_another_operator_is_refused(target, tmp_path):
    each = target.counts.case("pw_6x6_8-4")
    each.laid = dataclasses.replace(each.laid, layout=target.layouts.PLANES)
    (line,) = target.machine.run([each], tmp_path)
    assert "expected a weight layout that this operator has" in line
