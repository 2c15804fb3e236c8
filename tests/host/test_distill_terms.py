# SPDX-License-Identifier: MIT
"""The teachers and losses a recipe can name, and batches of few-shot episodes."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from microt.data import Dataset
from microt.distill import train as training
from microt.distill import trainer as trainers
from microt.distill.augment import GREY, augment, draw
from microt.distill.losses import decorrelation, prototype_episode, squared_distance
from microt.distill.recipe import ExitLoss, Teacher, load_recipe
from microt.distill.teacher import KerasTeacher, NpyTeacher, cached_embeddings, teacher_of
from microt.zoo.mobilenet_v1 import mobilenet_v1

RECIPE = Path(__file__).parents[2] / "models" / "mobilenet_v1_025_96.toml"


def test_squared_distance_and_decorrelation_by_hand():
    a = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    assert float(squared_distance(a, a + 2)) == pytest.approx(4)
    # columns (1, -1, 1, -1)/2 and (1, 1, -1, -1)/2 have nothing to do with each other
    apart = np.array([[1, 1], [-1, 1], [1, -1], [-1, -1]], np.float32)
    assert float(decorrelation(apart)) == pytest.approx(0, abs=1e-6)
    # two equal columns: F^T F is all ones, two of its four entries are off by 1
    assert float(decorrelation(apart[:, [0, 0]])) == pytest.approx(0.5 * 2 / 4, abs=1e-6)


def test_prototype_episode_is_low_when_classes_keep_together():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (4, 16))
    together = (centres.repeat(6, axis=0) + rng.normal(0, 0.05, (24, 16))).astype(np.float32)
    good = float(prototype_episode(together, 6))
    mixed = float(prototype_episode(rng.permutation(together), 6))
    assert good < 0.05 < 1 < mixed


def with_terms(part, full, **train):
    recipe = load_recipe(RECIPE)
    return dataclasses.replace(
        recipe,
        backbone=dataclasses.replace(recipe.backbone, resolution=32, adapter=16),
        part=part,
        full=full,
        train=dataclasses.replace(recipe.train, epochs=1, batch=16, **train),
    )


def pictures(count=40, classes=5):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (count, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    return Dataset(x, np.arange(count) % classes, tuple("abcde"[:classes]), None, "patterns")


def test_batches_of_episodes():
    recipe = with_terms(ExitLoss(own=1, episode=0.5), ExitLoss(own=1), episode_shots=4)
    data = pictures()
    rows = training.epoch_rows(recipe, data, np.random.default_rng(0))
    assert rows.shape == (2, 16)
    for batch in data.y[rows].reshape(2, 4, 4):
        assert (batch == batch[:, :1]).all() and len(np.unique(batch[:, 0])) == 4
    assert all(len(np.unique(batch)) == 16 for batch in rows)
    plain = with_terms(ExitLoss(own=1), ExitLoss(own=1))
    assert len(np.unique(training.epoch_rows(plain, data, np.random.default_rng(0)))) == 32
    with pytest.raises(ValueError, match="episodes of 4 classes asked, but only 3 have 2 samples or more"):
        training.epoch_rows(recipe, pictures(classes=3), np.random.default_rng(0))


def test_all_terms_together_go_down():
    """MicroT's four (embedding and label at both exits, squared) with decorrelation and episodes."""
    loss = ExitLoss(teacher=1, own=0.1, label=0.2, decorrelation=1, episode=0.5, distance="mse")
    recipe = with_terms(loss, loss, episode_shots=4, new_rate=1e-2, rate=1e-3)
    data = pictures()
    targets = np.random.default_rng(2).random((len(data), 12)).astype(np.float32)
    keras.utils.set_random_seed(3)
    trainer = trainers.Trainer(recipe, data, targets, 8, start=mobilenet_v1(0.25, 32, adapter=16))
    rows = training.epoch_rows(recipe, data, np.random.default_rng(0))[0]
    first = trainer.learn(0, [rows])
    kinds = ("teacher", "own", "label", "decorrelation", "episode")
    assert set(first) == {f"{e}_{k}" for e in ("part", "full") for k in kinds} | {"total"}
    weights = dict(zip(kinds, (1, 0.1, 0.2, 1, 0.5), strict=True))
    wanted = sum(weights[k.split("_")[1]] * v for k, v in first.items() if k != "total")
    assert first["total"] == pytest.approx(wanted, rel=1e-5)
    for number in range(1, 8):
        last = trainer.learn(number, [rows])
    assert last["total"] < 0.97 * first["total"]


@pytest.mark.parametrize("change, message", [
    (("[loss.full]", '[loss.full]\ndistance = "l1"'), 'loss.full.distance: expected "cosine" or "mse", got \'l1\''),
    (("[teacher]", '[teacher]\nnpy = "e.npy"'), "needs one of tflite, npy, keras, application, keras_hub, got tflite"),
    (("label = 0.2", "episode = 0.2"), None),
    (("batch = 128", "batch = 128\nepisode_shots = 5"), None),
])  # fmt: skip
def test_recipe_terms(tmp_path, change, message):
    text = RECIPE.read_text()
    assert change[0] in text
    (tmp_path / "r.toml").write_text(text.replace(*change, 1))
    if message is None:
        load_recipe(tmp_path / "r.toml")
        return
    with pytest.raises(ValueError, match=message):
        load_recipe(tmp_path / "r.toml")


def test_episodes_that_do_not_fill_a_batch(tmp_path):
    text = RECIPE.read_text().replace("label = 0.2", "episode = 0.2")
    (tmp_path / "r.toml").write_text(text.replace("batch = 128", "batch = 128\nepisode_shots = 5"))
    with pytest.raises(ValueError, match="episode_shots: expected at least 2 and a divisor of the batch"):
        load_recipe(tmp_path / "r.toml")


def test_embeddings_from_a_file(tmp_path):
    rows = np.random.default_rng(0).random((6, 5)).astype(np.float32)
    np.save(tmp_path / "e.npy", rows)
    x = pictures(6).x
    teacher = teacher_of(Teacher(npy=tmp_path / "e.npy"))
    assert teacher.dim == 5 and Teacher(npy=tmp_path / "e.npy").source == "e.npy"
    got = cached_embeddings(teacher, x, tmp_path, lambda text: None)
    assert np.allclose(got, rows, atol=1e-3)
    with pytest.raises(ValueError, match=r"e\.npy: expected 4 rows, one a picture, got 6"):
        teacher.embed(x[:4])
    np.save(tmp_path / "bad.npy", np.zeros(4, int))
    with pytest.raises(ValueError, match=r"bad\.npy: expected float \(N, dim\), got int64 \(4,\)"):
        NpyTeacher(tmp_path / "bad.npy")


def test_a_saved_model_teaches(tmp_path):
    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.AveragePooling2D(4)(image)).save(tmp_path / "t.keras")
    teacher = teacher_of(Teacher(keras=tmp_path / "t.keras"))
    x = pictures(3).x
    got = cached_embeddings(teacher, x, tmp_path, lambda text: None)
    wanted = x.astype(float).mean(axis=(1, 2)) / 128 - 1  # a map: pooled
    assert got.shape == (3, 3) and np.abs(got - wanted).max() < 0.02
    said = []
    cached_embeddings(teacher_of(Teacher(keras=tmp_path / "t.keras")), x, tmp_path, said.append)
    assert "taken from" in said[0]  # kept on disk, found again


def test_an_application_teaches():
    teacher = KerasTeacher.application("MobileNetV2", "random", size=32)
    assert teacher.embed(pictures(2).x).shape == (2, teacher.dim) == (2, 1280)
    with pytest.raises(ValueError, match="expected one of .*MobileNetV2.*, got 'Nothing'"):
        KerasTeacher.application("Nothing")
    with pytest.raises(ValueError, match=r"MobileNetV2 with weights '/no/file\.h5'"):
        KerasTeacher.application("MobileNetV2", "/no/file.h5", size=32)


def test_pictures_are_cropped_as_tensorflow_does():
    """The box's places and its mirror image, with no change of colour; by hand from the same draw."""
    import tensorflow as tf

    x = np.random.default_rng(4).integers(0, 256, (6, 20, 24, 3)).astype(np.uint8)
    ranges = {"area": (0.3, 1.0), "aspect": (0.8, 1.25)} | dict.fromkeys(
        ("saturation", "contrast", "brightness"), (1.0, 1.0)
    )
    changes = draw(6, x.shape[1:], 16, (3, 1), ranges)
    assert (changes[:, 3] < 0).any() and (changes[:, 3] > 0).any(), "some are mirrored"
    first, step = changes[:, [0, 2]] / [19, 23], changes[:, [1, 3]] * 15 / [19, 23]
    boxes = np.concatenate([first, first + step], axis=1)
    wanted = tf.image.crop_and_resize(x, boxes, np.arange(6), (16, 16)).numpy()
    got = keras.ops.convert_to_numpy(augment(x, 16, changes))
    assert np.abs(got - wanted)[:, 1:-1, 1:-1].max() < 0.02
    colours = draw(6, x.shape[1:], 16, (3, 1), ranges | {"saturation": (0.0, 0.0), "brightness": (0.5, 0.5)})
    grey = keras.ops.convert_to_numpy(augment(x, 16, colours))
    assert np.abs(grey - 0.5 * (got @ np.float32(GREY))[..., None]).max() < 0.02
