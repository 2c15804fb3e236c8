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

from microt.zoo.exits import adapted, check_exit_block, first_exit, vector


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
    _check_resolution(resolution)
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


def inverted_wide(
    name: str,
    resolution: int,
    stem: int,
    blocks: Sequence[Block],
    *,
    exit_block: int,
    adapter: int,
    adapter_block: int,
    beside: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> keras.Model:
    """As `inverted`, but the exits pool the wide maps within blocks, in place of the narrow ones that leave them.

    Wide: behind the depthwise filter, with ReLU6 and as many channels as the block has inside; a head learns better
    from its mean than from that of linear values of both signs. Exit 0 pools the wide map of exit_block and
    the adapter on what leaves adapter_block (0: exit_block); exit 1 the wide map of the last block, with which the
    network ends. beside: for each exit the numbers of earlier blocks, ascending, whose wide maps come first
    in its vector. Further layers are named pool1, pool2, ...
    """
    check_exit_block(exit_block, len(blocks))
    _check_resolution(resolution)
    count = len(blocks)
    for e, (found, end) in enumerate(zip(beside, (exit_block, count), strict=True)):
        if list(found) != sorted({n for n in found if 1 <= n < end}):
            raise ValueError(f"beside: expected ascending blocks 1..{end - 1} for exit {e}, got {list(found)}")
    if not 0 <= adapter_block <= exit_block:
        raise ValueError(f"adapter_block: expected 0..{exit_block}, got {adapter_block}")
    x = image = keras.Input((resolution, resolution, 3), name="image")
    x = layers.Conv2D(stem, 3, 2, "same", name="conv0")(x)
    x = layers.ReLU(6.0, name="block0")(x)
    pooled, branch = {}, []
    for number, block in enumerate(blocks, start=1):
        wide = _wide(x, block, number)
        if number in (*beside[0], *beside[1], exit_block, count):
            pooled[number] = layers.GlobalAveragePooling2D(name=f"pool{number}")(wide)
        if number < count:
            x = _narrow(x, wide, block, number)
        if adapter and number == (adapter_block or exit_block):
            branch = [adapted(x, adapter)]
    exit0 = vector([*(pooled[n] for n in (*beside[0], exit_block)), *branch], "exit0")
    exit1 = vector([pooled[n] for n in (*beside[1], count)], "exit1")
    return keras.Model(image, [exit0, exit1], name=name)


def _check_resolution(resolution: int) -> None:
    if resolution < 32:
        raise ValueError(f"resolution: expected at least 32, got {resolution}")


def _block(x, block: Block, number: int):
    return _narrow(x, _wide(x, block, number), block, number)


def _wide(x, block: Block, number: int):
    if block.expansion != 1:
        x = layers.Conv2D(block.expansion * x.shape[-1], 1, name=f"expand{number}")(x)
        x = layers.ReLU(6.0, name=f"expand{number}_relu")(x)
    x = layers.DepthwiseConv2D(block.kernel, block.stride, "same", name=f"dw{number}")(x)
    return layers.ReLU(6.0, name=f"dw{number}_relu")(x)


def _narrow(x, wide, block: Block, number: int):
    same = block.stride == 1 and block.filters == x.shape[-1]
    y = layers.Conv2D(block.filters, 1, name=f"project{number}" if same else f"block{number}")(wide)
    return layers.Add(name=f"block{number}")([x, y]) if same else y
