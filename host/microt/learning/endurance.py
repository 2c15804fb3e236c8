# SPDX-License-Identifier: MIT
"""Whether a task can go on for ever: rounds of learn and predict with an eye on heap and flash.

    python -m microt.learning.endurance [--rounds 10000] [--board MPS2_AN386]

With --board on the emulated board and with embeddings that the host made, so that the rounds are the task's own work;
else on the unix build with the whole backbone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from microt.boards import Board, Emulator, Link, firmware, romfs_image, unixport
from microt.engine import Backbone

ROOT = Path(__file__).resolve().parents[3]
BACKBONE = ROOT / "models" / "objects.mtb"
LOOKS = 10  # at the heap
CLASSES, LIMIT = 3, 4

# Every round learns and predicts; now and then it fits and saves, undoes, forgets, compacts, and opens the task anew.
ROUNDS = """
import gc, json, os, sys
import microt

class Replay:
    # the backbone's features, with embeddings made before in place of its layers
    def __init__(self, net, rows):
        self.net, self.rows = net, rows
        self.size = sum(net.dims)

    def __getattr__(self, name):
        return getattr(self.net, name)

    def run(self, x, exit=0):
        self.x = x * self.size
        return self.rows[self.x : self.x + self.net.dims[0]]

    def resume(self):
        return self.rows[self.x + self.net.dims[0] : self.x + self.size]

def rounds(net, xs, path, count, classes, limit, looks):
    task = microt.Task(net, path, limit=limit)
    names = ["class %d" % i for i in range(classes)]
    used, largest = [], 0
    for i in range(count):
        task.learn(xs[i % len(xs)], names[i % classes])
        if len(task.classes) > 1:
            task.predict(xs[(i + 1) % len(xs)])
        if i % 97 == 96:
            task.fit()
            task.calibrate(0.5, reject_rate=0.05)
            task.save()
        if i % 101 == 100:
            task.undo()
        if i % 503 == 502:
            task.forget(names[0])
        if i % (count // 4) == count // 8:
            task = microt.Task(net, path, limit=limit)
            assert not task.notes, task.notes
        size = sum(os.stat(path + "/" + name)[6] for name in os.listdir(path) if name.startswith("journal"))
        largest = max(largest, size)
        if i % (count // looks) == count // looks - 1:
            # the same each time: every class full, fitted, a prediction made
            for name in names:
                while task.counts.get(name, 0) < limit:
                    task.learn(xs[0], name)
            task.fit()
            task.calibrate(0.5, reject_rate=0.05)
            task.predict(xs[0])
            gc.collect()
            used.append(gc.mem_alloc())
    print("ENDURANCE", json.dumps({"used": used, "journal": largest}))
"""

UNIX = f"""
net = microt.Backbone(sys.argv[1])
height, width, channels = net.input_shape
xs = [bytes((i * 37 + j) & 255 for j in range(height * width * channels)) for i in range({CLASSES})]
rounds(net, xs, sys.argv[2], int(sys.argv[3]), {CLASSES}, {LIMIT}, {LOOKS})
"""

BOARD = """
net = microt.Backbone("/rom/backbone.mtb")
rows = memoryview(open("/rom/rows.bin", "rb"))
rounds(Replay(net, rows), list(range(len(rows) // sum(net.dims))), "/task", {rounds}, {classes}, {limit}, {looks})
"""


def rounds(count: int = 10_000, board: str | None = None, log: Callable[[str], object] = print) -> dict:
    """{"rounds", "leaked_bytes", "journal_bytes"}: what the second half of the rounds left, on the heap and in flash.

    The heap is looked at LOOKS times, after a collection and in the same state of the task; a leak is how much the
    median of the later looks lies over that of the first ones. journal_bytes: at the most.

    board: an emulated board, or None for the unix build. RuntimeError: a round failed.
    """
    log(f"{count} rounds of learn and predict on {board or 'the unix build'}")
    said = _on_board(board, count) if board else _on_unix(count)
    found = json.loads(next(line for line in said.splitlines() if line.startswith("ENDURANCE ")).split(" ", 1)[1])
    first, later = (int(np.median(half)) for half in np.split(np.array(found["used"]), 2))
    return {"rounds": count, "leaked_bytes": later - first, "journal_bytes": found["journal"]}


def _on_unix(count):
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "rounds.py"
        script.write_text(ROUNDS + UNIX)
        arguments = [str(BACKBONE), f"{folder}/task", str(count)]
        done = unixport.run(script, args=arguments, heap_bytes=4 << 20, timeout=7200)
    if done.returncode:
        raise RuntimeError(f"a round failed: {done.stderr}")
    return done.stdout


def _on_board(name, count):
    board = Board.load(name)
    net = Backbone(BACKBONE)
    pictures = np.random.default_rng(0).integers(0, 256, (4 * CLASSES, *net.input_shape), np.uint8)
    rows = np.concatenate(net.embed(pictures), axis=1)
    image = romfs_image({"backbone.mtb": BACKBONE.read_bytes(), "rows.bin": rows.tobytes()})
    script = ROUNDS + BOARD.format(rounds=count, classes=CLASSES, limit=LIMIT, looks=LOOKS)
    with tempfile.TemporaryDirectory() as folder:
        elf = firmware.build(board, log=lambda line: None)
        storage = Path(folder) / "storage.bin"
        with Emulator(board, elf, storage=storage, romfs=image, icount=False) as emulator:
            with Link(emulator.port) as link:
                return link.run(script)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--board")
    a = parser.parse_args()
    print(json.dumps(rounds(a.rounds, a.board)))


if __name__ == "__main__":
    main()
