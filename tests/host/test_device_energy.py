# SPDX-License-Identifier: MIT
"""device/tasks/energy.py on the unix build, with a `machine` whose I2C bus holds a model of an INA226."""

import json
from pathlib import Path

import numpy as np
import pytest

from microt.boards import unixport

ROOT = Path(__file__).parents[2]
BACKBONE = ROOT / "models" / "objects.mtb"
# 50 mA at 3.3 V, always: joules follow from the seconds, whatever those are on this machine
WATTS = 0.165
MACHINE = """
import time

pins = []

class I2C:
    def __init__(self, bus, freq, **pins):
        print("bus", bus, freq, sorted(pins))
    def readfrom_mem_into(self, address, register, buffer):
        if address != 0x41:
            raise OSError(19)
        value = {0xFE: 0x5449, 0xFF: 0x2260, 1: 2000, 2: 2640, 6: 8}[register]
        buffer[0], buffer[1] = value >> 8, value & 255
    def writeto_mem(self, address, register, buffer):
        pass

class Pin:
    IN, OUT = 0, 1
    def __init__(self, number, mode=None):
        self.start = time.ticks_us()
    def __call__(self, level=None):
        if level is None:  # another board's marks: 30 ms high of every 50
            return int(time.ticks_diff(time.ticks_us(), self.start) // 1000 % 50 < 30)
        print("line", level)

def freq(hz=None):
    print("clock", hz)
    return 120_000_000
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("energy")
    (folder / "machine.py").write_text(MACHINE)
    np.save(folder / "train.npy", np.random.default_rng(1).integers(0, 256, (8, 112, 112, 3), np.uint8))
    return folder


def run(folder, **settings):
    settings = {
        "backbone": str(BACKBONE),
        "samples": "train.npy",
        "task": str(folder / "task"),
        "classes": 2,
        "shots": 4,
        "address": 0x41,
        "window_s": 0.01,
        "i2c": 1,
        "pins": [5, 4],
        **settings,
    }
    (folder / "energy.json").write_text(json.dumps(settings))
    source = (ROOT / "device" / "tasks" / "energy.py").read_text()
    done = unixport.run("import sys\nsys.path.insert(0, '')\n" + source, cwd=folder, heap_bytes=4 << 20, timeout=300)
    return done, done.stdout.splitlines()


def report(done, lines):
    assert done.returncode == 0, done.stderr
    assert lines[-1].startswith("REPORT ")
    found = json.loads(lines[-1][7:])
    assert found["unit"] == "joules" and found["how"] == "measured, INA226"
    assert [row["stage"] for row in found["stages"]] == ["exit 0", "exit 1", "learn", "fit"]
    for row in found["stages"]:
        assert row["joules"] > 0 and len(row["windows"]) == 5
    return found["stages"]


def test_measures_its_own_stages_at_the_clock_asked(folder):
    done, lines = run(folder, clock_hz={"exit 0": 48_000_000})
    stages = report(done, lines)
    assert lines[0] == "bus 1 400000 ['scl', 'sda']"
    assert [line for line in lines if line.startswith("clock")] == ["clock None", "clock 48000000", "clock 120000000"]
    assert [row["clock_hz"] for row in stages] == [48_000_000, None, None, None]
    for row in stages:
        assert row["watts"] == pytest.approx(WATTS, rel=0.001)
        assert row["joules"] == pytest.approx(row["watts"] * row["seconds"], rel=0.001)
        assert row["calls"] >= 5


def test_measures_what_another_board_marks(folder):
    stages = report(*run(folder, role="watch"))
    for row in stages:
        assert row["calls"] == 5 and row["watts"] == pytest.approx(WATTS, rel=0.001)


def test_marks_each_stage_five_times(folder):
    done, lines = run(folder, role="work")
    assert done.returncode == 0, done.stderr
    assert lines[-1] == "done"
    marked = "\n".join(lines).split("marking ")[1:]
    assert [part.split("\n")[0] for part in marked] == ["exit 0", "exit 1", "learn", "fit"]
    for part in marked:
        assert [line for line in part.split("\n") if line.startswith("line")] == ["line 1", "line 0"] * 5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"role": "judge"}, "role: expected one of"),
        ({"sensor": "INA999"}, "sensor: expected one of"),
        ({"ohms": 1}, "expected some of"),
        ({"shots": 5}, "expected 10 samples, got 8"),
        ({"address": 0x40}, "is the meter connected?"),
    ],
)
def test_wrong_settings_are_named(folder, settings, words):
    done, lines = run(folder, **settings)
    assert done.returncode == 1 and words in done.stderr
    assert not any(line.startswith("REPORT") for line in lines)
