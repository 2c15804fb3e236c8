# SPDX-License-Identifier: MIT
"""Few-shot evaluation with the device's own code, on a backbone of two dense layers."""

import json

import numpy as np
import pytest
import tiny_backbone

from microt import head
from microt.data import Dataset, draw_episode
from microt.engine import Backbone
from microt.evaluate import RATIOS, describe, evaluate, write


def pictures(classes=4, each=12, noise=40, split=True):
    """Random patterns of 4 x 4 RGB pixels, one a class, with noise."""
    rng = np.random.default_rng(2)
    patterns = rng.integers(0, 256, (classes, 4, 4, 3))
    y = np.repeat(np.arange(classes), each)
    x = np.clip(patterns[y] + rng.normal(0, noise, (len(y), 4, 4, 3)), 0, 255).astype(np.uint8)
    marks = (np.arange(len(y)) % each >= each * 2 // 3).astype(np.uint8) if split else None
    return Dataset(x, y, tuple("abcdefgh"[:classes]), marks, "patterns")


@pytest.fixture(scope="module")
def result():
    return evaluate(tiny_backbone.build(), pictures(), ways=9, shots=6, episodes=3, seed=1)


def test_accuracy_is_the_twins(result):
    """The same episodes through the NumPy twin of the head give nearly the same answers."""
    data, net = pictures(), Backbone(tiny_backbone.build())
    embeddings = net.embed(data.x)
    rng = np.random.default_rng(1)
    wanted = []
    for _ in range(3):
        episode = draw_episode(data, 4, 6, rng)
        row = []
        for e in (0, 1):
            u = net.project(e, net.feature(e, np.concatenate(embeddings[: e + 1], axis=1)))
            shrink, trace = net.feature_defaults(e)
            w, b = head.lda(u[episode.support], episode.support_y, 4, shrink, trace)
            row.append(((u[episode.query] @ w.T + b).argmax(1) == episode.query_y).mean())
        wanted.append(row)
    got = [(e["exit0"], e["exit1"]) for e in result["per_episode"]]
    assert np.abs(np.array(got) - wanted).max() <= 1 / 16 + 1e-9  # one query of 16
    assert 0.3 < np.mean(wanted) < 1, "a lesson that tells good heads from bad"


def test_means_and_intervals_are_over_the_episodes(result):
    for name in ("exit0", "exit1", "staged"):
        values = np.array([e[name] for e in result["per_episode"]])
        assert result["accuracy"][name] == pytest.approx(values.mean())
        assert result["ci95"][name] == pytest.approx(1.96 * values.std(ddof=1) / 3**0.5)


def test_staged_goes_from_the_last_exit_to_the_first(result):
    rows = result["staged"]
    assert [r["ratio_asked"] for r in rows] == list(RATIOS) == [i / 10 for i in range(11)]
    assert (rows[0]["ratio_got"], rows[0]["accuracy"]) == (0, result["accuracy"]["exit1"])
    assert (rows[-1]["ratio_got"], rows[-1]["accuracy"]) == (1, result["accuracy"]["exit0"])
    got = [r["ratio_got"] for r in rows]
    assert got == sorted(got)
    assert rows[5]["accuracy"] == pytest.approx(result["accuracy"]["staged"])
    assert rows[5]["ratio_got"] == result["exit_ratio_got"]


def test_saving_follows_the_macs(result):
    # exit 0 takes 48 x 12, going on 12 x 8 more
    saved = 96 / (576 + 96)
    assert result["energy_saving_modelled"] == pytest.approx(result["exit_ratio_got"] * saved)
    assert result["staged"][-1]["energy_saving_modelled"] == pytest.approx(saved)
    assert result["energy_source"] == "share of the multiply-accumulates"


def test_saving_follows_a_bench():
    bench = {"board": "MPS2_AN386", "exits": [{"energy_uj_modelled": 30}, {"energy_uj_modelled": 100}]}
    found = evaluate(tiny_backbone.build(), pictures(), shots=4, episodes=1, exit_ratio=1, bench=bench)
    assert found["energy_saving_modelled"] == pytest.approx(0.7)
    assert "MPS2_AN386" in found["energy_source"]
    assert found["ci95"]["staged"] is None  # one episode has no spread
    bench["exits"][0]["energy_uj_modelled"] = None
    with pytest.raises(ValueError, match="energy is not modelled for MPS2_AN386"):
        evaluate(tiny_backbone.build(), pictures(), shots=4, episodes=1, bench=bench)


def test_what_was_done_is_told(result):
    assert (result["ways"], result["shots"], result["episodes"]) == (4, 6, 3)  # ways: no more than there are
    assert result["data"]["queries"] == 16 and result["data"]["queries_from"] == "test"
    cost = result["train_cost"]
    assert (cost["samples"], cost["backbone_macs"], cost["embedding_bytes_per_sample"]) == (24, 24 * 672, 20)
    assert result["reject_auroc"] is None, "all classes are taught, so there are no strangers"
    assert 0 <= result["exit_auroc"] <= 1
    json.dumps(result)


def test_strangers_are_told_from_what_was_taught():
    found = evaluate(tiny_backbone.build(), pictures(each=24, noise=20), ways=3, shots=10, episodes=4)
    assert found["ways"] == 3 and found["reject_auroc"] > 0.65
    alike = pictures(each=24)
    alike = Dataset(alike.x, np.random.default_rng(1).permutation(alike.y), alike.class_names, alike.split, "shuffled")
    found = evaluate(tiny_backbone.build(), alike, ways=2, shots=10, episodes=3)
    assert abs(found["reject_auroc"] - 0.5) < 0.2


def test_heads_differ_and_seeds_repeat():
    kinds = {}
    for kind in ("lda", "means", "logistic"):
        found = evaluate(tiny_backbone.build(), pictures(noise=90), shots=6, episodes=2, head=kind)
        kinds[kind] = [tuple(e.values()) for e in found["per_episode"]]
    assert len({str(v) for v in kinds.values()}) == 3
    again = evaluate(tiny_backbone.build(), pictures(noise=90), shots=6, episodes=2, head="means")
    assert [tuple(e.values()) for e in again["per_episode"]] == kinds["means"]


def test_labels_that_mean_nothing_are_not_learned():
    """Chance when the labels are shuffled: no query reaches the support."""
    data = pictures(each=30)
    shuffled = Dataset(data.x, np.random.default_rng(0).permutation(data.y), data.class_names, data.split, data.name)
    found = evaluate(tiny_backbone.build(), shuffled, shots=8, episodes=4)
    assert abs(found["accuracy"]["exit1"] - 0.25) < 0.15


def test_a_set_without_split_asks_about_the_rest():
    found = evaluate(tiny_backbone.build(), pictures(split=False), shots=6, episodes=1)
    assert found["data"]["queries_from"] == "the rest" and found["data"]["queries"] == 4 * 6


@pytest.mark.parametrize("given, message", [
    ({"head": "tree"}, "head: expected one of lda, logistic, means, ridge, got 'tree'"),
    ({"exit_ratio": 1.5}, "exit_ratio: expected 0..1, got 1.5"),
    ({"episodes": 0}, "episodes: expected at least 1, got 0"),
    ({"shots": 9}, "9 shots of 4 classes asked, but only 0 of 4 classes have enough"),
])  # fmt: skip
def test_wrong_arguments(given, message):
    with pytest.raises(ValueError, match=message):
        evaluate(tiny_backbone.build(), pictures(), **given)


def test_pictures_of_another_size_are_refused():
    data = pictures()
    wider = Dataset(data.x.repeat(2, axis=2), data.y, data.class_names)
    with pytest.raises(ValueError, match=r"data: expected \(4, 4, 3\) of uint8, got \(4, 8, 3\)"):
        evaluate(tiny_backbone.build(), wider)


def test_report_in_words_and_on_a_page(result, tmp_path):
    text = describe(result)
    assert "backbone" in text and "4 classes, 6 samples each, 3 episodes" in text
    assert f"{result['accuracy']['staged']:.3f}" in text
    assert len(text.splitlines()) > 20
    paths = write(result, tmp_path / "new")
    assert json.loads(paths["json"].read_text()) == result
    assert paths["png"].read_bytes()[:4] == b"\x89PNG"
    page = paths["html"].read_text()
    assert page.count("<tr>") == 4 + 12 + 7 and "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")  # all in one file


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A float network of two exits with its features, and a classifier as teacher, of 4 x 4 pictures."""
    import keras
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("rivals")
    keras.utils.set_random_seed(4)
    image = keras.Input((4, 4, 3))
    first = keras.layers.Dense(12, activation="relu")(keras.layers.Flatten()(image))
    last = keras.layers.Dense(8, activation="relu")(first)
    keras.Model(image, [first, last]).save(folder / "model.keras")
    parts = ([(0, 0, 12)], [(0, 0, 12), (1, 0, 8)])
    features = [
        head.ExitFeatures(tuple(p), True, np.zeros(d, np.float32), np.eye(d, dtype=np.int8), np.ones(d), 0.5, 1.0)
        for p, d in zip(parts, (12, 20), strict=True)
    ]
    head.save_features(folder / "backbone_features.npz", features)
    pooled = keras.layers.AveragePooling2D(2)(keras.layers.Conv2D(16, 1, activation="relu")(image))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, keras.layers.Flatten()(pooled)))
    (folder / "teacher.tflite").write_bytes(converter.convert())
    return folder


def test_other_networks_on_the_same_episodes(networks):
    data = pictures()
    against = {
        "float_model": networks / "model.keras", "teacher": networks / "teacher.tflite",
        "baselines": [networks / "model.keras"],
    }  # fmt: skip
    result = evaluate(tiny_backbone.build(), data, ways=4, shots=6, episodes=2, seed=1, against=against)
    rows = {row["role"]: row for row in result["rivals"]}
    assert list(rows) == ["float", "teacher", "baseline"]
    assert [rows[r]["head"] for r in rows] == ["lda", "logistic", "logistic"]
    assert rows["teacher"]["exit0"] is None and set(rows["teacher"]["ci95"]) == {"exit1"}
    for row in result["rivals"]:
        assert 0.4 < row["exit1"] <= 1, "better than 1 in 4: the queries were matched with their own labels"
    shown = describe(result)
    lost = 100 * (result["accuracy"]["exit1"] - rows["float"]["exit1"])
    assert f"always the last exit {lost:+.2f} points" in shown
    assert "before int8, model.keras, lda" in shown and "teacher, teacher.tflite, logistic" in shown
    from microt.evaluate.report import page

    assert "baseline, model.keras, logistic" in page(result, b"")


def test_a_rival_of_another_size_needs_the_file(networks):
    import keras

    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(image)).save(networks / "large.keras")
    against = {"baselines": [networks / "large.keras"]}
    with pytest.raises(ValueError, match="expected pictures of 8 pixels, got 4; give the file instead"):
        evaluate(tiny_backbone.build(), pictures(), ways=4, shots=6, episodes=1, against=against)
