# SPDX-License-Identifier: MIT
"""Training for sound and motion: recipes, changes of recordings, episodes, and a whole small run of each."""

import json

import numpy as np
import pytest

from microt.distill import signals as training
from microt.distill.recordings import MotionChanges, SoundChanges, change_motion, change_sound
from microt.engine import Backbone
from microt.evaluate import fewshot

RATE = 2000


def tones(path, seed=0):
    """Four tunes of two notes by four people, whose voices are higher or lower."""
    rng = np.random.default_rng(seed)
    clips, label, speaker = [], [], []
    for person, pitch in enumerate((0.9, 0.97, 1.03, 1.1)):
        for tune, notes in enumerate(((200, 500), (500, 200), (350, 350), (200, 800))):
            for _ in range(10):
                t = np.arange(int(RATE * rng.uniform(0.15, 0.2))) / RATE
                parts = [np.sin(2 * np.pi * f * pitch * t) * np.hanning(len(t)) for f in notes]
                clips.append(np.round(np.concatenate(parts) * rng.uniform(2000, 20000)).astype(np.int16))
                label.append(tune)
                speaker.append(person)
    np.savez(
        path, audio=np.concatenate(clips), offset=np.cumsum([0] + [len(c) for c in clips]), rate=RATE,
        label=np.array(label), class_names=np.array(["up", "down", "flat", "leap"]), speaker=np.array(speaker),
        split=(np.arange(len(label)) % 5 == 0).astype(np.uint8),
    )  # fmt: skip


SOUND = """
[front_end]
kind = "mel"
rate = 2000
frame = 60
step = 40
transform = 64
bands = 12
coefficients = 0
low = 60
high = 1000
[backbone]
family = "ds_cnn"
rows = 20
exit_block = 1
[[data]]
source = "tones.npz"
unseen = "speaker=3"
across = "speaker"
[changes]
copies = 2
[train]
steps = 12
ways = 4
shots = 4
[features]
lengths = [16, 24]
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    tones(folder / "tones.npz")
    (folder / "tones.toml").write_text(SOUND)
    training.run(folder / "tones.toml", folder / "out", log=lambda text: None)
    return folder


def test_a_recipe_becomes_a_backbone_that_learns_tunes(sound):
    net = Backbone(sound / "out" / "backbone.mtb")
    assert net.samples_shape == (60 + 19 * 40,) and net.rate == RATE and len(net.exits) == 2
    assert net.feature_size(0)[1] == 16 and net.feature_size(1)[1] == 24
    card = (sound / "out" / "card.md").read_text()
    assert "speaker=3 left out" in card and "steps" in card
    for line in card.splitlines():
        if "cosine" in line:
            assert float(line.split("cosine ")[1].split(",")[0]) > 0.97
    cost = json.loads((sound / "out" / "int8.json").read_text())
    assert (sound / "out" / "curves.png").stat().st_size > 2000
    assert len(cost["points_lost"]) == 2 and cost["float"][1] > 0.8
    out = sound / "out"
    found = fewshot.evaluate(
        out / "backbone.mtb", sound / "tones.npz", ways=4, shots=5, episodes=2, unseen="speaker=3",
        against={"float_model": out / "model.keras", "baselines": [out / "start.keras"]},
    )  # fmt: skip
    rivals = {row["role"]: row for row in found["rivals"]}
    assert abs(rivals["float"]["exit1"] - found["accuracy"]["exit1"]) < 0.05, "int8 costs little"
    assert rivals["baseline"]["exit1"] > 0.25
    with pytest.raises(ValueError, match="expected, for sound or motion, a .keras network with its recipe.toml"):
        fewshot.evaluate(
            out / "backbone.mtb", sound / "tones.npz", ways=4, shots=5, episodes=1,
            against={"baselines": [out / "backbone.tflite"]},
        )  # fmt: skip
    assert found["accuracy"]["exit1"] > 0.8 and "speaker=3 unseen" in found["data"]["name"]


def test_only_the_train_split_of_the_others_is_seen(sound):
    recipe = training.load_recipe(sound / "tones.toml")
    bank = training.make_bank(recipe, recipe.data[0], np.random.default_rng(0), lambda text: None)
    assert bank.x.shape == (2, 96, 20, 12, 1) and set(bank.groups) == {"0", "1", "2"}
    assert np.bincount(bank.y).tolist() == [24] * 4
    # every copy is another, none is the plain one
    assert np.abs(bank.x[0].astype(np.float32) - bank.x[1]).mean() > 0.05
    rows, ways = training.episode(bank, recipe.train, np.random.default_rng(1))
    assert ways == 4 and len(rows) == 16
    for c in range(4):
        mine = rows[4 * c : 4 * c + 4]
        assert len(set(bank.y[mine])) == 1
        assert not set(bank.groups[mine[:2]]) & set(bank.groups[mine[2:]])


def test_a_motion_recipe_runs(tmp_path):
    rng = np.random.default_rng(0)
    t = np.arange(60)[:, None] / 50
    signal, label = [], []
    for kind in range(3):
        for _ in range(8):
            wave = np.sin(2 * np.pi * (kind + 1) * (t + rng.uniform(0, 0.2))) * rng.uniform(0.5, 1.5, 6) * 1500
            signal.append(np.round(wave + [0, 4900, 0, 0, 0, 0]).astype(np.int16))
            label.append(kind)
    np.savez(
        tmp_path / "moves.npz",
        signal=np.stack(signal),
        rate=50,
        label=np.array(label),
        class_names=np.array(list("abc")),
    )
    channels = ", ".join(
        [f'{{axis = {i}, one = 1000, value = "less_mean"}}' for i in range(3)]
        + [f"{{axis = {i}, one = 1000}}" for i in range(3, 6)]
    )
    (tmp_path / "moves.toml").write_text(f"""
[front_end]
kind = "axes"
rate = 50
axes = 6
channels = [{channels}]
[backbone]
family = "motion"
rows = 48
exit_block = 1
filters = [16, 24]
strides = [2, 1]
kernel = 5
[[data]]
source = "moves.npz"
classes = ["a", "b"]
[changes]
copies = 2
[train]
steps = 4
ways = 2
shots = 4
[features]
lengths = [8, 12]
""")
    training.run(tmp_path / "moves.toml", tmp_path / "out", log=lambda text: None)
    net = Backbone(tmp_path / "out" / "backbone.mtb")
    assert net.samples_shape == (48, 6) and net.rate == 50
    found = fewshot.evaluate(tmp_path / "out" / "backbone.mtb", tmp_path / "moves.npz", ways=3, shots=3, episodes=2)
    assert found["accuracy"]["exit1"] > 0.6


def test_turned_motions():
    clip = np.arange(12, dtype=np.int16).reshape(2, 6)
    assert training.turn(clip, "reversed").tolist() == [[6, 7, 8, -9, -10, -11], [0, 1, 2, -3, -4, -5]]
    assert training.turn(clip, "mirrored").tolist() == [[0, 1, 2, 3, -4, -5], [-6, 7, 8, 9, -10, -11]]
    both = training.turn(training.turn(clip, "reversed"), "mirrored")
    np.testing.assert_array_equal(training.turn(clip, "both"), both)
    with pytest.raises(ValueError, match="got 'up'"):
        training.turn(clip, "up")


def test_changed_sounds_are_other_windows_of_the_same():
    rng = np.random.default_rng(2)
    clip = np.round(8000 * np.sin(np.arange(900) * 2 * np.pi * 100 / RATE)).astype(np.int16)
    quiet = SoundChanges(speed=(1.0, 1.0), shift=0.0, noise=(-80.0, -80.0), tilt=0.0, echo=0.0)
    found = change_sound(clip, RATE, 1000, quiet, rng).astype(float)
    assert found.shape == (1000,) and np.corrcoef(found[50:950], clip)[0, 1] > 0.99
    for _ in range(20):
        found = change_sound(clip, RATE, 1000, SoundChanges(), rng)
        assert found.dtype == np.int16 and 10**2.9 < np.abs(found.astype(int)).max() < 10**4.5


def test_changed_motions_keep_gravity_and_their_course():
    rng = np.random.default_rng(3)
    t = np.arange(120) / 50
    clip = np.zeros((120, 6))
    clip[:, 1] = 4900
    clip[:, 0] = 1500 * np.sin(2 * np.pi * t)
    clip[:, 5] = 900 * np.cos(2 * np.pi * t)
    clip = clip.astype(np.int16)
    still = MotionChanges(speed=(1.0, 1.0), warp=0.0, rotation=0.0, gain=0.0, drift=0.0, shift=0)
    found = change_motion(clip, 120, still, rng)
    assert found.shape == (120, 6) and np.abs(found - clip.astype(int)).max() < 300
    for _ in range(20):
        found = change_motion(clip, 96, MotionChanges(), rng).astype(float)
        assert found.shape == (96, 6)
        assert 4000 < np.linalg.norm(found[:, :3].mean(axis=0)) < 5800


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("steps = 12", "stops = 12", r"\[train\] has no key stops; known: steps"),
        ("steps = 12", 'steps = "many"', r"\[train\]: steps: expected int, got 'many'"),
        ('family = "ds_cnn"', 'family = "resnet"', "expected ds_cnn or motion, got 'resnet'"),
        ("[changes]", "[change]", "expected tables of"),
        ("bands = 12", "bands = 200", "1 to 128 bands"),
        ('source = "tones.npz"', "", r"\[\[data\]\] 0 needs source"),
        ("shots = 4", "shots = 1", "2 ways and shots or more"),
        ("rows = 20", "rows =", "tones.toml"),
    ],
)
def test_wrong_recipes(tmp_path, old, new, words):
    assert old in SOUND
    path = tmp_path / "tones.toml"
    path.write_text(SOUND.replace(old, new))
    with pytest.raises(ValueError, match=words):
        training.load_recipe(path)


def test_sets_that_lack_what_the_recipe_asks_for(tmp_path):
    tones(tmp_path / "tones.npz")
    path = tmp_path / "tones.toml"
    for old, new, words in (
        ('across = "speaker"', 'across = "room"', "no groups called 'room'"),
        ('unseen = "speaker=3"', 'classes = ["up", "sideways"]', "no classes sideways"),
    ):
        path.write_text(SOUND.replace(old, new))
        recipe = training.load_recipe(path)
        with pytest.raises(ValueError, match=words):
            training.make_bank(recipe, recipe.data[0], np.random.default_rng(0), lambda text: None)
