# SPDX-License-Identifier: MIT
"""Which samples of a class to keep when there is room for a few: `Task(limit=..., keep="random")` or "herding".

    python -m microt.learning.keeping --data ../shared/data [--episodes 2] [--sets sign_digits --shown 50 --limits 10]

A stream of so many samples a class; a policy keeps `limit` of them; a head, the default one or class means, is fitted
to these by the device's code. first: those that came first. random: a random choice of all. herding: one more than
there is room for, less the one without which their mean is nearest to that of all shown (`microt.store.herding` on the
device).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from microt.learning.episodes import (
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

SHOWN = 60
LIMITS = (5, 10)
POLICIES = ("random", "first", "herding")


def measure(
    folder: str | Path,
    log: Callable[[str], object] = print,
    episodes: int = 2,
    *,
    sets: Sequence[str] = PICTURES,
    shown: int = SHOWN,
    limits: Sequence[int] = LIMITS,
    head: str = "lda",
) -> dict:
    """{"keeping": {policy: {limit: [exit 0, exit 1]}}}: accuracy, mean over the sets with so many samples a class."""
    sets = {name: s for name, s in shared(folder, log, sets).items() if enough(s, shown)}
    if not sets:
        raise ValueError(f"{folder}: no set with {shown} training samples of every class")
    kinds, jobs = [], []
    for samples in sets.values():
        for e in range(episodes):
            whole = draw(samples, shown, (e, 4))
            x = samples.embeddings[-1][whole.support].astype(np.float64)
            for limit in limits:
                for policy in POLICIES:
                    kept = np.concatenate([c[keep(policy, x[c], limit, np.random.default_rng(e))]
                                           for c in by_class(whole.labels)])  # fmt: skip
                    kinds.append((policy, limit))
                    episode = Episode(samples, whole.support[kept], whole.labels[kept], whole.queries, whole.true)
                    jobs.append(Job(episode, head))
    log(f"{len(jobs)} fits to what was kept with the device's code")
    found = {}
    for kind, job, said in zip(kinds, jobs, on_device(jobs), strict=True):
        right = (said["labels"] == job.episode.true[:, None]).mean(axis=0)
        found.setdefault(kind, []).append((job.episode.samples.name, right))
    return {
        "keeping": {
            policy: {str(limit): mean_over_sets(found[policy, limit]).round(4).tolist() for limit in limits}
            for policy in POLICIES
        }
    }


def enough(samples: Samples, shown: int) -> bool:
    """Whether a set has so many training samples of every class."""
    counts = np.bincount(samples.y[samples.split == 0])
    return bool((counts[counts > 0] >= shown).all())


def by_class(labels: np.ndarray) -> list[np.ndarray]:
    """Indexes of each class's samples, in the order they came."""
    return [np.flatnonzero(labels == c) for c in range(int(labels.max()) + 1)]


def keep(policy: str, x: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Indexes of the samples that are kept of a class's stream x (n, d), embeddings of the last exit."""
    if policy == "first":
        return np.arange(min(limit, len(x)))
    if policy == "random":
        return np.sort(rng.permutation(len(x))[:limit])
    kept = list(range(min(limit, len(x))))
    for i in range(limit, len(x)):
        kept.append(i)
        mean, total = x[: i + 1].mean(axis=0), x[kept].sum(axis=0)
        kept.pop(int((((total - x[kept]) / limit - mean) ** 2).sum(axis=1).argmin()))
    return np.array(kept)


def table(result: dict, shown: int = SHOWN) -> str:
    """In Markdown: accuracy by policy, exit 0 / exit 1."""
    limits = list(result["keeping"][POLICIES[0]])
    lines = ["| kept of each class | " + " | ".join(f"{n} of {shown}" for n in limits) + " |"]
    lines.append("|---" * (1 + len(limits)) + "|")
    for policy, found in result["keeping"].items():
        lines.append(f"| {policy} | " + " | ".join("{:.3f} / {:.3f}".format(*found[n]) for n in limits) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(shared_folder()))
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--sets", nargs="+", default=PICTURES)
    parser.add_argument("--shown", type=int, default=SHOWN, help="samples a class")
    parser.add_argument("--limits", type=int, nargs="+", default=LIMITS)
    parser.add_argument("--head", default="lda", help="lda, logistic, means or ridge")
    a = parser.parse_args()
    result = measure(a.data, episodes=a.episodes, sets=a.sets, shown=a.shown, limits=a.limits, head=a.head)
    print(json.dumps(result, indent=1))
    print(table(result, a.shown))


if __name__ == "__main__":
    main()
