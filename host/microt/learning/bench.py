# SPDX-License-Identifier: MIT
"""How good and how dear learning on the device is: build/bench/learning.json and a table in Markdown.

    python -m microt.learning.bench --data ../shared/data [--episodes 2] [-o build/bench]

Accuracies come from the device's own code on the unix build, costs from the emulated board's instruction clock. The
embeddings are the host engine's, the same bits as the board's. Fields of learning.json:

    fit_instructions, fit_heap_bytes   logistic regression on 10 x 20 embeddings of 128 and of 256 values, both heads
    fit_accuracy_gap                   scikit-learn's accuracy less the device's (logistic regression, 20 shots, mean)
    lda_fit_instructions               fit and calibrate of both heads with the shipped backbone, 10 x 20
    learn_instructions                 one sample of a fitted task, journal write included, backbone left out
    predict_overhead                   a prediction at the last exit over the backbone's own run to it, less 1
    ratio_error                        {ratio asked: |mean of the ratios got - asked|}, episodes of 20 shots
    tracker_error                      |ratio held - asked| over the stream's second half, shifted confidences
    reject_auroc                       {exit: mean over the sets}, half of the classes taught
    training_energy_factor             instructions of running the backbone again every epoch, over those of the fit
    accuracy                           {head: {shots: [exit 0, exit 1]}}, mean over sets and episodes
    power_cuts_tried, power_cuts_lost  microt.learning.power: cuts at every pair of writes, and emulators killed
    rounds, leaked_bytes               microt.learning.endurance
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from microt import data
from microt.boards import Board, Emulator, Link, firmware, romfs_image, unixport
from microt.engine import Backbone
from microt.learning import endurance, power, task_file

ROOT = Path(__file__).resolve().parents[3]
BACKBONE = ROOT / "models" / "objects.mtb"
SETS = ("flower_photos", "clothing", "sign_digits", "grocery_store")
SHOTS = (1, 5, 10, 20)
HEADS = ("lda", "logistic", "means")
RATIOS = (0.25, 0.5, 0.75)
LOGISTIC_EPOCHS = 17  # device/microt/heads/logistic.py
QUERIES = 150

EPISODES_SCRIPT = """
import json, sys
import microt
from microt import threshold

class Net:
    # the backbone's features and projections; its embeddings are the sample's own bytes
    def __init__(self, net):
        self.net = net
        self.feature, self.project, self.project_back = net.feature, net.project, net.project_back
        self.feature_size, self.feature_defaults = net.feature_size, net.feature_defaults
        self.exits, self.dims, self.sha256, self.macs = net.exits, net.dims, net.sha256, net.macs

    def run(self, x, exit=0):
        self.x = x
        return x[: self.dims[0]]

    def resume(self):
        return self.x[self.dims[0] :]

folder = sys.argv[1]
net = Net(microt.Backbone(sys.argv[2]))
size = sum(net.dims)
for number in range(int(sys.argv[3])):
    with open("%s/%d.json" % (folder, number)) as file:
        job = json.load(file)
    task = microt.Task(net, "%s/%d" % (folder, number), head=job["head"])
    task.fit()
    thresholds = []
    if job["ratios"]:
        task.calibrate(0.5)
        for ratio in job["ratios"]:
            task.exit_ratio = ratio
            thresholds.append(task.threshold)
    with open("%s/%d.bin" % (folder, number), "rb") as file:
        rows = []
        while True:
            x = file.read(size)
            if len(x) < size:
                break
            rows.append([[r.label, r.confidence, r.familiarity] for r in task.answers(memoryview(x))])
    print(json.dumps([thresholds, rows]))
"""

BOARD_SCRIPT = """
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
found = {}

def clock(name, call, times=1):
    gc.collect()
    start = time.ticks_us()
    for _ in range(times):
        call()
    found[name] = 1000 * time.ticks_diff(time.ticks_us(), start) // times

def run():
    net.run(x, 0)
    net.resume()

task = microt.Task(net, "/task")
clock("fit", task.fit)
clock("calibrate", task.calibrate)
label = task.classes[0]
run()
clock("run", run, 3)
task.exit_ratio = 0.0
task.predict(x)
task._reject = (0.0, -1e9, -1e9, -1e9)
clock("predict", lambda: task.predict(x), 3)
task.learn(x, label)
clock("learn", lambda: task.learn(x, label), 3)
del task

class Samples:
    # 10 classes x 20 embeddings of one size
    def __init__(self, size):
        self.size = size
        self.rows = bytearray(i % 10 for i in range(200))
        self.labels = list(range(10))
        self.centres = [bytes(getrandbits(6) for _ in range(size)) for _ in range(10)]

    def __len__(self):
        return 200

    def count(self, row):
        return 20

    def embeddings(self, buffer):
        for i, row in enumerate(self.rows):
            buffer[:] = self.centres[row]
            for j in range(0, self.size, 7):
                buffer[j] = getrandbits(6)
            yield i, row

class Plain:
    exits, output_scale, output_zero_point = 1, (0.1,), (0,)

    def __init__(self, size):
        self.dims = (size,)

    def feature_size(self, exit):
        return (0, 0)

    def feature_defaults(self, exit):
        return None

heap = []
def watch(*_):
    gc.collect()
    heap.append(gc.mem_alloc())

for size in (128, 256):
    samples, plain = Samples(size), Plain(size)
    clock("logistic %d" % size, lambda: fit(plain, 0, samples, solver("logistic")))
    start = time.ticks_us()
    for _ in samples.embeddings(bytearray(size)):
        pass
    found["logistic %d" % size] -= 1000 * time.ticks_diff(time.ticks_us(), start)  # making the samples
    gc.collect()
    base = gc.mem_alloc()
    fit(plain, 0, samples, solver("logistic"), lambda what, done, n: watch() if done in (1, n) else None)
    found["heap %d" % size] = max(heap) - base
    heap.clear()
print(json.dumps(found))
"""


def auroc(score, positive):
    """Probability that a positive scores higher than a negative."""
    order = np.argsort(np.argsort(score, kind="stable"), kind="stable") + 1
    p, n = positive.sum(), (~positive).sum()
    return float((order[positive].sum() - p * (p + 1) / 2) / (p * n))


def embedded(folder, log):
    """{set: (embeddings (n, size) int8, labels, split)} by the host's engine."""
    net = Backbone(BACKBONE)
    found = {}
    for name in SETS:
        pictures = data.load(Path(folder) / f"{name}.npz", net.input_shape[0])
        joined = np.concatenate(net.embed(pictures.x), axis=1)
        found[name] = (joined, np.asarray(pictures.y), np.asarray(pictures.split))
        log(f"{name}: {len(joined)} pictures")
    return found


def draw(sets, name, shots, rng, known=None):
    """Support and queries of an episode: (support, labels, queries, labels); label -1: a class not taught."""
    x, y, split = sets[name]
    classes = rng.permutation(np.unique(y))[:10]
    taught = classes if known is None else classes[: max(2, int(len(classes) * known))]
    support = [rng.permutation(np.flatnonzero((y == c) & (split == 0)))[:shots] for c in taught]
    queries = np.flatnonzero(np.isin(y, classes) & (split == 1))
    queries = rng.permutation(queries)[:QUERIES]
    place = {c: i for i, c in enumerate(taught)}
    return (
        x[np.concatenate(support)],
        np.concatenate([[i] * len(s) for i, s in enumerate(support)]),
        x[queries],
        np.array([place.get(c, -1) for c in y[queries]]),
    )


def run_episodes(jobs, sha256):
    """What the device's code says: for each (head, ratios, episode) its thresholds and rows."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (head, ratios, (support, labels, queries, _)) in enumerate(jobs):
            place = Path(folder) / str(number)
            place.mkdir()
            task = task_file.TaskFile(support, labels.astype(str), np.zeros(len(labels)), sha256)
            (place / "journal.bin").write_bytes(task_file.pack(task))
            (Path(folder) / f"{number}.bin").write_bytes(queries.tobytes())
            (Path(folder) / f"{number}.json").write_text(json.dumps({"head": head, "ratios": list(ratios)}))
        script = Path(folder) / "script.py"
        script.write_text(EPISODES_SCRIPT)
        done = unixport.run(script, args=[folder, str(BACKBONE), str(len(jobs))], heap_bytes=16 << 20, timeout=3000)
    if done.returncode:
        raise RuntimeError(f"the device's code failed: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def quality(folder, episodes, log):
    """accuracy, fit_accuracy_gap, ratio_error and reject_auroc."""
    from sklearn.linear_model import LogisticRegression

    from microt import head as twin

    sets = embedded(folder, log)
    net = Backbone(BACKBONE)
    jobs, kinds = [], []
    for number, name in enumerate(SETS):
        for shots in SHOTS:
            for e in range(episodes):
                drawn = draw(sets, name, shots, np.random.default_rng((number, shots, e)))
                for head in HEADS:
                    jobs.append((head, RATIOS if head == "lda" and shots == 20 else (), drawn))
                    kinds.append((head, shots, name))
        for e in range(2 * episodes):
            jobs.append(("lda", (), draw(sets, name, 20, np.random.default_rng((number, 99, e)), known=0.5)))
            kinds.append(("reject", 20, name))
    log(f"{len(jobs)} episodes with the device's code")
    accuracy, ratios, aurocs, gaps = {}, [], {0: [], 1: []}, []
    features = twin.load_features(BACKBONE.with_name("objects_features.npz"))
    quantization = [(e.scale, e.zero_point) for e in net.exits]
    for (head, shots, name), job, (thresholds, rows) in zip(
        kinds, jobs, run_episodes(jobs, bytes.fromhex(net.sha256)), strict=True
    ):
        support, labels, queries, true = job[2]
        if head == "reject":
            for exit in (0, 1):
                aurocs[exit].append((name, auroc(np.array([r[exit][2] for r in rows]), true >= 0)))
            continue
        right = [[int(r[exit][0]) == t for r, t in zip(rows, true, strict=True)] for exit in (0, 1)]
        accuracy.setdefault(head, {}).setdefault(shots, []).append(np.mean(right, axis=1))
        if thresholds:
            confidence = np.array([r[0][1] for r in rows])
            ratios.append([(confidence >= t).mean() for t in thresholds])
        if head == "logistic" and shots == 20:
            cut = net.exits[0].dim
            for exit in (0, 1):
                u, q = (
                    twin.project(features[exit], twin.feature(features[exit], [x[:, :cut], x[:, cut:]], quantization))
                    for x in (support, queries)
                )
                centre, spread = u.mean(0), u.std()
                model = LogisticRegression(C=1, max_iter=1000).fit((u - centre) / spread, labels)
                gaps.append((model.predict((q - centre) / spread) == true).mean() - np.mean(right[exit]))
    got = np.mean(ratios, axis=0)
    return {
        "accuracy": {h: {str(s): np.mean(v, axis=0).round(4).tolist() for s, v in a.items()} for h, a in
                     accuracy.items()},
        "fit_accuracy_gap": float(np.mean(gaps)),
        "ratio_error": {str(r): float(abs(g - r)) for r, g in zip(RATIOS, got, strict=True)},
        "reject_auroc": {
            f"exit{e}": float(np.mean([np.mean([a for n, a in found if n == name]) for name in SETS]))
            for e, found in aurocs.items()
        },
    }  # fmt: skip


def cost(folder, log, board="MPS2_AN386"):
    """What the emulated board's clock counts."""
    net = Backbone(BACKBONE)
    pictures = data.load(Path(folder) / "sign_digits.npz", net.input_shape[0])
    chosen = np.concatenate([np.flatnonzero(pictures.y == c)[:20] for c in range(10)])
    joined = np.concatenate(net.embed(pictures.x[chosen]), axis=1)
    task = task_file.TaskFile(
        joined, np.asarray(pictures.y)[chosen].astype(str), np.zeros(200), bytes.fromhex(net.sha256)
    )
    image = romfs_image(
        {"backbone.mtb": BACKBONE.read_bytes(), "journal.bin": task_file.pack(task), "x.bin": pictures.x[0].tobytes()}
    )
    board = Board.load(board)
    log(f"counting on {board.name}")
    with tempfile.TemporaryDirectory() as scratch:
        with Emulator(board, firmware.build(board), storage=Path(scratch) / "storage.bin", romfs=image) as emulator:
            with Link(emulator.port) as link:
                said = link.run(BOARD_SCRIPT, timeout=600)
    found = json.loads(said.splitlines()[-1])
    fit = found["fit"] + found["calibrate"]
    return {
        "fit_instructions": found["logistic 128"] + found["logistic 256"],
        "fit_heap_bytes": max(found["heap 128"], found["heap 256"]),
        "lda_fit_instructions": fit,
        "learn_instructions": found["learn"] - found["run"],
        "predict_overhead": found["predict"] / found["run"] - 1,
        "training_energy_factor": LOGISTIC_EPOCHS * 200 * found["run"] / fit,
    }


def tracker_error(seed=0):
    """The tracker's rule on a stream that is surer of itself than the held-out samples were."""
    rng = np.random.default_rng(seed)
    table = np.quantile(rng.beta(4, 2, 200), np.linspace(0, 1, 33))
    place, answered = 0.5, []
    for confidence in rng.beta(8, 2, 3000):
        answered.append(confidence >= np.interp(1 - place, np.linspace(0, 1, 33), table))
        place = min(max(place + 0.02 * (0.5 - answered[-1]), 0), 1)
    return float(abs(np.mean(answered[500:]) - 0.5))


def table(result) -> str:
    """The accuracies in Markdown."""
    lines = ["| head | " + " | ".join(f"{s} shot{'s' * (s > 1)}" for s in SHOTS) + " |", "|---" * 5 + "|"]
    for head, found in result["accuracy"].items():
        lines.append(f"| {head} | " + " | ".join("{:.3f} / {:.3f}".format(*found[str(s)]) for s in SHOTS) + " |")
    return "\n".join(lines)


def bench(folder, output, *, episodes=2, rounds=10_000, log=print) -> dict:
    """Measures everything and writes learning.json and learning.md to `output`; returns the figures."""
    result = cost(folder, log)
    result.update(quality(folder, episodes, log))
    result["tracker_error"] = tracker_error()
    tried, lost = (a + b for a, b in zip(power.cuts(log=log), power.kills(log=log), strict=True))
    result.update({"power_cuts_tried": tried, "power_cuts_lost": lost, **endurance.rounds(rounds, log=log)})
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "learning.json").write_text(json.dumps(result, indent=1) + "\n")
    (output / "learning.md").write_text(table(result) + "\n")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "data"))
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("-o", "--output", default=str(ROOT / "build" / "bench"))
    a = parser.parse_args()
    result = bench(a.data, a.output, episodes=a.episodes, rounds=a.rounds)
    print(json.dumps(result, indent=1))
    print(table(result))


if __name__ == "__main__":
    main()
