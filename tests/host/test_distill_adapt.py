# SPDX-License-Identifier: MIT
"""Adapting a backbone to unlabelled pictures, and training that goes on after being cut short."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from microt.data import Dataset
from microt.distill import adapt as adapting
from microt.distill import train as training
from microt.distill.recipe import load_recipe
from microt.distill.start import read_backbone
from microt.engine import Backbone
from microt.quantize import Int8Backbone, quantize
from microt.zoo.mobilenet_v1 import arguments_of, mobilenet_v1

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "models" / "objects.tflite"
RECIPE = ROOT / "models" / "mobilenet_v1_025_96.toml"


def patterned(count, size=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, size // 8, size // 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return x.astype(np.uint8)


def small_backbone():
    """32 pixels, random weights large enough that pictures differ at both exits."""
    model = mobilenet_v1(0.25, 32, adapter=16)
    random_weights(model)
    return model


def random_weights(model):
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            fan_in = kernel[..., 0].size if kernel.shape[-1] > 1 else kernel[..., 0, 0].size
            layer.set_weights([rng.normal(0, 1.5 / fan_in**0.5, kernel.shape), bias + 0.1])


def test_shipped_file_is_read_back():
    """The dequantised Keras twin gives the int8 file's own embeddings."""
    model = read_backbone(SHIPPED)
    assert model.input_shape == (None, 112, 112, 3)
    assert [o.shape[-1] for o in model.outputs] == [576, 512]
    assert model.get_layer("adapter_dw").input.name == model.get_layer("block6").output.name
    x = patterned(4, 112)
    int8 = Int8Backbone(SHIPPED)
    for e, (got, whole) in enumerate(zip(model(x.astype(np.float32) / 128 - 1), int8.embed(x), strict=True)):
        wanted = (whole.astype(float) - int8.zero_points[e]) * int8.scales[e]
        got = np.asarray(got)
        cosine = (got * wanted).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(wanted, axis=1)
        assert cosine.min() > 0.97


def test_every_shape_of_backbone_is_read_back(tmp_path):
    """Pooled maps of earlier blocks and the stride of the end come out of the `.tflite` file's graph."""
    shape = {"width": 0.25, "resolution": 32, "exit_block": 4, "adapter": 16, "adapter_block": 3,
             "beside": ((2, 3), (9,)), "last_stride": 1}  # fmt: skip
    model = mobilenet_v1(**shape)
    random_weights(model)
    (tmp_path / "x.tflite").write_bytes(quantize(model, patterned(8, 32)))
    again = read_backbone(tmp_path / "x.tflite")
    assert arguments_of(again) == shape
    x = patterned(4, 32).astype(np.float32) / 128 - 1
    for a, b in zip(model(x), again(x), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min() > 0.999


def test_files_that_are_no_backbone(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"")
    with pytest.raises(ValueError, match=r"x\.h5: expected a \.keras or \.tflite backbone"):
        read_backbone(tmp_path / "x.h5")
    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(image), name="other").save(tmp_path / "x.keras")
    with pytest.raises(ValueError, match="expected a mobilenet_v1 of two exits, got other"):
        read_backbone(tmp_path / "x.keras")
    with pytest.raises(FileNotFoundError, match=r"nowhere: expected a shipped backbone \(.*objects"):
        adapting.find_backbone("nowhere")
    assert adapting.find_backbone("objects") == SHIPPED


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """A folder of pictures, some below sub-folders, and what adapting to it left."""
    folder = tmp_path_factory.mktemp("adapt")
    (folder / "mine" / "deeper").mkdir(parents=True)
    for i, x in enumerate(patterned(260)):
        Image.fromarray(x).save(folder / "mine" / ("deeper" if i % 3 else ".") / f"{i}.png")
    small_backbone().save(folder / "model.keras")
    said = []
    teacher = lambda t, x, out, log: x.reshape(len(x), -1)[:, ::97].astype(np.float32)  # noqa: E731
    patch = pytest.MonkeyPatch()
    patch.setattr(adapting, "teacher_named", lambda path: None)
    patch.setattr(adapting, "cached_embeddings", teacher)
    result = adapting.adapt(folder, folder / "mine", folder / "out", teacher="any.tflite", steps=4, log=said.append)
    patch.undo()
    return folder, result, said


def test_adapting_leaves_a_backbone_and_says_what_was_gained(adapted):
    folder, result, said = adapted
    assert (result["pictures"], result["held_out"], result["steps"]) == (260, 26, 4)
    assert json.loads((folder / "out" / "adapt.json").read_text()) == result
    for when in ("before", "after"):
        for exit_name in ("exit0", "exit1"):
            scores = result["scores"][when][exit_name]
            assert 0 <= scores["neighbours"] <= 1 and 0 < scores["views"] <= 1
    assert result["scores"]["before"] != result["scores"]["after"]
    net = Backbone(result["paths"]["mtb"])
    assert net.input_shape == (32, 32, 3) and [e.dim for e in net.exits] == [144, 256]
    assert net.feature_size(0) == (144, 144) and net.feature_size(1) == (272, 272)
    text = adapting.describe(result)
    assert "260 pictures, 26 of them held out" in text and "the teacher's neighbours" in text
    assert "teacher: `any.tflite`" in (folder / "out" / "card.md").read_text()
    assert any("step 4/4" in line for line in said)
    assert not (folder / "out" / "checkpoint.npz").exists()


def test_adapting_changes_the_trunk_and_the_adapter_but_not_the_stem(adapted):
    folder, _, _ = adapted
    before, after = read_backbone(folder / "model.keras"), read_backbone(folder / "out" / "model.keras")
    same = {
        layer.name: all((a == b).all() for a, b in zip(
            layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True))
        for layer in before.layers if layer.weights
    }  # fmt: skip
    assert same["conv0"] and same["pw2"]
    assert not same["pw6"] and not same["pw13"] and not same["adapter_pw"]


def test_adapting_without_a_teacher(adapted, tmp_path):
    folder, _, _ = adapted
    result = adapting.adapt(folder / "model.keras", folder / "mine", tmp_path, steps=1, log=lambda text: None)
    assert result["scores"]["after"]["exit0"]["neighbours"] is None
    assert "neighbours" not in adapting.describe(result)
    assert "teacher: none" in (tmp_path / "card.md").read_text()


def test_adapting_to_embeddings_made_elsewhere(adapted, tmp_path):
    folder, _, _ = adapted
    np.save(tmp_path / "teacher.npy", np.random.default_rng(0).random((260, 8)).astype(np.float32))
    arguments = {"steps": 1, "log": lambda text: None, "teacher": tmp_path / "teacher.npy"}
    result = adapting.adapt(folder / "model.keras", folder / "mine", tmp_path / "out", **arguments)
    assert 0 <= result["scores"]["after"]["exit0"]["neighbours"] < 0.5
    assert "teacher: `teacher.npy`" in (tmp_path / "out" / "card.md").read_text()
    np.save(tmp_path / "teacher.npy", np.ones((9, 8), np.float32))
    with pytest.raises(ValueError, match=r"teacher\.npy: expected 260 rows, one a picture, got 9"):
        adapting.adapt(folder / "model.keras", folder / "mine", tmp_path / "out2", **arguments)


def test_too_few_pictures_and_no_pictures(tmp_path):
    small_backbone().save(tmp_path / "model.keras")
    (tmp_path / "few").mkdir()
    with pytest.raises(ValueError, match="few: holds no picture"):
        adapting.adapt(tmp_path, tmp_path / "few", tmp_path / "out", log=print)
    for i, x in enumerate(patterned(3)):
        Image.fromarray(x).save(tmp_path / "few" / f"{i}.png")
    with pytest.raises(ValueError, match="expected at least 256 pictures to adapt to, got 3"):
        adapting.adapt(tmp_path, tmp_path / "few", tmp_path / "out", log=print)


def test_an_npz_gives_its_training_pictures(tmp_path):
    x = patterned(6, 16)[..., 0]
    np.savez(tmp_path / "set.npz", image=x, label=np.zeros(6, int), class_names=["a", "b"], split=[0, 0, 1, 0, 2, 0])
    found = adapting.read_all([tmp_path / "set.npz"], 16)
    assert found.shape == (4, 16, 16, 3) and (found[..., 0] == x[[0, 1, 3, 5]]).all()


def test_scores_tell_a_network_that_sees_from_one_that_does_not():
    """A network of two colours a picture against one whose answer has nothing to do with the picture."""
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    colours = layers.Flatten()(layers.AveragePooling2D((16, 32))(image))
    sees = keras.Model(image, [layers.Rescaling(1, offset=1)(colours)] * 2)
    texture = layers.Flatten()(layers.Cropping2D(15)(image))
    blind = keras.Model(image, [layers.Rescaling(1e4, offset=1)(layers.Lambda(lambda t: t - t)(texture))] * 2)
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, (30, 2, 1, 3)).repeat(20, axis=1).repeat(40, axis=2).astype(np.uint8)
    recipe = adapting._recipe(SHIPPED, small_backbone(), 1000, 10, 1, True)
    score = adapting.Scores(pictures, pictures[:, ::20, 0].reshape(30, -1).astype(np.float32), 32, recipe)
    good, bad = score(sees), score(blind)
    for exit_name in ("exit0", "exit1"):
        assert good[exit_name]["views"] > 0.3 > 0.1 > bad[exit_name]["views"]
        assert good[exit_name]["neighbours"] > 0.5 > 0.35 > bad[exit_name]["neighbours"]


def test_pseudo_classes_gather_what_is_alike():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (4, 20))
    true = np.repeat(np.arange(4), 25)
    labels = adapting.pseudo_classes(centres[true] + rng.normal(0, 0.05, (100, 20)))
    assert sorted(np.unique(labels)) == list(range(labels.max() + 1))
    for c in np.unique(labels):
        assert len(np.unique(true[labels == c])) == 1


def interrupted(monkeypatch, at):
    """Trainings end with an error at a step, and write their state after every stretch."""
    learn = training.Trainer.learn

    def fails(self, number, rows):
        if number == at:
            raise KeyboardInterrupt
        return learn(self, number, rows)

    monkeypatch.setattr(training.Trainer, "learn", fails)
    monkeypatch.setattr(training.Checkpoint.__init__, "__defaults__", (0.0,))
    return lambda: monkeypatch.setattr(training.Trainer, "learn", learn)


def test_a_training_cut_short_goes_on_where_it_was(tmp_path, monkeypatch):
    recipe = load_recipe(RECIPE)
    recipe = dataclasses.replace(
        recipe,
        backbone=dataclasses.replace(recipe.backbone, resolution=32, adapter=16),
        train=dataclasses.replace(recipe.train, epochs=2, batch=16),
    )
    data = Dataset(patterned(32, 32), np.arange(32) % 4, ("a", "b", "c", "d"), None, "patterns")
    targets = np.random.default_rng(1).random((32, 6)).astype(np.float32)
    file = tmp_path / "checkpoint.npz"
    whole, history, _ = training.train(recipe, data, targets, print, start=small_backbone())
    repair = interrupted(monkeypatch, at=3)
    said = []
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe, data, targets, said.append, start=small_backbone(), checkpoint=file)
    assert file.exists()
    repair()
    again, resumed, _ = training.train(recipe, data, targets, said.append, start=small_backbone(), checkpoint=file)
    assert any("going on after step 3" in line for line in said)
    assert [h["step"] for h in resumed] == [h["step"] for h in history] == [1, 2, 3, 4]
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)
    assert not file.exists()


def test_another_trainings_checkpoint_is_left_alone(tmp_path, monkeypatch):
    recipe = load_recipe(RECIPE)
    recipe = dataclasses.replace(
        recipe,
        backbone=dataclasses.replace(recipe.backbone, resolution=32, adapter=16),
        train=dataclasses.replace(recipe.train, epochs=2, batch=16),
    )
    data = Dataset(patterned(16, 32), np.arange(16) % 4, ("a", "b", "c", "d"), None, "patterns")
    targets = np.random.default_rng(1).random((16, 6)).astype(np.float32)
    file = tmp_path / "checkpoint.npz"
    repair = interrupted(monkeypatch, at=1)
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe, data, targets, print, start=small_backbone(), checkpoint=file)
    repair()
    other = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, seed=5))
    said = []
    _, history, _ = training.train(other, data, targets, said.append, start=small_backbone(), checkpoint=file)
    assert any("of another training, starting anew" in line for line in said)
    assert [h["step"] for h in history] == [1, 2]
