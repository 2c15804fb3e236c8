# SPDX-License-Identifier: MIT
"""Whether a task loses anything when the power goes.

    python -m microt.learning.power [--stride 1] [--kills 200] [--seed 0]

`cuts` cuts the power of a block device in RAM at every write of a task's life and, stride by stride, once more in what
comes after: tests/device/test_power.py on the unix build, on LittleFS and on FAT. `kills` teaches an emulated board and
kills QEMU at random moments; after each the board says what it still knows, which is compared with what it had
acknowledged, sample by sample.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from microt.boards import Board, Emulator, Link, LinkError, firmware, romfs_image, unixport
from microt.engine import Backbone
from microt.teach import npy_bytes

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tests" / "device" / "test_power.py"
BACKBONE = ROOT / "models" / "objects.mtb"
FAT_FILES = (10, 12)  # files beside the task's own, so that its entries in the folder lie in one sector or in two

PICTURES = 12
LABELS = ("apple", "pear", "fig", "nut")
STEPS = 150  # more than a board does before it is killed
LEAST, MOST = 6, 30  # samples that a life keeps between
# a byte a step in the device page, which outlives QEMU: set once the step is acknowledged
DONE = 2048
FIRST_BOOTS = 2  # kills while the flash is formatted, or soon after
EARLY = 0.15  # share of kills while the task is opened
# a kill comes after so many steps and then so many seconds: on a slow host a life has as many steps as on a fast one
LIVED, MOMENTS = 12, 0.3
WAIT_SECONDS = 120

# What the task holds.
OPEN = f"""
import binascii, json
import emulator
import microt
from microt.sources import npy
done = emulator.memory({DONE}, {STEPS})
net = microt.Backbone("/rom/backbone.mtb")
x = npy.open("/rom/x.npy")
task = microt.Task(net, "/task")
row = memoryview(bytearray(sum(net.dims)))
found = [[task.classes[r], binascii.crc32(row)] for _, r in task._journal.embeddings(row)]
print(json.dumps({{"samples": found, "fitted": task.fitted, "notes": task.notes}}))
"""

LIVE = """
for i, (verb, label, picture) in enumerate(steps):
    if verb == "learn":
        task.learn(x[picture], label)
    elif verb == "forget":
        task.forget(label)
    elif verb == "undo":
        task.undo()
    elif verb == "compact":
        task.compact()
    else:
        task.fit()
        task.calibrate(0.5)
        task.save()
    done[i] = 1
"""


@dataclass(frozen=True)
class State:
    """What a board should know.

    samples: (label, CRC-32 of the embeddings) of each, in order. classes: {label: number of the step with its
    first sample}. saved: the classes at the last save.
    """

    samples: tuple = ()
    classes: dict = field(default_factory=dict)
    saved: dict | None = None

    def after(self, number: int, step: tuple, crcs: list) -> State:
        """The state after a step, whose number is `number`."""
        verb, label, picture = step
        samples, classes, saved = self.samples, dict(self.classes), self.saved
        if verb == "learn":
            samples += ((label, crcs[picture]),)
            classes.setdefault(label, number)
        elif verb == "forget":
            samples = tuple(s for s in samples if s[0] != label)
        elif verb == "undo":
            samples = samples[:-1]
        elif verb == "save":
            saved = dict(classes)
        left = {s[0] for s in samples}
        return State(samples, {name: first for name, first in classes.items() if name in left}, saved)

    @classmethod
    def of(cls, found: dict, number: int) -> State:
        """The state that a board was found in."""
        classes = {label: number for label, _ in found["samples"]}
        return cls(tuple(tuple(s) for s in found["samples"]), classes, dict(classes) if found["fitted"] else None)

    @property
    def fitted(self) -> bool:
        """Whether the heads that were saved know every class there is."""
        if self.saved is None:
            return False
        return all(self.saved.get(label) == first for label, first in self.classes.items())

    def explains(self, found: dict) -> bool:
        """Whether this is what the board found."""
        samples = [list(s) for s in self.samples]
        return found["samples"] == samples and found["fitted"] == self.fitted and not found["notes"]


def next_step(state: State, rng: random.Random) -> tuple:
    """(verb, label, picture) of what may come after a state."""
    choices = ["learn"] * 6
    counts = [sum(1 for s in state.samples if s[0] == label) for label in state.classes]
    if len(state.samples) > LEAST and len(counts) > 1 and max(counts) > 1:
        choices += ["undo", "compact", "compact", "save", "save"]
    if len(state.samples) > MOST:
        choices = ["forget"]
    verb = rng.choice(choices)
    label = rng.choice(list(state.classes)) if verb == "forget" else rng.choice(LABELS)
    return verb, label, rng.randrange(PICTURES)


def cuts(stride: int = 1, log: Callable[[str], object] = print) -> tuple[int, int]:
    """(cuts tried, cuts that lost something): every write, and every stride-th once more. RuntimeError: it failed."""
    tried = lost = 0
    for arguments in (["lfs", str(stride)], *(["fat", str(stride), str(files)] for files in FAT_FILES)):
        done = unixport.run(SCRIPT, args=arguments, cwd=ROOT, timeout=3600)
        lines = done.stdout.splitlines()
        counted = [line.split()[1:] for line in lines if line.startswith("CUTS ")]
        if not counted:
            raise RuntimeError(f"{SCRIPT.name} {' '.join(arguments)} failed: {done.stderr or done.stdout[-500:]}")
        for line in lines:
            if line.startswith("lost:"):
                log(f"{arguments[0]}: {line}")
        tried += int(counted[0][0])
        lost += int(counted[0][1])
        log(f"{' '.join(arguments)}: {counted[0][0]} cuts, {counted[0][1]} lost something")
    return tried, lost


def kills(
    count: int = 200, seed: int = 0, board: str = "MPS2_AN386", log: Callable[[str], object] = print
) -> tuple[int, int]:
    """(emulators killed, kills that lost something)."""
    board = Board.load(board)
    elf = firmware.build(board, log=lambda line: None)
    net = Backbone(BACKBONE)
    pictures = np.random.default_rng(seed).integers(0, 256, (PICTURES, *net.input_shape), np.uint8)
    crcs = [zlib.crc32(row.tobytes()) for row in np.concatenate(net.embed(pictures), axis=1)]
    image = romfs_image({"backbone.mtb": BACKBONE.read_bytes(), "x.npy": npy_bytes(pictures)})
    rng = random.Random(seed)
    possible = [State()]  # what was acknowledged, and what the step under way makes of it
    begun = lost = steps_done = 0
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "storage.bin"
        for killed in range(count + 1):
            if killed and killed % 20 == 0:
                log(f"{killed} of {count} emulators killed after {steps_done} steps acknowledged")
            with Emulator(board, elf, storage=storage, romfs=None if killed else image, icount=False) as emulator:
                life = _Life(emulator.port)
                if killed < count and (killed < FIRST_BOOTS or rng.random() < EARLY):
                    time.sleep(rng.uniform(0, 0.3))
                    emulator.kill()
                    life.join()
                    continue
                found = life.found()
                states = [state for state in possible if state.explains(found)]
                if not states:
                    lost += 1
                    log(f"kill {killed} lost something: expected one of {possible}, found {found}")
                state = states[0] if states else State.of(found, begun)
                if killed == count:
                    life.live([])
                    life.join()
                    break
                states, steps = [state], []
                for number in range(begun, begun + STEPS):
                    steps.append(next_step(states[-1], rng))
                    states.append(states[-1].after(number, steps[-1], crcs))
                begun += STEPS
                _forget_done(storage)
                life.live(steps)
                life.wait(storage, rng.randrange(LIVED))
                time.sleep(rng.uniform(0, MOMENTS))
                emulator.kill()
                life.join()
            done = _steps_done(storage)
            steps_done += done
            possible = states[done : done + 2]
    return count, lost


class _Life(threading.Thread):
    """A board's life on a thread of its own, that ends when the board is killed."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self._port = port
        self.problem = None
        self._said, self._steps = queue.Queue(), queue.Queue()
        self.start()

    def run(self):
        try:
            with Link(self._port) as link:
                self._said.put(json.loads(link.exec(OPEN).splitlines()[-1]))
                link.exec(f"steps = {self._steps.get()!r}\n{LIVE}")
        except (LinkError, OSError) as error:
            self._said.put(error)
            # a traceback is the task's; without one it is the line of a board that was killed
            if getattr(error, "traceback", ""):
                self.problem = error

    def found(self) -> dict:
        """What the task holds."""
        said = self._said.get(timeout=120)
        if isinstance(said, Exception):
            raise RuntimeError(f"the task does not open: {said}")
        return said

    def live(self, steps: list):
        """Lets it do these steps."""
        self._steps.put(steps)

    def wait(self, storage: Path, count: int):
        """Returns when so many steps are done, or it has ended."""
        end = time.monotonic() + WAIT_SECONDS
        while _steps_done(storage) < count and self.is_alive() and time.monotonic() < end:
            time.sleep(0.005)

    def join(self, timeout=None):
        """Waits for its end. RuntimeError: a step failed."""
        self._steps.put([])  # where it still waits for steps
        super().join(timeout)
        if self.problem:
            raise RuntimeError(f"a step failed: {self.problem}")


def _forget_done(storage):
    with open(storage, "r+b") as file:
        file.seek(DONE)
        file.write(bytes(STEPS))


def _steps_done(storage):
    with open(storage, "rb") as file:
        file.seek(DONE)
        return sum(file.read(STEPS))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stride", type=int, default=1, help="second cuts at every so many writes")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    tried, lost = np.add(cuts(a.stride), kills(a.kills, a.seed))
    print(json.dumps({"power_cuts_tried": int(tried), "power_cuts_lost": int(lost)}))


if __name__ == "__main__":
    main()
