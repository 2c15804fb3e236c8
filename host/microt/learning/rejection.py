# SPDX-License-Identifier: MIT
"""How well what was never taught is told from what was: the device's familiarity, and all that it was chosen from.

    python -m microt.learning.rejection --data ../shared/data [--episodes 4] [--split rest] [--adapted build/adapted]

Half of an episode's classes are taught, 20 shots; AUROC of taught against untaught queries. The scores are NumPy, in
the projected space u of each exit, with the shrunk covariance of the default head, on the pictures. `--split rest`
asks about the rest of the train split, by which scores are chosen, instead of the test split. `--adapted` takes
backbones that `microt adapt` made for sets, build/adapted/SET/backbone.mtb, and compares no scores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from microt import head
from microt.auroc import auroc
from microt.learning.accuracy import features, projected, quantization
from microt.learning.episodes import (
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

SHOTS = 20
TAUGHT = 0.5
BACKGROUND = 0.4  # device/microt/heads/heldout.py
NEIGHBOURS = 512  # of the host's pictures
BEFORE = "energy + 0.4 of the log-ratio to the host's pictures"
SHIPPED = "energy, log-ratio and distance among the held-out logits (shipped, the device's)"


def measure(
    folder: str | Path,
    log: Callable[[str], object] = print,
    episodes: int = 2,
    split: int = 1,
    adapted: str | Path | None = None,
) -> dict:
    """reject_auroc, reject_auroc_by_set and reject_scores: see `microt.learning.bench`."""
    sets = shared(folder, log, adapted=adapted)
    jobs = [
        Job(draw(samples, SHOTS, (e, 3), taught=TAUGHT, split=split), ratios=(0.5,))
        for samples in sets.values()
        for e in range(2 * episodes)
    ]
    log(f"{len(jobs)} half-taught episodes with the device's code")
    by_device = [
        (job.episode.samples.name, by_exit(job.episode, found))
        for job, found in zip(jobs, on_device(jobs), strict=True)
    ]
    host = None if adapted else shared(folder, log, (HOST_SET,)).get(HOST_SET)
    priors = [Prior(host, exit) for exit in range(2)] if host else [None, None]
    compared = {}
    for e in (job.episode for job in jobs if job.episode.samples.name in PICTURES and not adapted):
        both = []
        for exit, (support, queries) in enumerate(projected(e)):
            both.append(scores(features()[exit].shrink, support, e.labels, queries, priors[exit]))
        for name in both[0]:
            values = [auroc(found[name], e.true >= 0) for found in both]
            compared.setdefault(name, []).append((e.samples.name, values))
    averaged = {name: mean_over_sets(rows) for name, rows in compared.items()}
    averaged[SHIPPED] = mean_over_sets([row for row in by_device if row[0] in PICTURES])
    return {
        "reject_auroc": dict(zip(("exit0", "exit1"), mean_over_sets(by_device).round(4).tolist(), strict=True)),
        "reject_auroc_pictures": averaged[SHIPPED].round(4).tolist(),
        "reject_auroc_by_set": {
            name: np.mean([v for n, v in by_device if n == name], axis=0).round(3).tolist() for name in sets
        },
        "reject_scores": {
            name: v.round(4).tolist() for name, v in sorted(averaged.items(), key=lambda item: -item[1][-1])
        },
    }


def by_exit(episode: Episode, found: dict) -> list[float]:
    """AUROC of the device's familiarity at each exit."""
    return [auroc(f, episode.true >= 0) for f in found["familiarity"].T]


class Prior:
    """What the host's pictures say about an exit's projected space: mean, covariances, class means, NEIGHBOURS."""

    def __init__(self, samples: Samples, exit: int):
        train = samples.split == 0
        e = features()[exit]
        u = head.project(e, head.feature(e, [v[train] for v in samples.embeddings], quantization())).astype(np.float64)
        y = samples.y[train]
        self.mean = u.mean(axis=0)
        self.within = head.within_class(u, y)
        self.total = np.cov(u, rowvar=False)
        value, vector = np.linalg.eigh(self.total - self.within)
        self.between = (vector * np.maximum(value, 1e-4 * value.max())) @ vector.T
        self.classes = np.stack([u[y == c].mean(axis=0) for c in np.unique(y)])
        self.some = u[np.random.default_rng(0).permutation(len(u))[:NEIGHBOURS]]


def scores(shrink: float, support, labels, queries, prior: Prior | None) -> dict[str, np.ndarray]:
    """Every score that was tried, the larger the more familiar. support, queries: (n, k)."""
    x, q = support.astype(np.float64), queries.astype(np.float64)
    n, k = x.shape
    classes = int(labels.max()) + 1
    means = np.stack([x[labels == c].mean(axis=0) for c in range(classes)])
    within = head.within_class(x, labels)
    sigma = (1 - shrink) * within + shrink * np.trace(within) / k * np.eye(k)
    inverse = np.linalg.inv(sigma)
    heat = head.temperature(n, classes, k)
    middle = means.mean(axis=0)
    w = (means - middle) @ inverse
    logits = heat * (q @ w.T - 0.5 * ((means + middle) * w).sum(axis=1))
    ground = heat * (q @ inverse @ middle - 0.5 * middle @ inverse @ middle)
    energy = logsumexp(logits)
    distance = mahalanobis(q, means, inverse)
    white, white_x, white_means = (v @ root(inverse) for v in (q, x, means))
    near = np.sort(cosine(white, white_x), axis=1)[:, ::-1]
    plain = np.sort(cosine(q, x), axis=1)[:, ::-1]
    own = own_distances(x, labels, means, inverse)
    found = {
        BEFORE: energy + BACKGROUND * ground,
        "energy (logsumexp of the logits)": energy,
        "largest logit": logits.max(axis=1),
        "largest probability": logits.max(axis=1) - energy,
        "energy + log-ratio to the host's pictures": energy + ground,
        "Mahalanobis to the nearest class": -distance.min(axis=1),
        "the same over the class's own left-out distances": -(distance / (own + own.mean())).min(axis=1),
        "relative Mahalanobis, to the host's mean": (q @ inverse * q).sum(axis=1) - distance.min(axis=1),
        "cosine to the nearest sample": plain[:, 0],
        "cosine to the 5 nearest samples": plain[:, :5].mean(axis=1),
        "cosine to the nearest class mean": cosine(q, means).max(axis=1),
        "whitened cosine to the nearest sample": near[:, 0],
        "whitened cosine to the 3 nearest samples": near[:, :3].mean(axis=1),
        "whitened cosine to the nearest class mean": cosine(white, white_means).max(axis=1),
        "energy + 9 times the whitened cosine to the nearest mean": energy + 9 * cosine(white, white_means).max(axis=1),
    }
    if prior is None:
        return found
    total = np.linalg.inv(0.8 * prior.total + 0.2 * np.trace(prior.total) / k * np.eye(k))
    found["relative Mahalanobis, to the host's Gaussian"] = mahalanobis(q, prior.mean[None], total)[
        :, 0
    ] - distance.min(axis=1)
    host = np.sort(cosine(q, prior.some), axis=1)[:, ::-1]
    found["cosine to the 3 nearest samples less to the host's"] = plain[:, :3].mean(axis=1) - host[:, :3].mean(axis=1)
    pooled = 0.5 * within * n / max(n - classes, 1) + 0.5 * prior.within
    pooled = 0.9 * pooled + 0.1 * np.trace(pooled) / k * np.eye(k)
    found["probabilistic discriminants (PLDA), the host's prior"] = plda(q, means, np.bincount(labels), pooled, prior)
    mixed = 0.4 * within + 0.4 * prior.within * np.trace(within) / np.trace(prior.within)
    mixed = np.linalg.inv(mixed + 0.2 * np.trace(within) / k * np.eye(k))
    w = (means - middle) @ mixed
    logits = heat * (q @ w.T - 0.5 * ((means + middle) * w).sum(axis=1))
    ground = heat * (q @ mixed @ middle - 0.5 * middle @ mixed @ middle)
    found["energy + 0.4 of the log-ratio, the host's covariance mixed in"] = logsumexp(logits) + BACKGROUND * ground
    near_mean, mean_to_host = cosine(white, white_means), np.sort(cosine(white_means, prior.some @ root(inverse)))
    found["whitened cosine to the nearest mean over that of 50 of the host's"] = -(
        (1 - near_mean) / (1 - mean_to_host[:, -50:].mean(axis=1))
    ).min(axis=1)
    negative = np.sort(cosine(white, prior.classes @ root(inverse)))[:, -5:].mean(axis=1)
    found["whitened cosine less half of that to 5 of the host's class means"] = near_mean.max(axis=1) - 0.5 * negative
    negatives = heat * (
        prior.some[:64] @ inverse @ q.T - 0.5 * (prior.some[:64] @ inverse * prior.some[:64]).sum(1)[:, None]
    )
    against = heat * (q @ inverse @ means.T - 0.5 * (means @ inverse * means).sum(axis=1))
    found["background class of 64 of the host's pictures"] = logsumexp(against) - logsumexp(negatives.T)
    return found


def mahalanobis(x: np.ndarray, means: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """(n, classes) squared distances."""
    return np.stack([((x - m) @ inverse * (x - m)).sum(axis=1) for m in means], axis=1)


def own_distances(x, labels, means, inverse) -> np.ndarray:
    """(classes,) mean squared distance of a class's samples to its mean without them."""
    found = np.zeros(len(means))
    for c, m in enumerate(means):
        r = x[labels == c] - m
        found[c] = ((r @ inverse * r).sum(axis=1) * (len(r) / max(len(r) - 1, 1)) ** 2).mean()
    return found


def plda(x, means, counts, within, prior: Prior) -> np.ndarray:
    """Log-ratio of the best classes' predictive densities to that of a class unseen (Ioffe, 2006)."""
    gain = prior.between @ np.linalg.inv(prior.between + within / counts.min())
    left = prior.between - gain @ prior.between
    expected = prior.mean + (means - prior.mean) @ gain.T
    covariance = within + (left + left.T) / 2
    taught = np.stack([log_density(x, m, covariance) for m in expected], axis=1)
    return logsumexp(taught) - log_density(x, prior.mean, within + prior.between)


def log_density(x, mean, covariance) -> np.ndarray:
    """Of a Gaussian, up to a constant that depends on the dimension."""
    lower = np.linalg.cholesky(covariance)
    return -0.5 * (np.linalg.solve(lower, (x - mean).T) ** 2).sum(axis=0) - np.log(np.diag(lower)).sum()


def root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root."""
    value, vector = np.linalg.eigh(matrix)
    return (vector * np.sqrt(np.maximum(value, 0))) @ vector.T


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(len(a), len(b))"""
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


def logsumexp(logits: np.ndarray) -> np.ndarray:
    """Over the classes."""
    most = logits.max(axis=1)
    return most + np.log(np.exp(logits - most[:, None]).sum(axis=1))


def table(result: dict) -> str:
    """In Markdown: the device's figures by set, and the scores."""
    lines = ["| set | exit 0 | exit 1 |", "|---|---|---|"]
    lines += [f"| {name} | {a:.3f} | {b:.3f} |" for name, (a, b) in result["reject_auroc_by_set"].items()]
    lines.append("| **mean** | **{:.3f}** | **{:.3f}** |".format(*result["reject_auroc"].values()))
    lines.append("| mean of the pictures | {:.3f} | {:.3f} |".format(*result["reject_auroc_pictures"]))
    if len(result["reject_scores"]) > 1:
        lines += ["", "| score, NumPy | exit 0 | exit 1 |", "|---|---|---|"]
        lines += [f"| {name} | {a:.3f} | {b:.3f} |" for name, (a, b) in result["reject_scores"].items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(shared_folder()))
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--split", choices=("test", "rest"), default="test")
    parser.add_argument("--adapted", help="folder of backbones, SET/backbone.mtb, to take instead of the shipped ones")
    a = parser.parse_args()
    result = measure(a.data, episodes=a.episodes, split=int(a.split == "test"), adapted=a.adapted)
    print(json.dumps(result, indent=1))
    print(table(result))


if __name__ == "__main__":
    main()
