# SPDX-License-Identifier: MIT
"""Reading labelled pictures and drawing episodes."""

import io

import numpy as np
import pytest
from PIL import Image

from microt.data import Dataset, draw_episode, load, resize


def picture(colour, size=(20, 12)):
    return Image.new("RGB", size, colour)


def folder(path, classes, count=3):
    for number, name in enumerate(classes):
        (path / name).mkdir(parents=True)
        for i in range(count):
            picture((40 * number, 10 * i, 0)).save(path / name / f"{i}.png")
    return path


def numbers(per_class, classes=4, split=None):
    y = np.repeat(np.arange(classes), per_class)
    marks = None if split is None else np.tile(np.asarray(split, np.uint8), classes)
    names = tuple(f"class {c}" for c in range(classes))
    return Dataset(np.zeros((len(y), 2, 2, 3), np.uint8), y, names, marks, "numbers")


def test_folder_of_class_folders(tmp_path):
    data = load(folder(tmp_path / "fruit", ["pear", "apple"]), 8)
    assert data.x.shape == (6, 8, 8, 3) and data.x.dtype == np.uint8
    assert data.class_names == ("apple", "pear")
    assert data.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.split is None and data.name == "fruit"
    assert data.x[3, 0, 0].tolist() == [0, 0, 0] and data.x[0, 0, 0].tolist() == [40, 0, 0]


def test_folder_with_train_and_test(tmp_path):
    folder(tmp_path / "train", ["a", "b"], 2)
    folder(tmp_path / "test", ["a", "b"], 1)
    data = load(tmp_path, 4)
    assert data.split.tolist() == [0, 0, 0, 0, 1, 1]
    assert len(data.part("test")) == 2


def test_npz_with_jpeg_and_split(tmp_path):
    streams = []
    for value in (10, 200, 90):
        file = io.BytesIO()
        picture((value,) * 3, (16, 16)).save(file, "JPEG", quality=95)
        streams.append(np.frombuffer(file.getvalue(), np.uint8))
    offset = np.cumsum([0] + [len(s) for s in streams])
    np.savez(tmp_path / "grey.npz", jpeg=np.concatenate(streams), offset=offset,
             label=np.array([0, 1, 0], np.int16), split=np.array([0, 1, 2], np.uint8),
             class_names=np.array(["dark", "light"]))  # fmt: skip
    data = load(tmp_path / "grey.npz", 8)
    assert data.x.shape == (3, 8, 8, 3)
    assert np.abs(data.x.mean(axis=(1, 2, 3)) - [10, 200, 90]).max() < 3
    assert data.part("validation").y.tolist() == [0]
    assert load(tmp_path / "grey.npz").x.shape == (3, 16, 16, 3)


def test_digits_need_nothing():
    data = load("digits", 24)
    assert data.x.shape == (1797, 24, 24, 3) and len(data.class_names) == 10


def test_resize_crops_the_centre():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    assert (resize(wide, 10) == 255).all()
    assert (resize(wide, 5) == 255).all()


@pytest.mark.parametrize("make, message", [
    (lambda p: p / "absent", "absent: no such file or folder"),
    (lambda p: folder(p / "one", ["a"]), "at least two sub-folders"),
    (lambda p: (folder(p / "x", ["a", "b"]) / "c").mkdir() or p / "x", "c: no picture"),
])  # fmt: skip
def test_folder_errors(tmp_path, make, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load(make(tmp_path), 8)


def test_unreadable_picture_is_named(tmp_path):
    folder(tmp_path / "set", ["a", "b"])
    (tmp_path / "set" / "b" / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="broken.jpg: not a readable picture"):
        load(tmp_path / "set", 8)


def test_truncated_picture_is_named(tmp_path):
    folder(tmp_path / "set", ["a", "b"])
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "set" / "a" / "cut.jpg")
    content = (tmp_path / "set" / "a" / "cut.jpg").read_bytes()
    (tmp_path / "set" / "a" / "cut.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cut.jpg: not a readable picture"):
        load(tmp_path / "set", 8)


def test_differing_sizes_need_a_size(tmp_path):
    folder(tmp_path / "set", ["a", "b"])
    picture((1, 2, 3), (9, 9)).save(tmp_path / "set" / "a" / "small.png")
    with pytest.raises(ValueError, match="differ in shape; give the size"):
        load(tmp_path / "set")


def test_npz_errors(tmp_path):
    np.savez(tmp_path / "a.npz", pictures=np.zeros(3))
    with pytest.raises(ValueError, match="expected arrays label, class_names .* got pictures"):
        load(tmp_path / "a.npz", 8)
    np.savez(tmp_path / "b.npz", image=np.zeros((3, 8, 8), np.uint8), label=np.zeros(2, np.int16),
             class_names=np.array(["x"]))  # fmt: skip
    with pytest.raises(ValueError, match="3 pictures but 2 labels"):
        load(tmp_path / "b.npz", 8)
    (tmp_path / "c.npz").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match="c.npz: not a readable .npz"):
        load(tmp_path / "c.npz", 8)
    (tmp_path / "d.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"expected a .npz file or a folder, got a .csv file"):
        load(tmp_path / "d.csv", 8)


def test_episode_takes_support_and_query_from_their_splits():
    data = numbers(10, split=[0] * 6 + [1] * 3 + [2])
    episode = draw_episode(data, 3, 5, np.random.default_rng(0))
    assert len(episode.support) == 15 and len(episode.query) == 9
    assert (data.split[episode.support] == 0).all() and (data.split[episode.query] == 1).all()
    assert (data.y[episode.support] == episode.classes[episode.support_y]).all()
    assert (data.y[episode.query] == episode.classes[episode.query_y]).all()


def test_episode_rest_never_touches_the_test_split():
    data = numbers(10, split=[0] * 6 + [1] * 4)
    episode = draw_episode(data, 4, 4, np.random.default_rng(0), query="rest")
    assert len(episode.query) == 8
    assert not set(episode.query) & set(episode.support)
    assert (data.split[episode.query] == 0).all()


def test_episode_repeats_with_its_seed():
    data = numbers(12)
    one, two, other = (draw_episode(data, 4, 3, np.random.default_rng(s)) for s in (5, 5, 6))
    assert (one.support == two.support).all() and (one.query == two.query).all()
    assert (one.support != other.support).any()


def test_too_few_samples_says_how_many():
    with pytest.raises(ValueError, match=r"8 shots of 4 classes.*only 0 of 4.*class 0 6"):
        draw_episode(numbers(6), 4, 8, np.random.default_rng(0))


def test_ways_are_capped_by_the_classes():
    assert len(draw_episode(numbers(6), 10, 2, np.random.default_rng(0)).classes) == 4


def test_part_without_split():
    with pytest.raises(ValueError, match="has no split"):
        numbers(3).part("test")
    with pytest.raises(ValueError, match="expected one of train, test, validation, got 'dev'"):
        numbers(2, split=[0, 1]).part("dev")
