# SPDX-License-Identifier: MIT
"""A search over a recipe's keys, shared by two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from microt.distill import search as searching
from microt.distill.recipe import load_recipe, to_toml

ROOT = Path(__file__).parents[2]
RECIPE = """
data.pictures = "digits"
start.random = true
loss.part = {label = 1.0}
loss.full = {label = 1.0}
backbone = {resolution = 32, adapter = 16}
train = {epochs = 1, batch = 256}
features.lengths = [16, 24]
"""
SEARCH = """
trials = 3
storage = "shared.journal"
episodes = 4
[ranges]
"train.rate" = {low = 1e-5, high = 1e-2, log = true}
"backbone.exit_block" = {low = 5, high = 7}
"loss.part.label" = {choices = [0.2, 1.0]}
"""


def files(tmp_path, search=SEARCH):
    (tmp_path / "r.toml").write_text(RECIPE)
    (tmp_path / "s.toml").write_text(search)
    return tmp_path / "r.toml", tmp_path / "s.toml"


@pytest.mark.slow
def test_two_processes_share_the_trials(tmp_path):
    pytest.importorskip("optuna", reason="Optuna is not installed: .venv/bin/pip install -e '.[search]'")
    recipe, search = files(tmp_path)
    command = [sys.executable, "-m", "microt.cli", "distill", str(recipe), "--search", str(search), "-o"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "host"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    processes = [
        subprocess.Popen([*command, str(tmp_path / name)], env=environment, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]  # fmt: skip
    said = [process.communicate(timeout=900) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    own = ["trial 0" in err for _, err in said]
    assert own.count(True) == 1, "no trial is done twice"
    assert all(f"trial {n}: 0." in said[0][1] + said[1][1] for n in range(3))
    assert all("trial " in err for _, err in said), "both take part"
    results = [json.loads((tmp_path / name / "search.json").read_text()) for name in ("a", "b")]
    last = max(results, key=lambda result: len(result["trials"]))
    assert 3 <= len(last["trials"]) <= 4
    assert last["best"]["score"] == max(trial["score"] for trial in last["trials"]) > 0.1
    best = load_recipe(last["recipe"])
    assert best.train.rate == last["best"]["values"]["train.rate"]
    assert best.backbone.exit_block in (5, 6, 7) and best.backbone.adapter == 16
    assert "microt distill" in searching.describe(last)


@pytest.mark.parametrize("change, message", [
    (('storage = "shared.journal"', ""), "expected a table .ranges. that is not empty and a storage"),
    (("trials = 3", "trial = 3"), "the search has no key trial; known: ranges"),
    (("trials = 3", "trials = 0"), "trials: expected an int of 1 or more, got 0"),
    (("trials = 3", "held_out = 1.5"), "held_out: expected a share between 0 and 1"),
    (("low = 5, high = 7", "low = 5"), r"backbone.exit_block: expected \{low, high\}"),
    (("train.rate", "train.speed"), r"\[train\] has no key speed"),
])  # fmt: skip
def test_wrong_searches(tmp_path, monkeypatch, change, message):
    assert change[0] in SEARCH
    recipe, search = files(tmp_path, SEARCH.replace(*change, 1))
    monkeypatch.setattr(searching, "_optuna", lambda: None)
    with pytest.raises(ValueError, match=message):
        searching.search(recipe, search, tmp_path / "out")


def test_without_optuna_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"needs Optuna; in the checkout: \.venv/bin/pip install -e '\.\[search\]'"):
        searching.search(*files(tmp_path), tmp_path / "out")


@pytest.mark.parametrize("name", ["mobilenet_v1_025_112", "own_pictures"])
def test_a_recipe_is_written_as_it_was_read(tmp_path, name):
    recipe = load_recipe(ROOT / "models" / f"{name}.toml")
    (tmp_path / "again.toml").write_text(to_toml(recipe))
    again = load_recipe(tmp_path / "again.toml")
    assert vars(again) | {"path": None} == vars(recipe) | {"path": None}
