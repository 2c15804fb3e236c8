# SPDX-License-Identifier: MIT
"""Where a network can be cut, what that costs, and which cut is proposed."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from microt import split as splitting
from microt import split_adapter
from microt.compiler.compile import compile_tflite
from microt.data import Dataset
from microt.engine import Backbone
from microt.quantize import quantize

SHIPPED = Path(__file__).parents[2] / "models" / "objects.tflite"


def pictures(classes=4, each=20):
    """Patterns of 32 x 32 pixels, one a class, shifted and with noise."""
    rng = np.random.default_rng(1)
    patterns = rng.integers(0, 256, (classes, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)
    y = np.repeat(np.arange(classes), each)
    x = patterns[y] + rng.normal(0, 60, (len(y), 32, 32, 3))
    return Dataset(np.clip(x, 0, 255).astype(np.uint8), y, tuple("abcd"[:classes]), None, "patterns")


def network():
    """A residual block in the middle, so that not every map can be cut at, and an early exit's branch."""
    layers = keras.layers
    keras.utils.set_random_seed(6)
    x = image = layers.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, 2, "same", activation="relu6", name="stem")(x)
    early = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1, activation="relu6", name="branch")(x))
    y = layers.Conv2D(16, 1, activation="relu6", name="inside")(x)
    y = layers.Conv2D(8, 1, name="narrow")(y)
    x = layers.Add(name="joined")([x, y])
    x = layers.Conv2D(16, 3, 2, "same", activation="relu6", name="late")(x)
    x = layers.Conv2D(24, 3, 2, "same", activation="relu6", name="end")(x)
    return quantize(keras.Model(image, [early, layers.GlobalAveragePooling2D()(x)]), pictures().x[::10])


@pytest.fixture(scope="module")
def result():
    return splitting.split(network(), pictures(), ways=9, shots=5, episodes=3, queries=6)


def test_cuts_are_where_one_map_carries_the_network_on(result):
    # stem, the block's sum, the layer after it; not inside the block, not the exit's branch
    assert [c["shape"] for c in result["cuts"]] == [[16, 16, 8], [16, 16, 8], [8, 8, 16]]
    assert [c["bytes"] for c in result["cuts"]] == [2048, 2048, 1024]
    stem = 256 * 27 * 8
    block = stem + 256 * 8 * 16 * 2
    late = block + 64 * 72 * 16
    assert [c["macs"] for c in result["cuts"]] == [stem, block, late]
    assert result["full"]["macs"] == late + 16 * 144 * 24


def test_accuracy_and_saving_at_a_ratio(result):
    assert result["ways"] == 4
    assert result["full"]["accuracy"] > 0.5, "patterns that can be told apart"
    for cut in result["cuts"]:
        assert min(cut["accuracy"], cut["full"]) - 0.08 <= cut["staged"] <= max(cut["accuracy"], cut["full"]) + 0.08
        assert cut["energy_saving_modelled"] == pytest.approx(0.5 * (1 - cut["macs"] / result["full"]["macs"]))
    assert len({c["accuracy"] for c in result["cuts"]}) > 1


def test_all_answered_at_the_cut_is_the_cut_alone():
    found = splitting.split(network(), pictures(), shots=5, episodes=2, exit_ratio=1, queries=6)
    assert all(c["staged"] == c["accuracy"] for c in found["cuts"])


def test_shipped_backbone_without_its_first_exits_branch():
    cuts, last = splitting.Network(SHIPPED).cuts()
    assert len(cuts) == 13 and last.macs == 13_933_248
    block7 = cuts[7]
    assert (block7.macs, block7.shape, block7.size) == (5_509_952, (7, 7, 128), 6272)
    # the means of blocks 9 and 11 go to the end: behind them, they are kept as well
    assert [(cut.shape, cut.beside) for cut in cuts[9:]] == [
        ((7, 7, 128), 0), ((7, 7, 128), 128), ((7, 7, 128), 128), ((7, 7, 256), 256),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def adapted():
    return splitting.split(network(), pictures(each=60), shots=5, episodes=2, queries=6, adapter=24)


def test_an_adapter_is_trained_at_the_best_cut_and_those_before(adapted):
    rows = adapted["adapters"]
    assert [row["cut"] for row in rows] == list(range(max(adapted["best"] - 2, 0), adapted["best"] + 1))
    for row in rows:
        cut = adapted["cuts"][row["cut"]]
        h, w, c = cut["shape"]
        work = (h // 2) * (w // 2) * (9 * c + 24 * c)
        assert (row["macs"], row["dim"], row["bytes"]) == (cut["macs"] + work, c + 24, cut["bytes"] + 24)
        share = work / adapted["full"]["macs"]
        assert row["energy_saving_modelled"] == pytest.approx(cut["energy_saving_modelled"] - share)
        assert 0 < row["accuracy"] <= 1
    text = splitting.describe(adapted)
    assert "with an adapter of 24 filters" in text
    assert ("the adapter pays" in text) == (adapted["best_adapter"] is not None)
    assert splitting.draw(adapted)[:4] == b"\x89PNG"


def test_an_adapter_learns_what_the_end_sees():
    """Two kinds of map that their means do not tell apart, but their texture does."""
    rng = np.random.default_rng(0)
    kind = np.arange(400) % 2
    flat, checked = np.ones((8, 8, 4)), np.indices((8, 8)).sum(axis=0)[..., None] % 2 * 2 * np.ones(4)
    maps = np.where(kind[:, None, None, None], checked, flat) + rng.normal(0, 0.1, (400, 8, 8, 4))
    last = np.stack([kind, 1 - kind], axis=1).repeat(4, axis=1) + rng.uniform(0, 0.1, (400, 8))
    branch = split_adapter.train(maps, last, 8)
    found = branch(maps)
    assert found.shape == (400, 8) and branch.macs == 16 * (9 * 4 + 8 * 4)

    def apart(vectors):
        means = [vectors[kind == k].mean(axis=0) for k in (0, 1)]
        return np.linalg.norm(means[0] - means[1]) / vectors[kind == 0].std(axis=0).mean()

    assert apart(found) > 5 > apart(maps.mean(axis=(1, 2)))


def test_an_adapter_learns_from_no_picture_that_it_is_asked_about():
    rows = split_adapter.pictures(300, np.arange(0, 300, 2), np.random.default_rng(0))
    assert (rows % 2 == 1).all() and len(rows) == 150
    with pytest.raises(ValueError, match="adapter: expected 100 pictures or more to train it on, got 20 of 80"):
        split_adapter.pictures(80, np.arange(60), np.random.default_rng(0))


def test_pooled_maps_are_the_engines(result):
    """The proposed command's exits, compiled and run by the engine, give the vectors that were judged."""
    content, x = network(), pictures().x[:4]
    net = splitting.Network(content)
    cuts, last = net.cuts()
    said = []
    wanted = net.pooled([cuts[2], last], x, lambda done, total: said.append((done, total)))
    assert said[-1] == (4, 4)
    engine = Backbone(compile_tflite(content, exits=[cuts[2].tensor, last.tensor], pixels=True).data)
    for e, (got, values) in enumerate(zip(engine.embed(x), wanted, strict=True)):
        scale, zero = engine.exits[e].scale, engine.exits[e].zero_point
        steps = np.abs((got.astype(float) - zero) - values / scale)
        # rounding of the mean, and TensorFlow Lite's fast kernels, which round a few values otherwise
        assert steps.max() <= 0.8 and steps.mean() <= 0.3


def test_the_cheapest_of_the_good_is_chosen():
    cuts = [
        {"staged": 0.60, "energy_saving_modelled": 0.40},
        {"staged": 0.695, "energy_saving_modelled": 0.30},
        {"staged": 0.70, "energy_saving_modelled": 0.10},
    ]
    assert splitting.choose(cuts, 0.01) == 1
    assert splitting.choose(cuts, 0) == 2
    assert splitting.choose(cuts, 0.2) == 0


def test_energy_follows_a_bench():
    content = network()
    layers = [{"macs": m, "cycles_modelled": c} for m, c in ((55296, 600), (65536, 200), (73728, 100), (55296, 100))]
    bench = {"board": "MPS2_AN386", "layers": layers}
    found = splitting.split(content, pictures(), shots=4, episodes=1, queries=2, bench=bench)
    assert [c["energy_share"] for c in found["cuts"]] == pytest.approx([0.6, 0.8, 0.9])
    assert "MPS2_AN386" in found["energy_source"] and found["cuts"][0]["ci95"] is None
    layers[0]["cycles_modelled"] = None
    with pytest.raises(ValueError, match="cycles are not modelled for MPS2_AN386"):
        splitting.split(content, pictures(), shots=4, episodes=1, queries=2, bench=bench)


def test_table_and_chart(result, tmp_path):
    text = splitting.describe(result)
    best = result["cuts"][result["best"]]
    marked = [line for line in text.splitlines() if line.startswith(" *")]
    assert len(marked) == 1 and f"{best['staged']:.3f}" in marked[0]
    assert f"--exit {best['index']} --exit {result['full']['index']}" in text
    paths = splitting.write(result, tmp_path / "new")
    assert json.loads(paths["json"].read_text()) == result
    assert paths["png"].read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("given, message", [
    ({"exit_ratio": 0}, "exit_ratio: expected above 0, at most 1, got 0"),
    ({"episodes": 0}, "expected at least 1 episode and 1 query, got 0"),
])  # fmt: skip
def test_wrong_arguments(given, message):
    with pytest.raises(ValueError, match=message):
        splitting.split(SHIPPED, pictures(), **given)


def test_what_is_no_picture_network_is_refused(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"no flatbuffer at all")
    with pytest.raises(ValueError, match=r"x\.tflite: not a \.tflite file"):
        splitting.split(tmp_path / "x.tflite", pictures())
