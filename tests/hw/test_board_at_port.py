# SPDX-License-Identifier: MIT
"""What only a board at --port can tell: its firmware is what was built, and its kernels are bit-exact there."""

import numpy as np
import pytest

from microt import embed
from microt.boards import identify
from microt.boards.board import ROOT
from microt.compiler import compile_tflite
from microt.engine import Backbone

MODEL = ROOT / "models" / "objects.tflite"
INPUTS = 2


@pytest.fixture
def firmware(request, answering):
    if answering is None:
        pytest.skip("needs a board at --port")
    return answering


def test_the_firmware_has_the_boards_kernels(firmware, board):
    assert firmware.kernels[0] == board.kernels


def test_the_heap_is_what_the_board_promises(firmware, board, link):
    link.exec("import gc\ngc.collect()")
    assert link.eval("gc.mem_free() + gc.mem_alloc()") >= 0.95 * board.heap_bytes


def test_embeddings_are_the_hosts(firmware, board, port, request, tmp_path):
    if not request.config.getoption("--write-rom"):
        pytest.skip("would replace what is in /rom: allow it with --write-rom")
    content = MODEL.read_bytes()
    laid_out = tmp_path / "objects.mtb"
    laid_out.write_bytes(compile_tflite(content, target=board.target, pixels=True).data)
    host = Backbone(compile_tflite(content, pixels=True).data)
    inputs = np.random.default_rng(0).integers(-128, 128, (INPUTS, *host.input_shape), np.int8)
    for got, wanted in zip(embed.embed(laid_out, inputs, port=port), host.embed(inputs), strict=True):
        assert np.array_equal(got, wanted)
    assert identify.firmware(port).rom_bytes > len(laid_out.read_bytes())
