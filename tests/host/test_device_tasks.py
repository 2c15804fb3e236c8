# SPDX-License-Identifier: MIT
"""device/tasks/train_task.py and show_task.py on the unix build: what they print and what they report."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from microt.boards import unixport

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "device" / "tasks"
BACKBONE = ROOT / "models" / "objects.mtb"
NAMES = ["red", "green", "blue", "grey"]
SHOTS, TESTED = 8, 24


def pictures(count, seed):
    """(count, 112, 112, 3) uint8: coloured patterns under noise, class by turns; labels by name."""
    patterns = np.random.default_rng(11).integers(0, 256, (len(NAMES), 7, 7, 3))
    labels = np.arange(count) % len(NAMES)
    coarse = np.random.default_rng(seed).normal(0, 35, (count, 14, 14, 3))
    x = np.kron(patterns[labels], np.ones((1, 16, 16, 1))) * 0.5 + 60 + np.kron(coarse, np.ones((1, 8, 8, 1)))
    return np.clip(x, 0, 255).astype(np.uint8), [NAMES[label] for label in labels]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    if not BACKBONE.is_file():
        pytest.skip("models/objects.mtb is not there")
    folder = tmp_path_factory.mktemp("rom")
    job = {
        "backbone": str(BACKBONE),
        "task": str(folder / "task"),
        "exit_ratio": 0.5,
        "hold_back": "grey",
        "head": "lda",
    }
    for name, count, seed in (("train", SHOTS * len(NAMES), 1), ("test", TESTED, 2)):
        x, labels = pictures(count, seed)
        np.save(folder / f"{name}.npy", x)
        job[name] = {"x": str(folder / f"{name}.npy"), "labels": labels}
    path = folder / "task.json"
    path.write_text(json.dumps(job))
    return path


def run(script, config):
    done = unixport.run(TASKS / script, args=[str(config)], heap_bytes=4 << 20, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("REPORT ")
    return json.loads(lines[-1][7:]), lines[:-1]


@pytest.fixture(scope="module")
def taught(config):
    return run("train_task.py", config)


def test_report_of_training(taught):
    report, _ = taught
    assert report["labels"] == NAMES
    assert (report["classes"], report["shots"], report["train_samples"]) == (4, SHOTS, 4 * SHOTS)
    assert report["test_samples"] == TESTED == len(report["samples"])
    assert report["exit_ratio_asked"] == 0.5
    assert 0 < report["arena_bytes"] < report["ram_bytes"] < report["heap_bytes"]
    assert set(report["time_ms"]) >= {"learn", "fit", "calibrate", "test"}
    assert report["before"]["test_samples"] == TESTED * 3 // 4
    assert report["before"]["classes"] == 3


def test_figures_follow_from_the_samples(taught):
    report, _ = taught
    rows = np.array(report["samples"], float)
    true, label0, conf0, label1, conf1, exit, score = rows.T
    assert np.array_equal(exit == 0, score >= report["threshold"] - 1e-6)
    assert (np.abs(np.exp(-score) - (1 - conf0)) < 1e-5).all()
    assert ((0 < rows[:, [2, 4]]) & (rows[:, [2, 4]] <= 1)).all()
    accuracy = report["accuracy"]
    assert accuracy["exit0"] == pytest.approx((label0 == true).mean(), abs=1e-5)
    assert accuracy["exit1"] == pytest.approx((label1 == true).mean(), abs=1e-5)
    assert accuracy["staged"] == pytest.approx((np.where(exit == 0, label0, label1) == true).mean(), abs=1e-5)
    assert report["exit_ratio_got"] == pytest.approx((exit == 0).mean(), abs=1e-5)
    assert accuracy["exit1"] > 0.7


def test_what_a_reader_sees(taught):
    _, lines = taught
    text = "\n".join(lines)
    for words in ("learn: 10 of 24 samples", "now one class more: grey", "all classes", "asked 50%", "heap:"):
        assert words in text


def test_nothing_is_lost_over_a_restart(taught, config):
    report, _ = taught
    shown, lines = run("show_task.py", config)
    assert shown["classes"] == ["red", "green", "blue", "grey"]
    assert shown["samples"] == report["train_samples"] and shown["fitted"] and shown["notes"] == []
    expected = [[NAMES[int(row[1] if row[5] == 0 else row[3])], int(row[5])] for row in report["samples"]]
    assert shown["predictions"] == expected
    assert any("exit 0 answers from exit score" in line for line in lines)


def test_a_lesson_that_was_cut_goes_on(config, tmp_path):
    job = {**json.loads(config.read_text()), "task": str(tmp_path / "task"), "hold_back": None}
    path = tmp_path / "task.json"
    path.write_text(json.dumps(job))
    straight, _ = run("train_task.py", path)
    path.write_text(json.dumps({**job, "resume": "a lesson"}))
    command = [str(unixport.program()), "-X", "heapsize=4194304", str(TASKS / "train_task.py"), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("learn: 20 of 32"):
                process.kill()
    again, lines = run("train_task.py", path)
    (after,) = (int(line.split()[3]) for line in lines if line.startswith("goes on after"))
    assert 20 <= after < 32 and again["train_samples"] == 32 and again["labels"] == straight["labels"]
    assert again["samples"] == straight["samples"], "as if it had not been cut"
    # a lesson that came to its end starts anew, and so does another one
    assert not any("goes on" in line for line in run("train_task.py", path)[1])
    for other in ("another lesson", None):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if line.startswith("learn: 10 of 32"):
                    process.kill()
        path.write_text(json.dumps({**job, "resume": other}))
        report, lines = run("train_task.py", path)
        assert not any("goes on" in line for line in lines) and report["train_samples"] == 32


def test_wrong_number_of_labels(config, tmp_path):
    job = json.loads(config.read_text())
    job["train"]["labels"] = job["train"]["labels"][1:]
    path = tmp_path / "task.json"
    path.write_text(json.dumps(job))
    done = unixport.run(TASKS / "train_task.py", args=[str(path)], heap_bytes=4 << 20, timeout=60)
    assert done.returncode == 1
    assert "expected 32 labels" in done.stderr and "got 31" in done.stderr
