# SPDX-License-Identifier: MIT
"""Few-shot episodes of the shared sets, and what the device's own code makes of them.

The embeddings are the host engine's, the same bits as the board's; heads and thresholds are the device's MicroPython,
on the unix build. Support samples come from a set's train split, queries from its test split.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from microt import data
from microt.boards import unixport
from microt.compiler import read_info
from microt.engine import Backbone
from microt.learning import task_file

ROOT = Path(__file__).resolve().parents[3]
BACKBONE = ROOT / "models" / "objects.mtb"
SETS = {
    "flower_photos": "objects",
    "clothing": "objects",
    "sign_digits": "objects",
    "grocery_store": "objects",
    "fashion_mnist": "objects",
    "omniglot_small": "objects",
    "spoken_digits": "sound",
    "air_digits_imu": "motion",
    "activity_imu": "motion",
}  # and the backbone in models/ that hears or sees it
PICTURES = tuple(name for name, backbone in SETS.items() if backbone == "objects")
HOST_SET = "tiny_imagenet_subset"  # what the backbone's prior was made from
HOST_PICTURES = 30  # a class
WAYS = 10
QUERIES = 200

SCRIPT = """
import json, sys
from array import array
import microt
from microt.heads import fit, solver
from microt.heads.feature import Feature

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

class Plain:
    # part of one exit's embedding, as a backbone without a feature transform would give it
    def __init__(self, net, exit, size):
        self.dims, self.output_scale = (size,), net.output_scale[exit : exit + 1]
        self.output_zero_point = net.output_zero_point[exit : exit + 1]

    def feature_size(self, exit):
        return (0, 0)

    def feature_defaults(self, exit):
        return None

class Part:
    def __init__(self, journal, start, size):
        self.journal, self.start, self.size = journal, start, size
        self.rows, self.labels, self.count = journal.rows, journal.labels, journal.count

    def __len__(self):
        return len(self.rows)

    def embeddings(self, buffer):
        whole = bytearray(self.journal.size)
        for i, row in self.journal.embeddings(whole):
            buffer[:] = whole[self.start : self.start + self.size]
            yield i, row

def plain_labels(task, kind, path, exit, start, dim):
    net = Plain(task.net.net, exit, dim)
    head, feature = fit(net, 0, Part(task._journal, start, dim), solver(kind)), Feature(net, 0)
    z, out = array("f", bytes(4 * dim)), array("f", bytes(4 * len(head)))
    for x in samples(path):
        feature.of(x[start : start + dim], z)
        yield task.classes[head.scores(z, out)]

def samples(path):
    with open(path, "rb") as file:
        while True:
            x = file.read(size)
            if len(x) < size:
                return
            yield memoryview(x)

folder = sys.argv[1]
nets = {}
for number in range(int(sys.argv[2])):
    path = "%s/%d" % (folder, number)
    with open(path + ".json") as file:
        job = json.load(file)
    if job["backbone"] not in nets:
        nets[job["backbone"]] = Net(microt.Backbone(job["backbone"]))
    net = nets[job["backbone"]]
    size = sum(net.dims)
    task = microt.Task(net, path, head=job["head"])
    if job["part"]:
        found = {"answers": [[[label, 0, 0]] for label in plain_labels(task, job["head"], path + ".bin", *job["part"])]}
        print("EPISODE", json.dumps(found))
        continue
    task.fit()
    found = {"thresholds": []}
    if job["ratios"]:
        task.calibrate(job["ratios"][0], per_class=job["per_class"])
        for ratio in job["ratios"]:
            task.exit_ratio = ratio
            found["thresholds"].append(task.threshold)
    found["answers"] = [
        [[r.label, task.exit_score(r), r.familiarity] for r in task.answers(x)]
        for x in samples(path + ".bin")
    ]
    found["exits"] = []
    for ratio in job["track"]:
        task.exit_ratio = ratio
        task.track()
        found["exits"].append([task.predict(x).exit for x in samples(path + ".bin")])
    print("EPISODE", json.dumps(found))
"""


@dataclass(frozen=True)
class Samples:
    """A set's embeddings by a backbone: one (n, dim) int8 an exit, classes y (n,), split (n,): 0 train, 1 test."""

    name: str
    backbone: Path
    embeddings: list[np.ndarray]
    y: np.ndarray
    split: np.ndarray

    @property
    def dims(self) -> list[int]:
        """Values of each exit's embedding."""
        return [e.shape[1] for e in self.embeddings]

    def rows(self, index: np.ndarray) -> np.ndarray:
        """(n, sum of dims) int8: what a task keeps."""
        return np.concatenate([e[index] for e in self.embeddings], axis=1)


@dataclass(frozen=True)
class Episode:
    """Indexes into a set and labels from 0 on; -1 for queries of classes that are not taught."""

    samples: Samples
    support: np.ndarray
    labels: np.ndarray
    queries: np.ndarray
    true: np.ndarray


@dataclass(frozen=True)
class Job:
    """What the device is to do with an episode: fit, calibrate for `ratios`, track each of some over the queries."""

    episode: Episode
    head: str = "lda"
    ratios: Sequence[float] = ()
    track: Sequence[float] = ()
    per_class: bool = False
    part: tuple[int, int, int] | None = None  # (exit, start, values): a head of these alone, without a transform


def shared_folder() -> Path:
    """Where the project's data sets lie beside the checkout."""
    return ROOT.parent / "shared" / "data"


def shared(
    folder: str | Path,
    log: Callable[[str], object],
    names: Iterable[str] = SETS,
    adapted: str | Path | None = None,
) -> dict[str, Samples]:
    """The sets' embeddings, kept under build/bench/embeddings by the backbone's identity. Absent sets are left out.

    adapted: a folder with backbones that `microt adapt` made for some sets, SET/backbone.mtb, to take instead.
    """
    found = {}
    for name in names:
        backbone = BACKBONE.with_name(SETS.get(name, "objects") + ".mtb")
        own = Path(adapted or "") / name / "backbone.mtb"
        if adapted and own.is_file():
            backbone = own
            log(f"{name}: with {own}")
        net = Backbone(backbone)
        kept = ROOT / "build" / "bench" / "embeddings" / f"{net.sha256[:16]}_{name}.npz"
        if not kept.is_file():
            source = Path(folder) / f"{name}.npz"
            if not source.is_file():
                log(f"{name}: not there, left out")
                continue
            samples = data.load_for(source, read_info(backbone.read_bytes()))
            if name == HOST_SET:
                samples = some(samples, HOST_PICTURES)
            embeddings = net.embed(samples.x)
            kept.parent.mkdir(parents=True, exist_ok=True)
            arrays = {f"exit{e}": values for e, values in enumerate(embeddings)}
            np.savez_compressed(kept, y=samples.y, split=samples.split, **arrays)
            log(f"{name}: {len(samples)} samples embedded")
        with np.load(kept) as z:
            found[name] = Samples(name, backbone, [z[f"exit{e}"] for e in range(len(net.exits))], z["y"], z["split"])
    return found


def draw(
    samples: Samples, shots: int, seed: Sequence[int], *, taught: float = 1.0, queries: int = QUERIES, split: int = 1
) -> Episode:
    """An episode of at most WAYS classes, of which the share `taught` is taught; the same for the same seed.

    split: of the queries; 0: what the support leaves of the train split. A class with fewer samples than `shots` gives
    all it has.
    """
    rng = np.random.default_rng([sum(map(ord, samples.name)), shots, *seed])
    y, train = samples.y, samples.split == 0
    classes = rng.permutation([c for c in np.unique(y) if (train & (y == c)).sum() >= min(shots, 15)])[:WAYS]
    place = {c: i for i, c in enumerate(classes[: max(2, int(len(classes) * taught))])}
    support = [rng.permutation(np.flatnonzero(train & (y == c)))[: min(shots, 2 * (train & (y == c)).sum() // 3)
               if split == 0 else shots] for c in place]  # fmt: skip
    support = np.concatenate(support)
    open_to_ask = np.isin(y, classes) & (samples.split == split)
    open_to_ask[support] = False
    asked = rng.permutation(np.flatnonzero(open_to_ask))[:queries]
    return Episode(
        samples,
        support,
        np.array([place[c] for c in y[support]]),
        asked,
        np.array([place.get(c, -1) for c in y[asked]]),
    )


def on_device(jobs: Sequence[Job]) -> Iterator[dict]:
    """For each job {"thresholds": one a ratio, "labels", "exit_score", "familiarity": (queries, exits), "exits"}.

    exits: where each query was answered, one list for each ratio of `track`.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, job in enumerate(jobs):
            path, e = Path(folder) / str(number), job.episode
            path.mkdir()
            rows, labels = e.samples.rows(e.support), e.labels.astype(str)
            journal = task_file.pack(
                task_file.TaskFile(rows, labels, np.zeros(len(labels)), identity(e.samples.backbone))
            )
            (path / "journal.bin").write_bytes(journal)
            path.with_suffix(".bin").write_bytes(e.samples.rows(e.queries).tobytes())
            part = job.part and [job.part[0], sum(e.samples.dims[: job.part[0]]) + job.part[1], job.part[2]]
            asked = {"backbone": str(e.samples.backbone), "head": job.head, "ratios": list(job.ratios), "part": part}
            path.with_suffix(".json").write_text(
                json.dumps(asked | {"track": list(job.track), "per_class": job.per_class})
            )
        script = Path(folder) / "script.py"
        script.write_text(SCRIPT)
        done = unixport.run(script, args=[folder, str(len(jobs))], heap_bytes=16 << 20, timeout=6000)
    if done.returncode:
        raise RuntimeError(f"the device's code failed: {done.stderr}")
    for line in done.stdout.splitlines():
        if line.startswith("EPISODE "):
            found = json.loads(line.split(" ", 1)[1])
            answers = found.pop("answers")
            found["labels"] = np.array([[int(r[0]) for r in row] for row in answers])
            found["exit_score"] = np.array([[r[1] for r in row] for row in answers])
            found["familiarity"] = np.array([[r[2] for r in row] for row in answers])
            yield found


def some(samples: data.Dataset, most: int) -> data.Dataset:
    """The training samples of a set, at most so many of a class, drawn by chance."""
    rng = np.random.default_rng(0)
    train = [rng.permutation(np.flatnonzero((samples.y == c) & (samples.split == 0)))[:most]
             for c in np.unique(samples.y)]  # fmt: skip
    index = np.concatenate(train)
    return replace(samples, x=samples.x[index], y=samples.y[index], split=samples.split[index])


@functools.cache
def identity(backbone: Path) -> bytes:
    """SHA-256 of a backbone."""
    return bytes.fromhex(Backbone(backbone).sha256)


def mean_over_sets(found: Sequence[tuple[str, object]]) -> np.ndarray:
    """Mean over the sets of the mean over each set's episodes; found: (set, value) pairs."""
    names = dict.fromkeys(name for name, _ in found)
    return np.mean([np.mean([v for n, v in found if n == name], axis=0) for name in names], axis=0)
