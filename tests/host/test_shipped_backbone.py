# SPDX-License-Identifier: MIT
"""The committed backbone: built from what lies beside it, and small enough."""

from pathlib import Path

from microt import compiler

MODELS = Path(__file__).resolve().parents[2] / "models"
MTB = MODELS / "objects.mtb"


def test_the_shipped_backbone_is_what_its_sources_compile_to():
    features = MODELS / "objects_features.npz"
    compiled = compiler.compile_tflite(MODELS / "objects.tflite", features=features, pixels=True)
    assert compiled.data == MTB.read_bytes()


def test_the_shipped_files_stay_below_a_megabyte():
    assert MTB.stat().st_size + (MODELS / "objects.tflite").stat().st_size < 1_000_000
