# SPDX-License-Identifier: MIT
"""Sounds and motions: files, windows, rates, groups left unseen; what is wrong is told."""

import wave

import numpy as np
import pytest

from microt import data, signals

RATE = 4000


def write_wav(path, values, rate=RATE, width=2, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {1: np.uint8, 2: "<i2", 4: "<i4"}
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.asarray(values).astype(kinds[width]).tobytes())
    return path


def sounds(path, **changed):
    """Six sounds of two words by three people, the loud part of each known."""
    clips = [np.full(10 + i, 100 * (i + 1), np.int16) for i in range(6)]
    arrays = {
        "audio": np.concatenate(clips),
        "offset": np.cumsum([0] + [len(c) for c in clips]),
        "rate": RATE,
        "label": np.array([0, 1, 0, 1, 0, 1]),
        "class_names": np.array(["yes", "no"]),
        "split": np.array([0, 0, 0, 1, 0, 1], np.uint8),
        "speaker": np.array([0, 0, 1, 1, 2, 2]),
        "speaker_names": np.array(["ann", "bob", "cy"]),
    } | changed
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_sounds_of_an_npz_are_centred(tmp_path):
    found = signals.load(sounds(tmp_path / "words.npz"), (16,), RATE)
    assert found.x.shape == (6, 16) and found.x.dtype == np.int16 and found.class_names == ("yes", "no")
    assert found.x[0].tolist() == [0] * 3 + [100] * 10 + [0] * 3
    assert (found.x[5][1:] == 600).all() or (found.x[5][:-1] == 600).all()  # 15 of 16
    assert found.split.tolist() == [0, 0, 0, 1, 0, 1]


def test_a_longer_recording_is_cut_where_it_is_loudest():
    clip = np.zeros(100, np.int16)
    clip[60:70] = 500
    cut = signals.window(clip, (20,))
    assert (cut == 500).sum() == 10 and len(cut) == 20
    rest = np.full((50, 3), 4900, np.int16)
    rest[30:34, 1] += np.array([50, -70, 60, -80], np.int16)
    assert (
        np.abs(np.diff(signals.window(rest, (8, 3)).astype(int), axis=0)).sum()
        == np.abs(np.diff(rest.astype(int), axis=0)).sum()
    )


def test_a_shorter_motion_goes_on_by_its_reflections():
    clip = np.arange(6, dtype=np.int16).reshape(3, 2)
    assert signals.window(clip, (6, 2))[:, 0].tolist() == [0, 0, 2, 4, 4, 2]
    with pytest.raises(ValueError, match=r"recording: expected rows of \(3,\), got an array of \(3, 2\)"):
        signals.window(clip, (6, 3))


def test_groups_left_unseen(tmp_path):
    path = sounds(tmp_path / "words.npz")
    found = signals.load(path, (16,), RATE, unseen="speaker=cy")
    # of the others, what the set itself tests with is left out
    assert found.split.tolist() == [0, 0, 0, 1, 1] and found.y.tolist() == [0, 1, 0, 0, 1]
    assert "speaker=cy unseen" in found.name
    found = signals.load(path, (16,), RATE, unseen="speaker=ann,bob")
    assert found.split.tolist() == [1, 1, 1, 1, 0]
    with pytest.raises(ValueError, match="no speaker zoe; there are ann, bob, cy"):
        signals.load(path, (16,), RATE, unseen="speaker=ann,zoe")
    with pytest.raises(ValueError, match=r"no groups called 'person' to leave unseen \(there are: speaker\)"):
        signals.load(path, (16,), RATE, unseen="person=ann")


def test_wav_files(tmp_path):
    tone = np.round(9000 * np.sin(np.arange(400) * 2 * np.pi * 200 / RATE))
    for name, values, form in (
        ("a/one.wav", tone, {}),
        ("a/two.wav", np.repeat(np.interp(np.arange(800) / 2, np.arange(400), tone), 2),
         {"rate": 2 * RATE, "channels": 2}),
        ("b/three.wav", np.round(tone / 256) + 128, {"width": 1}),
        ("b/four.wav", tone * 65536, {"width": 4}),
    ):  # fmt: skip
        write_wav(tmp_path / name, values, **form)
    found = signals.load(tmp_path, (400,), RATE)
    assert found.class_names == ("a", "b") and found.y.tolist() == [0, 0, 1, 1] and found.split is None
    for x in found.x:  # the same tone; the ends suffer from the filter
        assert np.abs(x[40:-40] - tone[40:-40]).max() < 350


def test_csv_files(tmp_path):
    for split in ("train", "test"):
        for name in ("up", "down"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(2):
                rows = [f"{i}, {r}, {-r}.4" for r in range(10)]
                lines = (["x,y,z"] if i else []) + rows
                (tmp_path / split / name / f"{i}.csv").write_text("\n".join(lines) + "\n")
    found = signals.load(tmp_path, (10, 3), 50)
    assert found.x.shape == (8, 10, 3) and found.x[3, 7].tolist() == [1, 7, -7]
    assert found.split.tolist() == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    "content, words",
    [
        ("1,2\n3\n", "lines of as many numbers"),
        ("", "lines of as many"),
        ("a,b\n", "finite numbers"),
        ("1,nan\n", "finite"),
    ],
)
def test_wrong_csv(tmp_path, content, words):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=words) as error:
        signals.read_csv(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"audio": None}, "expected arrays audio, class_names, label, offset, rate, got"),
        ({"label": np.array([0, 1])}, "6 recordings, 2 labels"),
        ({"label": np.full(6, 2)}, "do not agree"),
    ],
)
def test_wrong_npz(tmp_path, changed, words):
    with pytest.raises(ValueError, match=words):
        signals.load(sounds(tmp_path / "bad.npz", **changed), (16,), RATE)


def test_wrong_sources(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        signals.load(tmp_path / "none", (16,), RATE)
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(ValueError, match=r"got a \.txt file"):
        signals.load(tmp_path / "x.txt", (16,), RATE)
    (tmp_path / "bad.wav").write_bytes(b"RIFFnope")
    with pytest.raises(ValueError, match=r"bad\.wav: not a readable \.wav"):
        signals.read_wav(tmp_path / "bad.wav")
    with pytest.raises(ValueError, match="holds no sample"):
        signals.read_wav(write_wav(tmp_path / "empty.wav", []))
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "b").mkdir()
    with pytest.raises(ValueError, match=r"no sound in this class folder \(\.wav, \.npy\)"):
        signals.load(tmp_path / "set", (16,), RATE)


def info(**changed):
    return {"input": {"shape": [4, 4, 3]}, "takes_pixels": True, "front_end": None} | changed


def test_what_a_backbone_takes(tmp_path):
    path = sounds(tmp_path / "words.npz")
    sound = info(front_end={"kind": "mel", "rate": 2 * RATE, "samples": 32}, takes_pixels=False)
    assert data.load_for(path, sound, unseen="speaker=ann").x.shape == (4, 32)
    moves = np.zeros((2, 7, 3), np.int16)
    np.savez(tmp_path / "m.npz", signal=moves, rate=50, label=np.array([0, 1]), class_names=np.array(["a", "b"]))
    motion = info(front_end={"kind": "axes", "rate": 50, "samples": 30, "axes": 3}, takes_pixels=False)
    assert data.load_for(tmp_path / "m.npz", motion).x.shape == (2, 10, 3)
    assert data.load_for("digits", info(input={"shape": [8, 8, 3]})).x.shape[1:] == (8, 8, 3)
    with pytest.raises(ValueError, match="the backbone takes pictures"):
        data.load_for("digits", info(), unseen="speaker=ann")
    with pytest.raises(ValueError, match="a front end for sound or motion; its input is"):
        data.load_for("digits", info(takes_pixels=False))
