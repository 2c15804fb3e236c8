# SPDX-License-Identifier: MIT
"""What int8 costs: float against int8 embeddings of the same samples, as vectors and as what heads learn from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from microt import head
from microt.data import Dataset, draw_episode

MOST_POINTS = 0.5  # of few-shot accuracy that int8 may cost
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
    """{"cosine", "float", "int8", "points_lost"}, each a figure an exit; accuracies None of too few samples a class.

    exact: (N, dim) float32 an exit. rough: the same int8, with their (scale, zero point). features: of each exit's
    head. y: labels (N,). float and int8 are the shares of right answers over EPISODES of up to WAYS classes, the same
    ones for both, half of each class taught where there are fewer than SHOTS and some; points_lost is of 100.
    """
    plain = [(r.astype(np.float32) - zero) * scale for r, (scale, zero) in zip(rough, quantization, strict=True)]
    norms = [np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1) for a, b in zip(exact, plain, strict=True)]
    found = {
        "cosine": [
            float(np.mean((a * b).sum(axis=1) / np.maximum(n, 1e-9)))
            for a, b, n in zip(exact, plain, norms, strict=True)
        ]
    }
    kinds = ((list(exact), lambda u: u), (plain, head.quantized_rows))  # the device keeps its rows in int8
    accuracy = [_accuracy([keep(_inputs(f, arrays)) for f in features], features, y, seed) for arrays, keep in kinds]
    lost = None if None in accuracy else [100 * (a - b) for a, b in zip(*accuracy, strict=True)]
    return found | {"float": accuracy[0], "int8": accuracy[1], "points_lost": lost}


def most_lost(found: dict) -> float:
    """Points at the exit that loses most, 0 where `measure` had too few samples to tell."""
    return max(found["points_lost"] or [0.0])


def least(convert: Callable[[bool], tuple], corrected: bool, log: Callable[[str], None]) -> tuple[dict, tuple]:
    """The conversion that loses least: with bias correction, too, where one without loses over MOST_POINTS.

    convert(bias_correction) -> (what `measure` found, ...). corrected: to begin with bias correction. Returns the
    figures, "bias_correction" among them, and all that `convert` gave.
    """
    found = []
    for correction in (True,) if corrected else (False, True):
        made = convert(correction)
        found.append((made[0] | {"bias_correction": correction}, made))
        for line in describe(made[0]):
            log(line + (", bias corrected" if correction else ""))
        if most_lost(made[0]) <= MOST_POINTS:
            return found[-1]
        if not correction:
            log(f"int8 costs more than {MOST_POINTS} points: once more with bias correction")
    log(f"int8 costs more than {MOST_POINTS} points: calibrate with more pictures, or train for longer")
    return min(found, key=lambda one: most_lost(one[0]))


def describe(found: dict) -> list[str]:
    """A line for each exit."""
    lines = []
    for e, cosine in enumerate(found["cosine"]):
        text = f"int8 against float, exit {e}: cosine {cosine:.4f}"
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
