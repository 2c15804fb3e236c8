# SPDX-License-Identifier: MIT
"""The committed backbones: built from what lies beside them, and small enough."""

from pathlib import Path

import pytest

from microt import compiler

MODELS = Path(__file__).resolve().parents[2] / "models"


def options(name):
    front_end = MODELS / f"{name}.toml"
    return {"front_end": compiler.read_front_end(front_end)} if front_end.is_file() else {"pixels": True}


@pytest.mark.parametrize("name", ["objects", "sound", "motion"])
def test_a_shipped_backbone_is_what_its_sources_compile_to(name):
    features = MODELS / f"{name}_features.npz"
    compiled = compiler.compile_tflite(MODELS / f"{name}.tflite", features=features, **options(name))
    assert compiled.data == (MODELS / f"{name}.mtb").read_bytes()
    assert len(compiled.report["exits"]) == 2 and all(e["feature"] for e in compiled.report["exits"])
    assert (MODELS / f"{name}.md").is_file()


def test_the_shipped_files_stay_below_two_megabytes():
    assert sum(path.stat().st_size for path in MODELS.glob("*.mtb")) < 2_000_000
