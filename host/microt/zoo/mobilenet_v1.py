# SPDX-License-Identifier: MIT
"""MobileNetV1 with two exits, batch normalisation already folded into the convolutions.

Howard et al., arXiv:1704.04861, at any width and resolution. Exit 0 is taken after a middle block:
the pooled map beside the pooled output of a small adapter (depthwise 3x3 of stride 2, pointwise).
Exit 1 is the pooled map of the last block.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

BLOCKS = (  # filters at width 1, stride
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


def mobilenet_v1(
    width: float = 0.25,
    resolution: int = 96,
    *,
    exit_block: int = 6,
    adapter: int = 256,
    normalise: bool = False,
) -> keras.Model:
    """Input (resolution, resolution, 3) in [-1, 1]; outputs [exit 0, exit 1], pooled vectors.

    exit_block: number of the block (1..12) after which exit 0 is taken. adapter: filters of exit
    0's own branch, 0 for none (exit 0 is then the pooled map alone). normalise: batch
    normalisation in the adapter, for training; `fold` takes it out.
    Layers are named conv0, dw1, pw1, ... dw13, pw13, adapter_dw, adapter_pw; block outputs
    block0, ... block13.
    """
    if not 1 <= exit_block < len(BLOCKS):
        raise ValueError(f"exit_block: expected 1..{len(BLOCKS) - 1}, got {exit_block}")
    if resolution % 32:
        raise ValueError(f"resolution: expected a multiple of 32, got {resolution}")
    x = image = keras.Input((resolution, resolution, 3), name="image")
    x = layers.Conv2D(_filters(32, width), 3, 2, "same", name="conv0")(x)
    x = layers.ReLU(6.0, name="block0")(x)
    for number, (filters, stride) in enumerate(BLOCKS, start=1):
        x = layers.DepthwiseConv2D(3, stride, "same", name=f"dw{number}")(x)
        x = layers.ReLU(6.0, name=f"dw{number}_relu")(x)
        x = layers.Conv2D(_filters(filters, width), 1, name=f"pw{number}")(x)
        x = layers.ReLU(6.0, name=f"block{number}")(x)
        if number == exit_block:
            exit0 = _exit0(x, adapter, normalise)
    exit1 = layers.GlobalAveragePooling2D(name="exit1")(x)
    return keras.Model(image, [exit0, exit1], name="mobilenet_v1")


def fold(model: keras.Model) -> keras.Model:
    """The same network without the adapter's batch normalisation, its effect in the weights."""
    names = {layer.name for layer in model.layers}
    has_adapter = "adapter_pw" in names
    exit_block = next(n for n in range(1, len(BLOCKS)) if _feeds(model.get_layer(f"block{n}"), "exit0", "pool0"))
    plain = mobilenet_v1(
        _width_of(model),
        model.input_shape[1],
        exit_block=exit_block,
        adapter=model.get_layer("adapter_pw").filters if has_adapter else 0,
    )
    for layer in plain.layers:
        if not layer.weights:
            continue
        weights = model.get_layer(layer.name).get_weights()
        norm = f"{layer.name}_norm"
        if norm in names:
            weights = _folded(weights, model.get_layer(norm), isinstance(
                layer, layers.DepthwiseConv2D))  # fmt: skip
        layer.set_weights(weights)
    return plain


def _filters(filters: int, width: float) -> int:
    return max(int(filters * width), 8)


def _exit0(x, adapter: int, normalise: bool):
    if not adapter:
        return layers.GlobalAveragePooling2D(name="exit0")(x)
    a = layers.DepthwiseConv2D(3, 2, "same", use_bias=not normalise, name="adapter_dw")(x)
    if normalise:
        a = layers.BatchNormalization(name="adapter_dw_norm", momentum=0.98)(a)
    a = layers.ReLU(6.0, name="adapter_dw_relu")(a)
    a = layers.Conv2D(adapter, 1, use_bias=not normalise, name="adapter_pw")(a)
    if normalise:
        a = layers.BatchNormalization(name="adapter_pw_norm", momentum=0.98)(a)
    a = layers.ReLU(6.0, name="adapter_pw_relu")(a)
    return layers.Concatenate(name="exit0")(
        [
            layers.GlobalAveragePooling2D(name="pool0")(x),
            layers.GlobalAveragePooling2D(name="adapter_pool")(a),
        ]
    )


def _folded(weights, norm: layers.BatchNormalization, depthwise: bool) -> list[np.ndarray]:
    gamma, beta, mean, variance = norm.get_weights()
    factor = gamma / np.sqrt(variance + norm.epsilon)
    bias = beta - mean * factor
    kernel = weights[0] * (factor[:, None] if depthwise else factor)
    return [kernel, bias]


def _feeds(layer: layers.Layer, *names: str) -> bool:
    return any(node.operation.name in names for node in layer._outbound_nodes)


def _width_of(model: keras.Model) -> float:
    return model.get_layer("pw13").filters / 1024
