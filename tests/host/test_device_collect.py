# SPDX-License-Identifier: MIT
"""device/tasks/collect.py on the unix build: what it writes, and that it goes on where it was."""

import json
from pathlib import Path

import numpy as np
import pytest

from microt import data
from microt.boards import unixport

SCRIPT = Path(__file__).parents[2] / "device" / "tasks" / "collect.py"
SHAPE = (8, 6, 3)
SAMPLES = np.random.default_rng(4).integers(0, 256, (30, *SHAPE), np.uint8)


def run(folder, **settings):
    np.save(folder / "samples.npy", SAMPLES)
    settings = {"source": "samples.npy", "every_ms": 0, "pause_ms": 0, "labels": ["apple", "pear"], **settings}
    (folder / "collect.json").write_text(json.dumps(settings))
    return unixport.run(SCRIPT, cwd=folder, timeout=60)


def report(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1].removeprefix("REPORT "))


def collected(folder, label):
    return [np.load(path) for path in sorted((folder / "collected" / label).glob("*.npy"))]


def test_writes_a_file_a_sample(tmp_path):
    found = report(run(tmp_path, count=3))
    assert found == {"folder": "collected", "counts": {"apple": 3, "pear": 3}, "new": {"apple": 3, "pear": 3}}
    assert np.array_equal(collected(tmp_path, "apple"), SAMPLES[:3])
    assert np.array_equal(collected(tmp_path, "pear"), SAMPLES[3:6])


def test_goes_on_where_it_was(tmp_path):
    report(run(tmp_path, count=4))
    kept = collected(tmp_path, "apple")
    # power went while the third was written, and before the second class
    torn = tmp_path / "collected" / "apple" / "00002.npy"
    torn.write_bytes(torn.read_bytes()[:-1])
    for path in (tmp_path / "collected" / "pear").glob("0000[13].npy"):
        path.unlink()
    found = report(run(tmp_path, count=5))
    assert found["counts"] == {"apple": 5, "pear": 5} and found["new"] == {"apple": 2, "pear": 3}
    again = collected(tmp_path, "apple")
    assert all(np.array_equal(again[i], kept[i]) for i in (0, 1, 3)) and np.array_equal(again[2], SAMPLES[0])
    assert report(run(tmp_path, count=5))["new"] == {"apple": 0, "pear": 0}


@pytest.mark.parametrize("length", range(0, 129, 16))
def test_a_first_sample_that_was_cut_short(tmp_path, length):
    (tmp_path / "collected" / "apple").mkdir(parents=True)
    report(run(tmp_path, count=1, labels=["pear"]))
    whole = (tmp_path / "collected" / "pear" / "00000.npy").read_bytes()
    (tmp_path / "collected" / "apple" / "00000.npy").write_bytes(whole[:length])
    assert report(run(tmp_path, count=1, labels=["apple"]))["new"] == {"apple": 1}


def test_types_and_shapes(tmp_path):
    module = "from array import array\nclass Source:\n    def read(self):\n        return array({!r}, [-1, 0, 127])\n"
    module += "def open(settings, net):\n    return Source()\n"
    for code, dtype in (("b", np.int8), ("h", np.int16)):
        (tmp_path / "sensor.py").write_text(module.format(code))
        script = tmp_path / "collect.py"
        script.write_bytes(SCRIPT.read_bytes())  # a script's own folder is on its path
        settings = {"source": "sensor", "every_ms": 0, "pause_ms": 0, "labels": [code], "count": 1, "shape": [3, 1]}
        (tmp_path / "collect.json").write_text(json.dumps(settings))
        report(unixport.run(script, cwd=tmp_path, timeout=60))
        (found,) = collected(tmp_path, code)
        assert found.dtype == dtype and found.tolist() == [[-1], [0], [127]]
    settings["shape"] = [2, 2]
    (tmp_path / "collect.json").write_text(json.dumps({**settings, "labels": ["x"]}))
    done = unixport.run(script, cwd=tmp_path, timeout=60)
    assert done.returncode and "expected 4 values (2, 2), got 3" in done.stderr


def test_errors(tmp_path):
    done = run(tmp_path, labels=[])
    assert done.returncode and "expected labels to collect" in done.stderr
    done = run(tmp_path, source="stream")
    assert done.returncode and "expected the shape of a sample" in done.stderr
    done = run(tmp_path, counts=3)
    assert done.returncode and "collect.json" in done.stderr and "counts" in done.stderr


def test_microt_takes_what_was_collected(tmp_path):
    report(run(tmp_path, count=3))
    found = data.load(tmp_path / "collected")
    assert found.class_names == ("apple", "pear") and found.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(found.x, SAMPLES[:6])
    (tmp_path / "collected" / "pear" / "00001.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match="00001.npy: not a readable picture"):
        data.load(tmp_path / "collected")
