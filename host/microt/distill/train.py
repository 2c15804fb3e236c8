# SPDX-License-Identifier: MIT
"""Joint training of a backbone's two exits.

Every exit learns to look like the teacher (through a projection that is thrown away) and like the
start's own last embedding of the same augmented picture; the latter keeps the full exit from
forgetting. All embedding losses are 1 - cosine on square-rooted features.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from microt.compiler.compile import compile_tflite
from microt.data import Dataset, load
from microt.distill.augment import augment
from microt.distill.features import build_features, exit_parts
from microt.distill.losses import DISTANCES, CosineSoftmax, decorrelation, prototype_episode, root
from microt.distill.recipe import Recipe, Start, load_recipe
from microt.distill.start import load_application, load_start, read_backbone, set_random
from microt.distill.teacher import cached_embeddings, teacher_of
from microt.head import save_features
from microt.quantize import Int8Backbone, cosine_similarity, quantize
from microt.zoo.exits import pools
from microt.zoo.families import APPLICATIONS, build, copy, fold
from microt.zoo.macs import macs, parameters
from microt.zoo.mobilenet_v1 import arguments_of, mobilenet_v1


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
    network), history.json, curves.png, backbone.tflite, backbone_features.npz, backbone.mtb,
    card.md, and the teacher's embeddings (reused by a later run). A run that was cut short goes on
    where it was, see `train`.
    """
    recipe, out = load_recipe(recipe_path), Path(out_dir)
    if pictures is not None:
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, pictures=Path(pictures)))
    out.mkdir(parents=True, exist_ok=True)
    data = _training_pictures(recipe)
    log(f"data: {len(data)} pictures of {len(data.class_names)} classes, {data.name}")
    targets = None
    if recipe.teacher is not None:
        targets = cached_embeddings(teacher_of(recipe.teacher), data.x, out, log)
    model, history, start = train(recipe, data, targets, log, checkpoint=out / "checkpoint.npz")
    start.save(out / "start.keras")
    model.save(out / "model.keras")
    recorded = {"recipe": recipe.path.name, "train": dataclasses.asdict(recipe.train)}
    (out / "history.json").write_text(json.dumps(recorded | {"steps": history}, indent=1))
    draw_curves(history, out / "curves.png")
    return {"model": out / "model.keras", "curves": out / "curves.png"} | finish(recipe, out, log)


def finish(recipe: Recipe, out: Path, log: Callable[[str], None] = print) -> dict[str, Path]:
    """From the trained model.keras in `out` to the int8, features and compiled files, and a card."""
    model = keras.models.load_model(out / "model.keras")
    paths, similarity = convert(recipe, model, _training_pictures(recipe, recipe.backbone.resolution), out, log)
    paths["card"] = out / "card.md"
    paths["card"].write_text(_card(recipe, model, paths, similarity))
    return paths


def convert(
    recipe: Recipe, model: keras.Model, data: Dataset, out: Path, log: Callable[[str], None] = print
) -> tuple[dict[str, Path], list[float]]:
    """Write the int8, features and compiled files of a folded network; data: labelled, at its resolution.

    Returns their paths and the cosines of int8 to float embeddings, one an exit.
    """
    paths = {
        "tflite": out / "backbone.tflite",
        "features": out / "backbone_features.npz",
        "mtb": out / "backbone.mtb",
    }
    rng = np.random.default_rng(recipe.train.seed)
    rows = rng.permutation(len(data))
    calibration = data.x[rows[: recipe.quantize.pictures]]
    content = quantize(model, calibration, bias_correction=recipe.quantize.bias_correction)
    paths["tflite"].write_bytes(content)
    others = data.x[rows[recipe.quantize.pictures :][:300]]
    similarity = cosine_similarity(model, content, others if len(others) else calibration)
    log(f"int8: {len(content)} bytes, cosine to float "
        + ", ".join(f"exit {e} {value:.4f}" for e, value in enumerate(similarity)))  # fmt: skip
    backbone = Int8Backbone(content)
    shown = np.sort(rows[: recipe.features.pictures or len(data)])
    log(f"features: embedding {len(shown)} pictures")
    parts = exit_parts(*([pool.output.shape[-1] for pool in pools(model, e)] for e in (0, 1)))
    transform = build_features(
        backbone.embed(data.x[shown]),
        list(zip(backbone.scales, backbone.zero_points, strict=True)),
        data.y[shown],
        parts,
        [min(k, sum(n for _, _, n in part)) for k, part in zip(recipe.features.lengths, parts, strict=True)],
        prior=recipe.features.prior,
        shrink=recipe.features.shrink,
    )
    save_features(paths["features"], transform)
    compiled = compile_tflite(content, features=paths["features"], pixels=True)
    compiled.write(paths["mtb"])
    log(f"compiled: {len(compiled.data)} bytes")
    return paths, similarity


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
    kept = Checkpoint(checkpoint, trainer, steps, log) if checkpoint else None
    done, history = kept.restore() if kept else (0, [])
    losses, began = [], time.monotonic()
    said, stretch = began, max(min(50, steps // 20), 1)
    step = 0
    for epoch in range(settings.epochs):
        for rows in epoch_rows(recipe, data, order):
            step += 1
            if step <= done:
                continue
            losses.append(trainer.step(step - 1, rows))
            if step % stretch == 0 or step == steps:
                mean = {k: float(np.mean([one[k] for one in losses])) for k in losses[0]}
                history.append({"step": step} | mean)
                losses = []
            if history and (time.monotonic() - said > 10 or step == steps):
                said = time.monotonic()
                left = (said - began) / (step - done) * (steps - step)
                terms = ", ".join(f"{k} {v:.4f}" for k, v in history[-1].items() if k != "step")
                log(f"epoch {epoch + 1}/{settings.epochs}, step {step}/{steps}: {terms}; "
                    f"{left:.0f} s left")  # fmt: skip
            if kept and not losses:
                kept.keep(step, history)
    if not all(math.isfinite(v) for entry in history for v in entry.values()):
        raise RuntimeError("the training diverged: a loss is not finite; lower the rates")
    if kept:
        kept.remove()
    return fold(trainer.model), history, trainer.start


def _training_pictures(recipe: Recipe, size: int | None = None) -> Dataset:
    data = load(recipe.data.pictures, size)
    return data if data.split is None else data.part(recipe.data.split)


def _card(recipe: Recipe, model: keras.Model, paths: dict[str, Path], similarity) -> str:
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
    lines += [f"- cosine of int8 to float embeddings, exit {e}: {value:.4f}"
              for e, value in enumerate(similarity)]  # fmt: skip
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


class Checkpoint:
    """The state of a training in a `.npz` file: weights, optimizers, step and history."""

    def __init__(self, path: Path, trainer: Trainer, steps: int, log: Callable[[str], None], every: float = 60.0):
        """every: seconds between two writes."""
        self.path, self.trainer, self.log, self.every = Path(path), trainer, log, every
        settings = dataclasses.asdict(trainer.recipe) | {"path": None}
        digest = hashlib.sha256(repr((settings, steps, len(trainer.data))).encode())
        digest.update(np.ascontiguousarray(trainer.data.x[:: max(len(trainer.data) // 64, 1)]).data)
        self.identity = digest.hexdigest()
        self.written = time.monotonic()

    def restore(self) -> tuple[int, list[dict]]:
        """(steps done, history); (0, []) when there is no checkpoint of this training."""
        if not self.path.exists():
            return 0, []
        with np.load(self.path, allow_pickle=False) as state:
            if str(state["identity"]) != self.identity:
                self.log(f"{self.path.name}: of another training, starting anew")
                return 0, []
            for i, variable in enumerate(self.trainer.variables()):
                variable.assign(state[f"variable{i}"])
            done, history = int(state["step"]), json.loads(str(state["history"]))
        self.log(f"{self.path.name}: going on after step {done}")
        return done, history

    def keep(self, step: int, history: list[dict]) -> None:
        """Write the state, if the last time was long enough ago; a power cut leaves the old or the new."""
        if time.monotonic() - self.written < self.every:
            return
        arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(self.trainer.variables())}
        unfinished = self.path.with_name(f"{self.path.stem}.part.npz")
        np.savez(unfinished, identity=self.identity, step=step, history=json.dumps(history), **arrays)
        unfinished.replace(self.path)
        self.written = time.monotonic()

    def remove(self) -> None:
        """Of no use once the training has ended."""
        self.path.unlink(missing_ok=True)


class Trainer:
    """The networks, the losses and the two optimizers; one call of `step` is one batch."""

    def __init__(
        self,
        recipe: Recipe,
        data: Dataset,
        targets: np.ndarray | None,
        steps: int,
        start: keras.Model | None = None,
    ):
        """start: see `train`."""
        backbone, settings = recipe.backbone, recipe.train
        self.recipe, self.data, self.steps = recipe, data, steps
        self.start, self.model = _fresh(recipe) if start is None else (start, copy(start))
        self.start.trainable = False
        # the stem is frozen, so start and student share it; each has a tail of its own
        cut = "image" if recipe.start.random else f"block{backbone.frozen_blocks}"
        self.stem = keras.Model(self.start.input, self.start.get_layer(cut).output)
        self.stem_tail = keras.Model(self.start.get_layer(cut).output, _last_pool(self.start))
        # what learns: the adapter, or the exit block's map without one, and the last map
        self.tail = keras.Model(
            self.model.get_layer(cut).output, [pools(self.model, 0)[-1].output, _last_pool(self.model)]
        )
        self.own_mean = tf.constant(self._own_mean())
        whole = start is not None or recipe.start.backbone is not None
        pretrained = [layer for layer in self.tail.layers if whole or not _is_adapter(layer)]
        self.old = [w for layer in pretrained for w in layer.trainable_variables]
        self.targets, self.projections = None, {}
        dims = [o.shape[-1] for o in self.tail.outputs]
        for name, term, dim in zip(("part", "full"), (recipe.part, recipe.full), dims, strict=True):
            if term.teacher:
                self._project(f"{name}_teacher", dim, targets.shape[1])
            if name == "part" and term.own:
                self._project("part_own", dim, dims[1])
            if term.label:
                layer = CosineSoftmax(len(data.class_names))
                layer.build((None, dim))
                self.projections[f"{name}_label"] = layer
        if targets is not None:
            directions = targets / np.linalg.norm(targets, axis=1, keepdims=True)
            directions -= directions.mean(axis=0)
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            self.targets = directions.astype(np.float32)
        self.new = [w for layer in self.tail.layers if layer not in pretrained for w in layer.trainable_variables]
        self.new += [w for layer in self.projections.values() for w in layer.trainable_variables]
        self.old_optimizer = keras.optimizers.Adam(self._schedule(settings.rate))
        self.new_optimizer = keras.optimizers.AdamW(
            self._schedule(settings.new_rate), weight_decay=settings.weight_decay
        )
        self.old_optimizer.build(self.old)
        self.new_optimizer.build(self.new)
        self._graph = tf.function(self._step, reduce_retracing=True)

    def variables(self) -> list:
        """Everything that training changes, in a fixed order."""
        found = [*self.model.variables, *self.old_optimizer.variables, *self.new_optimizer.variables]
        return found + [w for layer in self.projections.values() for w in layer.variables]

    def step(self, number: int, rows: np.ndarray) -> dict[str, float]:
        """One batch: indexes (batch,) into the data; returns the unweighted loss terms."""
        teacher = None if self.targets is None else tf.constant(self.targets[rows])
        seed = tf.constant([self.recipe.train.seed, number], tf.int32)
        terms = self._graph(tf.constant(self.data.x[rows]), teacher, tf.constant(self.data.y[rows]), seed)
        return {k: float(v) for k, v in terms.items()}

    def _step(self, pictures, teacher, labels, seed):
        ranges = dataclasses.asdict(self.recipe.augment)
        x = augment(pictures, self.recipe.backbone.resolution, seed, ranges) / 128.0 - 1.0
        stem = self.stem(x, training=False)
        own = root(self.stem_tail(stem, training=False)) - self.own_mean
        with tf.GradientTape() as tape:
            part, full = (root(v) for v in self.tail(stem, training=True))
            terms = {}
            for name, weights, features in (
                ("part", self.recipe.part, part), ("full", self.recipe.full, full),
            ):  # fmt: skip
                distance = DISTANCES[weights.distance]
                if weights.teacher:
                    projected = self.projections[f"{name}_teacher"](features)
                    terms[f"{name}_teacher"] = distance(projected, teacher)
                if weights.own:
                    mine = (
                        self.projections["part_own"](features)
                        if name == "part" else features - self.own_mean
                    )  # fmt: skip
                    terms[f"{name}_own"] = distance(mine, own)
                if weights.label:
                    terms[f"{name}_label"] = self.projections[f"{name}_label"](features, labels)
                if weights.decorrelation:
                    terms[f"{name}_decorrelation"] = decorrelation(features)
                if weights.episode:
                    ways = self.recipe.train.batch // self.recipe.train.episode_shots
                    terms[f"{name}_episode"] = prototype_episode(features, ways)
            total = 0.0
            for key, value in terms.items():
                exit_name, term = key.split("_", 1)
                total += getattr(getattr(self.recipe, exit_name), term) * value
        old, new = tape.gradient(total, [self.old, self.new])
        self.old_optimizer.apply(old, self.old)
        self.new_optimizer.apply(new, self.new)
        return terms | {"total": total}

    def _project(self, name: str, dim: int, wanted: int) -> None:
        layer = keras.layers.Dense(wanted, name=name)
        layer.build((None, dim))
        self.projections[name] = layer

    def _schedule(self, peak: float) -> keras.optimizers.schedules.LearningRateSchedule:
        settings = self.recipe.train
        warm_up = max(int(settings.warm_up * self.steps), 1)
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=peak / warm_up,
            decay_steps=max(self.steps - warm_up, 1),
            alpha=settings.final_rate,
            warmup_target=peak,
            warmup_steps=warm_up,
        )

    def _own_mean(self, pictures: int = 2000) -> np.ndarray:
        """(256,) mean of the start's square-rooted last embedding over plain pictures."""
        rng = np.random.default_rng(self.recipe.train.seed)
        rows = rng.permutation(len(self.data))[:pictures]
        size = self.recipe.backbone.resolution
        network = keras.Model(self.start.input, _last_pool(self.start))
        found = []
        for i in range(0, len(rows), 128):
            x = tf.cast(self.data.x[np.sort(rows[i : i + 128])], tf.float32)
            x = tf.image.resize(x, (size, size)) / 128.0 - 1.0
            found.append(root(network(x, training=False)))
        return np.concatenate(found).mean(axis=0)


def _fresh(recipe: Recipe) -> tuple[keras.Model, keras.Model]:
    """(the recipe's start, as it was trained, without an adapter; the network to train)."""
    backbone, begin = recipe.backbone, recipe.start
    shape = {
        "exit_block": backbone.exit_block,
        "adapter": backbone.adapter,
        "adapter_block": backbone.adapter_block,
        "beside": backbone.beside,
        "last_stride": backbone.last_stride,
    }
    model = build(
        backbone.family, backbone.width, backbone.resolution, normalise=begin.backbone is None, **shape
    )  # fmt: skip
    plain = {"exit_block": backbone.exit_block, "adapter": 0}
    start = build(backbone.family, backbone.width, backbone.resolution, **plain)
    source = start if begin.backbone is None else read_backbone(begin.backbone)
    if begin.tflite is not None:
        load_start(start, begin.tflite)
    elif begin.application:
        load_application(start, APPLICATIONS[backbone.family], begin.application, backbone.width)
    elif begin.random:
        set_random(start, recipe.train.seed)
    else:
        start = mobilenet_v1(**(arguments_of(source) | {"resolution": backbone.resolution}))
        start.set_weights(source.get_weights())
    for layer in source.layers:
        if layer.weights:
            _give(model, layer, begin)
    return start, model


def _give(model: keras.Model, layer: keras.layers.Layer, start: Start) -> None:
    """Weights of `layer` to the layer of the same name; a model without such a layer (no adapter) goes without."""
    found = next((one for one in model.layers if one.name == layer.name), None)
    if found is None:
        return
    wanted, got = found.weights[0].shape, layer.weights[0].shape
    if wanted != got:
        raise ValueError(f"{start.backbone}: layer {layer.name} expects a kernel of shape {wanted}, got {got}")
    found.set_weights(layer.get_weights())


def _last_pool(model: keras.Model) -> keras.KerasTensor:
    return pools(model, 1)[-1].output


def _is_adapter(layer) -> bool:
    return layer.name.startswith("adapter")


def draw_curves(history: list[dict], path: str | Path) -> None:
    """Loss terms over the steps, one small plot a term."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    terms = [k for k in history[0] if k != "step"]
    figure, axes = plt.subplots(1, len(terms), figsize=(2.6 * len(terms), 2.4))
    for axis, term in zip(np.atleast_1d(axes), terms, strict=True):
        axis.plot([h["step"] for h in history], [h[term] for h in history])
        axis.set_title(term.replace("_", ", "))
        axis.set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
