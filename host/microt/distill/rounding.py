# SPDX-License-Identifier: MIT
"""What int8 costs: float against int8 embeddings of the same samples, as vectors and as what heads learn from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from microt import head
from microt.data import Dataset, draw_episode

MOST_POINTS = 0.5  # of few-shot accuracy that int8 may cost
LEAST_COSINE = 0.8  # of the centred directions, float against int8
WAYS, SHOTS, QUERIES, EPISODES = 10, 10, 20, 20
CLASSES = 30  # to draw from


def samples(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indexes of samples to measure on: of at most CLASSES classes of labels y (N,), enough for an episode of each."""
    classes = rng.permutation(np.unique(y))[:CLASSES]
    chosen = [rng.permutation(np.flatnonzero(y == c))[: SHOTS + QUERIES] for c in classes]
    return np.sort(np.concatenate(chosen))


def measure(
    exact: Sequence[np.ndarray],
    rough: Sequence[np.ndarray],
    quantization: Sequence[tuple[float, int]],
    features: Sequence[head.ExitFeatures],
    y: np.ndarray,
    *,
    seed: int = 0,
) -> dict:
    """{"cosine", "centred", "float", "int8", "points_lost"}, each a figure an exit; None of too few samples a class.

    cosine is of the embeddings, centred of their square roots less the mean of the float ones, which is where heads
    look: embeddings that hardly differ have a cosine of 1 whatever rounding does to their differences.
    exact: (N, dim) float32 an exit. rough: the same int8, with their (scale, zero point). features: of each exit's
    head. y: labels (N,). float and int8 are the shares of right answers over EPISODES of up to WAYS classes, the same
    ones for both, half of each class taught where there are fewer than SHOTS and some; points_lost is of 100.
    """
    plain = [(r.astype(np.float32) - zero) * scale for r, (scale, zero) in zip(rough, quantization, strict=True)]
    found = {"cosine": [], "centred": []}
    for a, b in zip(exact, plain, strict=True):
        found["cosine"].append(_cosine(a, b))
        a, b = (np.sqrt(np.maximum(v, 0)) for v in (a, b))
        found["centred"].append(_cosine(a - a.mean(axis=0), b - a.mean(axis=0)))
    kinds = ((list(exact), lambda u: u), (plain, head.quantized_rows))  # the device keeps its rows in int8
    accuracy = [_accuracy([keep(_inputs(f, arrays)) for f in features], features, y, seed) for arrays, keep in kinds]
    lost = None if None in accuracy else [100 * (a - b) for a, b in zip(*accuracy, strict=True)]
    return found | {"float": accuracy[0], "int8": accuracy[1], "points_lost": lost}


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(axis=1) / np.maximum(norms, 1e-9)))


def most_lost(found: dict) -> float:
    """Points at the exit that loses most, 0 where `measure` had too few samples to tell."""
    return max(found["points_lost"] or [0.0])


def least(convert: Callable[[bool], tuple], corrected: bool, log: Callable[[str], None]) -> tuple[dict, tuple]:
    """The conversion that loses least: with bias correction, too, where one without loses over MOST_POINTS, or the
    directions that heads see go astray (LEAST_COSINE).

    convert(bias_correction) -> (what `measure` found, ...). corrected: to begin with bias correction. Returns the
    figures, "bias_correction" among them, and all that `convert` gave.
    """
    found = []
    for correction in (True,) if corrected else (False, True):
        made = convert(correction)
        found.append((made[0] | {"bias_correction": correction}, made))
        for line in describe(made[0]):
            log(line + (", bias corrected" if correction else ""))
        if most_lost(made[0]) <= MOST_POINTS and min(made[0]["centred"]) >= LEAST_COSINE:
            return found[-1]
        if not correction:
            log("int8 loses too much: once more with bias correction")
    best = min(found, key=lambda one: (max(most_lost(one[0]) - MOST_POINTS, 0), -min(one[0]["centred"])))
    if most_lost(best[0]) > MOST_POINTS:
        log(f"int8 costs more than {MOST_POINTS} points: calibrate with more samples, or train for longer")
    return best


def describe(found: dict) -> list[str]:
    """A line for each exit."""
    lines = []
    for e, cosine in enumerate(found["cosine"]):
        text = f"int8 against float, exit {e}: cosine {cosine:.4f}, centred {found['centred'][e]:.3f}"
        if found["points_lost"] is not None:
            text += (
                f", few-shot accuracy {found['int8'][e]:.3f} against {found['float'][e]:.3f} "
                f"({-found['points_lost'][e]:+.2f} points)"
            )
        lines.append(text)
    return lines


def _inputs(features: head.ExitFeatures, arrays: list[np.ndarray]) -> np.ndarray:
    return head.project(features, head.feature(features, arrays, [(1.0, 0)] * len(arrays)))


def _accuracy(u: list[np.ndarray], features, y: np.ndarray, seed: int) -> list[float] | None:
    _, y = np.unique(y, return_inverse=True)
    shots = min(SHOTS, int(np.median(np.bincount(y))) // 2)
    able = (np.bincount(y) > shots).sum()
    if shots < 1 or able < 2:
        return None
    blank = Dataset(np.zeros((len(y), 1, 1, 3), np.uint8), y, tuple(map(str, range(y.max() + 1))))
    rng = np.random.default_rng(seed)
    right = np.zeros((EPISODES, len(features)))
    for number in range(EPISODES):
        episode = draw_episode(blank, min(WAYS, int(able)), shots, rng)
        for e, (x, f) in enumerate(zip(u, features, strict=True)):
            taught = head.fit(f, x[episode.support], episode.support_y)
            right[number, e] = (head.scores(x[episode.query], taught).argmax(axis=1) == episode.query_y).mean()
    return right.mean(axis=0).tolist()
