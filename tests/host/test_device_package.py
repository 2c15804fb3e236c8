# SPDX-License-Identifier: MIT
"""device/package.json, by which mip installs the Python part onto a firmware that has _microt."""

import json
from pathlib import Path

import numpy as np

import microt.learning.bench as bench

DEVICE = Path(__file__).resolve().parents[2] / "device"


def test_package_lists_every_module():
    package = json.loads((DEVICE / "package.json").read_text())
    modules = sorted(path.relative_to(DEVICE).as_posix() for path in (DEVICE / "microt").rglob("*.py"))
    assert package["urls"] == [[name, name] for name in modules]


def test_auroc():
    assert bench.auroc(np.array([3.0, 2, 1, 0]), np.array([True, True, False, False])) == 1
    assert bench.auroc(np.array([0.0, 1, 2, 3]), np.array([True, True, False, False])) == 0
    assert bench.auroc(np.array([3.0, 1, 2, 0]), np.array([True, True, False, False])) == 0.75


def test_tracker_holds_the_ratio():
    assert bench.tracker_error() < 0.02
