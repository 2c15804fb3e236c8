# SPDX-License-Identifier: MIT
"""MCUNet-in3 and ProxylessNAS w0.3, MicroT's two networks, whole on emulated boards with its boards' memory.

The emulated boards give a program the RAM of STM32L4R5ZI (640 KB) and STM32H7A3ZI (1.18 MB), both with 2 MB of flash
(`[modelled]` of their board.toml).
"""

import keras
import numpy as np
import pytest

from microt.boards import Board
from microt.compiler.compile import compile_tflite
from microt.embed import embed
from microt.engine import Backbone
from microt.quantize import quantize
from microt.zoo.mcunet import mcunet_in3
from microt.zoo.proxylessnas import proxylessnas

BOARDS = ("MPS2_AN386", "MPS2_AN500")
FIRMWARE_BYTES = 524_288  # more than any board's firmware takes


@pytest.mark.slow
@pytest.mark.parametrize("build", [mcunet_in3, proxylessnas])
@pytest.mark.parametrize("resolution", [176, 224])
def test_the_board_gives_the_hosts_embeddings(build, resolution, tmp_path):
    keras.utils.set_random_seed(5)
    model = build(resolution=resolution)
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if layer.weights:  # lively enough that every channel says something else
            kernel, bias = layer.get_weights()
            fan_in = kernel[..., 0].size if kernel.shape[-1] > 1 else kernel[..., 0, 0].size
            layer.set_weights([rng.normal(0, (2 / fan_in) ** 0.5, kernel.shape), rng.normal(0, 0.3, bias.shape)])
    x = rng.integers(0, 256, (1, resolution, resolution, 3), dtype=np.uint8)
    content = quantize(model, x)
    wanted = Backbone(compile_tflite(content, pixels=True).data).embed(x)
    for name in BOARDS:
        board = Board.load(name)
        program = compile_tflite(content, pixels=True, target=board.target)
        assert len(program.data) < board.flash_bytes - FIRMWARE_BYTES
        assert program.report["arena_bytes"] < board.heap_bytes
        (tmp_path / "backbone.mtb").write_bytes(program.data)
        for got, expected in zip(embed(tmp_path / "backbone.mtb", x, board=name), wanted, strict=True):
            assert np.array_equal(got, expected) and len(np.unique(got)) > 3
