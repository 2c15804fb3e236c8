# SPDX-License-Identifier: MIT
"""Drawing a lesson from a data set, and the files a board finds."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from microt import teach


def dataset(classes=4, per_class=12, split=None):
    count = classes * per_class
    x = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    y = np.repeat(np.arange(classes), per_class)
    names = [f"class {index}" for index in range(classes)]
    return SimpleNamespace(name="made up", x=x, y=y, class_names=names, split=split)


def test_taught_and_tested_samples_are_disjoint_and_labelled_right():
    lesson = teach.choose(dataset(), shots=5, tests=20)
    taught, tested = lesson.train_x[:, 0, 0, 0], lesson.test_x[:, 0, 0, 0]
    assert not set(taught) & set(tested)
    assert len(taught) == 20 and len(tested) == 20
    assert (taught // 12 == lesson.train_y).all() and (tested // 12 == lesson.test_y).all()
    assert lesson.hold_back == "class 3"


def test_own_test_split_is_respected():
    split = np.tile([0] * 8 + [1] * 4, 4).astype(np.uint8)
    lesson = teach.choose(dataset(split=split), shots=5, tests=100)
    assert (lesson.train_x[:, 0, 0, 0] % 12 < 8).all()
    assert (lesson.test_x[:, 0, 0, 0] % 12 >= 8).all()
    assert len(lesson.test_y) == 16


def test_same_seed_same_lesson():
    first, second = (teach.choose(dataset(), shots=3, seed=7) for _ in range(2))
    assert (first.train_x == second.train_x).all() and (first.test_x == second.test_x).all()
    other = teach.choose(dataset(), shots=3, seed=8)
    assert (first.train_x != other.train_x).any()


def test_too_few_samples_are_counted_in_the_error():
    with pytest.raises(ValueError, match="at least 2 classes with 30 samples.*got 0 of 4"):
        teach.choose(dataset(), shots=30)


def test_files_for_the_board():
    lesson = teach.choose(dataset(), shots=3, tests=8)
    files = teach.lesson_files(lesson, folder="/rom", exit_ratio=0.25)
    task = json.loads(files["task.json"])
    assert task["exit_ratio"] == 0.25 and task["hold_back"] == "class 3"
    assert task["train"]["labels"] == [lesson.names[y] for y in lesson.train_y]
    stored = np.load(io.BytesIO(files["train.npy"]), allow_pickle=False)
    assert (stored == lesson.train_x).all()
    assert files["train.npy"][6:8] == b"\x01\x00"


def test_a_failing_script_ends_in_an_error_with_what_the_board_said(monkeypatch):
    monkeypatch.setattr(teach.sys, "executable", "false")
    with pytest.raises(RuntimeError, match="mpremote run on nowhere ended with status 1"):
        teach.run_task("train_task.py", "nowhere")


def test_a_lesson_has_a_name_of_its_own():
    def name(**options):
        return json.loads(teach.lesson_files(teach.choose(dataset(), **options), folder="/rom")["task.json"])["resume"]

    assert name(shots=3, seed=7) == name(shots=3, seed=7)
    assert len({name(shots=3, seed=7), name(shots=3, seed=8), name(shots=4, seed=7)}) == 3


def test_lines_of_progress_go_to_the_bar(monkeypatch):
    said = ["learn: 10 of 32 samples, 2 classes", "fit: 2 classes", "test: 5 of 5 samples", 'REPORT {"a": 1}']
    monkeypatch.setattr(teach, "mpremote", lambda *_, on_line: [on_line(line) for line in said])
    lines, steps = [], []
    found = teach.run_task("train_task.py", "port", on_line=lines.append, progress=lambda *step: steps.append(step))
    assert (found, lines, steps) == ({"a": 1}, ["fit: 2 classes"], [(10, 32), (5, 5)])
    teach.run_task("train_task.py", "port", on_line=lines.append)
    assert lines[1:] == said[:3]
