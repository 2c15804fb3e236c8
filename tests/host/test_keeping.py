# SPDX-License-Identifier: MIT
"""Herding: what the device keeps of a stream is what `microt.learning.keeping` measures, and near the class's mean."""

import json
from pathlib import Path

import numpy as np

from microt.boards import unixport
from microt.learning.keeping import keep

DEVICE_TESTS = Path(__file__).parents[1] / "device"
LIMIT, SHOWN, SIZE = 5, 40, 12
SCRIPT = """
import json, sys
sys.path.append({folder!r})
from byte_net import ByteNet
from microt import Task
task = Task(ByteNet(4, 8), "task", limit={limit}, keep="herding")
for x in {rows}:
    task.learn(bytes(x), "apple")
buffer = bytearray(12)
print(json.dumps([list(buffer) for _ in task._journal.embeddings(buffer)]))
"""


def test_the_device_keeps_what_is_measured(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 128, (SHOWN, SIZE))
    script = SCRIPT.format(folder=str(DEVICE_TESTS), limit=LIMIT, rows=x.tolist())
    done = unixport.run(script, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = x[:, 4:].astype(float)  # the last exit's
    kept = keep("herding", rows, LIMIT, rng)
    assert sorted(json.loads(done.stdout)) == sorted(x[kept].tolist())

    def off(index):
        return np.linalg.norm(rows[index].mean(axis=0) - rows.mean(axis=0))

    drawn = [off(keep("random", rows, LIMIT, rng)) for _ in range(50)]
    assert off(kept) < np.quantile(drawn, 0.1)
