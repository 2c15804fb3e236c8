# SPDX-License-Identifier: MIT
"""device/tasks/collect.py on the unix build: what it writes, and that it goes on where it was."""

import json
from pathlib import Path

import numpy as np
import pytest

from microt import compiler, data, teach
from microt.boards import unixport

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "device" / "tasks" / "collect.py"
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
    np.save(tmp_path / "collected" / "pear" / "00001.npy", np.zeros(SHAPE, np.int16))
    with pytest.raises(ValueError, match=r"00001.npy: .*expected uint8 .*, got int16 \(8, 6, 3\)"):
        data.load(tmp_path / "collected")


MICROPHONE = """
class I2S:
    def __init__(self):
        self.part = 0
    def irq(self, handler):
        self.handler = handler
    def readinto(self, buffer):
        self.buffer = buffer
    def receive(self):
        for i in range(len(self.buffer)):
            self.buffer[i] = 1000 * self.part - 20000
        self.part += 1
        self.handler(self)

class Source:
    def __init__(self):
        from microt.sources.microphone import Microphone
        self.i2s = I2S()
        self.microphone = Microphone(self.i2s, 7920)
    def read(self):
        self.i2s.receive()
        return self.microphone.read()
"""
MOTION = """
class Sensor:
    row = 0
    def rows(self, out, at, most):
        for i in range(6 * most):
            out[at + i] = 10 * (self.row + i // 6) - i % 6
        self.row += most
        return most

def Source():
    from microt.sources.motion import Motion
    return Motion(Sensor(), 192)
"""
ADC = """
class Pin:
    value = 0
    def read_u16(self):
        self.value += 1
        return 32768 - self.value

class Timer:
    def init(self, freq, mode, callback):
        self.callback = callback

class Source:
    def __init__(self):
        from microt.sources import adc
        adc.machine = type("machine", (), {"Timer": type("Timer", (), {"PERIODIC": 1})})
        self.adc = adc.Adc(Pin(), 8000, 7920, timer=Timer())
    def read(self):
        for _ in range(7920):
            self.adc.sample()
        return self.adc.read()
"""
SENSORS = {"microphone": (MICROPHONE, "sound"), "motion": (MOTION, "motion"), "adc": (ADC, "sound")}


def front_end(backbone):
    return compiler.read_info((ROOT / "models" / f"{backbone}.mtb").read_bytes())


def collect_from(where, module, **settings):
    (where / "sensor.py").write_text(module + "\ndef open(settings, net):\n    return Source()\n")
    script = where / "collect.py"
    script.write_bytes(SCRIPT.read_bytes())  # a script's own folder is on its path
    settings = {"source": "sensor", "every_ms": 0, "pause_ms": 0, "labels": ["up", "down"], "count": 3, **settings}
    (where / "collect.json").write_text(json.dumps(settings))
    return report(unixport.run(script, cwd=where, timeout=60))


@pytest.mark.parametrize("sensor", SENSORS)
def test_microt_takes_windows_of_any_source(tmp_path, sensor):
    module, backbone = SENSORS[sensor]
    collect_from(tmp_path, module)
    found = data.load_for(tmp_path / "collected", front_end(backbone))
    assert found.class_names == ("down", "up") and found.y.tolist() == [0, 0, 0, 1, 1, 1]
    windows = collected(tmp_path, "down") + collected(tmp_path, "up")
    assert found.x.dtype == np.int16 and found.x.shape[1:] == ((7920,) if backbone == "sound" else (192, 6))
    assert np.array_equal(found.x, windows)
    if sensor == "motion":
        assert found.x[3, 1].tolist() == [10, 9, 8, 7, 6, 5]
    lesson = teach.choose(found, shots=2, hold_back=False)
    assert lesson.kind == {"sound": "sounds", "motion": "motions"}[backbone] and len(lesson.test_y) == 2


def test_windows_of_a_file_and_of_one_dimension(tmp_path):
    x = np.random.default_rng(1).integers(-32768, 32768, (4, 192, 6), np.int16)
    np.save(tmp_path / "windows.npy", x)
    found = report(run(tmp_path, source="windows.npy", count=2))
    assert found["new"] == {"apple": 2, "pear": 2}
    assert np.array_equal(data.load_for(tmp_path / "collected", front_end("motion")).x, x)
    # a source that does not say its shape, with the bytes of int16
    module = "class Source:\n    def read(self):\n        return bytes(range(256)) * 9\n"
    for dtype, folder in (("int16", "typed"), (None, "bytes")):
        collect_from(tmp_path, module, folder=folder, dtype=dtype)
    found = data.load_for(tmp_path / "typed", front_end("motion"))
    assert np.array_equal(found.x[5].reshape(-1).view(np.uint8), np.tile(np.arange(256, dtype=np.uint8), 9))
    with pytest.raises(ValueError, match=r'0.npy: expected int16 \(rows, 6\), got uint8 \(2304,\); .*"dtype": "int16"'):
        data.load_for(tmp_path / "bytes", front_end("motion"))


def test_windows_that_do_not_fit(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "0.npy", np.zeros((192, 6), np.int16))
    path = tmp_path / "b" / "0.npy"
    for values, backbone, words in (
        (np.zeros((192, 6), np.float32), "motion", r"expected int16 \(rows, 6\), got float32 \(192, 6\)"),
        (np.zeros((192, 3), np.int16), "motion", r"expected int16 \(rows, 6\), got int16 \(192, 3\)"),
        (np.zeros(1151, np.int16), "motion", r"expected int16 \(rows, 6\), got int16 \(1151,\)"),
        (np.zeros((0, 6), np.int16), "motion", r"expected int16 \(rows, 6\), got int16 \(0, 6\)"),
        (np.array([None]), "motion", "not a readable .npy file"),
    ):
        np.save(path, values, allow_pickle=True)
        with pytest.raises(ValueError, match=rf"{path}: {words}"):
            data.load_for(tmp_path, front_end(backbone))
    np.save(path, np.zeros((192, 6), np.int16))
    for length in (0, 5, 30, 200):
        path.write_bytes((tmp_path / "a" / "0.npy").read_bytes()[:length])
        with pytest.raises(ValueError, match=rf"{path}: not a readable .npy file"):
            data.load_for(tmp_path, front_end("motion"))
    with pytest.raises(ValueError, match=r"a/0.npy: expected int16 \(samples,\), got int16 \(192, 6\)"):
        data.load_for(tmp_path, front_end("sound"))
    path.rename(path.with_suffix(".csv"))
    with pytest.raises(ValueError, match=r"expected files of one kind, got 0.npy and 0.csv"):
        data.load_for(tmp_path, front_end("motion"))
