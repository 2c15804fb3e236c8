# SPDX-License-Identifier: MIT
"""The report of a run: the staged curve, the words and the picture."""

import json

import numpy as np
import pytest

from microt import report

LABELS = ["apple", "banana", "cherry"]
# true, exit 0's label, its confidence, exit 1's label, its confidence, exit that answered, exit score
SAMPLES = [
    [0, 0, 0.9, 0, 0.8, 0, 0.75],
    [1, 1, 0.8, 0, 0.6, 0, 1.05],
    [2, 0, 0.4, 2, 0.9, 1, 0.4],
    [0, 1, 0.3, 0, 0.7, 1, 0.2],
]


def run_report(**changes):
    cost = {"instructions": 2e6, "cycles_modelled": 3e6, "energy_uj_modelled": 1000.0}
    full = {"instructions": 4e6, "cycles_modelled": 6e6, "energy_uj_modelled": 2000.0}
    report_ = {
        "board": "MPS2_AN386", "core": "Cortex-M4F", "data": {"source": "x.npz", "classes": 3},
        "accuracy": {"exit0": 0.5, "exit1": 0.75, "staged": 1.0},
        "exit_ratio_asked": 0.5, "exit_ratio_got": 0.5, "test_samples": 4, "train_samples": 60,
        "shots": 20, "instructions": 3e6, "cycles_modelled": 4.5e6, "energy_uj_modelled": 1500.0,
        "energy_saving_modelled": 0.25, "cost": {"exit0": cost, "exit1": full},
        "power": {"milliwatts": 43.8, "clock_hz": 120e6, "source": "a table"},
        "learning": {
            "instructions": 1e9, "head_instructions": 1e8, "instructions_per_avoided_epoch": 2e9
        },
        "ram_bytes": 2**18, "flash_bytes": 2**20, "arena_bytes": 2**16, "heap_bytes": 2**19,
        "restored_after_restart": True, "hold_back": None, "before": None, "labels": LABELS,
        "samples": SAMPLES, "time_ms": {},
    }  # fmt: skip
    return {**report_, **changes}


def test_staged_curve_runs_from_always_full_to_always_part():
    ratio, accuracy, energy = report.staged_curve(SAMPLES, 1000.0, 2000.0)
    assert ratio.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert accuracy.tolist() == [0.75, 1.0, 1.0, 0.75, 0.5]
    assert energy.tolist() == [2000, 1750, 1500, 1250, 1000]


def test_examples_come_from_both_exits():
    chosen = report.choose_examples(SAMPLES, count=4)
    assert sorted(chosen) == [0, 1, 2, 3]
    assert [SAMPLES[i][5] for i in chosen] == [0, 0, 1, 1]


def test_words_hold_the_figures():
    text = report.describe(run_report(hold_back="cherry", before={"accuracy": {
        "exit0": 0.6, "exit1": 0.8, "staged": 0.7}}))  # fmt: skip
    assert "50.0%" in text and "100.0%" in text and "before cherry" in text
    assert "25.0% less" in text and "same classes, same answers" in text and "a table" in text


def test_a_lost_task_is_not_called_restored():
    assert "NOT the same" in report.describe(run_report(restored_after_restart=False))
    assert "not tried" in report.describe(run_report(restored_after_restart=None))


def test_core_without_a_cycle_model_claims_no_energy(tmp_path):
    unknown = {"instructions": 2e6, "cycles_modelled": None, "energy_uj_modelled": None}
    run = run_report(
        cost={"exit0": unknown, "exit1": unknown}, cycles_modelled=None, energy_uj_modelled=None,
        energy_saving_modelled=None, power={"milliwatts": None, "clock_hz": 160e6, "source": None},
    )  # fmt: skip
    report.draw(run, None, tmp_path / "out.png")
    text = report.describe(run)
    assert "mJ" not in text and "mW" not in text and "not modelled for this core" in text


@pytest.mark.parametrize("with_pictures", [False, True])
def test_picture_is_drawn_from_a_run_folder(tmp_path, with_pictures):
    (tmp_path / "report.json").write_text(json.dumps(run_report()))
    if with_pictures:
        x = np.zeros((4, 8, 8, 3), np.uint8)
        np.savez(tmp_path / "examples.npz", index=np.arange(4), x=x)
    report.draw_run(tmp_path, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_page_holds_picture_and_words(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(run_report(data={"source": "<x>", "classes": 3})))
    report.draw_run(tmp_path, tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text()
    assert "data:image/png;base64,iVBOR" in text and "25.0% less" in text and "&lt;x&gt;" in text
    with pytest.raises(ValueError, match="ends in .png or .html"):
        report.draw_run(tmp_path, tmp_path / "out.pdf")


def test_folder_without_a_report_is_named(tmp_path):
    with pytest.raises(ValueError, match="report.json"):
        report.draw_run(tmp_path, tmp_path / "out.png")
