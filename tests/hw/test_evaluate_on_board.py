# SPDX-License-Identifier: MIT
"""device/tasks/evaluate.py on a board, from a folder of the PC: the answers are those of the unix build."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from microt.boards import romfs_image, unixport
from microt.engine import Backbone

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "device" / "tasks" / "evaluate.py"
BACKBONE = ROOT / "models" / "objects.mtb"
CLASSES, SHOTS, QUERIES = 3, 4, 9


def episodes(lines):
    return [json.loads(line.split(" ", 1)[1]) for line in lines.splitlines() if line.startswith("EPISODE ")]


def test_an_episode_on_the_board(start, tmp_path):
    if not BACKBONE.is_file():
        pytest.skip("models/objects.mtb is not there")
    rng = np.random.default_rng(5)
    count = CLASSES * SHOTS + QUERIES + 2
    colours = rng.integers(40, 216, (CLASSES + 1, 7, 7, 3))
    kinds = np.concatenate([np.arange(count - 2) % CLASSES, [CLASSES] * 2])
    x = np.kron(colours[kinds], np.ones((1, 16, 16, 1))) + rng.normal(0, 20, (count, 112, 112, 3))
    embeddings = np.concatenate(Backbone(BACKBONE).embed(np.clip(x, 0, 255).astype(np.uint8)), axis=1)
    (tmp_path / "embeddings.bin").write_bytes(embeddings.tobytes())
    support = CLASSES * SHOTS
    lesson = {
        "support": list(range(support)),
        "labels": [f"class {k}" for k in kinds[:support]],
        "query": list(range(support, support + QUERIES)),
        "strangers": [count - 2, count - 1],
    }
    (tmp_path / "episode.json").write_text(json.dumps(lesson))

    def job(backbone, task):
        values = {"backbone": backbone, "task": task, "head": "lda", "exit_ratio": 0.5, "ratios": [0.25]}
        (tmp_path / "job.json").write_text(json.dumps({**values, "episodes": ["episode.json"]}))

    job(str(BACKBONE), str(tmp_path / "task"))
    done = unixport.run(SCRIPT, args=[str(tmp_path)], heap_bytes=8 << 20, timeout=60)
    (here,) = episodes(done.stdout)
    job("/rom/backbone.mtb", "/evaluated")
    board = start(romfs=romfs_image({"backbone.mtb": BACKBONE.read_bytes()}), icount=False)
    command = [sys.executable, "-m", "mpremote", "connect", board.port, "mount", str(tmp_path), "run", str(SCRIPT)]
    (there,) = episodes(subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout)
    assert there["labels"] == here["labels"] and there["threshold"] == pytest.approx(here["threshold"], abs=1e-3)
    for ours, theirs in zip(here["answers"], there["answers"], strict=True):
        assert (ours[0], ours[2]) == (theirs[0], theirs[2]) and theirs == pytest.approx(ours, abs=1e-2)
    right = [label == k for (_, _, label, *_), k in zip(there["answers"], kinds[support:], strict=False)]
    assert sum(right) >= QUERIES - 1
