# SPDX-License-Identifier: MIT
"""Adapting a backbone for sound or motion to recordings without labels."""

import json
import wave

import numpy as np
import pytest
from test_sound_training import RATE, SOUND, tones

from microt.distill import adapt, adapt_signals
from microt.distill import signals as training
from microt.engine import Backbone


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A backbone for tunes, and a folder of other tunes, all different, some below sub-folders."""
    folder = tmp_path_factory.mktemp("adapt_signals")
    tones(folder / "tones.npz")
    (folder / "tones.toml").write_text(SOUND.replace("steps = 12", "steps = 4"))
    training.run(folder / "tones.toml", folder / "out", log=lambda text: None)
    rng = np.random.default_rng(1)
    time = np.arange(180) / RATE
    for i in range(60):
        notes = [np.sin(2 * np.pi * f * time) * np.hanning(len(time)) for f in rng.uniform(150, 900, 2)]
        file = folder / "mine" / ("deeper" if i % 3 else ".") / f"{i}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(np.round(9000 * np.concatenate(notes)).astype(np.int16).tobytes())
    return folder


@pytest.fixture(scope="module")
def adapted(trained):
    said = []
    result = adapt_signals.adapt(trained / "out", trained / "mine", trained / "mine_out", steps=60, log=said.append)
    return result, said


def test_copies_of_a_recording_come_together(adapted):
    result, said = adapted
    assert (result["recordings"], result["held_out"], result["steps"]) == (60, 12, 60)
    scores = result["scores"]
    for exit_name in ("exit0", "exit1"):
        assert 0 <= scores["before"][exit_name]["views"] <= 1
    assert sum(s["views"] for s in scores["after"].values()) > sum(s["views"] for s in scores["before"].values())
    text = adapt.describe(result)
    assert "60 recordings, 12 of them held out" in text and "neighbours" not in text
    assert any("step 60/60" in line for line in said)


def test_what_it_leaves_is_a_backbone_to_use_and_to_adapt_again(adapted, trained):
    result, _ = adapted
    out = trained / "mine_out"
    assert json.loads((out / "adapt.json").read_text()) == result and not (out / "checkpoint.npz").exists()
    assert Backbone(result["paths"]["mtb"]).rate == RATE
    _, before = adapt_signals.open_backbone(trained / "out")
    recipe, after = adapt_signals.open_backbone(out)
    assert recipe.backbone.rows == 20 and adapt_signals.is_signals(out)
    changed = [np.abs(a - b).max() for a, b in zip(before.get_weights(), after.get_weights(), strict=True)]
    assert min(changed) > 0 and max(changed) < 0.2, "it goes on from what it was"


def test_shipped_backbones_are_opened():
    """The network that training made, with the weights of the .tflite file: its own int8 embeddings."""
    for name, shape in (("sound", (49, 10, 1)), ("motion", (192, 1, 9))):
        assert adapt_signals.is_signals(name)
        recipe, model = adapt_signals.open_backbone(name)
        assert model.input_shape[1:] == shape == recipe.hwc
        net = Backbone(adapt.MODELS / f"{name}.mtb")
        x = np.random.default_rng(0).normal(0, 20 * net.input_scale, (4, *shape)).astype(np.float32)
        whole = np.clip(np.round(x / net.input_scale) + net.input_zero_point, -128, 127).astype(np.int8)
        for got, rough, e in zip(model.predict(x, verbose=0), net.embed(whole), net.exits, strict=True):
            wanted = (rough.astype(np.float32) - e.zero_point) * e.scale
            norms = np.linalg.norm(got, axis=1) * np.linalg.norm(wanted, axis=1)
            assert ((got * wanted).sum(axis=1) / norms).min() > 0.97
    assert not adapt_signals.is_signals("objects") and not adapt_signals.is_signals("nowhere")


def test_a_run_cut_short_goes_on(trained, tmp_path, monkeypatch):
    learn, count = adapt_signals.Alike.learn, []

    def fails(self, batches, steps):
        count.append(steps)
        if len(count) == 2:
            raise KeyboardInterrupt
        return learn(self, batches, steps)

    monkeypatch.setattr(adapt_signals.Alike, "learn", fails)
    monkeypatch.setattr(adapt_signals.Checkpoint.__init__, "__defaults__", (0.0,))
    monkeypatch.setattr(training, "STRETCH", 2)
    data = [trained / "tones.npz"]
    with pytest.raises(KeyboardInterrupt):
        adapt_signals.adapt(trained / "out", data, tmp_path, steps=4, log=lambda text: None)
    said = []
    cut = adapt_signals.adapt(trained / "out", data, tmp_path, steps=4, log=said.append)
    assert any("going on after step 2" in line for line in said) and count == [2, 2, 2]
    whole = adapt_signals.adapt(trained / "out", data, tmp_path / "whole", steps=4, log=said.append)
    assert cut["recordings"] == 128, "the train split"
    for e in ("exit0", "exit1"):
        assert cut["scores"]["after"][e]["views"] == pytest.approx(whole["scores"]["after"][e]["views"], abs=0.05)
    first, second = (adapt_signals.open_backbone(p)[1].get_weights() for p in (tmp_path, tmp_path / "whole"))
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(first, second, strict=True))


def test_recordings_that_will_not_do(trained, tmp_path):
    with pytest.raises(ValueError, match=r"empty: holds no sound \(\.wav, \.npy\)"):
        (tmp_path / "empty").mkdir()
        adapt_signals.adapt(trained / "out", tmp_path / "empty", tmp_path / "o")
    (tmp_path / "few").mkdir()
    np.save(tmp_path / "few" / "a.npy", np.arange(900, dtype=np.int16))
    with pytest.raises(ValueError, match="expected at least 40 recordings to adapt to, got 1"):
        adapt_signals.adapt(trained / "out", tmp_path / "few", tmp_path / "o")
    with pytest.raises(FileNotFoundError, match="expected sound, motion, or a folder with recipe.toml"):
        adapt_signals.adapt(tmp_path, tmp_path / "few", tmp_path / "o")
