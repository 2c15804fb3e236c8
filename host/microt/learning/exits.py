# SPDX-License-Identifier: MIT
"""How well exit 0's threshold does what was asked for, and which score it should be set on.

    python -m microt.learning.exits --data ../shared/data [--episodes 2]

Ratios and the tracker are the device's own code, 20 shots, thresholds from the support alone, and moved by the queries
as they come where it tracks. Test samples of some sets lie far from those taught, so the same is asked of the rest of
the train split ("like those taught"). The scores are compared with the NumPy twin of the default head.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from microt import head
from microt.auroc import auroc
from microt.learning.accuracy import features, projected
from microt.learning.episodes import Episode, Job, draw, mean_over_sets, on_device, shared, shared_folder

RATIOS = (0.25, 0.5, 0.75)
SHOTS = 20
STREAM = 1500
SETTLE = 500  # samples of a stream after which the tracker should hold
KINDS = {
    "_like_taught": ("samples like those taught", 0, {}),
    "_like_taught_per_class": ("the same, `per_class`", 0, {"per_class": True}),
    "_fixed": ("test split", 1, {}),
    "_fixed_per_class": ("the same, `per_class`", 1, {"per_class": True}),
    "": ("test split, tracking as the field application does", 1, {"track": RATIOS}),
}  # what, the split that is asked about, more of the Job
DRIFTING = "grocery_store"  # its test pictures were taken elsewhere than those taught


def measure(folder: str | Path, log: Callable[[str], object] = print, episodes: int = 2) -> dict:
    """ratio_*, tracker_*, exit_scores: see `microt.learning.bench`."""
    sets = shared(folder, log)
    jobs = [
        (kind, Job(draw(samples, SHOTS, (e, 1), split=split), ratios=RATIOS, **more))
        for kind, (_, split, more) in KINDS.items()
        for samples in sets.values()
        for e in range(episodes)
    ]
    streams = [
        Job(stream(draw(sets[name], SHOTS, (e, 2))), ratios=(0.5,), track=(0.5,))
        for name in sets
        if name == DRIFTING
        for e in range(episodes)
    ]
    log(f"{len(jobs) + len(streams)} calibrations with the device's code")
    said = on_device([job for _, job in jobs] + streams)
    got = {kind: [] for kind in KINDS}
    staged = {kind: [] for kind in KINDS}
    for (kind, job), found in zip(jobs, said, strict=False):
        early = [np.equal(exits, 0) for exits in found["exits"]]
        early = early or [found["exit_score"][:, 0] >= t for t in found["thresholds"]]
        right = found["labels"] == job.episode.true[:, None]
        name = job.episode.samples.name
        got[kind].append((name, [e.mean() for e in early]))
        staged[kind].append((name, [np.where(e, right[:, 0], right[:, -1]).mean() for e in early]))
    held = [np.equal(found["exits"][0][SETTLE:], 0).mean() for found in said]
    result = {}
    for kind in KINDS:
        means = mean_over_sets(got[kind])
        result["ratio_got" + kind] = dict(zip(map(str, RATIOS), means.round(4).tolist(), strict=True))
        result["ratio_error" + kind] = {str(r): round(float(abs(m - r)), 4) for r, m in zip(RATIOS, means, strict=True)}
        result["staged_accuracy" + kind] = mean_over_sets(staged[kind]).round(4).tolist()
    for kind in ("", "_fixed"):
        result["ratio_got_by_set" + kind] = {
            name: np.mean([v for n, v in got[kind] if n == name], axis=0).round(3).tolist() for name in sets
        }
    result["tracker_error"] = max([abs(float(h) - 0.5) for h in held] + [drifting_error()])
    result["exit_scores"] = scores(sets, max(episodes, 4))
    return result


def stream(episode: Episode) -> Episode:
    """The queries in random order, again and again, STREAM of them."""
    index = np.random.default_rng(0).integers(0, len(episode.queries), STREAM)
    return Episode(episode.samples, episode.support, episode.labels, episode.queries[index], episode.true[index])


def drifting_error(seed: int = 0) -> float:
    """The tracker's rule on a stream that is surer of itself than the held-out samples were."""
    rng = np.random.default_rng(seed)
    table = np.quantile(rng.beta(4, 2, 200), np.linspace(0, 1, 33))
    place, answered = 0.5, []
    for confidence in rng.beta(8, 2, 3000):
        answered.append(confidence >= np.interp(1 - place, np.linspace(0, 1, 33), table))
        place = min(max(place + 0.02 * (0.5 - answered[-1]), 0), 1)
    return float(abs(np.mean(answered[SETTLE:]) - 0.5))


def scores(sets: dict, episodes: int) -> dict:
    """{score: [AUROC of "exit 0 is right", accuracy when the better half by it is answered there]}, mean over sets."""
    found = {}
    for samples in sets.values():
        for e in range(episodes):
            episode = draw(samples, SHOTS, (e, 1))
            (support, queries), last = projected(episode)
            first, *_, deep = features(samples.backbone)
            logits = fitted(first, support, episode.labels, queries)
            right = logits.argmax(axis=1) == episode.true
            right_last = fitted(deep, last[0], episode.labels, last[1]).argmax(axis=1) == episode.true
            means = np.stack([support[episode.labels == c].mean(axis=0) for c in range(logits.shape[1])])
            for name, score in exit_scores(logits, distances(queries, means)).items():
                half = score >= np.median(score)
                figures = [auroc(score, right) if 0 < right.mean() < 1 else np.nan,
                           np.where(half, right, right_last).mean()]  # fmt: skip
                found.setdefault(name, []).append((samples.name, figures))
    averaged = {
        name: [float(np.nanmean([v[0] for _, v in rows])), float(mean_over_sets(rows)[1])]
        for name, rows in found.items()
    }
    return {name: np.round(v, 4).tolist() for name, v in sorted(averaged.items(), key=lambda item: -item[1][0])}


def fitted(feature: head.ExitFeatures, support, labels, queries) -> np.ndarray:
    """Logits of the default head, the NumPy twin's."""
    w, b = head.fit(feature, support, labels)
    return queries @ w.T + b


def distances(x: np.ndarray, means: np.ndarray) -> np.ndarray:
    """(n, classes): squared distance to each class mean."""
    return (x * x).sum(axis=1)[:, None] - 2 * x @ means.T + (means * means).sum(axis=1)


def exit_scores(logits: np.ndarray, distance: np.ndarray) -> dict[str, np.ndarray]:
    """The scores that were compared, the larger the surer."""
    most = logits.max(axis=1, keepdims=True)
    energy = most[:, 0] + np.log(np.exp(logits - most).sum(axis=1))
    p = np.exp(logits - energy[:, None])
    by_size, near = np.sort(p, axis=1), np.sort(distance, axis=1)
    top = np.sort(logits, axis=1)
    return {
        "largest probability": by_size[:, -1],
        "probability margin": by_size[:, -1] - by_size[:, -2],
        "logit margin": top[:, -1] - top[:, -2],
        "negative entropy": (p * np.log(p + 1e-30)).sum(axis=1),
        "energy (logsumexp)": energy,
        "largest logit": top[:, -1],
        "distance ratio to the class means": near[:, 1] / np.maximum(near[:, 0], 1e-9),
    }


def table(result: dict) -> str:
    """In Markdown: ratios got, and the scores."""
    lines = ["| ratio asked | " + " | ".join(map(str, RATIOS)) + " |", "|---|" + "---|" * len(RATIOS)]
    for kind, (what, *_) in KINDS.items():
        lines.append(f"| got, {what} | " + " | ".join(f"{v:.3f}" for v in result["ratio_got" + kind].values()) + " |")
    for kind, (what, *_) in KINDS.items():
        lines.append(f"| accuracy, {what} | " + " | ".join(f"{v:.3f}" for v in result["staged_accuracy" + kind]) + " |")
    for kind in ("_fixed", ""):
        lines.append(f"| by set, {KINDS[kind][0]} | | | |")
        lines += [f"| {name} | " + " | ".join(f"{v:.2f}" for v in got) + " |"
                  for name, got in result["ratio_got_by_set" + kind].items()]  # fmt: skip
    lines += ["", '| score | AUROC of "exit 0 is right" | staged accuracy at half |', "|---|---|---|"]
    lines += [f"| {name} | {a:.3f} | {s:.3f} |" for name, (a, s) in result["exit_scores"].items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(shared_folder()))
    parser.add_argument("--episodes", type=int, default=2)
    a = parser.parse_args()
    result = measure(a.data, episodes=a.episodes)
    print(json.dumps(result, indent=1))
    print(table(result))


if __name__ == "__main__":
    main()
