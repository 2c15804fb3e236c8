# SPDX-License-Identifier: MIT
"""Whole models on the Thumb-1 kernels: every tensor as the reference kernels have it."""

import m0_machine as machine
import numpy as np
import pytest

from microt.compiler import compile_tflite
from microt.compiler import layout_m0 as layouts
from microt.engine import Backbone

MODELS = machine.ROOT.parent / "shared" / "models"


@pytest.mark.skipif(not machine.available(), reason="arm-none-eabi-gcc or qemu-system-arm is missing")
@pytest.mark.parametrize("name", ["vww_96_int8", "kws_ref_model", "pretrainedResnet_quant"])
def test_every_tensor_of_a_model(name, tmp_path):
    path = MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"../shared/models/{name}.tflite is not there")
    models = machine.on_this_core("dsp_models", layouts=layouts)
    mtb = compile_tflite(path).data
    rng = np.random.default_rng(7)
    x = rng.integers(-128, 128, Backbone(mtb).input_shape).astype(np.int8)
    made = models.cases(mtb, x)
    assert len(made) >= 10
    slow = [f"{case.name}: {case.laid.why}" for case in made if case.laid.why]
    assert slow == []  # every layer has a layout of its own
    assert machine.run(made, tmp_path) == []
