# SPDX-License-Identifier: MIT
"""A backbone for sound or motion made familiar with recordings of the user's own, which need no labels.

Copies of a recording, changed as another room, hand or mounting would, are to be alike and unlike those of others: a
few-shot episode whose classes are recordings. And each is to look as the recording itself does to the backbone as it
came, so that nothing is forgotten. What was gained is said by `views` on held-out recordings, as in
`microt.distill.adapt`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops

from microt import signals
from microt.distill import devices
from microt.distill import signals as training
from microt.distill.adapt import MODELS, found_again, pseudo_classes
from microt.distill.checkpoint import Checkpoint
from microt.distill.curves import draw_curves
from microt.distill.losses import cosine_distance, prototype_episode, root
from microt.distill.objective import Objective
from microt.distill.start import load_start

STEPS = 300
RECORDINGS, COPIES = 16, 6  # a batch: so many recordings, so many copies of each
FEWEST = 40  # recordings: a batch of them and something to hold out
HELD_OUT, MOST_HELD_OUT = 0.2, 200
OWN, EPISODE = 1.0, 0.5  # weights of the terms
RATE = 3e-4


def is_signals(backbone: str | Path) -> bool:
    """Whether a backbone, as `adapt` takes it, is for sound or motion."""
    recipe = _files(backbone)[0]
    return recipe.is_file() and training.is_recipe(recipe)


def adapt(
    backbone: str | Path,
    data: str | Path | Sequence[str | Path],
    out_dir: str | Path,
    *,
    steps: int = STEPS,
    seed: int = 1,
    log: Callable[[str], None] = print,
) -> dict:
    """Adapt a backbone to unlabelled recordings; writes backbone.mtb and the files beside it into out_dir.

    backbone: "sound", "motion", or the output folder of `microt distill` or `microt adapt`. data: a folder (recordings
    anywhere below it), an `.npz` (its train split, labels ignored), or several of them. A run that was cut short goes
    on where it was.

    Returns what `microt.distill.adapt.adapt` does, "recordings" for "pictures". ValueError says what is wrong with the
    backbone or the recordings, or that they are too few.
    """
    began = time.monotonic()
    out = Path(out_dir)
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    recipe, start = open_backbone(backbone)
    clips = _recordings(data, recipe)
    if len(clips) < FEWEST:
        raise ValueError(f"data: expected at least {FEWEST} recordings to adapt to, got {len(clips)}")
    out.mkdir(parents=True, exist_ok=True)
    copies = recipe.changes.copies
    log(f"data: {len(clips)} recordings, {copies} copies of each; backbone {Path(backbone).name}; {devices.describe()}")
    rng = np.random.default_rng(seed)
    x, plain = training.changed(recipe, clips, copies, rng)
    order = rng.permutation(len(clips))
    held = min(int(HELD_OUT * len(clips)), MOST_HELD_OUT)
    unseen, seen = np.sort(order[:held]), np.sort(order[held:])
    views = [x[i, unseen].astype(np.float32) for i in (0, 1)]
    before = _scores(start, views)
    log(f"before: {_said(before)}")
    bank = training.Bank(x[:, seen], np.arange(len(seen)), None, plain[seen], True)
    model, history = _train(recipe, start, bank, steps, seed, log, out / "checkpoint.npz")
    after = _scores(model, views)
    log(f"after: {_said(after)}")
    model.save(out / "model.keras")
    (out / "recipe.toml").write_text(recipe.path.read_text())
    (out / "history.json").write_text(json.dumps({"recipe": recipe.path.name, "steps": history}, indent=1))
    draw_curves(history, out / "curves.png")
    own = model.predict(plain[seen], verbose=0)[-1]
    labelled = dataclasses.replace(bank, y=pseudo_classes(np.sqrt(np.maximum(own, 0)), seed))
    paths = training.finish(recipe, model, [labelled], out, log)
    result = {
        "scores": {"before": before, "after": after},
        "recordings": len(clips),
        "held_out": held,
        "steps": history[-1]["step"],
        "int8": json.loads(paths["int8"].read_text()),
        "seconds": time.monotonic() - began,
        "paths": {k: str(p) for k, p in paths.items()},
    }
    (out / "adapt.json").write_text(json.dumps(result, indent=1))
    return result


def open_backbone(backbone: str | Path) -> tuple[training.Recipe, keras.Model]:
    """(recipe, float network) of a shipped name or an output folder."""
    path, weights = _files(backbone)
    for file in (path, weights):
        if not file.is_file():
            raise FileNotFoundError(f"{backbone}: expected sound, motion, or a folder with {file.name}")
    recipe = training.load_recipe(path)
    if weights.suffix == ".keras":
        return recipe, keras.models.load_model(weights)
    model = training.network(dataclasses.replace(recipe, start=None))
    load_start(model, weights)
    return recipe, model


def _files(backbone: str | Path) -> tuple[Path, Path]:
    folder = Path(backbone)
    if folder.is_dir():
        return folder / "recipe.toml", folder / "model.keras"
    return MODELS / f"{backbone}.toml", MODELS / f"{backbone}.tflite"


def _recordings(data: str | Path | Sequence[str | Path], recipe: training.Recipe) -> list[np.ndarray]:
    kind, rate = ("sound" if recipe.front_end.kind == "mel" else "motion"), recipe.front_end.rate
    found = []
    for source in [data] if isinstance(data, (str, Path)) else data:
        clips, own = signals.read_unlabelled(source, kind, getattr(recipe.front_end, "axes", 1))
        found += [signals.resample(clip, own or rate, rate) for clip in clips]
    return found


class Alike(Objective):
    """Terms of a batch {"x": (RECORDINGS * COPIES, h, w, c), "own": the start's embeddings of the recordings}."""

    def __init__(self, model: keras.Model):
        exits = range(len(model.outputs))
        super().__init__({f"exit{e}_own": OWN for e in exits} | {f"exit{e}_episode": EPISODE for e in exits})
        self.model = model
        self.projections = []
        for output in model.outputs[:-1]:
            layer = keras.layers.Dense(model.outputs[-1].shape[-1])
            layer.build((None, output.shape[-1]))
            self.projections.append(layer)

    def call(self, batch, training=None):
        """{name of a term: scalar}."""
        outputs = {str(e): root(v) for e, v in enumerate(self.model(batch["x"], training=training))}
        whole, terms = devices.whole_batch(outputs | {"own": batch["own"]}), {}
        for e in range(len(outputs)):
            features = whole[str(e)]
            mine = self.projections[e](features) if e < len(self.projections) else features
            terms[f"exit{e}_own"] = cosine_distance(mine, whole["own"])
            terms[f"exit{e}_episode"] = prototype_episode(features, COPIES)
        return terms


def _train(recipe, start: keras.Model, bank: training.Bank, steps: int, seed: int, log, checkpoint: Path):
    """(the adapted network, mean losses over stretches of steps)."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng([seed, 2])
    own = ops.convert_to_numpy(root(start.predict(bank.plain, verbose=0)[-1]))
    with devices.scope():
        model = training.network(dataclasses.replace(recipe, start=None))
        model.set_weights(start.get_weights())
        objective = Alike(model)
        optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.02))
        objective.ready(optimizer)

    def batch() -> devices.Batch:
        rows = np.repeat(rng.permutation(len(bank.y))[:RECORDINGS], COPIES)
        x = bank.x[rng.integers(len(bank.x), size=len(rows)), rows].astype(np.float32)
        training.mask_rows(x, recipe.train.mask, rng)
        return {"x": x, "own": own[rows]}

    identity = hashlib.sha256(repr((steps, seed, devices.backend())).encode() + bank.plain.tobytes()).hexdigest()
    kept = Checkpoint(checkpoint, [*objective.variables, *optimizer.variables], identity, log)
    history = training.go_on(objective, batch, steps, kept, log)
    return model, history


def _scores(model: keras.Model, views: list[np.ndarray]) -> dict:
    """{"exit0", "exit1": {"views", "neighbours": None}}, see `microt.distill.adapt.Scores`."""
    first, second = (model.predict(x, batch_size=64, verbose=0) for x in views)
    return {f"exit{e}": {"views": found_again(a, b), "neighbours": None}
            for e, (a, b) in enumerate(zip(first, second, strict=True))}  # fmt: skip


def _said(scores: dict) -> str:
    return ", ".join(f"exit {e[-1]} views {row['views']:.3f}" for e, row in scores.items())
