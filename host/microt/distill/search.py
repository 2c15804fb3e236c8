# SPDX-License-Identifier: MIT
"""The best recipe within ranges of its keys, by Optuna; processes on many machines share the trials.

A search is a TOML file:

    trials = 30                        # of all processes together
    storage = "search.journal"         # a file that all see, relative to this one, or a URL ("mysql://...")

    [ranges]
    "train.rate" = {low = 1e-4, high = 1e-3, log = true}
    "train.epochs" = {low = 4, high = 16}
    "loss.part.label" = {choices = [0.0, 0.2, 0.5]}

The same command, started anywhere that sees the storage and the pictures, takes part. A trial trains on the recipe's
pictures but for a part held out; its score is the few-shot accuracy on those, half of them answered at exit 0, by the
float network.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microt import head
from microt.data import Dataset, draw_episode
from microt.distill import protocol, train
from microt.distill.recipe import Recipe, read_tables, recipe_of, to_toml
from microt.distill.teacher import cached_embeddings, teacher_of

FITTED = 3000  # pictures that the feature transform is made from


@dataclass(frozen=True)
class Search:
    """storage: a file or a URL. study: its name there. held_out: share of the pictures. The rest: of the episodes."""

    ranges: dict[str, dict[str, Any]]
    storage: str
    trials: int = 20
    study: str = "microt"
    held_out: float = 0.2
    ways: int = 10
    shots: int = 5
    episodes: int = 20


def load_search(path: str | Path) -> Search:
    """Read a search. ValueError names a key that is unknown, missing or wrong."""
    path, tables = Path(path), read_tables(path)
    known = {f.name: f for f in dataclasses.fields(Search)}
    if set(tables) - set(known):
        unknown = ", ".join(sorted(set(tables) - set(known)))
        raise ValueError(f"{path}: the search has no key {unknown}; known: {', '.join(known)}")
    if not isinstance(tables.get("ranges"), dict) or not tables["ranges"] or not isinstance(tables.get("storage"), str):
        raise ValueError(f"{path}: expected a table [ranges] that is not empty and a storage")
    for key, bounds in tables["ranges"].items():
        keys = set(bounds) if isinstance(bounds, dict) else set()
        if keys != {"choices"} and (not {"low", "high"} <= keys or keys - {"low", "high", "log"}):
            raise ValueError(f"{path}: {key}: expected {{low, high}}, {{low, high, log}} or {{choices}}, got {bounds}")
    for name in ("trials", "ways", "shots", "episodes"):
        if name in tables and (not isinstance(tables[name], int) or tables[name] < 1):
            raise ValueError(f"{path}: {name}: expected an int of 1 or more, got {tables[name]!r}")
    if not 0 < tables.get("held_out", 0.2) < 1:
        raise ValueError(f"{path}: held_out: expected a share between 0 and 1, got {tables['held_out']!r}")
    if "://" not in tables["storage"]:
        tables["storage"] = str((path.parent / tables["storage"]).resolve())
    return Search(**tables)


def search(
    recipe_path: str | Path,
    search_path: str | Path,
    out_dir: str | Path,
    log: Callable[[str], None] = print,
    *,
    pictures: str | Path | None = None,
) -> dict:
    """Take part in a search until all its trials are done; writes best.toml, the best recipe, and search.json.

    pictures: see `microt.distill.train.run`. Processes that end their trials at the same time may do one more each
    than asked. Returns {"best": {"score", "values"}, "trials": [{"score", "values"}], "recipe": path of best.toml}.
    ValueError says what is wrong with a file, or that Optuna is missing.
    """
    settings, tables = load_search(search_path), read_tables(recipe_path)
    optuna = _optuna()
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)

    def recipe_with(values: dict[str, Any]) -> Recipe:
        recipe = recipe_of(_changed(tables, values), recipe_path)
        if pictures is None:
            return recipe
        return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, pictures=Path(pictures)))

    recipe_with({key: _first(bounds) for key, bounds in settings.ranges.items()})  # refuses unknown keys at once

    def score(trial) -> float:
        values = {key: _suggest(trial, key, bounds) for key, bounds in settings.ranges.items()}
        log(f"trial {trial.number}: {_said(values)}")
        found = accuracy(recipe_with(values), settings, out, log)
        log(f"trial {trial.number}: {found:.4f}")
        return found

    if "://" in settings.storage:
        storage = settings.storage
    else:
        from optuna.storages.journal import JournalFileBackend

        storage = optuna.storages.JournalStorage(JournalFileBackend(settings.storage))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=settings.study, storage=storage, direction="maximize", load_if_exists=True)
    complete = (optuna.trial.TrialState.COMPLETE,)
    if len(study.get_trials(states=complete)) < settings.trials:
        study.optimize(score, callbacks=[optuna.study.MaxTrialsCallback(settings.trials, complete)])
    done = study.get_trials(states=complete)
    best = max(done, key=lambda trial: trial.value)
    file = out / "best.toml"
    file.write_text(to_toml(recipe_with(best.params)))
    result = {
        "best": {"score": best.value, "values": best.params},
        "trials": [{"score": trial.value, "values": trial.params} for trial in done],
        "recipe": str(file),
    }
    (out / "search.json").write_text(json.dumps(result, indent=1))
    return result


def accuracy(recipe: Recipe, settings: Search, folder: Path, log: Callable[[str], None]) -> float:
    """Few-shot accuracy of what a recipe trains, on pictures that it does not train on."""
    data = train.training_pictures(recipe)
    order = np.random.default_rng(recipe.train.seed).permutation(len(data))
    held = int(len(data) * settings.held_out)
    unseen, seen = np.sort(order[:held]), np.sort(order[held:])
    targets = None
    if recipe.teacher is not None:
        targets = cached_embeddings(teacher_of(recipe.teacher), data.x, folder, log)[seen]
    model, _, _ = train.train(recipe, _rows(data, seen), targets, lambda text: None)
    small = train.training_pictures(recipe, recipe.backbone.resolution)

    def embed(rows: np.ndarray) -> list[np.ndarray]:
        return model.predict(small.x[rows].astype(np.float32) / 128 - 1, batch_size=64, verbose=0)

    plain = [(1.0, 0)] * 2
    fitted = seen[:: max(len(seen) // FITTED, 1)]
    features = train.features_of(recipe, model, embed(fitted), plain, small.y[fitted])
    arrays = embed(unseen)
    u = [head.project(f, head.feature(f, arrays, plain)) for f in features]
    judged, rng = _rows(small, unseen), np.random.default_rng(0)
    drawn = [draw_episode(judged, settings.ways, settings.shots, rng) for _ in range(settings.episodes)]
    figures = [protocol.figures(u, e, lambda exit, x, y: head.fit(features[exit], x, y)) for e in drawn]
    return float(np.mean([row["staged"] for row in figures]))


def describe(result: dict) -> str:
    """The trials, the best first, and how to train by it."""
    rows = sorted(result["trials"], key=lambda trial: -trial["score"])
    lines = [f"{row['score']:.4f}  {_said(row['values'])}" for row in rows]
    return "\n".join([*lines, "", f"microt distill {result['recipe']} -o build/best"])


def _optuna():
    try:
        import optuna
    except ImportError:
        raise ValueError("--search needs Optuna; in the checkout: .venv/bin/pip install -e '.[search]'") from None
    return optuna


def _rows(data: Dataset, rows: np.ndarray) -> Dataset:
    return dataclasses.replace(data, x=data.x[rows], y=data.y[rows])


def _first(bounds: dict[str, Any]):
    return bounds["choices"][0] if "choices" in bounds else bounds["low"]


def _suggest(trial, key: str, bounds: dict[str, Any]):
    if "choices" in bounds:
        return trial.suggest_categorical(key, bounds["choices"])
    whole = isinstance(bounds["low"], int) and isinstance(bounds["high"], int)
    return (trial.suggest_int if whole else trial.suggest_float)(key, **bounds)


def _changed(tables: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The tables with values by key, "loss.part.label"."""
    tables = copy.deepcopy(tables)
    for key, value in values.items():
        *path, last = key.split(".")
        table = tables
        for name in path:
            table = table.setdefault(name, {})
        table[last] = value
    return tables


def _said(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                     for key, value in values.items())  # fmt: skip
