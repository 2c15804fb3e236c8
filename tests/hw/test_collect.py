# SPDX-License-Identifier: MIT
"""device/tasks/collect.py on a board: samples into a folder of the PC, one with each press of the button."""

import io
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from microt.boards import romfs_image

SCRIPT = Path(__file__).resolve().parents[2] / "device" / "tasks" / "collect.py"
BUTTON = 3
LABELS = ("apple", "pear")


class Script:
    """The collecting script under mpremote, and what it has printed so far."""

    def __init__(self, port, folder):
        command = [sys.executable, "-u", "-m", "mpremote", "connect", port, "mount", str(folder), "run", str(SCRIPT)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.strip())

    def says(self, line, seconds):
        """Whether it has printed the line, waiting for so long at most."""
        end = time.monotonic() + seconds
        while line not in self.said and self.reader.is_alive() and time.monotonic() < end:
            time.sleep(0.1)
        return line in self.said

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def press(emulator, script, line):
    """Presses until the script has answered with the line.

    The board's clock counts instructions and may be many times slower than the host's: a press may be too short for
    it, and two presses soon after one another would be a double press there.
    """
    for seconds in (0.3, 0.3, 0.6, 1.2, 2.4):
        emulator.click(BUTTON, seconds)
        if script.says(line, 10):
            return
    raise AssertionError(f"expected {line!r}, got {script.said}")


@pytest.mark.timeout(400)
def test_a_press_takes_a_sample(start, tmp_path):
    samples = np.arange(4 * 12, dtype=np.uint8).reshape(4, 2, 2, 3)
    data = io.BytesIO()
    np.save(data, samples)
    emulator = start(romfs=romfs_image({"samples.npy": data.getvalue()}))
    folder = tmp_path / "pc"
    folder.mkdir()
    settings = {"labels": LABELS, "source": "/rom/samples.npy", "button": BUTTON, "count": 2, "pause_ms": 1}
    (folder / "collect.json").write_text(json.dumps(settings))
    script = Script(emulator.port, folder)
    try:
        for label in LABELS:
            assert script.says(f"{label}: 0 of 2; now", 120), script.said
            for number in (1, 2):
                press(emulator, script, f"{label}: {number} of 2")
        assert script.process.wait(60) == 0, script.said
    finally:
        script.close()
    report = json.loads(next(line for line in script.said if line.startswith("REPORT ")).removeprefix("REPORT "))
    assert report["counts"] == {"apple": 2, "pear": 2}
    for label in LABELS:
        found = [np.load(path) for path in sorted((folder / "collected" / label).iterdir())]
        assert len(found) == 2 and all(any(np.array_equal(f, s) for s in samples) for f in found)
