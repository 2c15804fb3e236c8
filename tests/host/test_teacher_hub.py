# SPDX-License-Identifier: MIT
"""KerasHub's DINOv2 as the teacher: the real network, small and of random weights, from the folder of a preset."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from microt.distill.recipe import load_recipe
from microt.distill.teacher import KerasTeacher, cached_embeddings, teacher_named, teacher_of

RECIPE = """
data.pictures = "digits"
start.random = true
teacher = {keras_hub = "tiny", size = 56}
backbone = {resolution = 32, adapter = 16}
loss.part = {teacher = 1.0}
loss.full = {teacher = 1.0}
"""


@pytest.fixture
def preset(tmp_path):
    """The folder of a preset: DINOv2 of two layers and 12 values, trained on 70 pixels."""
    hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed: .venv/bin/pip install -e '.[hub]'")
    keras.utils.set_random_seed(5)
    backbone = hub.models.DINOV2Backbone(
        patch_size=14, num_layers=2, hidden_dim=12, num_heads=2, intermediate_dim=24, image_shape=(70, 70, 3),
        position_embedding_shape=(70, 70),
    )  # fmt: skip
    backbone.save_to_preset(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_the_class_token_of_normalised_pictures(preset, tmp_path):
    """By hand from the network itself, at another resolution than it was made for; and kept on disk."""
    import keras_hub

    (tmp_path / "r.toml").write_text(RECIPE)
    teacher = teacher_of(load_recipe(tmp_path / "r.toml").teacher)
    assert (teacher.dim, teacher.size) == (12, 56)
    x = np.random.default_rng(0).integers(0, 256, (3, 56, 56, 3)).astype(np.uint8)
    backbone = keras_hub.models.Backbone.from_preset(str(preset), image_shape=(56, 56, 3))
    normal = (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    tokens = keras.ops.convert_to_numpy(backbone({"images": normal.astype(np.float32)}))
    assert tokens.shape == (3, 1 + 4 * 4, 12)
    got = cached_embeddings(teacher, x, tmp_path, lambda text: None)
    assert np.allclose(got, tokens[:, 0], atol=2e-3) and np.abs(got[0] - got[1]).max() > 1e-2
    said = []
    again = cached_embeddings(teacher_named(preset), x, tmp_path, said.append)
    assert not said and again.shape == (3, 12), "224 pixels are another teacher"
    assert (cached_embeddings(teacher, x, tmp_path, said.append) == got).all() and "taken from" in said[0]


def test_a_size_that_the_patches_do_not_divide(preset):
    with pytest.raises(ValueError, match="teacher.size: expected a multiple of 14 pixels, got 60"):
        KerasTeacher.hub(str(preset), 60)


def test_weights_that_are_not_to_be_had():
    pytest.importorskip("keras_hub", reason="KerasHub is not installed")
    with pytest.raises(ValueError, match="the weights of 'no_such_preset' are not to be had; expected a DINOv2"):
        KerasTeacher.hub("no_such_preset")


def test_a_recipe_trains_from_it(preset, tmp_path):
    train = "train = {epochs = 1, batch = 512}\nquantize.pictures = 16\nfeatures = {lengths = [16, 24], pictures = 200}"
    (tmp_path / "r.toml").write_text(RECIPE + train)
    done = subprocess.run(
        [sys.executable, "-m", "microt.cli", "distill", str(tmp_path / "r.toml"), "-o", str(tmp_path / "out")],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "host")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "part_teacher" in done.stderr, done.stderr
    assert "teacher: `tiny`" in (tmp_path / "out" / "card.md").read_text()


def test_without_kerashub_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ValueError, match=r"needs KerasHub; in the checkout: \.venv/bin/pip install -e '\.\[hub\]'"):
        teacher_named("dinov2_small")
