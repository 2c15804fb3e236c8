# SPDX-License-Identifier: MIT
"""What a recipe can start from, and the families that it can train."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from microt.data import Dataset
from microt.distill import trainer as training
from microt.distill.recipe import Backbone, ExitLoss, Start, load_recipe
from microt.distill.start import load_application
from microt.zoo.mobilenet_v1 import mobilenet_v1
from microt.zoo.mobilenet_v2 import mobilenet_v2

MODELS = Path(__file__).parents[2] / "models"
RECIPE = MODELS / "mobilenet_v1_025_96.toml"


@pytest.mark.parametrize("name, width, ours", [
    ("MobileNet", 0.25, lambda: mobilenet_v1(0.25, 64, adapter=0)),
    ("MobileNetV2", 0.35, lambda: mobilenet_v2(0.35, 64)),
])  # fmt: skip
def test_an_applications_weights_give_its_own_embedding(tmp_path, name, width, ours):
    """Batch normalisation folded away, from a file of weights; Keras pads and names its layers otherwise."""
    application = getattr(keras.applications, name)(
        input_shape=(64, 64, 3), alpha=width, include_top=False, weights=None
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for layer in application.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([
                rng.uniform(0.8, 1.2, gamma.shape), rng.normal(0.2, 0.1, beta.shape),
                rng.normal(0, 0.05, mean.shape), rng.uniform(0.05, 0.1, variance.shape),
            ])  # fmt: skip
    application.save_weights(tmp_path / "x.weights.h5")
    model = ours()
    load_application(model, name, str(tmp_path / "x.weights.h5"), width)
    x = rng.uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    wanted = np.asarray(application(x, training=False)).mean(axis=(1, 2))
    got = np.asarray(model(x)[1])
    assert wanted.std() > 0.05 and np.allclose(got, wanted, atol=1e-3)


def test_weights_that_are_not_to_be_had():
    with pytest.raises(ValueError, match="MobileNetV2 of width 0.35 with weights 'nowhere.h5'"):
        load_application(mobilenet_v2(0.35, 64), "MobileNetV2", "nowhere.h5", 0.35)


@pytest.mark.parametrize("start, message", [
    ("", r"\[start\] needs one of tflite, backbone, .*got none"),
    ('application = "imagenet"\nrandom = true', r"\[start\] needs one of .*got application, random"),
    ("random = true", "a random start has no embedding to keep"),
    ('tflite = "x.tflite"\n[backbone]\nfamily = "mcunet"', "expected one of mobilenet_v1, .*got 'mcunet'"),
    ('backbone = "x.tflite"\n[backbone]\nfamily = "mobilenet_v2"', "start.backbone: expected the family mobilenet_v1"),
    ('application = "imagenet"\n[backbone]\nfamily = "mcunet_in3"', "expected the family mobilenet_v1 or mobilenet_v2"),
])  # fmt: skip
def test_starts_that_cannot_be(tmp_path, start, message):
    text = f'[data]\npictures = "digits"\n[loss.part]\nown = 1\n[loss.full]\nown = 1\n[start]\n{start}\n'
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_recipe(tmp_path / "r.toml")


@pytest.mark.parametrize("family, width", [("mobilenet_v2", 0.35), ("mcunet_in3", 1.0), ("proxylessnas", 0.3)])
def test_every_family_trains_from_random_weights(family, width):
    rng = np.random.default_rng(0)
    y = np.arange(32) % 4
    x = (rng.integers(0, 80, (32, 32, 32, 3)) + 40 * y[:, None, None, None]).astype(np.uint8)
    data = Dataset(x, y, ("a", "b", "c", "d"), None, "random")
    recipe = load_recipe(RECIPE)
    recipe = dataclasses.replace(
        recipe,
        start=Start(random=True),
        teacher=None,
        backbone=Backbone(family=family, width=width, resolution=32, exit_block=5, adapter=16),
        part=ExitLoss(label=1.0),
        full=ExitLoss(label=1.0),
        train=dataclasses.replace(recipe.train, batch=16, rate=2e-3),
    )
    trainer = training.Trainer(recipe, data, None, steps=10)
    assert len(trainer.objective.trainable_variables) > 20, "nothing is frozen"
    losses = [trainer.learn(number, [np.arange(16)])["total"] for number in range(8)]
    assert np.isfinite(losses).all() and losses[-1] < 0.9 * losses[0]


def test_the_recipe_for_own_pictures_goes_on_from_what_ships():
    recipe = load_recipe(MODELS / "own_pictures.toml")
    start, model = training._fresh(recipe)
    assert recipe.start.backbone == MODELS / "objects.tflite"
    for name in ("pw6", "pw13", "adapter_pw"):
        assert (model.get_layer(name).kernel.numpy() == start.get_layer(name).kernel.numpy()).all()
