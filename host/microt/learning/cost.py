# SPDX-License-Identifier: MIT
"""What learning costs on the emulated Cortex-M4F: instructions by its clock, bytes of heap by its collector.

    python -m microt.learning.cost --data ../shared/data

10 classes x 20 shots. `fit_*`: logistic regression on embeddings of 128 and of 256 values, one head after the other.
`heads`: each kind of head with the shipped backbone, both exits.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from microt import data
from microt.boards import Board, Emulator, Link, firmware, romfs_image
from microt.engine import Backbone
from microt.learning import task_file
from microt.learning.episodes import BACKBONE, shared_folder

HEADS = ("lda", "logistic", "ridge", "means")
MORE = 40  # samples shown to a full class
LOGISTIC_EPOCHS = 12  # device/microt/heads/logistic.py

SCRIPT = """
import gc, json, os, time
import microt
from microt.heads import fit, solver
from random import getrandbits

try:
    os.mkdir("/task")
except OSError:
    pass
with open("/rom/journal.bin", "rb") as source, open("/task/journal.bin", "wb") as file:
    file.write(source.read())
net = microt.Backbone("/rom/backbone.mtb")
x = memoryview(open("/rom/x.bin", "rb"))
more = memoryview(open("/rom/more.bin", "rb"))
found = {"heads": {}}
base = peak = 0

def clock(call, times=1):
    gc.collect()
    start = time.ticks_us()
    for _ in range(times):
        call()
    return 1000 * time.ticks_diff(time.ticks_us(), start) // times

def watch(what, done, total):
    global peak
    if done in (1, total // 2, total):
        gc.collect()
        peak = max(peak, gc.mem_alloc() - base)

def over(depth=20):
    # writes over the stack, where pointers to what is done with would keep it from being collected
    return depth and over(depth - 1)

def heap(call):
    # at the most, over what there was before
    global base, peak
    over()
    gc.collect()
    base, peak = gc.mem_alloc(), 0
    call()
    return peak

def run():
    net.run(x, 0)
    net.resume()

class Samples:
    # what a journal of one exit would hold
    def __init__(self, start, size):
        self.start, self.size = start, size
        self.journal = microt.Task(net, "/task")._journal
        self.rows, self.labels, self.count = self.journal.rows, self.journal.labels, self.journal.count
        self.whole = bytearray(self.journal.size)

    def __len__(self):
        return len(self.rows)

    def embeddings(self, buffer):
        for i, row in self.journal.embeddings(self.whole):
            buffer[:] = self.whole[self.start : self.start + self.size]
            yield i, row

class Plain:
    # a file without a feature transform
    exits = 1

    def __init__(self, exit, size):
        self.dims, self.output_scale = (size,), net.output_scale[exit : exit + 1]
        self.output_zero_point = net.output_zero_point[exit : exit + 1]

    def feature_size(self, exit):
        return (0, 0)

    def feature_defaults(self, exit):
        return None

solver("logistic")  # its code is there before
for exit, start, size in PLAIN:
    samples, plain = Samples(start, size), Plain(exit, size)
    most = heap(lambda: fit(plain, 0, samples, solver("logistic"), watch))
    found[str(size)] = (clock(lambda: fit(plain, 0, samples, solver("logistic"))), most)
    samples = None
def fitted(kind):
    task = microt.Task(net, "/task", head=kind)
    task.fit(watch)
    return sum(4 * len(h.weights) + 4 * len(h.bias) for h in task._heads)

for kind in KINDS:
    found["heads"][kind] = {"kept_bytes": fitted(kind), "fit_heap_bytes": heap(lambda: fitted(kind))}
for kind in KINDS:
    task = microt.Task(net, "/task", head=kind)
    found["heads"][kind]["fit_instructions"] = clock(task.fit)
    found["heads"][kind]["calibrate_instructions"] = clock(task.calibrate)
task = microt.Task(net, "/task")
task.fit()
task.calibrate()
label = task.classes[0]
run()
found["run"] = clock(run, 3)
task.exit_ratio = 0.0
task.predict(x)
task._reject = (0.0, -1e9, -1e9, -1e9)
found["predict"] = clock(lambda: task.predict(x), 3)
task.learn(x, label)
found["learn"] = clock(lambda: task.learn(x, label), 3)

# a class that is full: three samples were just added to its 20
task = microt.Task(net, "/task", limit=len(task) // len(task.classes))
task.fit()
found["full"] = {"kept": [], "passed_over": []}
for i in range(MORE + 1):
    sample = more[i * len(more) // (MORE + 1) : (i + 1) * len(more) // (MORE + 1)]
    kept = []
    spent = clock(lambda: kept.append(task.learn(sample, label)))
    if i:  # the first takes those away that are too many
        found["full"]["kept" if kept[0] else "passed_over"].append(spent)
task = None

print(json.dumps(found))
"""


def measure(
    folder: str | Path, log: Callable[[str], object] = print, board: str = "MPS2_AN386", heads: Sequence[str] = HEADS
) -> dict:
    """The figures of `microt.learning.bench` that an emulated board counts.

    folder: where sign_digits.npz is. heads: of `HEADS`, the default "lda" among them.
    """
    net = Backbone(BACKBONE)
    pictures = data.load(Path(folder) / "sign_digits.npz", net.input_shape[0])
    chosen = np.concatenate([np.flatnonzero(pictures.y == c)[:20] for c in range(10)])
    joined = np.concatenate(net.embed(pictures.x[chosen]), axis=1)
    task = task_file.TaskFile(
        joined, np.asarray(pictures.y)[chosen].astype(str), np.zeros(200), bytes.fromhex(net.sha256)
    )
    more = np.flatnonzero(pictures.y == 0)[20 : 21 + MORE]
    files = {
        "journal.bin": task_file.pack(task),
        "x.bin": pictures.x[0].tobytes(),
        "more.bin": pictures.x[more].tobytes(),
    }
    image = romfs_image({"backbone.mtb": BACKBONE.read_bytes(), **files})
    cut = [0, *np.cumsum([e.dim for e in net.exits])]
    plain = ((0, 0, 128), (1, int(cut[-2]), 256))  # (exit, start, values): block 6 as it is pooled, and the last exit
    script = SCRIPT.replace("KINDS", repr(tuple(heads))).replace("PLAIN", repr(plain)).replace("MORE", str(MORE))
    board = Board.load(board)
    log(f"counting on {board.name}")
    with tempfile.TemporaryDirectory() as scratch:
        with Emulator(board, firmware.build(board), storage=Path(scratch) / "storage.bin", romfs=image) as emulator:
            with Link(emulator.port) as link:
                said = link.run(script, timeout=1500)
    found = json.loads(said.splitlines()[-1])
    default = found["heads"]["lda"]
    fit = default["fit_instructions"] + default["calibrate_instructions"]
    return {
        "fit_instructions": found["128"][0] + found["256"][0],
        "fit_heap_bytes": max(found["128"][1], found["256"][1]),
        "lda_fit_instructions": fit,
        "lda_fit_heap_bytes": default["fit_heap_bytes"],
        "learn_instructions": found["learn"] - found["run"],
        "learn_full_instructions": [
            int(np.mean(found["full"][what])) - found["run"] for what in ("kept", "passed_over")
        ],
        "predict_overhead": found["predict"] / found["run"] - 1,
        "training_energy_factor": LOGISTIC_EPOCHS * 200 * found["run"] / fit,
        "heads": found["heads"],
    }


def table(result: dict) -> str:
    """In Markdown: what each kind of head takes."""
    lines = ["| head | `fit`, M instructions | `calibrate` | heap of `fit`, kB | kept, kB |", "|---|---|---|---|---|"]
    for kind, h in result["heads"].items():
        lines.append(
            f"| {kind} | {h['fit_instructions'] / 1e6:.0f} | {h['calibrate_instructions'] / 1e6:.0f} "
            f"| {h['fit_heap_bytes'] / 1e3:.1f} | {h['kept_bytes'] / 1e3:.1f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(shared_folder()))
    result = measure(parser.parse_args().data)
    print(json.dumps(result, indent=1))
    print(table(result))


if __name__ == "__main__":
    main()
