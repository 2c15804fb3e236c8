# SPDX-License-Identifier: MIT
"""_microt.Backbone on the unix build: the host engine's bits, its errors, and the collector."""

import json
from pathlib import Path

import mtb_file
import numpy as np
import pytest

from microt.engine import Backbone

firmware = pytest.importorskip("microt.boards.firmware")


def test_backbone(tmp_path):
    from microt.boards import unixport

    try:
        firmware.micropython(log=lambda line: None)
    except RuntimeError as error:
        pytest.skip(str(error).splitlines()[0])
    data = mtb_file.pack(mtb_file.every_operator(4))
    net = Backbone(data)
    rng = np.random.default_rng(4)
    samples = []
    for _ in range(5):
        x = rng.integers(-128, 128, net.input_shape).astype(np.int8)
        a, b = net.run(x), net.resume()
        stored = [a, np.concatenate([a, b])]
        z = [net.feature(e, stored[e]) for e in range(2)]
        u = [net.project(e, z[e]) for e in range(2)]
        back = [net.project_back(e, u[e]) for e in range(2)]
        sample = {"x": x.reshape(-1).tolist(), "exit0": a.tolist(), "exit1": b.tolist()}
        for name, value in (("z", z), ("u", u), ("back", back)):
            sample[name] = [list(v.tobytes()) for v in value]
        samples.append(sample)
    expected = {"sha256": net.sha256, "macs": [e.macs for e in net.exits], "samples": samples}
    (tmp_path / "file.mtb").write_bytes(data)
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    script = Path(__file__).with_name("binding_script.py")
    done = unixport.run(script, cwd=tmp_path, timeout=120)
    assert done.returncode == 0 and done.stdout.strip().endswith("OK"), done.stdout + done.stderr
