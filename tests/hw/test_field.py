# SPDX-License-Identifier: MIT
"""device/tasks/field.py as main.py, driven by presses of the board's button; the power is cut on the way.

On the emulated board the test presses. A real board is not driven yet: its ROMFS and main.py are the user's.
"""

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
import serial

from microt.boards import Link, romfs_image

ROOT = Path(__file__).resolve().parents[2]
BACKBONE = ROOT / "models" / "objects.mtb"
FIELD = ROOT / "device" / "tasks" / "field.py"
BUTTON, LED, KNOWN = 3, 5, 6
CLASSES, SHOTS, TESTED = 4, 4, 3
UNSEEN = 4  # what is never taught: a chequered board


def pictures(pattern, count, seed):
    """(count, 96, 96, 3) uint8: one coloured pattern under noise, or the chequered board."""
    coarse = np.random.default_rng(100 + pattern).integers(0, 256, (6, 6, 3))
    noise = np.random.default_rng(seed).normal(0, 25, (count, 12, 12, 3))
    if pattern == UNSEEN:
        board = np.indices((96, 96)).sum(0) // 4 % 2 * 200 + 20
        return np.clip(board[None, :, :, None] + np.kron(noise, np.ones((1, 8, 8, 1))), 0, 255).astype(np.uint8)
    x = np.kron(coarse, np.ones((16, 16, 1))) * 0.7 + 40 + np.kron(noise, np.ones((1, 8, 8, 1)))
    return np.clip(x, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def image():
    """A ROMFS with the backbone, the samples (by pattern: SHOTS to teach, TESTED to test), the settings."""
    if not BACKBONE.is_file():
        pytest.skip("models/objects.mtb is not there")
    samples = io.BytesIO()
    np.save(samples, np.concatenate([pictures(p, SHOTS + TESTED, 7 * p + 1) for p in range(CLASSES + 1)]))
    settings = {"samples": "/rom/samples.npy", "fit_after_ms": 700}
    return romfs_image(
        {
            "backbone.mtb": BACKBONE.read_bytes(),
            "samples.npy": samples.getvalue(),
            "field.json": json.dumps(settings).encode(),
        }
    )


class Person:
    """Someone at a running field device: shows samples, presses the button, reads what it says."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.port = serial.Serial(emulator.port, timeout=0.05)
        self.text = ""

    def close(self):
        self.port.close()

    def hears(self, words, seconds=60):
        """The line that begins with `words`, which comes within so many seconds; earlier lines are passed over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while "\n" in self.text:
                line, self.text = self.text.split("\n", 1)
                if "Traceback" in line:
                    time.sleep(0.5)
                    raise AssertionError(line + self.port.read(2000).decode(errors="replace"))
                if line.startswith(words):
                    return line.strip()
            self.text += self.port.read(self.port.in_waiting or 1).decode(errors="replace")
        raise AssertionError(f"expected {words!r}, heard {self.text!r}")

    def shows(self, pattern, number):
        """Feeds a sample; the answer's label, "-" while there are not two classes."""
        self.port.write(b"#%d\n" % (pattern * (SHOTS + TESTED) + number))
        return self.hears("answer:").split(": ")[1].rsplit(" ", 3)[0]

    def waits_for_led(self, lit, seconds=20):
        end = time.monotonic() + seconds
        while self.emulator.led(LED) != lit:
            assert time.monotonic() < end, f"the LED never went {'on' if lit else 'out'}"
            time.sleep(0.001)

    def presses(self, *edges):
        """Holds the button until the LED has gone through `edges` (True: lit), lets go, sees it dark."""
        self.emulator.press(BUTTON)
        for lit in edges:
            self.waits_for_led(lit)
        self.emulator.release(BUTTON)
        self.waits_for_led(False)
        time.sleep(0.03)

    def short(self):
        self.presses(True)

    def double(self):
        self.presses(True)
        self.presses(True)

    def long(self):
        self.presses(True, False)

    def very_long(self):
        self.presses(True, False, True)

    def teaches(self, pattern, numbers):
        for number in numbers:
            self.shows(pattern, number)
            self.short()
            self.hears("taught:")


def answers(person, pattern):
    return [person.shows(pattern, SHOTS + i) for i in range(TESTED)]


def test_a_day_in_the_field(start, image):
    names = [f"class {i + 1}" for i in range(CLASSES)]
    with start(romfs=image) as emulator:
        with Link(emulator.port) as link:
            link.put(FIELD.read_bytes(), "/main.py")
        emulator.kill()

    # three classes
    emulator = start(romfs=image)
    person = Person(emulator)
    assert person.hears("ready:") == "ready: 0 classes, 0 samples, class: class 1"
    for pattern in range(3):
        if pattern:
            person.very_long()
            assert person.hears("class:") == f"class: {names[pattern]}"
        person.teaches(pattern, range(SHOTS))
    assert person.hears("fitted:") == f"fitted: 3 classes, {3 * SHOTS} samples"
    for pattern in range(3):
        assert answers(person, pattern) == [names[pattern]] * TESTED
        assert emulator.led(KNOWN)
    person.close()
    emulator.kill()

    # the power is back: a fourth class, one sample of it wrong and undone
    emulator = start(romfs=image)
    person = Person(emulator)
    assert person.hears("ready:") == f"ready: 3 classes, {3 * SHOTS} samples, class: class 1"
    assert answers(person, 1) == [names[1]] * TESTED
    person.long()
    assert person.hears("class:") == "class: class 2"
    person.very_long()
    assert person.hears("class:") == "class: class 4"
    person.teaches(3, range(SHOTS))
    person.teaches(0, [SHOTS])
    person.double()
    assert person.hears("undone:") == f"undone: class 4, {SHOTS} samples"
    assert person.hears("fitted:") == f"fitted: 4 classes, {4 * SHOTS} samples"
    assert answers(person, UNSEEN) == ["unknown"] * TESTED and not emulator.led(KNOWN)
    seen = [answers(person, pattern) for pattern in range(CLASSES)]
    assert sum(label == names[p] for p, labels in enumerate(seen) for label in labels) >= CLASSES * TESTED - 2
    person.close()
    emulator.kill()

    # and again: all is there, and says the same
    emulator = start(romfs=image)
    person = Person(emulator)
    assert person.hears("ready:") == f"ready: 4 classes, {4 * SHOTS} samples, class: class 1"
    assert [answers(person, pattern) for pattern in range(CLASSES)] == seen
    assert answers(person, UNSEEN) == ["unknown"] * TESTED
    person.close()
