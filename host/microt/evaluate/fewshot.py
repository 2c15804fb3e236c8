# SPDX-License-Identifier: MIT
"""Few-shot episodes: embeddings by the host build of the engine, learning by the device's own code.

An episode draws classes and labelled samples of them (the support), teaches those to a fresh
`microt.Task` in the unix build of MicroPython, and asks it about samples it has not seen (the
queries). Every threshold comes from the support alone. Figures are means over the episodes, with
1.96 standard errors of that mean ("ci95"): of the draw of classes and support, not of the training
of the backbone.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from microt.auroc import auroc
from microt.boards import unixport
from microt.compiler import read_info
from microt.data import Dataset, Episode, draw_episode, load_for
from microt.engine import Backbone
from microt.evaluate.rivals import rivals

SCRIPT = Path(__file__).resolve().parents[3] / "device" / "tasks" / "evaluate.py"
HEADS = ("lda", "logistic", "means", "ridge")
RATIOS = tuple(i / 10 for i in range(11))  # shares answered at exit 0, of the staged curve
MARK = "EPISODE "
EPOCHS = 100  # of MicroT's training on the device, that runs the backbone in each (methods.md 1.6)


def evaluate(
    mtb: str | Path | bytes,
    data: str | Path | Dataset,
    *,
    ways: int = 10,
    shots: int = 10,
    episodes: int = 20,
    head: str = "lda",
    exit_ratio: float = 0.5,
    seed: int = 0,
    query: str = "test",
    unseen: str | None = None,
    bench: dict | None = None,
    against: dict | None = None,
    log: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Accuracy of a compiled backbone as a learner, and what staged inference saves.

    mtb: a backbone that takes pictures, or has a front end for sound or motion, with two exits or more. data: what
    `microt.data.load_for` takes, or a Dataset as the backbone takes it. unseen: groups of a sound or motion set to ask
    about and not to teach with, "speaker=lucas,theo". ways is capped by the number of classes. head: "lda",
    "logistic", "means" or "ridge". query: "test" (all test samples of the drawn classes) or "rest" (the
    other training samples, for choosing constants); sets without a split ask about the rest.
    bench: the result of `microt.bench.count.count` for this backbone, to take the energies from; without it
    energy is taken to follow the multiply-accumulates. against: networks to compare with, arguments of
    `microt.evaluate.rivals.rivals` (float_model, teacher, baselines). progress(done, total) counts samples
    embedded, then episodes.

    Returns what `microt evaluate --json` prints; accuracies, ratios and savings are shares of 1:

        accuracy, ci95            {"exit0", "exit1" (the last exit), "staged" (by the threshold of the support)}
        exit_ratio_asked, exit_ratio_got     share of the queries answered at exit 0
        energy_saving_modelled    1 - mean energy of a staged answer / energy of always running to the last exit
        energy_source             what the saving is modelled from
        exit_auroc                how well exit 0's confidence tells its right answers from its wrong ones
        reject_auroc              how well the last exit's familiarity tells the queries from samples of classes that
                                  the episode does not teach; None when it teaches all there are
        train_cost                what learning one episode takes
        staged                    a row for each of RATIOS: {ratio_asked, ratio_got, accuracy, ci95,
                                  energy_saving_modelled}
        rivals                    a row for each network of `against`
        per_episode, backbone, data, ways, shots, episodes, head, seed, query

    ValueError and FileNotFoundError say what is wrong with a file, a set or an argument; RuntimeError shows
    the device's traceback.
    """
    _check(episodes, head, exit_ratio)
    content = mtb if isinstance(mtb, bytes) else Path(mtb).read_bytes()
    net = Backbone(content)
    if len(net.exits) < 2:
        raise ValueError(f"{_name(mtb)}: expected a backbone of 2 exits or more, got {len(net.exits)}")
    info = read_info(content, _name(mtb))
    source, data = data, _as_taken(data, info, unseen)
    if info["front_end"] is not None:
        source = data  # every network takes the same windows of samples
    ways = min(ways, len(data.class_names))
    rng = np.random.default_rng(seed)
    drawn = [draw_episode(data, ways, shots, rng, query=query) for _ in range(episodes)]
    strangers = [_strangers(data, e, np.random.default_rng([seed, i])) for i, e in enumerate(drawn)]
    asked = [rows for e, others in zip(drawn, strangers, strict=True) for rows in (e.support, e.query, others)]
    used = np.unique(np.concatenate(asked))
    log(f"{data.name}: embedding {len(used)} of {len(data)} samples")
    embeddings = net.embed(data.x[used], progress=progress)
    log(f"teaching {episodes} episodes of {ways} classes, {shots} samples each")
    place = np.zeros(len(data), int)
    place[used] = np.arange(len(used))
    found = []
    for episode, answers in zip(
        drawn, _teach(content, embeddings, drawn, strangers, place, head, exit_ratio, progress), strict=True
    ):
        found.append(_figures(episode, answers))
    costs, energy_source = _costs(net, bench)
    result = _summary(found, costs) | {
        "exit_ratio_asked": exit_ratio,
        "energy_source": energy_source,
        "train_cost": _train_cost(net, found, ways * shots),
        "backbone": _describe_backbone(net, mtb),
        "data": {
            "name": data.name,
            "classes": len(data.class_names),
            "support_from": "all samples" if data.split is None else "train",
            "queries_from": "the rest" if data.split is None or query == "rest" else "test",
            "queries": float(np.mean([len(e.query) for e in drawn])),
        },
        "ways": ways,
        "shots": shots,
        "episodes": episodes,
        "head": head,
        "seed": seed,
        "query": query,
        "rivals": rivals(source, drawn, exit_ratio=exit_ratio, log=log, **against) if against else [],
    }
    return result


def _check(episodes: int, head: str, exit_ratio: float) -> None:
    if episodes < 1:
        raise ValueError(f"episodes: expected at least 1, got {episodes}")
    if head not in HEADS:
        raise ValueError(f"head: expected one of {', '.join(HEADS)}, got {head!r}")
    if not 0 <= exit_ratio <= 1:
        raise ValueError(f"exit_ratio: expected 0..1, got {exit_ratio}")


def _name(mtb: str | Path | bytes) -> str:
    return "backbone" if isinstance(mtb, bytes) else str(mtb)


def _as_taken(data: str | Path | Dataset, info: dict, unseen: str | None) -> Dataset:
    if not isinstance(data, Dataset):
        return load_for(data, info, unseen=unseen)
    front = info["front_end"]
    shape = tuple(info["input"]["shape"])
    if front is not None:
        shape = (front["samples"],) if front["kind"] == "mel" else (front["samples"] // front["axes"], front["axes"])
    kind = "uint8" if front is None else "int16"
    if data.x.shape[1:] != shape or data.x.dtype != kind:
        raise ValueError(f"data: expected {shape} of {kind}, got {data.x.shape[1:]} of {data.x.dtype}")
    return data


def _teach(
    content, embeddings, drawn: list[Episode], strangers, place, head: str, exit_ratio: float, progress
) -> list[dict]:
    """What the device's code answered, one dictionary an episode (see device/tasks/evaluate.py)."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "task").mkdir()
        (folder / "backbone.mtb").write_bytes(content)
        (folder / "embeddings.bin").write_bytes(np.concatenate(embeddings, axis=1).tobytes())
        found = []
        for number, episode in enumerate(drawn):
            lesson = {
                "support": place[episode.support].tolist(),
                "labels": [str(c) for c in episode.support_y],
                "query": place[episode.query].tolist(),
                "strangers": place[strangers[number]].tolist(),
            }
            (folder / "episode.json").write_text(json.dumps(lesson))
            job = {
                "backbone": str(folder / "backbone.mtb"), "task": str(folder / "task"), "head": head,
                "exit_ratio": exit_ratio, "ratios": RATIOS, "episodes": ["episode.json"],
            }  # fmt: skip
            (folder / "job.json").write_text(json.dumps(job))
            done = unixport.run(SCRIPT, args=[str(folder)], heap_bytes=len(content) + _heap(embeddings, lesson))
            lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
            if done.returncode or len(lines) != 1:
                raise RuntimeError(
                    f"the device's code failed in episode {number} with status {done.returncode}:\n"
                    f"{done.stderr or done.stdout}"
                )
            found.append(json.loads(lines[0][len(MARK) :]))
            progress(number + 1, len(drawn))
        return found


def _heap(embeddings, lesson: dict) -> int:
    width = sum(e.shape[1] for e in embeddings)
    samples, classes = len(lesson["support"]), len(set(lesson["labels"]))
    # rows of both kinds, heads of all classes, and the lesson and answers as Python objects
    return (
        (4 << 20)
        + 4 * samples * width
        + 64 * classes * width
        + 400 * (samples + len(lesson["query"]) + len(lesson["strangers"]))
    )


def _figures(episode: Episode, answers: dict) -> dict:
    """One episode's figures; `staged` and `got` are rows over RATIOS."""
    label_of = np.array([int(label) for label in answers["labels"]])
    rows = np.array(answers["answers"], np.float64)
    right0 = label_of[rows[:, 0].astype(int)] == episode.query_y
    right1 = label_of[rows[:, 2].astype(int)] == episode.query_y
    confidence = rows[:, 1]

    def staged(threshold):
        early = confidence >= threshold
        return float(np.where(early, right0, right1).mean()), float(early.mean())

    accuracy, got = staged(answers["threshold"])
    curve = [staged(threshold) for threshold in answers["thresholds"]]
    return {
        "exit0": float(right0.mean()),
        "exit1": float(right1.mean()),
        "staged": accuracy,
        "exit_ratio_got": got,
        "exit_auroc": auroc(confidence, right0),
        "reject_auroc": _apart(rows[:, 4], answers["strangers"]),
        "curve": [{"accuracy": a, "got": g} for a, g in curve],
        "ms": answers["ms"],
    }


def _strangers(data: Dataset, episode: Episode, rng: np.random.Generator) -> np.ndarray:
    """Samples of the classes that the episode does not teach, from where its queries come, at most as many."""
    pool = np.arange(len(data)) if data.split is None else np.flatnonzero(data.split == data.split[episode.query[0]])
    others = pool[~np.isin(data.y[pool], episode.classes)]
    return np.sort(rng.permutation(others)[: len(episode.query)])


def _apart(known, strangers) -> float:
    """AUROC of familiarity: taught classes against others; NaN without strangers."""
    return auroc(np.concatenate([known, strangers]), np.arange(len(known) + len(strangers)) < len(known))


def _costs(net: Backbone, bench: dict | None) -> tuple[tuple[float, float], str]:
    """((cost of exit 0, cost of going on to the last), where they are from). Any unit.

    A resumed answer has run every branch: the last head sees the embeddings of all exits.
    """
    total = float(sum(op.macs for op in net.ops))
    if bench is None:
        return (float(net.exits[0].macs), total), "share of the multiply-accumulates"
    try:
        first, last = (bench["exits"][e]["energy_uj_modelled"] for e in (0, len(net.exits) - 1))
    except (KeyError, IndexError, TypeError):
        raise ValueError("bench: expected the result of microt bench with energy_uj_modelled for every exit") from None
    if first is None or last is None:
        raise ValueError(f"bench: energy is not modelled for {bench.get('board')}")
    return (float(first), float(last)), f"instructions counted on {bench['board']}, cycles and power modelled"


def _mean(values) -> float | None:
    values = np.array([v for v in values if not np.isnan(v)])
    return float(values.mean()) if len(values) else None


def _ci95(values) -> float | None:
    values = np.array([v for v in values if not np.isnan(v)])
    return float(1.96 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def _summary(found: list[dict], costs: tuple[float, float]) -> dict:
    first, last = costs

    def saving(ratio):
        return ratio * (1 - first / last)

    def column(name):
        return [f[name] for f in found]

    keys = ("exit0", "exit1", "staged")
    got = _mean(column("exit_ratio_got"))
    curve = []
    for i, ratio in enumerate(RATIOS):
        accuracy = [f["curve"][i]["accuracy"] for f in found]
        ratio_got = _mean([f["curve"][i]["got"] for f in found])
        curve.append({
            "ratio_asked": ratio, "ratio_got": ratio_got, "accuracy": _mean(accuracy), "ci95": _ci95(accuracy),
            "energy_saving_modelled": saving(ratio_got),
        })  # fmt: skip
    return {
        "accuracy": {k: _mean(column(k)) for k in keys},
        "ci95": {k: _ci95(column(k)) for k in keys},
        "exit_ratio_got": got,
        "energy_saving_modelled": saving(got),
        "exit_auroc": _mean(column("exit_auroc")),
        "reject_auroc": _mean(column("reject_auroc")),
        "staged": curve,
        "per_episode": [{k: f[k] for k in (*keys, "exit_ratio_got", "exit_auroc")} for f in found],
    }


def _train_cost(net: Backbone, found: list[dict], samples: int) -> dict:
    """samples taught; the multiply-accumulates of running the backbone once for each, and what running it
    again every epoch would take; bytes kept of each sample; milliseconds of the heads' fit and calibration, measured
    on this machine."""
    per_sample = sum(op.macs for op in net.ops)
    return {
        "samples": samples,
        "backbone_runs": samples,
        "backbone_macs": samples * per_sample,
        "backbone_macs_rerun_every_epoch": EPOCHS * samples * per_sample,
        "embedding_bytes_per_sample": sum(e.dim for e in net.exits),
        "fit_ms_this_machine": _mean([f["ms"]["fit"] for f in found]),
        "calibrate_ms_this_machine": _mean([f["ms"]["calibrate"] for f in found]),
    }


def _describe_backbone(net: Backbone, mtb: str | Path | bytes) -> dict:
    content = mtb if isinstance(mtb, bytes) else Path(mtb).read_bytes()
    return {
        "file": None if isinstance(mtb, bytes) else Path(mtb).name,
        "sha256": net.sha256,
        "file_sha256": hashlib.sha256(content).hexdigest(),
        "flash_bytes": len(content),
        "arena_bytes": net.arena_size,
        "macs": sum(op.macs for op in net.ops),
        "exits": [{"name": e.name, "dim": e.dim, "macs": e.macs} for e in net.exits],
    }
