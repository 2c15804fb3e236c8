# SPDX-License-Identifier: MIT
"""A small separable network over time, for accelerometers and gyroscopes.

Time lies along the rows of a picture one pixel wide, the axes are its channels, so two-dimensional operators do.
"""

from __future__ import annotations

import keras
from keras import layers

from microt.zoo.exits import check_exit_block, first_exit

BLOCKS = ((32, 2), (48, 2), (64, 1), (96, 2), (128, 1), (128, 1))  # filters, stride in time


def motion(
    samples: int = 128,
    axes: int = 6,
    *,
    first: int = 24,
    blocks: tuple[tuple[int, int], ...] = BLOCKS,
    kernel: int = 5,
    exit_block: int = 3,
    adapter: int = 0,
) -> keras.Model:
    """Input (samples, 1, axes); outputs [exit 0, exit 1], pooled vectors.

    first: filters of the first convolution. blocks: (filters, stride) of the separable ones. kernel: samples that a
    filter spans. exit_block: number of the block (from 1, not the last) after which exit 0 is taken. adapter: see
    `exits.first_exit`. Layers are named conv0, dw1, pw1, ...; block outputs block0, block1, ...
    """
    check_exit_block(exit_block, len(blocks))
    if samples < 16:
        raise ValueError(f"samples: expected at least 16, got {samples}")
    x = signal = keras.Input((samples, 1, axes), name="signal")
    x = layers.Conv2D(first, (kernel, 1), (2, 1), "same", name="conv0")(x)
    x = layers.ReLU(6.0, name="block0")(x)
    for number, (filters, stride) in enumerate(blocks, start=1):
        # the width is 1: a stride across it changes nothing
        x = layers.DepthwiseConv2D((kernel, 1), stride, "same", name=f"dw{number}")(x)
        x = layers.ReLU(6.0, name=f"dw{number}_relu")(x)
        x = layers.Conv2D(filters, 1, name=f"pw{number}")(x)
        x = layers.ReLU(6.0, name=f"block{number}")(x)
        if number == exit_block:
            exit0 = first_exit(x, adapter, (3, 1))
    exit1 = layers.GlobalAveragePooling2D(name="exit1")(x)
    return keras.Model(signal, [exit0, exit1], name="motion")
