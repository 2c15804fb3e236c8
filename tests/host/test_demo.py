# SPDX-License-Identifier: MIT
"""What the demo concludes from a board's reports."""

from types import SimpleNamespace

import pytest

from microt import demo


def test_a_lost_sample_is_noticed():
    taught = {"labels": ["a", "b"], "samples": [[0, 0, 0.9, 0, 0.9, 0, 0.9]], "train_samples": 2}
    same = {"classes": ["b", "a"], "samples": 2, "predictions": [["a", 0]]}
    assert demo.same_answers(taught, same)
    assert not demo.same_answers(taught, {**same, "samples": 1})
    assert not demo.same_answers(taught, {**same, "predictions": [["a", 1]]})
    assert not demo.same_answers(taught, {**same, "predictions": []})


COSTS = [
    {"staged": {"instructions": 100, "cycles_modelled": 150, "energy_uj_modelled": 10.0}},
    {"staged": {"instructions": 200, "cycles_modelled": 300, "energy_uj_modelled": 20.0}},
]
TAUGHT = {
    "accuracy": {"exit0": 0.5, "exit1": 1.0, "staged": 0.75},
    "exit_ratio_asked": 0.5,
    "exit_ratio_got": 0.25,
    "test_samples": 8,
    "train_samples": 6,
    "time_ms": {"learn": 3, "fit": 5, "calibrate": 7, "test": 11},
    "ram_bytes": 300,
    "arena_bytes": 50,
    "heap_bytes": 1000,
    "labels": ["a", "b"],
    "samples": [],
}


@pytest.fixture
def assemble(monkeypatch):
    """assemble(costs): the report of a made-up run on a board with 1000 bytes of heap and 500 bytes besides."""
    monkeypatch.setattr("microt.demo.firmware.size", lambda elf: {"flash_bytes": 7000, "ram_bytes": 1500})
    board = SimpleNamespace(
        name="B", core="Cortex-M4F", heap_bytes=1000, power_mw=40.0, clock_hz=120, power_source="a table"
    )
    lesson = SimpleNamespace(kind="pictures", names=["a", "b"], hold_back=None)
    return lambda costs: demo.assemble(TAUGHT, True, {"exits": costs}, lesson, board, "elf", b"x" * 900, 3, "a/b.npz")


def test_costs_are_the_mean_of_early_and_late_answers(assemble):
    report = assemble(COSTS)
    # a quarter of the answers at exit 0
    assert (report["instructions"], report["cycles_modelled"], report["energy_uj_modelled"]) == (175, 262.5, 17.5)
    assert report["energy_saving_modelled"] == 1 - 17.5 / 20
    assert report["learning"] == {
        "instructions": 15_000_000,
        "head_instructions": 12_000_000,
        "instructions_per_avoided_epoch": 6 * 200,
    }


def test_memory_is_the_firmwares_and_the_backbones_too(assemble):
    report = assemble(COSTS)
    assert report["ram_bytes"] == 500 + 300 and report["flash_bytes"] == 7000 + 900
    assert (report["arena_bytes"], report["heap_bytes"]) == (50, 1000)


def test_a_core_without_a_model_has_no_energy(assemble):
    costs = [{"staged": {**item["staged"], "cycles_modelled": None, "energy_uj_modelled": None}} for item in COSTS]
    report = assemble(costs)
    assert report["instructions"] == 175
    assert report["cycles_modelled"] is report["energy_uj_modelled"] is report["energy_saving_modelled"] is None
