# SPDX-License-Identifier: MIT
"""What a backbone is to be held against, on the very same episodes: by NumPy, as none of these runs on a device.

Of sound and motion, networks that `microt distill` left: the recipe beside them says what their front end is.

float       the network before int8, with the features that travel in the backbone: what rounding costs
teacher     a large network's pooled embedding, logistic regression on it: the ceiling
baseline    any other network of one or two exits (the untouched start, one trained with labels alone), logistic
            regression on each exit's vector, as MicroT's baseline has it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from microt import head
from microt.data import Dataset, Episode, load
from microt.distill import protocol
from microt.distill.teacher import NpyTeacher, teacher_named


def rivals(
    data: str | Path | Dataset,
    drawn: Sequence[Episode],
    *,
    float_model: str | Path | None = None,
    teacher: str | Path | None = None,
    baselines: Sequence[str | Path] = (),
    exit_ratio: float = 0.5,
    log: Callable[[str], None] = lambda text: None,
) -> list[dict]:
    """A row for each network: {role, file, head, exit0, exit1, staged, ci95 (of each)}; None where it has no exit 0.

    drawn: episodes of `data`, a source of pictures that `microt.data.load` takes, or a Dataset. float_model: the
    `model.keras` of a recipe's output, its features beside it (`backbone_features.npz`). teacher: see
    `microt.distill.teacher.teacher_named`. baselines: `.keras`, `.tflite` or `.mtb`. staged is by the threshold of the
    support. ValueError and FileNotFoundError say what is wrong with a file.
    """
    used = np.unique(np.concatenate([rows for e in drawn for rows in (e.support, e.query)]))
    found = []

    def add(role: str, path: str | Path, arrays: list[np.ndarray], kind: str, fit) -> None:
        place = np.zeros(used.max() + 1, int)
        place[used] = np.arange(len(used))
        figures = [protocol.figures(arrays, _moved(e, place), fit, exit_ratio) for e in drawn]
        found.append({"role": role, "file": Path(path).name, "head": kind} | _row(figures, len(arrays) > 1))

    if float_model is not None:
        features = head.load_features(Path(float_model).with_name("backbone_features.npz"))
        log(f"{Path(float_model).name}: {len(used)} samples")
        arrays, quantization = _embedded(float_model, data, used)
        u = [head.project(f, head.feature(f, arrays, quantization)) for f in features]
        add("float", float_model, u, "lda", lambda e, x, y: head.fit(features[e], x, y))
    if teacher is not None:
        if isinstance(data, Dataset) and data.x.dtype != np.uint8:
            raise ValueError(f"{teacher}: a teacher is for pictures")
        network = teacher_named(teacher)
        if isinstance(network, NpyTeacher):
            raise ValueError(f"{teacher}: expected a network to embed these pictures with, got embeddings")
        log(f"{Path(teacher).name}: {len(used)} samples")
        add(
            "teacher", teacher, [network.embed(_pictures(data, network.size)[used], log)], "logistic", protocol.logistic
        )
    for path in baselines:
        log(f"{Path(path).name}: {len(used)} samples")
        arrays, quantization = _embedded(path, data, used)
        plain = [protocol.plain(quantization, e, arrays) for e in range(len(arrays))]
        add("baseline", path, plain, "logistic", protocol.logistic)
    return found


def _embedded(path: str | Path, data: str | Path | Dataset, used: np.ndarray) -> tuple[list[np.ndarray], list]:
    """(embeddings of the samples by a network's exits, their quantization)."""
    if not isinstance(data, Dataset) or data.x.dtype == np.uint8:
        embed, quantization, size = protocol.opened(path)
        return embed(_pictures(data, size)[used]), quantization
    recipe = Path(path).with_name("recipe.toml")
    if Path(path).suffix != ".keras" or not recipe.is_file():
        raise ValueError(f"{path}: expected, for sound or motion, a .keras network with its recipe.toml beside it")
    import keras

    from microt.distill.signals import load_recipe

    features = load_recipe(recipe).front_end.reference(data.x[used]).astype(np.float32)
    found = keras.models.load_model(path).predict(features, batch_size=64, verbose=0)
    return found, [(1.0, 0)] * len(found)


def _pictures(data: str | Path | Dataset, size: int) -> np.ndarray:
    if not isinstance(data, Dataset):
        return load(data, size).x
    if data.x.shape[1] != size:
        raise ValueError(f"data: expected pictures of {size} pixels, got {data.x.shape[1]}; give the file instead")
    return data.x


def _moved(episode: Episode, place: np.ndarray) -> Episode:
    return Episode(
        episode.classes, place[episode.support], episode.support_y, place[episode.query], episode.query_y
    )  # fmt: skip


def _row(figures: list[dict], staged: bool) -> dict:
    names = {"exit0": "exit0", "exit1": "exit1", "staged": "staged_own_threshold"}
    row: dict = dict.fromkeys(names) | {"ci95": {}}
    for name in names if staged else ("exit1",):
        values = np.array([f[names[name]] for f in figures])
        row[name] = float(values.mean())
        row["ci95"][name] = float(1.96 * values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
    return row
