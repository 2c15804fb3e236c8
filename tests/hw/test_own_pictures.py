# SPDX-License-Identifier: MIT
"""A user's own folder of pictures, from distill to a taught board, by the commands of docs/backbones.md."""

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from microt import cli

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "backbones.md"
NAMES = ("bolt", "nut", "screw", "washer")
TRAINED, TESTED = 24, 6


def commands():
    """The command lines that the page shows for a folder of pictures, `microt` left out."""
    section = PAGE.read_text().split("## Your own folder of pictures")[1].split("\n## ")[0]
    return [shlex.split(line)[1:] for line in re.findall(r"^    (microt .*)$", section, re.MULTILINE)]


def folder_of_pictures(folder):
    """pictures/train and pictures/test, a folder a class: one coloured pattern a class, moved and noisy."""
    rng = np.random.default_rng(3)
    for name in NAMES:
        pattern = rng.integers(0, 256, (5, 5, 3))
        for i in range(TRAINED + TESTED):
            place = folder / ("train" if i < TRAINED else "test") / name
            place.mkdir(parents=True, exist_ok=True)
            x = np.kron(np.roll(pattern, i % 3, axis=i % 2), np.ones((26, 26, 1)))
            noisy = np.clip(x + rng.normal(0, 30, x.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(place / f"{i}.jpg")


def test_the_page_shows_every_step():
    assert [line[0] for line in commands()] == ["distill", "split", "compile", "push", "train"]


@pytest.mark.slow
def test_own_pictures_from_distill_to_a_taught_board(tmp_path, monkeypatch):
    folder_of_pictures(tmp_path / "pictures")
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    said = {}
    for line in commands():
        small = {"train": ["--shots", "5"], "split": ["--shots", "5", "--episodes", "2"]}
        result = CliRunner().invoke(cli.main, [*line, *small.get(line[0], [])])
        assert result.exit_code == 0, f"{line}: {result.output}{result.exception}"
        said[line[0]] = result.output
        print(said[line[0]], file=sys.stderr)
    assert "* saves most" in said["split"] and "backbone" in said["push"]
    report = json.loads((tmp_path / "build" / "train" / "report.json").read_text())
    assert report["accuracy"]["staged"] > 0.9, "coloured patterns are easily told apart"
