# SPDX-License-Identifier: MIT
"""device/tasks/field.py as main.py, driven by presses of the board's button; the power is cut on the way.

On the emulated board the test presses. A real board has a button to ground on pin 3 and LEDs on pins 5 and 6, and
someone beside it who does what the lines that begin with PLEASE say (or a relay that reads them):

    pytest -s tests/hw/test_field.py --port=/dev/ttyACM0

The board's ROMFS, main.py, field.json and /field_test are written then; main.py and field.json come back at the end.
"""

import base64
import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import serial

from microt import teach
from microt.boards import Link, LinkError, romfs_image

ROOT = Path(__file__).resolve().parents[2]
BACKBONE = ROOT / "models" / "objects.mtb"
FIELD = ROOT / "device" / "tasks" / "field.py"
BUTTON, LED, KNOWN = 3, 5, 6
CLASSES, SHOTS, TESTED = 4, 4, 3
UNSEEN = 4  # what is never taught: a chequered board


def pictures(pattern, count, seed):
    """(count, 112, 112, 3) uint8: one coloured pattern under noise, or the chequered board."""
    coarse = np.random.default_rng(100 + pattern).integers(0, 256, (7, 7, 3))
    noise = np.random.default_rng(seed).normal(0, 25, (count, 14, 14, 3))
    if pattern == UNSEEN:
        board = np.indices((112, 112)).sum(0) // 4 % 2 * 200 + 20
        return np.clip(board[None, :, :, None] + np.kron(noise, np.ones((1, 8, 8, 1))), 0, 255).astype(np.uint8)
    x = np.kron(coarse, np.ones((16, 16, 1))) * 0.7 + 40 + np.kron(noise, np.ones((1, 8, 8, 1)))
    return np.clip(x, 0, 255).astype(np.uint8)


def name_of(pattern):
    return f"class {pattern + 1}"


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


class Device:
    """A board with field.py as its main.py, someone who presses its button, and what it says."""

    patience = 60

    def __init__(self):
        self.port = None
        self.text = ""

    def open(self, path):
        self.port = serial.Serial(path, timeout=0.05)
        self.text = ""

    def enter(self):
        """What the board said first is lost where nobody had the line open: Enter has it said again."""
        self.port.write(b"\r")

    def hears(self, words, seconds=None):
        """The line that begins with `words`, which comes within so many seconds; earlier lines are passed over."""
        end = time.monotonic() + (seconds or self.patience)
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
        self.feed(pattern, number)
        return self.hears("answer:").split(": ")[1].rsplit(" ", 3)[0]

    def teaches(self, pattern, numbers):
        for number in numbers:
            self.shows(pattern, number)
            self.presses("short")
            self.hears("taught:")

    def knows(self, pattern):
        """What it says to the samples of a pattern that were not taught."""
        return [self.shows(pattern, SHOTS + i) for i in range(TESTED)]


class EmulatedDevice(Device):
    """Gestures by the LED, as a person would make them: instructions, not seconds, are this board's time."""

    EDGES = {"short": (True,), "long": (True, False), "very long": (True, False, True)}

    def __init__(self, start, settings):
        super().__init__()
        self.start, self.emulator = start, None
        samples = np.concatenate([pictures(p, SHOTS + TESTED, 7 * p + 1) for p in range(CLASSES + 1)])
        self.samples = samples
        settings = {"samples": "/rom/samples.npy", "fit_after_ms": 700, **settings}
        files = {"backbone.mtb": BACKBONE.read_bytes(), "samples.npy": npy(samples)}
        self.image = romfs_image({**files, "field.json": json.dumps(settings).encode()})

    def install(self, files=None):
        with self.start(romfs=self.image) as emulator, Link(emulator.port) as link:
            for path, data in {"/main.py": FIELD.read_bytes(), **(files or {})}.items():
                link.put(data, path)
            emulator.kill()

    def power_on(self):
        self.emulator = self.start()
        self.open(self.emulator.port)
        self.enter()

    def power_off(self):
        self.port.close()
        self.emulator.kill()

    def feed(self, pattern, number):
        self.port.write(b"#%d\n" % (pattern * (SHOTS + TESTED) + number))

    def shows_known(self):
        """Whether the LED for a known class is lit."""
        return self.emulator.led(KNOWN)

    def waits_for_led(self, lit, seconds=20):
        end = time.monotonic() + seconds
        while self.emulator.led(LED) != lit:
            assert time.monotonic() < end, f"the LED never went {'on' if lit else 'out'}"
            time.sleep(0.001)

    def presses(self, gesture):
        for edges in [self.EDGES["short"]] * 2 if gesture == "double" else [self.EDGES[gesture]]:
            self.emulator.press(BUTTON)
            for lit in edges:
                self.waits_for_led(lit)
            self.emulator.release(BUTTON)
            self.waits_for_led(False)
            time.sleep(0.03)


class RealDevice(Device):
    """A board at a port, and someone who reads the lines that begin with PLEASE."""

    patience = 180

    def __init__(self, path, say):
        super().__init__()
        self.path, self.say = path, say
        self.before = {}

    def install(self):
        teach.push(BACKBONE.read_bytes(), self.path)
        settings = {"task": "/field_test", "fit_after_ms": 700}
        with Link(self.path) as link:
            for name in ("/main.py", "/field.json"):
                try:
                    self.before[name] = link.get(name)
                except LinkError:
                    self.before[name] = None
            forget_folder(link, "/field_test")
            link.put(json.dumps(settings).encode(), "/field.json")
            link.put(FIELD.read_bytes(), "/main.py")

    def restore(self):
        self.say("PLEASE: hold the button, cut the power and give it back, then let go")
        self.waits_for_power(("not started:", ">>>"))
        self.port.close()
        with Link(self.path) as link:
            forget_folder(link, "/field_test")
            for name, data in self.before.items():
                if data is None:
                    link.exec(f"os.remove({name!r})")
                else:
                    link.put(data, name)

    def power_on(self):
        self.say("PLEASE: cut the power and give it back")
        self.waits_for_power("ready:")

    def waits_for_power(self, words):
        """Opens the line again and again until the board says so; what it said is heard once more.

        A line that was closed, or that went with the power, may come back after the board has spoken.
        """
        end, failed = time.monotonic() + self.patience, None
        asks = self.port is None
        while time.monotonic() < end:
            try:
                if self.port is None:
                    self.open(self.path)
                if asks:
                    self.enter()
                line = self.hears(words, 1)
                self.text = line + "\n" + self.text
                return
            except OSError as error:
                failed, asks = error, True
                if self.port is not None:
                    self.port.close()
                    self.port = None
                time.sleep(0.1)
            except AssertionError as error:
                failed = error
        raise AssertionError(f"the board never said {words!r}") from failed

    def power_off(self):
        pass

    def feed(self, pattern, number):
        data = base64.b64encode(pictures(pattern, SHOTS + TESTED, 7 * pattern + 1)[number].tobytes())
        for at in range(0, len(data), 76):
            self.port.write(data[at : at + 76] + b"\n")
        self.port.write(b"\n")

    def shows_known(self):
        return None

    def presses(self, gesture):
        self.say(f"PLEASE: {gesture} press")


def forget_folder(link, folder):
    link.exec(f"""
import os
try:
    for name in os.listdir({folder!r}):
        os.remove({folder!r} + "/" + name)
    os.rmdir({folder!r})
except OSError:
    pass
""")


@pytest.fixture
def device(request, start_if_emulated, capsys):
    if not BACKBONE.is_file():
        pytest.skip("models/objects.mtb is not there")
    port = request.config.getoption("port")
    if not port:
        device = EmulatedDevice(start_if_emulated, {})
        device.install()
        yield device
        return

    def say(line):
        with capsys.disabled():
            print(line, flush=True)

    device = RealDevice(port, say)
    device.install()
    yield device
    device.restore()


@pytest.fixture
def start_if_emulated(request):
    return None if request.config.getoption("port") else request.getfixturevalue("start")


def test_a_day_in_the_field(device):
    # three classes
    device.power_on()
    assert device.hears("ready:") == "ready: 0 classes, 0 samples, class: class 1"
    for pattern in range(3):
        if pattern:
            device.presses("very long")
            assert device.hears("class:") == f"class: {name_of(pattern)}"
        device.teaches(pattern, range(SHOTS))
    assert device.hears("fitted:") == f"fitted: 3 classes, {3 * SHOTS} samples"
    for pattern in range(3):
        assert device.knows(pattern) == [name_of(pattern)] * TESTED
        assert device.shows_known() in (True, None)
    device.power_off()

    # the power is back: a fourth class, one sample of it wrong and undone
    device.power_on()
    assert device.hears("ready:") == f"ready: 3 classes, {3 * SHOTS} samples, class: class 1"
    assert device.knows(1) == [name_of(1)] * TESTED
    device.presses("long")
    assert device.hears("class:") == "class: class 2"
    device.presses("very long")
    assert device.hears("class:") == "class: class 4"
    device.teaches(3, range(SHOTS))
    device.teaches(0, [SHOTS])
    device.presses("double")
    assert device.hears("undone:") == f"undone: class 4, {SHOTS} samples"
    assert device.hears("fitted:") == f"fitted: 4 classes, {4 * SHOTS} samples"
    assert device.knows(UNSEEN) == ["unknown"] * TESTED and not device.shows_known()
    seen = [device.knows(pattern) for pattern in range(CLASSES)]
    assert sum(label == name_of(p) for p, labels in enumerate(seen) for label in labels) >= CLASSES * TESTED - 2
    device.power_off()

    # and again: all is there, and says the same
    device.power_on()
    assert device.hears("ready:") == f"ready: 4 classes, {4 * SHOTS} samples, class: class 1"
    assert [device.knows(pattern) for pattern in range(CLASSES)] == seen
    assert device.knows(UNSEEN) == ["unknown"] * TESTED
    device.power_off()


def test_samples_over_the_line_and_on_a_display(start):
    """Base64 over the board's line is the same sample; the display shows what the line says; asleep in between."""
    device = EmulatedDevice(start, {"display": "screen", "light_sleep": True, "limit": SHOTS, "keep": "random"})
    screen = b"def show(text):\n    with open('/screen.txt', 'a') as file:\n        file.write(text + '\\n')\n"
    device.install({"/screen.py": screen})
    device.power_on()
    device.hears("ready:")
    for pattern in range(2):
        if pattern:
            device.presses("very long")
        device.teaches(pattern, range(SHOTS))
    device.hears("fitted:")
    number = SHOTS
    device.feed(0, number)
    named = device.hears("answer:")
    data = base64.b64encode(device.samples[number].tobytes())
    lines = [data[at : at + 400] + b"\n" for at in range(0, len(data), 400)]
    half = len(lines) // 2
    device.port.write(b"".join(lines[:half]))
    device.presses("short")
    assert device.hears(("taught:", "not done:")) == "not done: there is no sample yet", "half of it has come"
    device.port.write(b"".join(lines[half:]) + b"\n")
    assert device.hears("answer:") == named
    device.enter()
    assert device.hears("ready:") == f"ready: 2 classes, {2 * SHOTS} samples, class: class 2"
    device.port.write(b"#9999\n")
    assert device.hears("sample:")
    device.port.write(base64.b64encode(bytes(100)) + b"\n\n")
    assert device.hears("sample:") == "sample: expected 37632 bytes, got 100"
    # half of the samples are to be answered at exit 0: the threshold follows a stream of one until it goes either way
    exits = set()
    for _ in range(60):
        device.feed(1, number)
        answer = device.hears("answer:")
        assert answer.startswith("answer: class 2")
        exits.add(answer[-1])
        if len(exits) == 2:
            break
    assert exits == {"0", "1"}
    device.port.close()
    with Link(device.emulator.port) as link:
        shown = link.get("/screen.txt").decode().splitlines()
    assert shown[0].startswith("ready:") and shown.count(named) == 2 and "class: class 2" in shown


def test_a_board_that_hangs_comes_back_with_what_it_was_taught(start):
    """A source that never returns: the watchdog resets the board, and the application starts again."""
    device = EmulatedDevice(start, {"source": "hanging", "watchdog_ms": 3000})
    hanging = b"""
import io
import os
from microt.sources import npy

class Source:
    def __init__(self, settings):
        self.samples = npy.open(settings["samples"])

    def read(self):
        if "task" in os.listdir("/") and "hung" not in os.listdir("/"):
            io.open("/hung", "w").close()
            while True:
                pass
        return self.samples[0]

def open(settings, net):
    return Source(settings)
"""
    device.install({"/hanging.py": hanging})
    device.power_on()
    device.hears("answer: -")
    device.presses("short")
    assert device.hears("taught:") == "taught: class 1, 1 samples"
    assert device.hears("started again") == "started again by the watchdog"
    assert device.hears("ready:") == "ready: 1 classes, 1 samples, class: class 1"
    device.power_off()


@pytest.mark.slow
def test_with_a_port_and_a_person(start, tmp_path):
    """The test above as it runs on a real board: this one reads its lines and does what they ask for."""
    device = EmulatedDevice(start, {})
    image = romfs_image({"backbone.mtb": BACKBONE.read_bytes()})
    plug = tmp_path / "port"

    def give_power(**options):
        device.emulator = start(icount=False, **options)
        plug.unlink(missing_ok=True)
        plug.symlink_to(device.emulator.port)

    released = threading.Event()

    def held():
        # from before the firmware's first instruction on; the emulator lets all buttons go when it starts
        with open(tmp_path / "storage.bin", "r+b", buffering=0) as storage:
            while not released.is_set():
                os.pwrite(storage.fileno(), bytes([1 << BUTTON]), 4)
                time.sleep(0.001)

    give_power(romfs=image)
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", __file__]
    command += ["-k", "test_a_day_in_the_field", f"--port={plug}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            _, please, words = line.partition("PLEASE: ")
            if not please:
                continue
            if words.strip().endswith(" press"):
                device.presses(words.strip().removesuffix(" press"))
                continue
            device.emulator.kill()
            if words.startswith("hold"):
                threading.Thread(target=held, daemon=True).start()
            give_power()
    released.set()
    assert process.returncode == 0, "".join(said)
    with Link(device.emulator.port) as link:
        link.exec("import os")
        assert "main.py" not in link.eval("os.listdir('/')") and "field_test" not in link.eval("os.listdir('/')")


def test_a_full_flash_is_said_and_nothing_is_lost(start):
    device = EmulatedDevice(start, {"fit_after_ms": 100_000})
    device.install()
    with device.start() as emulator, Link(emulator.port) as link:
        # all but a few blocks; Ctrl-C has ended the application
        link.exec("""
import os
with open("/fill", "wb") as file:
    for _ in range(os.statvfs("/")[3] - 8):
        file.write(bytes(4096))
""")
        emulator.kill()
    device.power_on()
    device.hears("ready:")
    taught = 0
    while True:
        device.shows(0, taught % SHOTS)
        device.presses("short")
        said = device.hears(("taught:", "not done:"))
        if said.startswith("not done:"):
            break
        taught += 1
        assert said == f"taught: class 1, {taught} samples" and taught < 60
    assert "no space left" in said and f"1 classes and {taught} samples are kept" in said
    assert device.shows(0, 0) == "-", "it goes on"
    device.power_off()
    device.power_on()
    assert device.hears("ready:") == f"ready: 1 classes, {taught} samples, class: class 1"
    device.power_off()
