# SPDX-License-Identifier: MIT
"""The benchmark page: every network on every board, what is unknown left open."""

import pytest

from microt.bench import page, present


def found(core, cycles, energy):
    return {
        "core": core, "kernels": ["dsp", "reference"], "macs": 2_000_000, "instructions": 3_000_000,
        "cycles_modelled": cycles, "energy_uj_modelled": energy, "arena_bytes": 1234, "flash_bytes": 56789,
    }  # fmt: skip


def test_a_row_for_each_board_and_no_invented_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(present, "plot", lambda result, path: path.write_bytes(b"picture"))
    results = {"net": {"A": found("Cortex-M4F", 4_500_000, 1642.5), "B": found("Cortex-M55", None, None)}}
    written = page.write(results, tmp_path / "docs" / "b.md")
    text = written[0].read_text()
    assert "| net | A (Cortex-M4F) | dsp, reference | 2.00 | 3.000 | 1.50 | 4.500 | 1.643 | 1,234 | 56,789 |" in text
    assert "| net | B (Cortex-M55) | dsp, reference | 2.00 | 3.000 | 1.50 | – | – | 1,234 | 56,789 |" in text
    assert "![instructions by layer](b_net.png)" in text and written[1].read_bytes() == b"picture"


def test_files_the_compiler_refuses_are_left_out(tmp_path):
    (tmp_path / "legacy.tflite").write_bytes(b"not an int8 network")
    assert page.networks(tmp_path) == [page.SHIPPED]
    with pytest.raises(FileNotFoundError):
        page.measure([tmp_path / "absent.tflite"], ["MPS2_AN386"], log=lambda line: None)
