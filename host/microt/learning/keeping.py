# SPDX-License-Identifier: MIT
"""Which samples of a class to keep when there is room for a few: why `Task(limit=...)` draws by chance.

    python -m microt.learning.keeping --data ../shared/data [--episodes 2]

A stream of SHOWN samples a class; a policy keeps `limit` of them; the default head is fitted to these by the device's
code. first: those that came first. reservoir: a random choice of all. herding: one more than there is room for, less
the one that greedy herding towards their mean picks last (Rebuffi et al., iCaRL, 2017, made to run on a stream).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from microt import head
from microt.learning.accuracy import features, quantization
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
POLICIES = ("reservoir", "first", "herding")


def measure(folder: str | Path, log: Callable[[str], object] = print, episodes: int = 2) -> dict:
    """{"keeping": {policy: {limit: [exit 0, exit 1]}}}: accuracy, mean over the picture sets with that many."""
    sets = {name: s for name, s in shared(folder, log, PICTURES).items() if enough(s)}
    kinds, jobs = [], []
    for samples in sets.values():
        for e in range(episodes):
            whole = draw(samples, SHOWN, (e, 4))
            z = last_feature(samples, whole.support)
            for limit in LIMITS:
                for policy in POLICIES:
                    kept = np.concatenate([c[keep(policy, z[c], limit, np.random.default_rng(e))]
                                           for c in by_class(whole.labels)])  # fmt: skip
                    kinds.append((policy, limit))
                    jobs.append(
                        Job(Episode(samples, whole.support[kept], whole.labels[kept], whole.queries, whole.true))
                    )
    log(f"{len(jobs)} fits to what was kept with the device's code")
    found = {}
    for kind, job, said in zip(kinds, jobs, on_device(jobs), strict=True):
        right = (said["labels"] == job.episode.true[:, None]).mean(axis=0)
        found.setdefault(kind, []).append((job.episode.samples.name, right))
    return {
        "keeping": {
            policy: {str(limit): mean_over_sets(found[policy, limit]).round(4).tolist() for limit in LIMITS}
            for policy in POLICIES
        }
    }


def enough(samples: Samples) -> bool:
    """Whether a set has SHOWN training samples of every class."""
    counts = np.bincount(samples.y[samples.split == 0])
    return bool((counts[counts > 0] >= SHOWN).all())


def by_class(labels: np.ndarray) -> list[np.ndarray]:
    """Indexes of each class's samples, in the order they came."""
    return [np.flatnonzero(labels == c) for c in range(int(labels.max()) + 1)]


def last_feature(samples: Samples, index: np.ndarray) -> np.ndarray:
    """z of the last exit, (n, d)."""
    return head.feature(
        features(samples.backbone)[-1], [e[index] for e in samples.embeddings], quantization(samples.backbone)
    )


def keep(policy: str, z: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Indexes of the samples that are kept of a class's stream z (n, d)."""
    if policy == "first":
        return np.arange(min(limit, len(z)))
    if policy == "reservoir":
        return np.sort(rng.permutation(len(z))[:limit])
    kept = list(range(min(limit, len(z))))
    for i in range(limit, len(z)):
        kept.append(i)
        kept.pop(last_herded(z[kept]))
    return np.array(kept)


def last_herded(z: np.ndarray) -> int:
    """The row that herding towards the mean of z (n, d) picks last."""
    products = z @ z.T
    towards, own = products.mean(axis=1), np.diag(products)
    left, along = np.ones(len(z), bool), np.zeros(len(z))
    for k in range(1, len(z)):
        gain = 2 * towards / k - (own + 2 * along) / k**2
        best = int(np.where(left, gain, -np.inf).argmax())
        left[best] = False
        along += products[:, best]
    return int(np.flatnonzero(left)[0])


def table(result: dict) -> str:
    """In Markdown: accuracy by policy, exit 0 / exit 1."""
    lines = ["| kept of each class | " + " | ".join(f"{n} of {SHOWN}" for n in LIMITS) + " |", "|---|---|---|"]
    for policy, found in result["keeping"].items():
        lines.append(f"| {policy} | " + " | ".join("{:.3f} / {:.3f}".format(*found[str(n)]) for n in LIMITS) + " |")
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
