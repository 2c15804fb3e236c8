# SPDX-License-Identifier: MIT
"""How good the heads are: by kind, shots and exit, against a float64 reference and against scikit-learn.

    python -m microt.learning.accuracy --data ../shared/data [--episodes 2]

The reference is linear discriminants with the full prior (`microt.head.prior_lda`): the within-class covariance of the
host's pictures in the space of all that an exit has seen, unprojected, in float64.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from microt import head
from microt.engine import Backbone
from microt.learning.episodes import (
    BACKBONE,
    HOST_SET,
    PICTURES,
    Episode,
    Job,
    Samples,
    draw,
    mean_over_sets,
    on_device,
    shared,
    shared_folder,
)

SHOTS = (1, 5, 10, 20)
HEADS = ("lda", "logistic", "ridge", "means")
DEFAULT = "lda"
REFERENCE_SETS = PICTURES[:4]
PARTS = ((0, 0, 128), (1, 0, 256))  # (exit, start, values): embeddings of 128 and 256 values without a transform
GAP_EPISODES = 8  # a set: 48 in all, for a standard error of .003


def measure(folder: str | Path, log: Callable[[str], object] = print, episodes: int = 2) -> dict:
    """accuracy, reference, accuracy_gap, fit_accuracy_gap(s) and accuracy_by_set: see `microt.learning.bench`."""
    sets = shared(folder, log)
    jobs = [
        Job(draw(samples, shots, (e,)), kind)
        for samples in sets.values()
        for shots in SHOTS
        for e in range(episodes)
        for kind in HEADS
    ]
    log(f"{len(jobs)} fits with the device's code")
    found = {}
    for job, said in zip(jobs, on_device(jobs), strict=True):
        e, shots = job.episode, shots_of(job.episode)
        right = (said["labels"] == e.true[:, None]).mean(axis=0)
        found.setdefault(job.head, {}).setdefault(shots, []).append((e.samples.name, right))
    gaps = logistic_gaps([sets[name] for name in PICTURES if name in sets], GAP_EPISODES)
    result = {
        "accuracy": {
            kind: {str(s): mean_over_sets(rows).round(4).tolist() for s, rows in sorted(by_shots.items())}
            for kind, by_shots in found.items()
        },
        "accuracy_pictures": {
            kind: {
                str(s): mean_over_sets([row for row in rows if row[0] in PICTURES]).round(4).tolist()
                for s, rows in sorted(by_shots.items())
            }
            for kind, by_shots in found.items()
        },
        "accuracy_by_set": {
            name: np.mean([v for n, v in found[DEFAULT][SHOTS[-1]] if n == name], axis=0).round(4).tolist()
            for name in sets
        },
        "fit_accuracy_gap": max(gaps.values()),
        "fit_accuracy_gaps": {name: round(gap, 4) for name, gap in gaps.items()},
    }
    prior = priors(shared(folder, log, (HOST_SET,)).get(HOST_SET))
    if prior:
        of_four = {name: sets[name] for name in REFERENCE_SETS if name in sets}
        reference = [
            (name, prior_lda(draw(samples, SHOTS[-1], (e,)), prior))
            for name, samples in of_four.items()
            for e in range(episodes)
        ]
        ours = [(n, v) for n, v in found[DEFAULT][SHOTS[-1]] if n in of_four]
        result["reference"] = mean_over_sets(reference).round(4).tolist()
        result["accuracy_gap"] = (mean_over_sets(reference) - mean_over_sets(ours)).round(4).tolist()
    return result


def logistic_gaps(sets: Sequence[Samples], episodes: int) -> dict[str, float]:
    """scikit-learn's accuracy less the device's, logistic regression, 20 shots, mean over sets of pictures.

    By feature: "exit 0" and "exit 1" as the heads see them, and bare embeddings of "128 values" and "256 values".
    """
    jobs = [Job(draw(samples, SHOTS[-1], (e,)), "logistic", part=part)
            for samples in sets for e in range(episodes) for part in (None, *PARTS)]  # fmt: skip
    found = {}
    for job, said in zip(jobs, on_device(jobs), strict=True):
        e = job.episode
        pairs = {f"{job.part[2]} values": plain(e, job.part)} if job.part else {}
        pairs = pairs or {f"exit {exit}": pair for exit, pair in enumerate(projected(e))}
        for labels, (name, pair) in zip(said["labels"].T, pairs.items(), strict=True):
            gap = scikit_learn(*pair, e) - (labels == e.true).mean()
            found.setdefault(name, []).append((e.samples.name, gap))
    return {name: float(mean_over_sets(rows)) for name, rows in found.items()}


def shots_of(episode: Episode) -> int:
    """What was asked for; a set with fewer samples a class gives what it has."""
    most = int(np.bincount(episode.labels).max())
    return most if most in SHOTS else SHOTS[-1]


@functools.cache
def features(backbone: Path = BACKBONE) -> list[head.ExitFeatures]:
    """Those of a shipped backbone."""
    return head.load_features(backbone.with_name(backbone.stem + "_features.npz"))


@functools.cache
def quantization(backbone: Path = BACKBONE) -> list[tuple[float, int]]:
    """(scale, zero point) of each exit."""
    return [(e.scale, e.zero_point) for e in Backbone(backbone).exits]


def projected(episode: Episode) -> list[tuple[np.ndarray, np.ndarray]]:
    """(support, queries) in the projected space of each exit, float32."""
    found = []
    backbone = episode.samples.backbone
    for e in features(backbone):
        pair = []
        for index in (episode.support, episode.queries):
            embeddings = [values[index] for values in episode.samples.embeddings]
            pair.append(head.project(e, head.feature(e, embeddings, quantization(backbone))))
        found.append(tuple(pair))
    return found


def plain(episode: Episode, part: tuple[int, int, int]) -> list[np.ndarray]:
    """[support, queries]: a part of one exit's embedding, dequantised, of length 1."""
    exit, start, size = part
    step, zero = quantization()[exit]
    found = []
    for index in (episode.support, episode.queries):
        x = step * (episode.samples.embeddings[exit][index, start : start + size].astype(np.float32) - zero)
        found.append(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6))
    return found


def scikit_learn(support: np.ndarray, queries: np.ndarray, episode: Episode) -> float:
    """Accuracy of scikit-learn's logistic regression (C = 1) of features about their mean over their mean deviation."""
    centre = support.mean(axis=0)
    spread = np.sqrt(((support - centre) ** 2).mean())
    model = LogisticRegression(C=1, max_iter=2000).fit((support - centre) / spread, episode.labels)
    return float((model.predict((queries - centre) / spread) == episode.true).mean())


def full_parts(exit: int) -> list[tuple[int, int, int]]:
    """All that the features of exits 0 to `exit` are made of, once each."""
    return list(dict.fromkeys(part for e in features()[: exit + 1] for part in e.parts))


def full_feature(embeddings, exit, mean=None):
    """(z, mean): every part's square root about the mean (its own when None), of length 1."""
    values = head.roots(embeddings, quantization(), full_parts(exit))
    mean = np.concatenate([v.mean(axis=0) for v in values]) if mean is None else mean
    return head.centred(values, mean), mean


def priors(samples):
    """For each exit the mean and the within-class covariance of the host's pictures; None without them."""
    if samples is None:
        return None
    found = []
    for exit in range(len(samples.embeddings)):
        z, mean = full_feature(samples.embeddings, exit)
        found.append((mean, head.within_class(z.astype(np.float64), samples.y)))
    return found


def prior_lda(episode: Episode, prior) -> np.ndarray:
    """Accuracy of the reference by exit."""
    found = []
    for exit, (mean, covariance) in enumerate(prior):
        support, queries = (
            full_feature([e[index] for e in episode.samples.embeddings], exit, mean)[0]
            for index in (episode.support, episode.queries)
        )
        w, b = head.prior_lda(support, episode.labels, int(episode.labels.max()) + 1, covariance)
        found.append(((queries @ w.T + b).argmax(axis=1) == episode.true).mean())
    return np.array(found)


def table(result: dict) -> str:
    """In Markdown: accuracy by head and shots, exit 0 / exit 1."""
    lines = ["| head | " + " | ".join(f"{s} shot{'s' * (s > 1)}" for s in SHOTS) + " |", "|---" * 5 + "|"]
    for field, what in (("accuracy", "all sets"), ("accuracy_pictures", "pictures")):
        for kind, found in result[field].items():
            figures = " | ".join("{:.3f} / {:.3f}".format(*found[str(s)]) for s in SHOTS)
            lines.append(f"| {kind}, {what} | {figures} |")
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
