# SPDX-License-Identifier: MIT
"""Recipes, the dequantised start, and the joint training of both exits."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from microt.data import Dataset
from microt.distill import train as training
from microt.distill import trainer as trainers
from microt.distill.curves import draw_curves
from microt.distill.losses import CosineSoftmax, cosine_distance, root
from microt.distill.recipe import Start, load_recipe
from microt.distill.start import convolutions, load_start, read_backbone
from microt.head import load_features
from microt.zoo.macs import macs
from microt.zoo.mobilenet_v1 import arguments_of, mobilenet_v1

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "models" / "mobilenet_v1_025_96.toml"
START = ROOT.parent / "shared" / "models" / "mobilenet_v1_0.25_128_quant.tflite"
needs_start = pytest.mark.skipif(not START.exists(), reason=f"{START.name} is not at hand")


def test_shipped_recipe_is_the_measured_one():
    recipe = load_recipe(SHIPPED)
    assert recipe.data.pictures.name == "tiny_imagenet_subset.npz"
    assert (recipe.part.teacher, recipe.part.own, recipe.part.label) == (0.5, 1.0, 0.2)
    assert (recipe.full.teacher, recipe.full.own, recipe.full.label) == (0.5, 1.0, 0.0)
    assert recipe.augment.area == (0.45, 1.0) and recipe.train.rate == 3e-4


def test_the_shipped_recipe_goes_on_from_the_first():
    recipe = load_recipe(ROOT / "models" / "mobilenet_v1_025_112.toml")
    assert recipe.start.backbone.parts[-2:] == (SHIPPED.stem, "model.keras")
    model = mobilenet_v1(**arguments_of(read_backbone(ROOT / "models" / "objects.tflite")))
    assert arguments_of(model) == {
        key: getattr(recipe.backbone, key)
        for key in ("width", "resolution", "exit_block", "adapter", "adapter_block", "beside", "last_stride")
    }
    assert (macs(model), macs(model, 0)) == (14_475_968, 6_052_672)


def test_the_cortex_m7s_recipe_is_within_its_bars():
    recipe = load_recipe(ROOT / "models" / "mobilenet_v2_96.toml")
    _, model = trainers._fresh(dataclasses.replace(recipe, start=Start(random=True)))
    assert macs(model) <= 60e6 and macs(model, 0) <= 0.45 * macs(model)
    assert (macs(model), macs(model, 0)) == (48_557_952, 21_749_760)


@pytest.mark.parametrize("change, message", [
    (("epochs = 16", "epoch = 8"), r"\[train\] has no key epoch; known: batch, episode_shots, epochs"),
    (("epochs = 16", "epochs = 8.5"), "train.epochs: expected int, got 8.5"),
    (("[quantize]", "[quantise]"), "the recipe has no key quantise"),
    (('family = "mobilenet_v1"', 'family = "resnet"'), "expected one of mobilenet_v1, .*, got 'resnet'"),
    (("area = [0.45, 1.0]", "area = 0.45"), "augment.area: expected tuple"),
    (("pictures = \"../../shared", "#"), r"\[data\] needs pictures"),
    (("[train]", "[train"), "not valid TOML"),
    (("adapter = 256", "beside = [5]"), "backbone.beside: expected tuple"),
])  # fmt: skip
def test_recipe_errors_name_the_key(tmp_path, change, message):
    text = SHIPPED.read_text()
    assert change[0] in text
    (tmp_path / "r.toml").write_text(text.replace(*change))
    with pytest.raises(ValueError, match=message):
        load_recipe(tmp_path / "r.toml")


def test_recipe_without_its_teacher(tmp_path):
    text = SHIPPED.read_text()
    head, tail = text.split("[teacher]")
    (tmp_path / "r.toml").write_text(head + tail[tail.index("[backbone]") :])
    with pytest.raises(ValueError, match="a loss has a teacher term but there is no"):
        load_recipe(tmp_path / "r.toml")


@needs_start
def test_dequantised_start_agrees_with_its_source():
    """The Keras twin's pooled output against the uint8 network's own, at its 128 pixels."""
    from microt.distill.teacher import TfliteTeacher

    twin = mobilenet_v1(0.25, 128, adapter=0)
    names = load_start(twin, START)
    assert len(names) == 27 and names[0] == "conv0" and names[-1] == "pw13"
    x = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    x = x.repeat(8, axis=1).repeat(8, axis=2)
    wanted = TfliteTeacher(START).embed(x)
    got = np.asarray(twin(x.astype(np.float32) / 128 - 1)[1])
    assert wanted.shape == got.shape == (8, 256)
    cosine = (wanted * got).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(got, axis=1)
    assert cosine.min() > 0.95
    assert np.abs(wanted - got).mean() < 0.15 * wanted.mean() + 0.05


@needs_start
def test_start_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"layer conv0 expects a conv kernel of shape \(3, 3, 3, "):
        load_start(mobilenet_v1(0.5, 32), START)
    assert convolutions(START)[-1][1].shape == (1, 1, 256, 1001)


def test_losses():
    a = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    assert float(cosine_distance(a, 5 * a)) == pytest.approx(0, abs=1e-6)
    assert float(cosine_distance(a, -a)) == pytest.approx(2, abs=1e-6)
    assert np.allclose(root(np.array([4.0, 0.0, -1.0])), [2, 0, 0], atol=4e-3)
    layer = CosineSoftmax(3)
    keras.utils.set_random_seed(0)
    features = np.random.default_rng(0).random((9, 4)).astype(np.float32)
    assert float(layer(features, np.arange(9) % 3)) > 0


def tiny_recipe(**train):
    recipe = load_recipe(SHIPPED)
    return dataclasses.replace(
        recipe,
        backbone=dataclasses.replace(recipe.backbone, resolution=32, adapter=32),
        train=dataclasses.replace(recipe.train, epochs=1, batch=16, **train),
    )


@pytest.fixture
def random_start(monkeypatch):
    """A start with random weights, so that no file is needed."""

    def set_weights(model, _path):
        keras.utils.set_random_seed(11)
        for layer in model.layers:
            if layer.weights:
                kernel, bias = layer.get_weights()
                fan_in = kernel.size / kernel.shape[-1] if kernel.shape[-1] > 1 else 9
                rng = np.random.default_rng(len(layer.name) + kernel.size)
                layer.set_weights([rng.normal(0, 1.4 / fan_in**0.5, kernel.shape), bias + 0.05])

    monkeypatch.setattr(trainers, "load_start", set_weights)


def random_pictures(count=64):
    rng = np.random.default_rng(0)
    y = np.arange(count) % 4
    x = rng.integers(0, 80, (count, 8, 8, 3)) + 40 * y[:, None, None, None]
    x = x.astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    return Dataset(x, y, ("a", "b", "c", "d"), None, "random")


def test_training_lowers_the_losses_and_keeps_the_stem(random_start):
    data = random_pictures()
    targets = np.random.default_rng(1).random((4, 20)).astype(np.float32)[data.y]
    recipe = tiny_recipe(new_rate=1e-2, rate=1e-3)
    trainer = trainers.Trainer(recipe, data, targets, steps=20)
    rows = np.arange(16)
    stem = [w.copy() for w in trainer.model.get_layer("pw2").get_weights()]
    later = [w.copy() for w in trainer.model.get_layer("pw9").get_weights()]
    first = trainer.learn(0, [rows])
    assert set(first) == {
        "part_teacher", "part_own", "part_label", "full_teacher", "full_own", "total",
    }  # fmt: skip
    # the untouched full exit is its own target
    assert first["full_own"] == pytest.approx(0, abs=1e-4)
    weighted = (0.5 * first["part_teacher"] + first["part_own"] + 0.2 * first["part_label"]
                + 0.5 * first["full_teacher"] + first["full_own"])  # fmt: skip
    assert first["total"] == pytest.approx(weighted, rel=1e-5)
    for number in range(1, 20):
        last = trainer.learn(number, [rows])
    assert last["total"] < 0.95 * first["total"]
    for term in ("part_teacher", "part_own", "part_label", "full_teacher"):
        assert last[term] < first[term], term
    assert all((a == b).all() for a, b in
               zip(stem, trainer.model.get_layer("pw2").get_weights(), strict=True))  # fmt: skip
    assert any((a != b).any() for a, b in
               zip(later, trainer.model.get_layer("pw9").get_weights(), strict=True))  # fmt: skip


def test_train_repeats_with_its_seed(random_start):
    data = random_pictures(32)
    targets = np.random.default_rng(1).random((32, 6)).astype(np.float32)
    said = []
    model, history, start = training.train(tiny_recipe(), data, targets, said.append)
    again, *_ = training.train(tiny_recipe(), data, targets, said.append)
    assert history[-1]["step"] == 2 and "step 2/2" in said[-1]
    assert start.output_shape == [(None, 128), (None, 256)]
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_a_recipe_goes_on_from_what_another_made(random_start, tmp_path):
    """At another resolution and with a finer end, the weights and the adapter are those of before."""
    first = tiny_recipe()
    model, *_ = training.train(first, random_pictures(32), np.ones((32, 3), np.float32), print)
    model.save(tmp_path / "model.keras")
    recipe = dataclasses.replace(
        first,
        start=dataclasses.replace(first.start, backbone=tmp_path / "model.keras"),
        backbone=dataclasses.replace(first.backbone, resolution=48, beside=((5,), (9,)), last_stride=1),
    )
    trainer = trainers.Trainer(recipe, random_pictures(), np.ones((64, 3), np.float32), steps=4)
    for name in ("pw13", "adapter_pw"):
        for a, b in zip(trainer.model.get_layer(name).get_weights(), model.get_layer(name).get_weights(), strict=True):
            assert (a == b).all()
    # what is to be kept is the embedding of the first start, not of what it became
    assert not np.allclose(trainer.start.get_layer("pw13").kernel, model.get_layer("pw13").kernel)
    trainer.learn(0, [np.arange(16)])
    after = training.fold(trainer.model)
    assert [o.shape[-1] for o in after.outputs] == [64 + 128 + 32, 128 + 256]
    assert not np.allclose(after.get_layer("pw13").kernel, model.get_layer("pw13").kernel)
    wide = dataclasses.replace(recipe, backbone=dataclasses.replace(recipe.backbone, adapter=48))
    with pytest.raises(ValueError, match=r"layer adapter_pw expects a kernel of shape \(1, 1, 128, 48\)"):
        trainers.Trainer(wide, random_pictures(), np.ones((64, 3), np.float32), steps=4)


def test_run_goes_from_recipe_to_compiled_backbone(random_start, tmp_path):
    data = random_pictures(32)
    for i, (x, y) in enumerate(zip(data.x, data.y, strict=True)):
        (tmp_path / "set" / "abcd"[y]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(tmp_path / "set" / "abcd"[y] / f"{i}.png")
    (tmp_path / "r.toml").write_text("""
        data.pictures = "set"
        start.tflite = "absent.tflite"
        loss.part = {own = 1.0}
        loss.full = {own = 1.0}
        backbone = {resolution = 32, adapter = 32}
        train = {epochs = 1, batch = 16}
        quantize.pictures = 8
        features.lengths = [20, 24]
    """)
    said = []
    paths = training.run(tmp_path / "r.toml", tmp_path / "out", said.append)
    assert all(path.exists() for path in paths.values())
    assert set(paths) == {"model", "curves", "tflite", "features", "mtb", "card", "int8"}
    transform = load_features(paths["features"])
    assert [f.projection.shape for f in transform] == [(20, 160), (24, 288)]
    assert "recipe: `r.toml`, seed 1, 1 epochs" in paths["card"].read_text()
    assert any("step 2/2" in line for line in said)


def test_too_few_pictures_for_a_batch(random_start):
    with pytest.raises(ValueError, match="random: 8 pictures do not fill a batch of 16"):
        training.train(tiny_recipe(), random_pictures(8), np.ones((8, 3), np.float32), print)


def test_curves_are_drawn(tmp_path):
    history = [{"step": s, "part_own": 1 / s, "total": 2 / s} for s in (1, 2, 3)]
    draw_curves(history, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 2000
