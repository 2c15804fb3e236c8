# SPDX-License-Identifier: MIT
"""device/tasks/collect.py on a board: samples into a folder of the PC, one with each press of the button."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from microt.boards import romfs_image

SCRIPT = Path(__file__).resolve().parents[2] / "device" / "tasks" / "collect.py"
BUTTON = 3
LABELS = ("apple", "pear")


def press(emulator, process, folder, number):
    """Presses until there are `number` files; a press before the script runs is lost.

    The board's clock counts instructions and may be several times slower than the host's: two presses soon after one
    another would be a double press there.
    """
    for _ in range(6):
        emulator.click(BUTTON, 0.3)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            if len(list(folder.rglob("*.npy"))) >= number:
                return
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.1)
    raise AssertionError(f"expected {number} files, got {sorted(folder.rglob('*.npy'))}")


@pytest.mark.timeout(180)
def test_a_press_takes_a_sample(start, tmp_path):
    samples = np.arange(4 * 12, dtype=np.uint8).reshape(4, 2, 2, 3)
    data = io.BytesIO()
    np.save(data, samples)
    emulator = start(romfs=romfs_image({"samples.npy": data.getvalue()}))
    folder = tmp_path / "pc"
    folder.mkdir()
    settings = {"labels": LABELS, "source": "/rom/samples.npy", "button": BUTTON, "count": 2, "pause_ms": 0}
    (folder / "collect.json").write_text(json.dumps(settings))
    command = [sys.executable, "-u", "-m", "mpremote", "connect", emulator.port, "mount", str(folder), "run", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            for number in range(1, 5):
                press(emulator, process, folder, number)
            said = process.communicate(timeout=60)[0].splitlines()
        finally:
            process.kill()
    assert process.returncode == 0, said
    report = json.loads(next(line for line in said if line.startswith("REPORT ")).removeprefix("REPORT "))
    assert report["counts"] == {"apple": 2, "pear": 2}
    for label in LABELS:
        found = [np.load(path) for path in sorted((folder / "collected" / label).iterdir())]
        assert len(found) == 2 and all(any(np.array_equal(f, s) for s in samples) for f in found)
