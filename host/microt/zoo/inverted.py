# SPDX-License-Identifier: MIT
"""Networks of inverted residual blocks, from a list of blocks; batch normalisation folded away.

A block widens its input (pointwise, ReLU6), filters each channel (depthwise, ReLU6), and narrows
(pointwise, linear); its input is added where the shape has stayed the same (Sandler et al.,
arXiv:1801.04381).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
from keras import layers

from microt.zoo.exits import check_exit_block, first_exit


class Block(NamedTuple):
    """expansion: of the channels, 1 leaves the widening out. filters: channels that leave the block."""

    expansion: int
    filters: int
    stride: int
    kernel: int


def inverted(
    name: str, resolution: int, stem: int, blocks: Sequence[Block], *, last: int, exit_block: int, adapter: int
) -> keras.Model:
    """Input (resolution, resolution, 3) in [-1, 1]; outputs [exit 0, exit 1], pooled vectors.

    stem: filters of the first convolution (3x3, stride 2). last: filters of a pointwise convolution behind the
    last block, 0 for none. exit_block: number of the block (from 1) after which exit 0 is taken. adapter: see
    `exits.first_exit`. Layers are named conv0, expand1, dw1, project1, ..., last; block outputs
    block0, block1, ...
    """
    check_exit_block(exit_block, len(blocks))
    if resolution < 32:
        raise ValueError(f"resolution: expected at least 32, got {resolution}")
    x = image = keras.Input((resolution, resolution, 3), name="image")
    x = layers.Conv2D(stem, 3, 2, "same", name="conv0")(x)
    x = layers.ReLU(6.0, name="block0")(x)
    for number, block in enumerate(blocks, start=1):
        x = _block(x, block, number)
        if number == exit_block:
            exit0 = first_exit(x, adapter)
    if last:
        x = layers.Conv2D(last, 1, name="last")(x)
        x = layers.ReLU(6.0, name="last_relu")(x)
    exit1 = layers.GlobalAveragePooling2D(name="exit1")(x)
    return keras.Model(image, [exit0, exit1], name=name)


def _block(x, block: Block, number: int):
    channels = x.shape[-1]
    same = block.stride == 1 and block.filters == channels
    y = x
    if block.expansion != 1:
        y = layers.Conv2D(block.expansion * channels, 1, name=f"expand{number}")(y)
        y = layers.ReLU(6.0, name=f"expand{number}_relu")(y)
    y = layers.DepthwiseConv2D(block.kernel, block.stride, "same", name=f"dw{number}")(y)
    y = layers.ReLU(6.0, name=f"dw{number}_relu")(y)
    y = layers.Conv2D(block.filters, 1, name=f"project{number}" if same else f"block{number}")(y)
    return layers.Add(name=f"block{number}")([x, y]) if same else y
