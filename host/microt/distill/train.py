# SPDX-License-Identifier: MIT
"""Joint training of a backbone's two exits.

Every exit learns to look like the teacher (through a projection that is thrown away) and like the
start's own last embedding of the same augmented picture; the latter keeps the full exit from
forgetting. All embedding losses are 1 - cosine on square-rooted features.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from microt.compiler.compile import compile_tflite
from microt.data import Dataset, load
from microt.distill import devices, rounding
from microt.distill.checkpoint import Checkpoint
from microt.distill.curves import draw_curves
from microt.distill.features import build_features, exit_parts
from microt.distill.recipe import Recipe, load_recipe
from microt.distill.teacher import cached_embeddings, teacher_of
from microt.distill.trainer import Trainer
from microt.head import ExitFeatures, save_features
from microt.quantize import Int8Backbone, quantize
from microt.zoo.exits import pools
from microt.zoo.families import fold
from microt.zoo.macs import macs, parameters


def run(
    recipe_path: str | Path,
    out_dir: str | Path,
    log: Callable[[str], None] = print,
    *,
    pictures: str | Path | None = None,
) -> dict[str, Path]:
    """Train as the recipe says, quantise, compile; returns the paths of what was written.

    pictures: what to train on in place of what the recipe names.

    Writes into out_dir: model.keras (batch normalisation folded), start.keras (the untouched
    network), history.json, curves.png, backbone.tflite, backbone_features.npz, backbone.mtb, int8.json (what
    int8 costs), card.md, and the teacher's embeddings (reused by a later run). A run that was cut short goes on
    where it was, see `train`. Of several workers, which see the same out_dir, the first writes; the others return {}.
    """
    devices.strategy()  # before TensorFlow does anything
    recipe, out = load_recipe(recipe_path), Path(out_dir)
    if pictures is not None:
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, pictures=Path(pictures)))
    out.mkdir(parents=True, exist_ok=True)
    data = training_pictures(recipe)
    log(f"data: {len(data)} pictures of {len(data.class_names)} classes, {data.name}; {devices.describe()}")
    targets = None
    if recipe.teacher is not None:
        targets = cached_embeddings(teacher_of(recipe.teacher), data.x, out, log)
    model, history, start = train(recipe, data, targets, log, checkpoint=out / "checkpoint.npz")
    if devices.worker()[0]:
        return {}
    start.save(out / "start.keras")
    model.save(out / "model.keras")
    recorded = {"recipe": recipe.path.name, "train": dataclasses.asdict(recipe.train)}
    (out / "history.json").write_text(json.dumps(recorded | {"steps": history}, indent=1))
    draw_curves(history, out / "curves.png")
    return {"model": out / "model.keras", "curves": out / "curves.png"} | finish(recipe, out, log)


def finish(recipe: Recipe, out: Path, log: Callable[[str], None] = print) -> dict[str, Path]:
    """From the trained model.keras in `out` to the int8, features and compiled files, and a card."""
    model = keras.models.load_model(out / "model.keras")
    paths, cost = convert(recipe, model, training_pictures(recipe, recipe.backbone.resolution), out, log)
    paths["card"] = out / "card.md"
    paths["card"].write_text(_card(recipe, model, paths, cost))
    return paths


def convert(
    recipe: Recipe, model: keras.Model, data: Dataset, out: Path, log: Callable[[str], None] = print
) -> tuple[dict[str, Path], dict]:
    """Write the int8, features and compiled files of a folded network; data: labelled, at its resolution.

    Returns their paths and what int8 costs, see `microt.distill.rounding`: with bias correction, too, where it costs
    too much without.
    """
    paths = {
        "tflite": out / "backbone.tflite",
        "features": out / "backbone_features.npz",
        "mtb": out / "backbone.mtb",
        "int8": out / "int8.json",
    }
    rows = np.random.default_rng(recipe.train.seed).permutation(len(data))
    rest = rows[recipe.quantize.pictures :] if len(data) > 2 * recipe.quantize.pictures else rows
    judged = np.sort(rest[rounding.samples(data.y[rest], np.random.default_rng([recipe.train.seed, 1]))])
    shown = np.sort(rows[: recipe.features.pictures or len(data)])
    exact = model.predict(data.x[judged].astype(np.float32) / 128 - 1, batch_size=64, verbose=0)

    def attempt(bias_correction: bool) -> tuple:
        content = quantize(model, data.x[rows[: recipe.quantize.pictures]], bias_correction=bias_correction)
        backbone = Int8Backbone(content)
        quantization = list(zip(backbone.scales, backbone.zero_points, strict=True))
        log(f"int8: {len(content)} bytes; features: embedding {len(shown)} pictures")
        transform = features_of(recipe, model, backbone.embed(data.x[shown]), quantization, data.y[shown])
        cost = rounding.measure(exact, backbone.embed(data.x[judged]), quantization, transform, data.y[judged])
        return cost, content, transform

    cost, (_, content, transform) = rounding.least(attempt, recipe.quantize.bias_correction, log)
    paths["tflite"].write_bytes(content)
    save_features(paths["features"], transform)
    paths["int8"].write_text(json.dumps(cost, indent=1))
    compiled = compile_tflite(content, features=paths["features"], pixels=True)
    compiled.write(paths["mtb"])
    log(f"compiled: {len(compiled.data)} bytes")
    return paths, cost


def features_of(recipe: Recipe, model: keras.Model, embeddings, quantization, y: np.ndarray) -> list[ExitFeatures]:
    """The feature transform of both exits, see `microt.distill.features.build_features`."""
    parts = exit_parts(*([pool.output.shape[-1] for pool in pools(model, e)] for e in (0, 1)))
    lengths = [min(k, sum(n for _, _, n in part)) for k, part in zip(recipe.features.lengths, parts, strict=True)]
    settings = recipe.features
    return build_features(
        embeddings, quantization, y, parts, lengths, prior=settings.prior, shrink=settings.shrink
    )  # fmt: skip


def train(
    recipe: Recipe,
    data: Dataset,
    targets: np.ndarray | None,
    log: Callable[[str], None] = print,
    *,
    start: keras.Model | None = None,
    checkpoint: Path | None = None,
) -> tuple[keras.Model, list[dict], keras.Model]:
    """Train on `data`; targets: (N, dim) teacher embeddings or None.

    start: a folded backbone to go on from, adapter and all; None: what the recipe names, with a
    new adapter. checkpoint: a file that keeps the state of training, written every minute; a
    training of the same recipe and data goes on from it, and it is removed at the end.
    Returns the folded network, the history (mean losses over stretches of steps) and the start.
    """
    settings = recipe.train
    keras.utils.set_random_seed(settings.seed)
    batches = len(data) // settings.batch
    if not batches:
        raise ValueError(f"{data.name}: {len(data)} pictures do not fill a batch of "
                         f"{settings.batch}")  # fmt: skip
    steps = settings.epochs * batches
    trainer = Trainer(recipe, data, targets, steps, start)
    order = np.random.default_rng(settings.seed)
    rows = [batch for _ in range(settings.epochs) for batch in epoch_rows(recipe, data, order)]
    kept = Checkpoint(checkpoint, trainer.variables(), trainer.identity(), log) if checkpoint else None
    step, history = kept.restore() if kept else (0, [])
    done, began = step, time.monotonic()
    said, stretch = began, max(min(50, steps // 20), 1)
    while step < steps:
        chosen = rows[step : min(step + stretch - step % stretch, steps)]
        means = trainer.learn(step, chosen)
        step += len(chosen)
        history.append({"step": step} | means)
        if time.monotonic() - said > 10 or step == steps:
            said = time.monotonic()
            left = (said - began) / (step - done) * (steps - step)
            terms = ", ".join(f"{k} {v:.4f}" for k, v in means.items())
            log(f"epoch {(step - 1) // batches + 1}/{settings.epochs}, step {step}/{steps}: {terms}; {left:.0f} s left")
        if kept:
            kept.keep(step, history)
    if not all(math.isfinite(v) for entry in history for v in entry.values()):
        raise RuntimeError("the training diverged: a loss is not finite; lower the rates")
    if kept:
        kept.remove()
    return fold(trainer.model), history, trainer.start


def training_pictures(recipe: Recipe, size: int | None = None) -> Dataset:
    """What a recipe trains on, at `size` pixels or as it is."""
    data = load(recipe.data.pictures, size)
    return data if data.split is None else data.part(recipe.data.split)


def _card(recipe: Recipe, model: keras.Model, paths: dict[str, Path], cost: dict) -> str:
    begin = recipe.start
    files = [path.name for path in (begin.tflite, begin.backbone) if path]
    names = {"start": " and ".join(files) or begin.application or "random", "data": Path(recipe.data.pictures).name}
    names["teacher"] = recipe.teacher.source if recipe.teacher else "none"
    part, whole = macs(model, 0), macs(model)
    lines = [f"# {recipe.backbone.family} {recipe.backbone.width} at "
             f"{recipe.backbone.resolution} pixels", "",
             f"- recipe: `{recipe.path.name}`, seed {recipe.train.seed}, "
             f"{recipe.train.epochs} epochs, {time.strftime('%Y-%m-%d')}"]  # fmt: skip
    lines += [f"- {role}: `{name}`" for role, name in names.items()]
    lines += [
        f"- multiply-accumulates: exit 0 {part:,} ({part / whole:.1%}), exit 1 {whole:,}",
        f"- parameters: {parameters(model):,}",
    ]
    lines += [f"- `{paths[k].name}`: {paths[k].stat().st_size:,} bytes" for k in ("tflite", "mtb")]
    lines += [f"- {line}" for line in rounding.describe(cost)]
    lines += ["- biases corrected for the rounding of the weights"] if cost["bias_correction"] else []
    return "\n".join(lines) + "\n"


def epoch_rows(recipe: Recipe, data: Dataset, rng: np.random.Generator) -> np.ndarray:
    """(batches, batch) indexes into data: a permutation, or whole episodes where a loss asks for them.

    A batch of episodes holds episode_shots samples of each of its classes, one class after another, drawn anew
    for every batch; a sample may come twice in a class that has fewer.
    """
    settings = recipe.train
    batches = len(data) // settings.batch
    if not (recipe.part.episode or recipe.full.episode):
        return rng.permutation(len(data))[: batches * settings.batch].reshape(batches, settings.batch)
    ways, shots = settings.batch // settings.episode_shots, settings.episode_shots
    members = [np.flatnonzero(data.y == c) for c in range(len(data.class_names))]
    able = [m for m in members if len(m) >= 2]
    if len(able) < ways:
        raise ValueError(f"{data.name}: episodes of {ways} classes asked, but only {len(able)} have 2 samples or more")
    return np.array([
        np.concatenate([
            rng.permutation(np.resize(rng.permutation(able[c]), shots)) for c in rng.permutation(len(able))[:ways]
        ])
        for _ in range(batches)
    ])  # fmt: skip
