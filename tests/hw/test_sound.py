# SPDX-License-Identifier: MIT
"""`microt train` with the shipped backbones for sound and motion: an emulated board learns digits, said and drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from microt import cli, compiler, data, engine

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
SETS = {
    "sound": ("spoken_digits.npz", ["--unseen", "speaker=theo,yweweler"], 0.8),
    "motion": ("air_digits_imu.npz", [], 0.6),
}


@pytest.mark.parametrize("name", SETS)
def test_a_board_learns(request, name, tmp_path):
    if request.config.getoption("port"):
        pytest.skip("needs an emulator of its own")
    file, options, least = SETS[name]
    if not (DATA / file).is_file():
        pytest.skip(f"{DATA / file} is not there")
    arguments = ["train", str(DATA / file), "--backbone", name, "--classes", "5", "--shots", "10", *options]
    done = CliRunner().invoke(cli.main, [*arguments, "-o", str(tmp_path), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["accuracy"]["exit1"] >= least and report["test_samples"] >= 75 and len(report["labels"]) == 5
    assert report["data"]["kind"] == {"sound": "sounds", "motion": "motions"}[name]
    assert (tmp_path / "report.png").stat().st_size > 10_000
    # the board's embeddings are the host's: its answers follow from the same bits
    net = engine.Backbone(ROOT / "models" / f"{name}.mtb")
    info = compiler.read_info((ROOT / "models" / f"{name}.mtb").read_bytes())
    x = data.load_for(DATA / file, info).x[:3]
    assert [e.dim for e in net.exits] == [e["dim"] for e in info["exits"]]
    from microt import embed

    on_board = embed.embed(ROOT / "models" / f"{name}.mtb", x, board="MPS2_AN386", log=lambda text: None)
    for here, there in zip(net.embed(x), on_board, strict=True):
        np.testing.assert_array_equal(here, there)
