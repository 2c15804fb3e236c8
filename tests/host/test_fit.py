# SPDX-License-Identifier: MIT
"""Whether a backbone fits a board, and the table of the zoo's sizes."""

import json

import pytest
from click.testing import CliRunner

from microt import fit
from microt.boards import Board
from microt.boards.board import ROOT
from microt.cli import main

MODEL = ROOT / "models" / "objects.tflite"


def compile_for(board, output):
    arguments = ["compile", str(MODEL), "-o", str(output), "--board", board, "--pixels", "--json"]
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("board", ["RPI_PICO", "RPI_PICO2", "NUCLEO_F767ZI"])
def test_compile_for_a_board(board, tmp_path):
    result = compile_for(board, tmp_path / "x.mtb")
    assert json.loads(result.stdout)["target"] == Board.load(board).target
    assert (tmp_path / "x.mtb").is_file()


def test_what_does_not_fit_is_refused_with_the_numbers(tmp_path, monkeypatch):
    board = Board.load("RPI_PICO2")
    flash, ram = fit.room(board)
    assert (flash, ram) == (2_097_152, board.heap_bytes - 65_536)
    assert fit.problem(board, flash, ram) is None
    assert fit.problem(board, flash + 1, 0) == "2,097,153 bytes of flash, RPI_PICO2 has 2,097,152 for backbones"
    assert f"an arena of {ram + 1:,} bytes, RPI_PICO2 has {ram:,} for it" in fit.problem(board, 0, ram + 1)
    monkeypatch.setattr(fit, "room", lambda board: (100_000, ram))
    result = compile_for("RPI_PICO2", tmp_path / "x.mtb")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "microt: objects.tflite does not fit: it takes " in result.stderr
    assert "bytes of flash, RPI_PICO2 has 100,000 for backbones" in result.stderr
    assert not (tmp_path / "x.mtb").exists()


def test_target_and_board_exclude_each_other(tmp_path):
    arguments = ["compile", str(MODEL), "-o", str(tmp_path / "x"), "--board", "RPI_PICO2", "--target", "dsp"]
    assert "expected --target or --board, got both" in CliRunner().invoke(main, arguments).stderr


def test_the_unix_build_has_no_flash():
    with pytest.raises(ValueError, match="expected a board with flash and RAM, got UNIX"):
        fit.room(Board.load("UNIX"))


def test_overview():
    rows = json.loads(CliRunner().invoke(main, ["boards", "--json"]).stdout)
    assert [row["board"] for row in rows] == [name for name in Board.names() if name != "UNIX"]
    zoo = json.loads(fit.ZOO.read_text())
    for row in rows:
        board = Board.load(row["board"])
        fitting = [
            sizes[board.target]["macs"]
            for sizes in zoo.values()
            if sizes[board.target]["flash_bytes"] <= row["flash_bytes"]
            and sizes[board.target]["arena_bytes"] <= row["ram_bytes"]
        ]
        assert zoo[row["largest"]][board.target]["macs"] == max(fitting), row["board"]
    shown = CliRunner().invoke(main, ["boards"]).stdout.splitlines()
    assert len(shown) == len(rows) + 2 and any(line.startswith("RPI_PICO2 ") for line in shown)


def test_the_table_is_near_what_the_compiler_says_now():
    """A quarter off is another network, or a table to be written anew: python -m microt.fit."""
    zoo, networks = json.loads(fit.ZOO.read_text()), fit._networks()
    assert set(zoo) == set(networks)
    now = fit.sizes_of(networks["motion"]())
    assert set(now) == set(zoo["motion"])
    for target, sizes in now.items():
        assert sizes == pytest.approx(zoo["motion"][target], rel=0.25)
        assert sizes["macs"] == zoo["motion"][target]["macs"]
