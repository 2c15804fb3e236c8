# SPDX-License-Identifier: MIT
"""DS-CNN for keywords: a first convolution and separable ones over time and frequency.

Zhang et al., arXiv:1711.07128, in the small size that MLPerf Tiny uses: 49 frames of 10
coefficients, 64 filters, 4 separable blocks; with its 12-way classifier 2.7 M
multiply-accumulates. Batch normalisation is folded away.
"""

from __future__ import annotations

import keras
from keras import layers

from microt.zoo.exits import check_exit_block, first_exit


def ds_cnn(
    filters: int = 64,
    blocks: int = 4,
    shape: tuple[int, int, int] = (49, 10, 1),
    *,
    exit_block: int = 1,
    adapter: int = 0,
) -> keras.Model:
    """Input `shape` (frames, coefficients, 1); outputs [exit 0, exit 1], pooled vectors.

    exit_block: number of the separable block (from 1) after which exit 0 is taken. adapter: see
    `exits.first_exit`. Layers are named conv0, dw1, pw1, ...; block outputs block0, block1, ...
    """
    check_exit_block(exit_block, blocks)
    x = sound = keras.Input(shape, name="sound")
    x = layers.Conv2D(filters, (10, 4), 2, "same", name="conv0")(x)
    x = layers.ReLU(name="block0")(x)
    for number in range(1, blocks + 1):
        x = layers.DepthwiseConv2D(3, 1, "same", name=f"dw{number}")(x)
        x = layers.ReLU(name=f"dw{number}_relu")(x)
        x = layers.Conv2D(filters, 1, name=f"pw{number}")(x)
        x = layers.ReLU(name=f"block{number}")(x)
        if number == exit_block:
            exit0 = first_exit(x, adapter)
    exit1 = layers.GlobalAveragePooling2D(name="exit1")(x)
    return keras.Model(sound, [exit0, exit1], name="ds_cnn")
