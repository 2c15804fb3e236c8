# SPDX-License-Identifier: MIT
"""A backbone made familiar with pictures of the user's own, which need no labels.

Both exits learn to look like a teacher and, more weakly, like the backbone's own last embedding
of the same augmented picture, so that nothing is forgotten. A tenth of the pictures is held out;
on them two scores say what was gained, before and after, without any label:

    views        share of pictures whose augmented copy is nearest to another augmented copy of the same picture
    neighbours   share of a picture's 5 nearest pictures in the teacher's eyes that are among its 5 nearest here
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops

from microt.data import SUFFIXES, Dataset, load, read_pictures
from microt.distill import rounding
from microt.distill.augment import augment, draw
from microt.distill.curves import draw_curves
from microt.distill.recipe import Augment, Backbone, Data, ExitLoss, Features, Quantize, Recipe, Start, Train
from microt.distill.start import read_backbone
from microt.distill.teacher import cached_embeddings, teacher_named
from microt.distill.train import convert, train
from microt.head import centred
from microt.zoo.mobilenet_v1 import arguments_of

MODELS = Path(__file__).resolve().parents[3] / "models"
STEPS = 2300  # of the measured recipe (backbones.md section 4, "E-in")
BATCH = 128
FEWEST = 4 * BATCH // 2  # pictures: a batch of them and something to hold out
HELD_OUT, MOST_HELD_OUT = 0.1, 500
NEIGHBOURS = 5
CLUSTER = 25  # pictures a pseudo-class, see `pseudo_classes`


def adapt(
    backbone: str | Path,
    data: str | Path | Sequence[str | Path],
    out_dir: str | Path,
    *,
    teacher: str | Path | None = None,
    steps: int = STEPS,
    seed: int = 1,
    log: Callable[[str], None] = print,
) -> dict:
    """Adapt a backbone to unlabelled pictures; writes backbone.mtb and the files beside it into out_dir.

    backbone: the name of a shipped one ("objects"), the output folder of `microt distill` or `microt adapt`, or a
    `.keras` or `.tflite` file of such. data: a folder (pictures anywhere below it), an `.npz` (its train
    split, labels ignored), or several of them. teacher: a `.tflite` classifier or `.keras`
    network whose pooled embedding is to be learned, a DINOv2 of KerasHub ("dinov2_small"), or an `.npy` of embeddings,
    a row a picture in the order of `read_all`; without one the backbone only learns from itself. steps: of
    training, 2300 take a few minutes. A run that was cut short goes on where it was.

    Returns {"scores": {"before", "after": {"exit0", "exit1": {"views", "neighbours"}}}, "pictures",
    "held_out", "steps", "seconds", "paths"}; "neighbours" is None without a teacher. ValueError says what
    is wrong with the backbone or the pictures, or that they are too few.
    """
    began = time.monotonic()
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    source = find_backbone(backbone)
    start = read_backbone(source)
    size = start.input_shape[1]
    pictures = read_all(data, size * 4 // 3)  # a margin for the random crops
    if len(pictures) < FEWEST:
        raise ValueError(f"data: expected at least {FEWEST} pictures to adapt to, got {len(pictures)}")
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    log(f"data: {len(pictures)} pictures; backbone {source.name}, {size} pixels")
    targets = None
    if teacher is not None:
        targets = cached_embeddings(teacher_named(teacher), pictures, out, log)
    order = np.random.default_rng(seed).permutation(len(pictures))
    held = min(int(HELD_OUT * len(pictures)), MOST_HELD_OUT)
    unseen, seen = np.sort(order[:held]), np.sort(order[held:])
    recipe = _recipe(source, start, len(seen), steps, seed, targets is not None)
    taught = Dataset(pictures[seen], np.zeros(len(seen), np.int64), ("unlabelled",), None, "unlabelled pictures")
    score = Scores(pictures[unseen], None if targets is None else targets[unseen], size, recipe)
    before = score(start)
    log(f"before: {_said(before)}")
    model, history, _ = train(
        recipe, taught, None if targets is None else targets[seen], log, start=start, checkpoint=out / "checkpoint.npz"
    )
    after = score(model)
    log(f"after: {_said(after)}")
    model.save(out / "model.keras")
    draw_curves(history, out / "curves.png")
    (out / "history.json").write_text(json.dumps({"train": dataclasses.asdict(recipe.train), "steps": history}))
    shown = _resized(pictures[seen], size)
    labels = pseudo_classes(targets[seen] if targets is not None else _last(model, shown), seed)
    labelled = Dataset(shown, labels, tuple(map(str, range(labels.max() + 1))), None, "unlabelled pictures")
    paths, cost = convert(recipe, model, labelled, out, log)
    result = {
        "scores": {"before": before, "after": after},
        "pictures": len(pictures),
        "held_out": held,
        "steps": history[-1]["step"],
        "int8": cost,
        "seconds": time.monotonic() - began,
        "paths": {k: str(p) for k, p in paths.items()},
    }
    (out / "adapt.json").write_text(json.dumps(result, indent=1))
    (out / "card.md").write_text(_card(result, source, teacher))
    return result


def describe(result: dict) -> str:
    """The result of `adapt`, or of `microt.distill.adapt_signals.adapt`, as a table for the terminal."""
    scores = result["scores"]
    kind = "pictures" if "pictures" in result else "recordings"
    lines = [
        f"{result[kind]} {kind}, {result['held_out']} of them held out; {result['steps']} steps, "
        f"{result['seconds']:.0f} s",
        "",
        f"{f'on held-out {kind}':<34}{'before':>8}{'after':>8}",
    ]
    for exit_name in ("exit0", "exit1"):
        for kind, title in (("views", "finds its other view"), ("neighbours", "the teacher's neighbours")):
            values = [scores[when][exit_name][kind] for when in ("before", "after")]
            if None not in values:
                lines.append(f"{f'exit {exit_name[-1]}: {title}':<34}{values[0]:>8.3f}{values[1]:>8.3f}")
    return "\n".join([*lines, "", result["paths"]["mtb"]])


def find_backbone(backbone: str | Path) -> Path:
    """The file of a shipped name, of an output folder, or the file itself."""
    path = Path(backbone)
    shipped = MODELS / f"{backbone}.tflite"
    if path.is_dir():
        path = path / "model.keras"
    elif not path.exists() and shipped.exists():
        path = shipped
    if not path.exists():
        names = ", ".join(sorted(p.stem for p in MODELS.glob("*.tflite"))) or "none"
        raise FileNotFoundError(
            f"{backbone}: expected a shipped backbone ({names}), a .keras or .tflite file, or a folder with model.keras"
        )
    return path


def read_all(data: str | Path | Sequence[str | Path], size: int) -> np.ndarray:
    """(N, size, size, 3) uint8: the pictures of all sources, see `adapt`."""
    sources = [data] if isinstance(data, (str, Path)) else list(data)
    found = []
    for source in sources:
        if Path(source).is_dir():
            found.append(read_pictures(source, size))
        else:
            whole = load(source, size)
            found.append((whole if whole.split is None else whole.part("train")).x)
    if not found:
        raise ValueError(f"data: expected folders or .npz files of pictures ({', '.join(SUFFIXES)}), got none")
    return np.concatenate(found)


def pseudo_classes(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N,) clusters of the vectors (N, d), about 25 each, numbered without gaps.

    They stand in for classes where the feature transform wants to know what varies within one.
    """
    from sklearn.cluster import MiniBatchKMeans

    unit = _unit(vectors - vectors.mean(axis=0))
    count = int(np.clip(len(unit) // CLUSTER, 2, 200))
    labels = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=1024).fit_predict(unit)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


class Scores:
    """The self-supervised scores of a network on pictures that it was not trained on."""

    def __init__(self, pictures: np.ndarray, targets: np.ndarray | None, size: int, recipe: Recipe):
        """pictures: (N, H, W, 3) uint8; targets: their teacher embeddings (N, dim) or None; size: of the network."""
        ranges = dataclasses.asdict(recipe.augment)
        changes = [draw(len(pictures), pictures.shape[1:], size, (7, i), ranges) for i in (0, 1)]
        self.views = [ops.convert_to_numpy(augment(pictures, size, c)) for c in changes]
        self.plain = _resized(pictures, size)
        self.near = None if targets is None else _nearest(_unit(targets - targets.mean(axis=0)), NEIGHBOURS)

    def __call__(self, model: keras.Model) -> dict:
        """{"exit0", "exit1": {"views", "neighbours"}}, shares of 1."""
        first, second, plain = (_vectors(model, x) for x in (*self.views, self.plain))
        found = {}
        for e in (0, 1):
            shared = None
            if self.near is not None:
                mine = _nearest(plain[e], NEIGHBOURS)
                shared = float(np.mean([len(set(a) & set(b)) for a, b in zip(mine, self.near, strict=True)]))
                shared /= NEIGHBOURS
            found[f"exit{e}"] = {"views": _found(first[e], second[e]), "neighbours": shared}
        return found


def _recipe(source: Path, start: keras.Model, count: int, steps: int, seed: int, taught: bool) -> Recipe:
    batch = min(BATCH, count)
    return Recipe(
        path=Path("adapt"),
        data=Data(Path("unlabelled")),
        start=Start(source),
        teacher=None,
        backbone=Backbone(**arguments_of(start)),
        part=ExitLoss(teacher=1.0 if taught else 0.0, own=0.5),
        full=ExitLoss(teacher=1.0 if taught else 0.0, own=0.1 if taught else 1.0),
        train=Train(epochs=max(round(steps / (count // batch)), 1), batch=batch, seed=seed, rate=4e-4),
        augment=Augment(),
        quantize=Quantize(),
        features=Features(),
    )


def _card(result: dict, source: Path, teacher) -> str:
    cost = "".join(f"- {line}\n" for line in rounding.describe(result["int8"]))
    return (
        f"# {source.stem}, adapted\n\n- start: `{source.name}`\n- teacher: "
        f"{f'`{Path(teacher).name}`' if teacher else 'none'}\n- {result['steps']} steps on "
        f"{result['pictures'] - result['held_out']} unlabelled pictures, {time.strftime('%Y-%m-%d')}\n{cost}\n"
        f"```\n{describe(result)}\n```\n"
    )


def _said(scores: dict) -> str:
    return ", ".join(
        f"exit {e[-1]} {kind} {value:.3f}"
        for e, row in scores.items()
        for kind, value in row.items()
        if value is not None
    )


def _resized(pictures: np.ndarray, size: int) -> np.ndarray:
    """(N, size, size, 3) uint8, antialiased."""
    found = np.empty((len(pictures), size, size, 3), np.uint8)
    for i in range(0, len(pictures), 256):
        x = ops.cast(pictures[i : i + 256], "float32")
        scaled = ops.image.resize(x, (size, size), antialias=True, data_format="channels_last")
        found[i : i + 256] = np.clip(np.round(ops.convert_to_numpy(scaled)), 0, 255)
    return found


def found_again(first: np.ndarray, second: np.ndarray) -> float:
    """Share of samples whose one view is nearest to their own other one, of all; embeddings (N, dim) of the views."""
    return _found(_directions(first), _directions(second))


def _found(first: np.ndarray, second: np.ndarray) -> float:
    return float(((first @ second.T).argmax(axis=1) == np.arange(len(first))).mean())


def _directions(embeddings: np.ndarray) -> np.ndarray:
    """Square-rooted, centred, of length 1."""
    roots = np.sqrt(np.maximum(embeddings, 0))
    return centred([roots], roots.mean(axis=0))


def _vectors(model: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """The directions of pictures of pixel values 0..255, one array an exit."""
    return [_directions(v) for v in model.predict(x.astype(np.float32) / 128 - 1, batch_size=64, verbose=0)]


def _last(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return _vectors(model, x)[1]


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9)


def _nearest(vectors: np.ndarray, count: int) -> np.ndarray:
    """(N, count) indexes of the vectors most like each, itself left out."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, axis=1)[:, :count]
