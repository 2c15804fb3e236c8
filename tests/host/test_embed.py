# SPDX-License-Identifier: MIT
"""``microt run``: the same embeddings from the host build, and from a board at a port."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from microt.bench import network_files
from microt.cli import main
from microt.compiler import compile_tflite


@pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-arm", "arm-none-eabi-gcc", "make"))), reason="no tools for a board"
)
def test_a_board_at_a_port_answers_as_the_host_does(tmp_path):
    from microt.boards import Board, Emulator, firmware

    file = tmp_path / "small.mtb"
    compile_tflite(network_files.network(["pw_6x6_8-16", "gap_6x6_16"])).write(file)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(-128, 128, (3, 6, 6, 8)).astype(np.int8))
    board = Board.load("MPS2_AN386")
    image = firmware.build(board, log=lambda line: None)
    with Emulator(board, image, storage=tmp_path / "storage") as emulator:
        answers = []
        for number, options in enumerate(([], ["--port", emulator.port])):
            out = tmp_path / f"{number}.npz"
            arguments = ["run", str(file), "--input", str(tmp_path / "x.npy"), "-o", str(out), *options]
            done = CliRunner().invoke(main, arguments, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            answers.append(np.load(out)["exit0"])
    np.testing.assert_array_equal(*answers)
    assert answers[0].shape == (3, 16) and answers[0].any()
