# SPDX-License-Identifier: MIT
"""The networks, losses and optimizer of a recipe, together."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from microt.data import Dataset
from microt.distill import devices
from microt.distill.augment import augment, draw
from microt.distill.losses import DISTANCES, CosineSoftmax, decorrelation, prototype_episode, root
from microt.distill.objective import Objective, TwoRates
from microt.distill.recipe import Recipe, Start
from microt.distill.start import load_application, load_start, read_backbone, set_random
from microt.zoo.exits import pools
from microt.zoo.families import APPLICATIONS, build, copy
from microt.zoo.mobilenet_v1 import arguments_of, mobilenet_v1


class Trainer:
    """What a recipe trains, and on what; `learn` goes on by a stretch of steps."""

    def __init__(
        self,
        recipe: Recipe,
        data: Dataset,
        targets: np.ndarray | None,
        steps: int,
        start: keras.Model | None = None,
    ):
        """start: see `microt.distill.train.train`."""
        self.recipe, self.data, self.steps = recipe, data, steps
        self.targets = None
        if targets is not None:
            directions = targets / np.linalg.norm(targets, axis=1, keepdims=True)
            directions -= directions.mean(axis=0)
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            self.targets = directions.astype(np.float32)
        with devices.scope():
            if start is None:
                self.start, self.model = _fresh(recipe)
            else:  # made elsewhere, so not on all devices
                self.start, self.model = copy(start) if devices.several() else start, copy(start)
            own_mean = self._own_mean()
            whole = start is not None or recipe.start.backbone is not None
            self.objective = Distillation(recipe, self.start, self.model, own_mean, self.targets, data)
            tail, settings = self.objective.tail, recipe.train
            old = [layer for layer in tail.layers if whole or not layer.name.startswith("adapter")]
            self.old = [w for layer in old for w in layer.trainable_variables]
            self.optimizer = TwoRates(
                self._schedule(settings.new_rate), self._schedule(settings.rate), self.old,
                weight_decay=settings.weight_decay,
            )  # fmt: skip
            self.objective.ready(self.optimizer)

    def identity(self) -> str:
        """Of recipe, data and length of the training."""
        settings = dataclasses.asdict(self.recipe) | {"path": None}
        digest = hashlib.sha256(repr((settings, self.steps, len(self.data), devices.backend())).encode())
        digest.update(np.ascontiguousarray(self.data.x[:: max(len(self.data) // 64, 1)]).data)
        return digest.hexdigest()

    def variables(self) -> list:
        """Everything that training changes, in a fixed order."""
        found = [*self.objective.tail.variables, *self.optimizer.variables]
        return found + [w for layer in self.objective.projections.values() for w in layer.variables]

    def learn(self, number: int, rows: Sequence[np.ndarray]) -> dict[str, float]:
        """A step for each array of `rows`, indexes (batch,) into the data; number: of the steps before the first.

        Returns the means of the unweighted loss terms, and of their weighted sum, "total".
        """

        def batches():
            for step, chosen in enumerate(rows, start=number):
                yield self._batch(step, chosen)

        return self.objective.learn(batches, len(rows))

    def _batch(self, step: int, rows: np.ndarray) -> devices.Batch:
        recipe, x = self.recipe, self.data.x
        changes = draw(
            len(rows), x.shape[1:], recipe.backbone.resolution, (recipe.train.seed, step),
            dataclasses.asdict(recipe.augment),
        )  # fmt: skip
        batch = {"pictures": x[rows], "changes": changes, "labels": self.data.y[rows].astype(np.int32)}
        return batch if self.targets is None else batch | {"teacher": self.targets[rows]}

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
            x = ops.cast(self.data.x[np.sort(rows[i : i + 128])], "float32")
            x = ops.image.resize(x, (size, size), data_format="channels_last") / 128.0 - 1.0
            found.append(ops.convert_to_numpy(root(network(x, training=False))))
        return np.concatenate(found).mean(axis=0)


class Distillation(Objective):
    """The recipe's loss terms of a batch {"pictures", "changes", "labels", "teacher"}, see `Trainer._batch`."""

    def __init__(
        self,
        recipe: Recipe,
        start: keras.Model,
        model: keras.Model,
        own_mean: np.ndarray,
        targets: np.ndarray | None,
        data: Dataset,
    ):
        """start: stays as it is. model: is trained, but for the stem. own_mean: of the start's embedding."""
        exits = {"part": recipe.part, "full": recipe.full}
        kinds = ("teacher", "own", "label", "decorrelation", "episode")
        super().__init__({f"{name}_{kind}": getattr(term, kind) for name, term in exits.items() for kind in kinds})
        self.recipe, self.distances = recipe, {name: DISTANCES[term.distance] for name, term in exits.items()}
        start.trainable = False
        # the stem is frozen, so start and student share it; each has a tail of its own
        cut = "image" if recipe.start.random else f"block{recipe.backbone.frozen_blocks}"
        self.stem = keras.Model(start.input, start.get_layer(cut).output)
        self.stem_tail = keras.Model(start.get_layer(cut).output, _last_pool(start))
        # what learns: the adapter, or the exit block's map without one, and the last map
        self.tail = keras.Model(model.get_layer(cut).output, [pools(model, 0)[-1].output, _last_pool(model)])
        for layer in self.tail.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = devices.replicas() > 1
        self.own_mean = own_mean
        self.projections = {}
        dims = [output.shape[-1] for output in self.tail.outputs]
        for name, dim in zip(exits, dims, strict=True):
            if exits[name].teacher:
                self._project(f"{name}_teacher", dim, targets.shape[1])
            if name == "part" and exits[name].own:
                self._project("part_own", dim, dims[1])
            if exits[name].label:
                layer = CosineSoftmax(len(data.class_names))
                layer.build((None, dim))
                self.projections[f"{name}_label"] = layer

    def call(self, batch, training=None):
        """{name of a term: scalar}."""
        x = augment(batch["pictures"], self.recipe.backbone.resolution, batch["changes"]) / 128.0 - 1.0
        stem = self.stem(x, training=False)
        mean = ops.convert_to_tensor(self.own_mean)
        own = root(self.stem_tail(stem, training=False)) - mean
        part, full = (root(v) for v in self.tail(stem, training=training))
        parts = {"part": part, "full": full, "own": own, "labels": batch["labels"]}
        whole = devices.whole_batch(parts | ({"teacher": batch["teacher"]} if "teacher" in batch else {}))
        return {key: self._term(*key.split("_"), whole) for key in self.weights_of_terms}

    def _term(self, name: str, kind: str, whole: dict):
        features, distance, projection = whole[name], self.distances[name], self.projections.get(f"{name}_{kind}")
        if kind == "teacher":
            return distance(projection(features), whole["teacher"])
        if kind == "own":
            return distance(
                features - ops.convert_to_tensor(self.own_mean) if projection is None else projection(features),
                whole["own"],
            )
        if kind == "label":
            return projection(features, whole["labels"])
        if kind == "decorrelation":
            return decorrelation(features)
        return prototype_episode(features, self.recipe.train.episode_shots)

    def _project(self, name: str, dim: int, wanted: int) -> None:
        layer = keras.layers.Dense(wanted, name=name)
        layer.build((None, dim))
        self.projections[name] = layer


def _fresh(recipe: Recipe) -> tuple[keras.Model, keras.Model]:
    """(the recipe's start, as it was trained, without an adapter; the network to train)."""
    backbone, begin = recipe.backbone, recipe.start
    shape = {
        "exit_block": backbone.exit_block,
        "adapter": backbone.adapter,
        "adapter_block": backbone.adapter_block,
        "beside": backbone.beside,
        "last_stride": backbone.last_stride,
        "wide": backbone.wide,
        "last_block": backbone.last_block,
    }
    model = build(
        backbone.family, backbone.width, backbone.resolution, normalise=begin.backbone is None, **shape
    )  # fmt: skip
    plain = {"exit_block": backbone.exit_block, "adapter": 0, "wide": backbone.wide, "last_block": backbone.last_block}
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
