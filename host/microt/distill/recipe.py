# SPDX-License-Identifier: MIT
"""The recipe: a TOML file that names data, start, teacher, backbone, losses and schedule."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

from microt.zoo.families import APPLICATIONS, FAMILIES


@dataclass(frozen=True)
class Data:
    pictures: Path
    split: str = "train"


@dataclass(frozen=True)
class Start:
    """One of four, or `tflite` and `backbone` together.

    tflite: a network whose weights, dequantised, are the start. backbone: what a recipe made (`.keras` or `.tflite`),
    to go on from, adapter and all, in the shape of [backbone]; with a tflite as well, what is to be kept ("own") is
    the last embedding of the tflite. application: weights of the family's twin in keras.applications, "imagenet" or a
    file. random: weights that keep the size of what goes through, nothing to be kept.
    """

    tflite: Path | None = None
    backbone: Path | None = None
    application: str = ""
    random: bool = False


@dataclass(frozen=True)
class Teacher:
    """One of five sources, see `microt.distill.teacher.teacher_of`.

    tflite: a network, cut at `tensor`. npy: embeddings (N, dim) of the training pictures, in their
    order. keras: a saved model, its last output pooled. application: a network of keras.applications by name, with
    `weights` ("imagenet" or a file). keras_hub: a DINOv2 of KerasHub, a preset's name ("dinov2_small") or folder.
    size: pixels of what the last two see.
    """

    tflite: Path | None = None
    tensor: str = "AVERAGE_POOL_2D"
    npy: Path | None = None
    keras: Path | None = None
    application: str = ""
    weights: str = "imagenet"
    keras_hub: str = ""
    size: int = 224

    @property
    def source(self) -> str:
        """The name of the one source."""
        return self.application or Path(self.keras_hub or self.tflite or self.npy or self.keras).name


@dataclass(frozen=True)
class Backbone:
    family: str = "mobilenet_v1"
    width: float = 0.25
    resolution: int = 96
    exit_block: int = 6
    adapter: int = 256
    adapter_block: int = 0
    beside: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    last_stride: int = 2
    wide: bool = False
    last_block: int = 17
    frozen_blocks: int = 2


@dataclass(frozen=True)
class ExitLoss:
    """Weights of the terms at one exit; a weight of 0 leaves the term out.

    teacher, own: to the teacher's and the start's own last embedding, by `distance`: "cosine" (of square-rooted
    features) or "mse". label: classification. decorrelation: of the features. episode: few-shot
    episodes within the batch, which then holds [train] episode_shots samples of each of its classes.
    """

    teacher: float = 0.0
    own: float = 0.0
    label: float = 0.0
    decorrelation: float = 0.0
    episode: float = 0.0
    distance: str = "cosine"


@dataclass(frozen=True)
class Train:
    epochs: int = 8
    batch: int = 128
    seed: int = 1
    rate: float = 3e-4
    new_rate: float = 2e-3
    weight_decay: float = 1e-4
    warm_up: float = 0.05
    final_rate: float = 0.02
    episode_shots: int = 8


@dataclass(frozen=True)
class Augment:
    area: tuple[float, float] = (0.45, 1.0)
    aspect: tuple[float, float] = (0.8, 1.25)
    saturation: tuple[float, float] = (0.7, 1.3)
    contrast: tuple[float, float] = (0.75, 1.25)
    brightness: tuple[float, float] = (0.8, 1.2)


@dataclass(frozen=True)
class Quantize:
    """pictures: to calibrate with. bias_correction: see `microt.bias_correction`."""

    pictures: int = 300
    bias_correction: bool = False


@dataclass(frozen=True)
class Features:
    """The feature transform in front of the heads, see microt.distill.features.

    pictures: how many to make it from, 0 for all.
    """

    lengths: tuple[int, int] = (320, 384)
    prior: float = 0.5
    shrink: float = 0.6
    pictures: int = 0


@dataclass(frozen=True)
class Recipe:
    path: Path
    data: Data
    start: Start
    teacher: Teacher | None
    backbone: Backbone
    part: ExitLoss
    full: ExitLoss
    train: Train
    augment: Augment
    quantize: Quantize
    features: Features


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe; paths in it are relative to its folder.

    ValueError names a table or key that is unknown, missing or of the wrong kind, and a recipe
    whose losses ask for a teacher that it does not name.
    """
    return recipe_of(read_tables(path), path)


def read_tables(path: str | Path) -> dict[str, Any]:
    """A TOML file's tables. ValueError says what about it is not valid."""
    try:
        return tomllib.loads(Path(path).read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from error


def to_toml(recipe: Recipe) -> str:
    """The recipe as a file that `load_recipe` reads, its paths in full."""
    named = {"loss.part": recipe.part, "loss.full": recipe.full}
    named |= {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name not in ("path", "part", "full")}
    text = ""
    for name, table in named.items():
        if table is not None:
            values = {f.name: getattr(table, f.name) for f in fields(table)}
            lines = [f"{k} = {json.dumps(v, default=str)}\n" for k, v in values.items() if v not in (None, "")]
            text += f"[{name}]\n{''.join(lines)}\n"
    return text


def recipe_of(tables: dict[str, Any], path: str | Path) -> Recipe:
    """The recipe of a file's tables; path: that file. As `load_recipe`."""
    path = Path(path)
    known = {
        "data", "start", "teacher", "backbone", "loss", "train", "augment", "quantize", "features",
    }  # fmt: skip
    _refuse_unknown(path, "the recipe", set(tables), known)
    for name in ("data", "start", "loss"):
        if name not in tables:
            raise ValueError(f"{path}: table [{name}] is missing")
    losses = tables["loss"]
    _refuse_unknown(path, "[loss]", set(losses), {"part", "full"})

    def read(kind: type, name: str, table: dict[str, Any] | None = None):
        return _read(path, kind, name, tables.get(name, {}) if table is None else table)

    recipe = Recipe(
        path=path,
        data=read(Data, "data"),
        start=read(Start, "start"),
        teacher=read(Teacher, "teacher") if "teacher" in tables else None,
        backbone=read(Backbone, "backbone"),
        part=read(ExitLoss, "loss.part", losses.get("part", {})),
        full=read(ExitLoss, "loss.full", losses.get("full", {})),
        train=read(Train, "train"),
        augment=read(Augment, "augment"),
        quantize=read(Quantize, "quantize"),
        features=read(Features, "features"),
    )
    _check_start(path, recipe)
    if recipe.teacher is None and (recipe.part.teacher or recipe.full.teacher):
        raise ValueError(f"{path}: a loss has a teacher term but there is no [teacher] table")
    for name, term in (("part", recipe.part), ("full", recipe.full)):
        if term.distance not in ("cosine", "mse"):
            raise ValueError(f'{path}: loss.{name}.distance: expected "cosine" or "mse", got {term.distance!r}')
    if recipe.teacher is not None:
        sources = ("tflite", "npy", "keras", "application", "keras_hub")
        given = [n for n in sources if getattr(recipe.teacher, n)]
        if len(given) != 1:
            raise ValueError(f"{path}: [teacher] needs one of {', '.join(sources)}, got {', '.join(given) or 'none'}")
        folder = path.parent / recipe.teacher.keras_hub
        if recipe.teacher.keras_hub and folder.is_dir():
            recipe = replace(recipe, teacher=replace(recipe.teacher, keras_hub=str(folder.resolve())))
    shots, batch = recipe.train.episode_shots, recipe.train.batch
    if (recipe.part.episode or recipe.full.episode) and (shots < 2 or batch % shots or batch < 2 * shots):
        raise ValueError(
            f"{path}: train.episode_shots: expected at least 2 and a divisor of the batch that leaves 2 classes or "
            f"more, got {shots} of {batch}"
        )
    return recipe


def _check_start(path: Path, recipe: Recipe) -> None:
    start, family = recipe.start, recipe.backbone.family
    if family not in FAMILIES:
        raise ValueError(f"{path}: backbone.family: expected one of {', '.join(FAMILIES)}, got {family!r}")
    given = [n for n in ("tflite", "backbone", "application", "random") if getattr(start, n)]
    if len(given) != 1 and given != ["tflite", "backbone"]:
        raise ValueError(
            f"{path}: [start] needs one of tflite, backbone, application, random, or tflite and backbone, "
            f"got {', '.join(given) or 'none'}"
        )
    if start.backbone and family != "mobilenet_v1":
        raise ValueError(f"{path}: start.backbone: expected the family mobilenet_v1, got {family}")
    if start.application and family not in APPLICATIONS:
        raise ValueError(f"{path}: start.application: expected the family {' or '.join(APPLICATIONS)}, got {family}")
    if start.random and (recipe.part.own or recipe.full.own):
        raise ValueError(f"{path}: a random start has no embedding to keep: loss.part.own and loss.full.own must be 0")


def _refuse_unknown(path: Path, where: str, got: set[str], known: set[str]) -> None:
    if got - known:
        raise ValueError(
            f"{path}: {where} has no key {', '.join(sorted(got - known))}; known: {', '.join(sorted(known))}"
        )


def _read(path: Path, kind: type, name: str, table: dict[str, Any]):
    known = {field.name: field.type for field in fields(kind)}
    _refuse_unknown(path, f"[{name}]", set(table), set(known))
    values = {}
    for key, value in table.items():
        wanted = known[key]  # a string: annotations are postponed
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if wanted.startswith("Path") and isinstance(value, str):
            value = value if value == "digits" else (path.parent / value).resolve()
        elif wanted == "float" and number:
            value = float(value)
        elif wanted.startswith("tuple[tuple") and _pair_of_lists(value):
            value = (tuple(value[0]), tuple(value[1]))
        elif wanted in ("tuple[int, int]", "tuple[float, float]") and isinstance(value, list) and len(value) == 2:
            convert = int if "int" in wanted else float
            value = (convert(value[0]), convert(value[1]))
        elif (
            not (wanted == "int" and number and value == int(value))
            and not (wanted == "str" and isinstance(value, str))
            and not (wanted == "bool" and isinstance(value, bool))
        ):
            raise ValueError(f"{path}: {name}.{key}: expected {wanted}, got {value!r}")
        values[key] = value
    try:
        return kind(**values)
    except TypeError:
        missing = [f.name for f in fields(kind) if f.name not in values and f.default is MISSING]
        raise ValueError(f"{path}: [{name}] needs {', '.join(missing)}") from None


def _pair_of_lists(value) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, list) and all(isinstance(n, int) for n in v) for v in value)
    )
