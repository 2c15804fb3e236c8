# SPDX-License-Identifier: MIT
"""Training of backbones for sound and motion, whose input a front end makes: few-shot episodes and labels.

A recipe is a TOML file with [front_end] (see compiler/front_end.py), one or more [[data]], [backbone], [changes],
[train], [features] and perhaps [start]; the classes below say what each holds. `microt distill` takes it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path

import keras
import numpy as np

from microt import signals
from microt.compiler import front_end
from microt.compiler.compile import compile_tflite
from microt.data import SPLITS
from microt.distill import devices, rounding
from microt.distill.checkpoint import Checkpoint
from microt.distill.curves import draw_curves
from microt.distill.features import build_features
from microt.distill.losses import CosineSoftmax, prototype_episode, root
from microt.distill.objective import Objective
from microt.distill.recipe import tomllib
from microt.distill.recordings import MotionChanges, SoundChanges, change_motion, change_sound
from microt.distill.start import load_start
from microt.head import save_features
from microt.quantize import quantize_samples
from microt.zoo.ds_cnn import ds_cnn
from microt.zoo.macs import macs, parameters
from microt.zoo.motion import motion

STRETCH = 50  # steps between two entries of the history


@dataclass(frozen=True)
class Data:
    """A set to train on, its train split only.

    share: of the batches. unseen: groups left out ("speaker=lucas,theo"). classes: those to use, all if empty.
    across: a group ("speaker") that an episode's two halves do not share. features: whether the feature transform is
    made from this set too. copies: of each recording, in place of those of [changes]. turned: of motion, "reversed" in
    time, "mirrored" from left to right, or "both": other movements, so other classes.
    """

    source: Path
    share: float = 1.0
    unseen: str = ""
    classes: tuple[str, ...] = ()
    across: str = ""
    features: bool = True
    copies: int = 0
    turned: str = ""


@dataclass(frozen=True)
class Backbone:
    """family: "ds_cnn" or "motion". rows: of the input, frames or samples. exit_block, adapter and, of motion, first,
    filters and strides of the blocks, kernel: see the family."""

    family: str
    rows: int
    exit_block: int = 2
    adapter: int = 0
    first: int = 32
    filters: tuple[int, ...] = (64, 96, 128, 128)
    strides: tuple[int, ...] = (2, 2, 1, 1)
    kernel: int = 9


@dataclass(frozen=True)
class Train:
    """Steps of episodes of `ways` classes (fewer where a set has not as many) and `shots` samples each; a time mask
    of up to `mask` rows on half of the samples."""

    steps: int = 400
    ways: int = 10
    shots: int = 10
    rate: float = 1e-3
    weight_decay: float = 1e-3
    label: float = 1.0
    episode: float = 0.5
    mask: int = 7
    seed: int = 1


@dataclass(frozen=True)
class Features:
    """The feature transform, see microt.distill.features."""

    lengths: tuple[int, ...] = (64, 96)
    prior: float = 0.5
    shrink: float = 0.6


@dataclass(frozen=True)
class Recipe:
    path: Path
    front_end: front_end.Mel | front_end.Axes
    data: tuple[Data, ...]
    start: Path | None
    backbone: Backbone
    changes: SoundChanges | MotionChanges
    train: Train
    features: Features

    @property
    def hwc(self) -> tuple[int, int, int]:
        """Shape of the input."""
        front = self.front_end
        return (self.backbone.rows, *((front.columns, 1) if front.kind == "mel" else (1, len(front.channels))))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a window of samples."""
        count = self.front_end.samples(self.hwc)
        return (count,) if self.front_end.kind == "mel" else (self.backbone.rows, self.front_end.axes)


@dataclass(frozen=True)
class Bank:
    """A set as it is trained on. x: (copies, N, h, w, c) float16. y: (N,) from 0. groups: (N,) or None."""

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None
    plain: np.ndarray  # (N, h, w, c) float32, unchanged
    features: bool


def is_recipe(path: str | Path) -> bool:
    """Whether a recipe is for sound or motion."""
    return "front_end" in tomllib.loads(Path(path).read_text())


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe; paths in it are relative to its folder. ValueError names what is wrong."""
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from None
    known = {"front_end", "data", "start", "backbone", "changes", "train", "features"}
    if set(tables) - known or not {"front_end", "data", "backbone"} <= set(tables):
        raise ValueError(f"{path}: expected tables of {', '.join(sorted(known))}, got {', '.join(sorted(tables))}")
    front = front_end.from_table(tables["front_end"], str(path))
    changes = SoundChanges if front.kind == "mel" else MotionChanges
    start = tables.get("start", {}).get("tflite")
    recipe = Recipe(
        path,
        front,
        tuple(_read(path, Data, f"[[data]] {i}", table) for i, table in enumerate(tables["data"])),
        None if start is None else (path.parent / start).resolve(),
        _read(path, Backbone, "[backbone]", tables["backbone"]),
        _read(path, changes, "[changes]", tables.get("changes", {})),
        _read(path, Train, "[train]", tables.get("train", {})),
        _read(path, Features, "[features]", tables.get("features", {})),
    )
    front.samples(recipe.hwc)
    if recipe.backbone.family not in ("ds_cnn", "motion"):
        raise ValueError(f"{path}: backbone.family: expected ds_cnn or motion, got {recipe.backbone.family!r}")
    if recipe.train.shots < 2 or recipe.train.ways < 2:
        raise ValueError(f"{path}: train: expected 2 ways and shots or more")
    return recipe


def _read(path: Path, kind: type, where: str, table: dict):
    known = {f.name: f for f in fields(kind)}
    if set(table) - set(known):
        unknown = ", ".join(sorted(set(table) - set(known)))
        raise ValueError(f"{path}: {where} has no key {unknown}; known: {', '.join(known)}")
    missing = [name for name, f in known.items() if f.default is MISSING and name not in table]
    if missing:
        raise ValueError(f"{path}: {where} needs {', '.join(missing)}")
    values = {}
    for name, value in table.items():
        wanted = str(known[name].type)
        kinds = {"int": int, "float": (int, float), "str": str, "Path": str, "bool": bool}.get(wanted, list)
        if not isinstance(value, kinds) or (isinstance(value, bool) and wanted != "bool"):
            raise ValueError(f"{path}: {where}: {name}: expected {wanted}, got {value!r}")
        convert = {"float": float, "Path": lambda v: (path.parent / v).resolve()}.get(wanted, lambda v: v)
        values[name] = tuple(value) if isinstance(value, list) else convert(value)
    return kind(**values)


def run(recipe_path: str | Path, out_dir: str | Path, log: Callable[[str], None] = print) -> dict[str, Path]:
    """Train as the recipe says, quantise, compile; returns the paths of what was written.

    Writes into out_dir: model.keras, start.keras (the untouched network), recipe.toml, history.json,
    curves.png, backbone.tflite, backbone_features.npz, backbone.mtb, int8.json and card.md. A run that was cut short
    goes on where it was; of several workers the first writes and the others return {}.
    """
    devices.strategy()  # before TensorFlow does anything
    recipe, out = load_recipe(recipe_path), Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.train.seed)
    rng = np.random.default_rng(recipe.train.seed)
    banks = [make_bank(recipe, data, rng, log) for data in recipe.data]
    with devices.scope():
        model = network(recipe)
    if not devices.worker()[0]:
        model.save(out / "start.keras")
    history = train(recipe, model, banks, rng, log, checkpoint=out / "checkpoint.npz")
    if devices.worker()[0]:
        return {}
    model.save(out / "model.keras")
    (out / "recipe.toml").write_text(recipe.path.read_text())  # of what shape it is, for `microt adapt`
    (out / "history.json").write_text(json.dumps({"recipe": recipe.path.name, "steps": history}, indent=1))
    draw_curves(history, out / "curves.png")
    return {"model": out / "model.keras", "curves": out / "curves.png"} | finish(recipe, model, banks, out, log)


def make_bank(recipe: Recipe, data: Data, rng: np.random.Generator, log: Callable[[str], None]) -> Bank:
    """Every recording of the set's train split, changed, through the front end."""
    kind = "sound" if recipe.front_end.kind == "mel" else "motion"
    found = signals.read(data.source, kind, getattr(recipe.front_end, "axes", 1))
    if data.unseen:
        found = signals.by_group(found, data.unseen)
    keep = np.ones(len(found.y), bool) if found.split is None else found.split == SPLITS["train"]
    if data.classes:
        missing = set(data.classes) - set(found.class_names)
        if missing:
            raise ValueError(f"{data.source}: no classes {', '.join(sorted(missing))} ({', '.join(found.class_names)})")
        keep &= np.isin(np.array(found.class_names)[found.y], data.classes)
    rows = np.flatnonzero(keep)
    rate = recipe.front_end.rate
    clips = [signals.resample(found.clips[i], found.rate or rate, rate) for i in rows]
    if data.turned:
        clips = [turn(clip, data.turned) for clip in clips]
    copies = data.copies or recipe.changes.copies
    log(f"{found.name}: {len(rows)} recordings, {copies} copies of each")
    x, plain = changed(recipe, clips, copies, rng)
    groups = None
    if data.across:
        if data.across not in (found.groups or {}):
            raise ValueError(f"{data.source}: no groups called {data.across!r}")
        groups = found.groups[data.across][rows]
    _, y = np.unique(found.y[rows], return_inverse=True)
    return Bank(x, y, groups, plain, data.features)


def changed(
    recipe: Recipe, clips: list[np.ndarray], copies: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What the front end makes of recordings at its rate: (copies, N, h, w, c) float16 of changed copies of each, and
    (N, h, w, c) float32 of them as they are."""
    front = recipe.front_end
    if front.kind == "mel":
        made = [[change_sound(c, front.rate, *recipe.shape, recipe.changes, rng) for c in clips] for _ in range(copies)]
    else:
        made = [[change_motion(c, recipe.backbone.rows, recipe.changes, rng) for c in clips] for _ in range(copies)]
    plain = front.reference(np.stack([signals.window(c, recipe.shape) for c in clips])).astype(np.float32)
    return np.stack([front.reference(np.stack(copy)) for copy in made]).astype(np.float16), plain


def turn(clip: np.ndarray, how: str) -> np.ndarray:
    """A recording of motion (rows, 6) "reversed", "mirrored" or "both": what the sensor would tell of that movement."""
    if how not in ("reversed", "mirrored", "both"):
        raise ValueError(f'turned: expected "reversed", "mirrored" or "both", got {how!r}')
    signs = np.ones(6, np.int32)
    if how != "mirrored":
        clip = clip[::-1]
        signs[3:] *= -1  # rotation goes the other way; forces are the same
    if how != "reversed":
        signs *= [-1, 1, 1, 1, -1, -1]  # a rotation is no vector: along x it stays
    return signals.to_int16(clip * signs)


def network(recipe: Recipe) -> keras.Model:
    """The network to train, with the start's weights if there is one."""
    b = recipe.backbone
    if b.family == "ds_cnn":
        model = ds_cnn(shape=recipe.hwc, exit_block=b.exit_block, adapter=b.adapter)
    else:
        blocks = tuple(zip(b.filters, b.strides, strict=True))
        model = motion(
            b.rows, recipe.hwc[2], first=b.first, blocks=blocks, kernel=b.kernel, exit_block=b.exit_block,
            adapter=b.adapter,
        )  # fmt: skip
    if recipe.start is not None:
        load_start(model, recipe.start)
    return model


class Episodes(Objective):
    """Label and episode terms of both exits, of a batch {"x": (ways * shots, h, w, c), "y": labels over all banks}."""

    def __init__(self, model: keras.Model, settings: Train, classes: int):
        kinds = ("label", "episode")
        super().__init__({f"exit{e}_{k}": getattr(settings, k) for e in range(len(model.outputs)) for k in kinds})
        self.model, self.shots = model, settings.shots
        self.directions = [CosineSoftmax(classes) for _ in model.outputs]
        for layer, output in zip(self.directions, model.outputs, strict=True):
            layer.build((None, output.shape[-1]))

    def call(self, batch, training=None):
        """{name of a term: scalar}."""
        outputs = {str(e): root(v) for e, v in enumerate(self.model(batch["x"], training=training))}
        whole, terms = devices.whole_batch(outputs | {"y": batch["y"]}), {}
        for e, layer in enumerate(self.directions):
            terms[f"exit{e}_label"] = layer(whole[str(e)], whole["y"])
            terms[f"exit{e}_episode"] = prototype_episode(whole[str(e)], self.shots)
        return terms


def train(
    recipe: Recipe,
    model: keras.Model,
    banks: list[Bank],
    rng: np.random.Generator,
    log: Callable[[str], None],
    *,
    checkpoint: Path | None = None,
) -> list[dict]:
    """Train the model, made in `devices.scope`, in place; returns mean losses over stretches of steps.

    checkpoint: as in `microt.distill.train.train`.
    """
    settings = recipe.train
    offsets = np.cumsum([0] + [bank.y.max() + 1 for bank in banks])
    warm_up = max(settings.steps // 20, 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.rate / warm_up, max(settings.steps - warm_up, 1), alpha=0.02,
        warmup_target=settings.rate, warmup_steps=warm_up,
    )  # fmt: skip
    with devices.scope():
        objective = Episodes(model, settings, int(offsets[-1]))
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay)
        objective.ready(optimizer)
    shares = np.array([data.share for data in recipe.data])

    def batch() -> devices.Batch:
        which = int(rng.choice(len(banks), p=shares / shares.sum()))
        rows, _ = episode(banks[which], settings, rng)
        x = banks[which].x[rng.integers(len(banks[which].x), size=len(rows)), rows].astype(np.float32)
        mask_rows(x, settings.mask, rng)
        return {"x": x, "y": (banks[which].y[rows] + offsets[which]).astype(np.int32)}

    digest = hashlib.sha256(repr((dataclasses.replace(recipe, path=None), devices.backend())).encode())
    for bank in banks:
        digest.update(np.ascontiguousarray(bank.plain).data)
    variables = [*objective.variables, *optimizer.variables]
    kept = Checkpoint(checkpoint, variables, digest.hexdigest(), log) if checkpoint else None
    return go_on(objective, batch, settings.steps, kept, log)


def go_on(
    objective: Objective,
    batch: Callable[[], devices.Batch],
    steps: int,
    kept: Checkpoint | None,
    log: Callable[[str], None],
) -> list[dict]:
    """Train up to `steps` from where the checkpoint is; returns mean losses over stretches of steps.

    batch: draws the next batch, the first at the first call. RuntimeError when a loss is not finite.
    """
    step, history = kept.restore() if kept else (0, [])
    for _ in range(step):
        batch()  # what was drawn before the cut
    said = time.monotonic()
    while step < steps:
        chosen = [batch() for _ in range(min(STRETCH - step % STRETCH, steps - step))]
        means = objective.learn(lambda chosen=chosen: iter(chosen), len(chosen))
        step += len(chosen)
        history.append({"step": step} | means)
        if time.monotonic() - said > 10 or step == steps:
            said = time.monotonic()
            log(f"step {step}/{steps}: " + ", ".join(f"{k} {v:.3f}" for k, v in means.items()))
        if kept:
            kept.keep(step, history)
    if not all(np.isfinite(v) for entry in history for v in entry.values()):
        raise RuntimeError("the training diverged: a loss is not finite; lower the rate")
    if kept:
        kept.remove()
    return history


def episode(bank: Bank, settings: Train, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """(indexes, ways): `shots` samples of each of so many classes, one class after another; where the bank has groups,
    the halves of a class come from different ones."""
    classes = rng.permutation(bank.y.max() + 1)[: settings.ways]
    half = settings.shots // 2
    rows = []
    for c in classes:
        members = np.flatnonzero(bank.y == c)
        parts = (members, members)
        if bank.groups is not None:
            names = rng.permutation(np.unique(bank.groups[members]))
            first = np.isin(bank.groups[members], names[: len(names) // 2])
            parts = (members[first], members[~first]) if 0 < first.sum() < len(members) else parts
        rows += [rng.choice(part, n) for part, n in zip(parts, (half, settings.shots - half), strict=True)]
    return np.concatenate(rows), len(classes)


def mask_rows(x: np.ndarray, most: int, rng: np.random.Generator) -> None:
    """Half of the samples (N, h, w, c), in place, lose up to `most` rows to their own mean."""
    for sample in x if most else ():
        if rng.uniform() < 0.5:
            length = int(rng.integers(1, most + 1))
            at = int(rng.integers(len(sample) - length))
            sample[at : at + length] = sample.mean(axis=(0, 1))


def finish(recipe: Recipe, model: keras.Model, banks: list[Bank], out: Path, log) -> dict[str, Path]:
    """The int8, features and compiled files of a trained network, and a card."""
    paths = {
        "tflite": out / "backbone.tflite",
        "features": out / "backbone_features.npz",
        "mtb": out / "backbone.mtb",
        "int8": out / "int8.json",
        "card": out / "card.md",
    }
    rng = np.random.default_rng(recipe.train.seed)
    from microt.engine import Backbone as Engine

    plain = np.concatenate([bank.plain for bank in banks])
    calibration = plain[rng.permutation(len(plain))[:400]]
    used = [bank for bank in banks if bank.features]
    x = np.concatenate([bank.plain for bank in used])
    y = np.concatenate([bank.y + sum(b.y.max() + 1 for b in used[:i]) for i, bank in enumerate(used)])
    judged = rounding.samples(y, np.random.default_rng([recipe.train.seed, 1]))
    exact = model.predict(x[judged], verbose=0)

    def attempt(bias_correction: bool) -> tuple:
        content = quantize_samples(model, calibration, bias_correction=bias_correction)
        engine = Engine(compile_tflite(content, front_end=recipe.front_end).data)
        log(f"int8: {len(content)} bytes; features: embedding {len(x)} samples")
        values = np.clip(np.round(x / engine.input_scale) + engine.input_zero_point, -128, 127).astype(np.int8)
        embeddings, quantization = engine.embed(values), [(e.scale, e.zero_point) for e in engine.exits]
        first, last = (e.dim for e in engine.exits)
        adapter = recipe.backbone.adapter
        exit0 = [(0, 0, first - adapter)] + ([(0, first - adapter, adapter)] if adapter else [])
        transform = build_features(
            embeddings, quantization, y, [exit0, [exit0[-1], (1, 0, last)]], recipe.features.lengths,
            prior=recipe.features.prior, shrink=recipe.features.shrink,
        )  # fmt: skip
        return rounding.measure(exact, [e[judged] for e in embeddings], quantization, transform, y[judged]), (
            content, transform,
        )  # fmt: skip

    cost, (_, (content, transform)) = rounding.least(attempt, False, log)
    paths["tflite"].write_bytes(content)
    paths["int8"].write_text(json.dumps(cost, indent=1))
    save_features(paths["features"], transform)
    compiled = compile_tflite(content, features=paths["features"], front_end=recipe.front_end)
    compiled.write(paths["mtb"])
    log(f"compiled: {len(compiled.data)} bytes")
    paths["card"].write_text(_card(recipe, model, paths, cost))
    return paths


def _card(recipe: Recipe, model: keras.Model, paths: dict[str, Path], cost: dict) -> str:
    part, whole = macs(model, 0), macs(model)
    lines = [
        f"# {recipe.backbone.family}, {' x '.join(map(str, recipe.hwc))}",
        "",
        f"- recipe: `{recipe.path.name}`, seed {recipe.train.seed}, {recipe.train.steps} steps, {time.strftime('%F')}",
        f"- front end: {asdict(recipe.front_end)}",
        f"- start: `{recipe.start.name if recipe.start else 'none'}`",
        *(f"- data: `{d.source.name}`{', ' + d.unseen + ' left out' if d.unseen else ''}" for d in recipe.data),
        f"- multiply-accumulates: exit 0 {part:,} ({part / whole:.1%}), exit 1 {whole:,}",
        f"- parameters: {parameters(model):,}",
        *(f"- `{paths[k].name}`: {paths[k].stat().st_size:,} bytes" for k in ("tflite", "mtb")),
        *(f"- {line}" for line in rounding.describe(cost)),
        *(["- biases corrected for the rounding of the weights"] if cost["bias_correction"] else []),
    ]
    return "\n".join(lines) + "\n"
