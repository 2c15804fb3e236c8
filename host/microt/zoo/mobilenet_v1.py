# SPDX-License-Identifier: MIT
"""MobileNetV1 with two exits, batch normalisation already folded into the convolutions.

Howard et al., arXiv:1704.04861, at any width and resolution. Exit 0 is taken after a middle block:
the pooled map beside the pooled output of a small adapter (depthwise 3x3 of stride 2, pointwise).
Exit 1 is the pooled map of the last block. Pooled maps of earlier blocks may stand beside either: they
cost no multiply-accumulates, and a small head learns better from several depths than from one.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from microt.zoo.exits import inputs_of, pools, vector

BLOCKS = (  # filters at width 1, stride
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
LAST_STRIDED = 12  # number of the last block of stride 2


def mobilenet_v1(
    width: float = 0.25,
    resolution: int = 96,
    *,
    exit_block: int = 6,
    adapter: int = 256,
    adapter_block: int = 0,
    beside: tuple[Sequence[int], Sequence[int]] = ((), ()),
    last_stride: int = 2,
    normalise: bool = False,
) -> keras.Model:
    """Input (resolution, resolution, 3) in [-1, 1]; outputs [exit 0, exit 1], pooled vectors.

    exit_block: number of the block (1..12) after which exit 0 is taken. adapter: filters of exit
    0's own branch, 0 for none (exit 0 is then pooled maps alone); adapter_block: the block it takes, 0 for the exit's
    own, an earlier one costs less. beside: for each exit the numbers of earlier blocks,
    ascending, whose pooled maps come first in its vector. last_stride: of block 12; 1 keeps the places of the last
    two blocks as many as those before, for four times their work. normalise: batch normalisation in the
    adapter, for training; `fold` takes it out.
    Layers are named conv0, dw1, pw1, ... dw13, pw13, adapter_dw, adapter_pw; block outputs
    block0, ... block13; pooled maps pool1, ... pool13, adapter_pool.
    """
    if not 1 <= exit_block < len(BLOCKS):
        raise ValueError(f"exit_block: expected 1..{len(BLOCKS) - 1}, got {exit_block}")
    if resolution % 16:
        raise ValueError(f"resolution: expected a multiple of 16, got {resolution}")
    if last_stride not in (1, 2):
        raise ValueError(f"last_stride: expected 1 or 2, got {last_stride}")
    if not 0 <= adapter_block <= exit_block:
        raise ValueError(f"adapter_block: expected 0..{exit_block}, got {adapter_block}")
    for e, (found, last) in enumerate(zip(beside, (exit_block, len(BLOCKS)), strict=True)):
        if list(found) != sorted({n for n in found if 1 <= n < last}):
            raise ValueError(f"beside: expected ascending blocks 1..{last - 1} for exit {e}, got {list(found)}")
    x = image = keras.Input((resolution, resolution, 3), name="image")
    x = layers.Conv2D(_filters(32, width), 3, 2, "same", name="conv0")(x)
    x = layers.ReLU(6.0, name="block0")(x)
    pooled: dict[int, keras.KerasTensor] = {}
    for number, (filters, stride) in enumerate(BLOCKS, start=1):
        if number == LAST_STRIDED:
            stride = last_stride
        x = layers.DepthwiseConv2D(3, stride, "same", name=f"dw{number}")(x)
        x = layers.ReLU(6.0, name=f"dw{number}_relu")(x)
        x = layers.Conv2D(_filters(filters, width), 1, name=f"pw{number}")(x)
        x = layers.ReLU(6.0, name=f"block{number}")(x)
        if number in (*beside[0], *beside[1], exit_block, len(BLOCKS)):
            pooled[number] = layers.GlobalAveragePooling2D(name=f"pool{number}")(x)
        if number == (adapter_block or exit_block):
            adapted = [_adapted(x, adapter, normalise)] if adapter else []
    exit0 = vector([*(pooled[n] for n in (*beside[0], exit_block)), *adapted], "exit0")
    exit1 = vector([pooled[n] for n in (*beside[1], len(BLOCKS))], "exit1")
    return keras.Model(image, [exit0, exit1], name="mobilenet_v1")


def arguments_of(model: keras.Model) -> dict:
    """The arguments of `mobilenet_v1` that built a model, `normalise` left out."""
    names = {layer.name for layer in model.layers}
    blocks = [_pooled_blocks(model, e) for e in (0, 1)]
    exit_block = blocks[0][-1]
    taken = int(inputs_of(model.get_layer("adapter_dw"))[0].name.removeprefix("block")) if "adapter_dw" in names else 0
    return {
        "width": model.get_layer("pw13").filters / BLOCKS[-1][0],
        "resolution": model.input_shape[1],
        "exit_block": exit_block,
        "adapter": model.get_layer("adapter_pw").filters if "adapter_pw" in names else 0,
        "adapter_block": 0 if taken == exit_block else taken,
        "beside": (tuple(blocks[0][:-1]), tuple(blocks[1][:-1])),
        "last_stride": model.get_layer(f"dw{LAST_STRIDED}").strides[0],
    }


def fold(model: keras.Model) -> keras.Model:
    """The same network without the adapter's batch normalisation, its effect in the weights."""
    names = {layer.name for layer in model.layers}
    plain = mobilenet_v1(**arguments_of(model))
    for layer in plain.layers:
        if not layer.weights:
            continue
        weights = model.get_layer(layer.name).get_weights()
        norm = f"{layer.name}_norm"
        if norm in names:
            weights = folded(weights[0], model.get_layer(norm), isinstance(
                layer, layers.DepthwiseConv2D))  # fmt: skip
        layer.set_weights(weights)
    return plain


def _filters(filters: int, width: float) -> int:
    return max(int(filters * width), 8)


def _adapted(x, adapter: int, normalise: bool):
    a = layers.DepthwiseConv2D(3, 2, "same", use_bias=not normalise, name="adapter_dw")(x)
    if normalise:
        a = layers.BatchNormalization(name="adapter_dw_norm", momentum=0.98)(a)
    a = layers.ReLU(6.0, name="adapter_dw_relu")(a)
    a = layers.Conv2D(adapter, 1, use_bias=not normalise, name="adapter_pw")(a)
    if normalise:
        a = layers.BatchNormalization(name="adapter_pw_norm", momentum=0.98)(a)
    a = layers.ReLU(6.0, name="adapter_pw_relu")(a)
    return layers.GlobalAveragePooling2D(name="adapter_pool")(a)


def folded(kernel: np.ndarray, norm: layers.BatchNormalization, depthwise: bool) -> list[np.ndarray]:
    """[kernel, bias] of a convolution without bias and the normalisation behind it."""
    gamma, beta, mean, variance = norm.get_weights()
    factor = gamma / np.sqrt(variance + norm.epsilon)
    bias = beta - mean * factor
    return [kernel * (factor[:, None] if depthwise else factor), bias]


def _pooled_blocks(model: keras.Model, exit_number: int) -> list[int]:
    """Numbers of the blocks whose pooled maps are in an exit's vector, in order."""
    maps = [inputs_of(pool)[0].name for pool in pools(model, exit_number)]
    return [int(name.removeprefix("block")) for name in maps if name.startswith("block")]
