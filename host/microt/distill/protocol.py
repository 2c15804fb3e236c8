# SPDX-License-Identifier: MIT
"""Few-shot accuracy of a backbone on the four picture sets, with the NumPy twin of the head.

    python -m microt.distill.protocol models/objects.tflite --data ../shared/data

Sets: flower_photos (5 classes), clothing (10), sign_digits (10), grocery_store (10 drawn).
Support pictures come from the train split; queries are all test pictures of the drawn classes
(--query rest: the other train pictures, for choosing constants). The seeds are fixed, so every
backbone sees the same episodes. "staged": the half of the queries with the highest score at exit 0
is answered there; "own threshold": exits by the cross-validated threshold of the support alone.
Intervals: 1.96 standard errors over the episodes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from microt import head
from microt.auroc import auroc
from microt.data import Dataset, Episode, draw_episode, load

SETS = {"flower_photos": 5, "clothing": 10, "sign_digits": 10, "grocery_store": 10}
FIGURES = (
    "exit0", "exit1", "staged", "auroc", "exit_ratio_got", "staged_own_threshold",
)  # fmt: skip


class Embeddings:
    """Embeddings of the sets: `sets[name]` is (Dataset without pixels, one array an exit)."""

    def __init__(self, source: str | Path, folder: str | Path, log: Callable = print):
        """source: a `.tflite`, `.mtb` or `.keras` backbone. folder: where the `.npz` sets are."""
        embed, self.quantization, size = opened(source)
        self.sets = {}
        for name in SETS:
            data = load(Path(folder) / f"{name}.npz", size)
            log(f"{name}: {len(data)} pictures")
            blank = Dataset(np.zeros((len(data), 1, 1, 3), np.uint8), data.y, data.class_names, data.split, name)
            self.sets[name] = (blank, embed(data.x))


def opened(source: str | Path) -> tuple[Callable, list[tuple[float, int]], int]:
    """(embed, quantization, size) of a backbone file: embed(uint8 pictures) -> arrays by exit.

    The quantization of a float (`.keras`) backbone is (1, 0) for every exit.
    """
    source = Path(source)
    if source.suffix == ".tflite":
        from microt.quantize import Int8Backbone

        backbone = Int8Backbone(source)
        pairs = list(zip(backbone.scales, backbone.zero_points, strict=True))
        return backbone.embed, pairs, backbone.input_shape[0]
    if source.suffix == ".mtb":
        from microt.engine import Backbone

        backbone = Backbone(source)
        return backbone.embed, [(e.scale, e.zero_point) for e in backbone.exits], (
            backbone.input_shape[0]
        )  # fmt: skip
    if source.suffix == ".keras":
        import keras

        model = keras.models.load_model(source)
        return (
            lambda x: model.predict(x.astype(np.float32) / 128 - 1, batch_size=64, verbose=0),
            [(1.0, 0)] * len(model.outputs),
            model.input_shape[1],
        )
    raise ValueError(f"{source}: expected a .tflite, .mtb or .keras backbone")


def episodes(embeddings: Embeddings, shots: int, count: int, query: str, seed: int) -> Iterator[tuple[str, Episode]]:
    """The fixed episodes of every set: (name, Episode)."""
    for number, (name, ways) in enumerate(SETS.items()):
        rng = np.random.default_rng([seed, number, shots, query == "rest"])
        for _ in range(count):
            yield name, draw_episode(embeddings.sets[name][0], ways, shots, rng, query=query)


def evaluate(
    embeddings: Embeddings,
    inputs: Callable[[int, list[np.ndarray]], np.ndarray],
    fit: Callable[[int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    *,
    shots: int,
    count: int = 20,
    query: str = "test",
    seed: int = 0,
    ratio: float = 0.5,
) -> dict[str, np.ndarray]:
    """Figures of every episode: set name -> (count, len(FIGURES)).

    inputs(exit, embeddings) -> (N, d): what the head of an exit sees. fit(exit, x, y) -> (W, b).
    """
    x = {n: [inputs(e, arrays) for e in (0, 1)] for n, (_, arrays) in embeddings.sets.items()}
    found: dict[str, list] = {name: [] for name in SETS}
    for name, episode in episodes(embeddings, shots, count, query, seed):
        row = figures(x[name], episode, fit, ratio)
        found[name].append([row[figure] for figure in FIGURES])
    return {name: np.array(rows) for name, rows in found.items()}


def figures(
    x: list[np.ndarray],
    episode: Episode,
    fit: Callable[[int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    ratio: float = 0.5,
) -> dict[str, float]:
    """FIGURES of one episode; x: what each exit's head sees, (N, d) an exit; of one exit, only "exit1"."""
    y, p = episode.query_y, []
    for e, inputs in enumerate(x):
        taught = fit(e, inputs[episode.support], episode.support_y)
        p.append(head.scores(inputs[episode.query], taught))
    if len(p) == 1:
        return {"exit1": float(np.mean(p[0].argmax(1) == y))}
    confidence, early_answer, late_answer = p[0].max(1), p[0].argmax(1), p[1].argmax(1)
    shots = int(np.bincount(episode.support_y).min())
    held_out = head.held_out_confidences(
        x[0][episode.support], episode.support_y, lambda u, v: fit(0, u, v), min(head.FOLDS, shots)
    ) if shots > 1 else confidence  # fmt: skip
    by_median = confidence >= np.quantile(confidence, 1 - ratio)
    by_threshold = confidence >= head.threshold(held_out, ratio)

    def staged(early):
        return float(np.mean(np.where(early, early_answer, late_answer) == y))

    return {
        "exit0": float(np.mean(early_answer == y)),
        "exit1": float(np.mean(late_answer == y)),
        "staged": staged(by_median),
        "auroc": auroc(confidence, early_answer == y),
        "exit_ratio_got": float(np.mean(by_threshold)),
        "staged_own_threshold": staged(by_threshold),
    }


def summary(found: dict[str, np.ndarray]) -> dict:
    """Means by set and over the sets, with 1.96 standard errors over the episodes."""
    sets = {n: dict(zip(FIGURES, rows.mean(0).tolist(), strict=True)) for n, rows in found.items()}
    mean = np.mean([rows.mean(0) for rows in found.values()], axis=0)
    error = np.sqrt(sum(rows.var(0, ddof=1) / len(rows) for rows in found.values())) / len(found)
    return {
        "mean": dict(zip(FIGURES, mean.tolist(), strict=True)),
        "interval": dict(zip(FIGURES, (1.96 * error).tolist(), strict=True)),
        "sets": sets,
    }


def protocol(
    source: str | Path,
    folder: str | Path,
    features: list[head.ExitFeatures] | None,
    *,
    shots: tuple[int, ...] = (20, 5),
    count: int = 20,
    query: str = "test",
    seed: int = 0,
    log: Callable = print,
) -> dict:
    """Results by shots. features None: the baseline, logistic regression on the last vector."""
    embeddings = Embeddings(source, folder, log)
    results = {}
    for n in shots:
        if features is None:
            found = evaluate(
                embeddings, lambda e, a: plain(embeddings.quantization, e, a), logistic,
                shots=n, count=count, query=query, seed=seed,
            )  # fmt: skip
        else:
            found = evaluate(
                embeddings,
                lambda e, a: head.quantized_rows(
                    head.project(features[e], head.feature(features[e], a, embeddings.quantization))
                ),
                lambda e, u, y: head.fit(features[e], u, y),
                shots=n, count=count, query=query, seed=seed,
            )  # fmt: skip
        results[n] = summary(found)
    return results


def table(results: dict) -> str:
    """Results of `protocol` as text."""
    lines = [f"{'shots':>5} {'set':<14} {'exit 0':>7} {'exit 1':>7} {'staged':>7} {'AUROC':>7} "
             f"{'ratio got':>9} {'staged, own threshold':>22}"]  # fmt: skip
    for shots, result in results.items():
        rows = result["sets"] | {"mean": result["mean"], "+-": result["interval"]}
        for name, row in rows.items():
            values = [f"{row[figure]:.3f}" for figure in FIGURES]
            widths = (7, 7, 7, 7, 9, 22)
            text = " ".join(v.rjust(w) for v, w in zip(values, widths, strict=True))
            lines.append(f"{shots:>5} {name:<14} {text}")
    return "\n".join(lines)


def plain(quantization, e: int, arrays: list[np.ndarray]) -> np.ndarray:
    """(N, dim) float32: an exit's embeddings, dequantised."""
    scale, zero = quantization[e]
    return (arrays[e].astype(np.float32) - zero) * np.float32(scale)


def logistic(_exit: int, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regression on standardised inputs (C = 1), as scores of x: W (classes, d), b (classes,)."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    model = LogisticRegression(C=1.0, max_iter=300).fit((x - mean) / spread, y)
    w, b = model.coef_, model.intercept_
    if len(w) == 1:  # two classes: one row for the second
        w, b = np.concatenate([-w, w]) / 2, np.concatenate([-b, b]) / 2
    w = w / spread
    return w, b - w @ mean


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m microt.distill.protocol", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("source", help="backbone: .tflite, .mtb or .keras")
    parser.add_argument("--data", required=True, help="folder with the four .npz sets")
    parser.add_argument("--features", help="features .npz (default: SOURCE's name + _features.npz)")
    parser.add_argument("--head", choices=("lda", "logistic"), default="lda")
    parser.add_argument("--shots", type=int, nargs="+", default=[20, 5])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--query", choices=("test", "rest"), default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    features = None
    try:
        if options.head == "lda":
            source = Path(options.source)
            beside = source.with_name(f"{source.stem}_features.npz")
            features = head.load_features(options.features or beside)
        results = protocol(
            options.source, options.data, features, shots=tuple(options.shots),
            count=options.episodes, query=options.query, seed=options.seed,
            log=lambda text: print(text, file=sys.stderr),
        )  # fmt: skip
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(results) if options.json else table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
