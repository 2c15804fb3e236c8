# SPDX-License-Identifier: MIT
"""The exits, the same for every family: pooled maps, and beside the first a small branch of its own."""

from __future__ import annotations

import math

import keras
from keras import layers


def first_exit(x, adapter: int, kernel: int | tuple[int, int] = 3):
    """The vector of exit 0 from the map x (N, h, w, c).

    adapter: filters of a branch (depthwise of stride 2, pointwise), whose pooled map follows x's own; 0 for none.
    """
    if not adapter:
        return layers.GlobalAveragePooling2D(name="exit0")(x)
    return layers.Concatenate(name="exit0")(
        [layers.GlobalAveragePooling2D(name="pool0")(x), adapted(x, adapter, kernel)]
    )


def adapted(x, adapter: int, kernel: int | tuple[int, int] = 3):
    """The pooled output of the first exit's branch on the map x; see `first_exit`."""
    # Keras would take all channels for the fan-in of a filter that sees one, and start with weights far too small
    taps = kernel**2 if isinstance(kernel, int) else math.prod(kernel)
    spread = keras.initializers.RandomNormal(stddev=taps**-0.5)
    a = layers.DepthwiseConv2D(kernel, 2, "same", depthwise_initializer=spread, name="adapter_dw")(x)
    a = layers.ReLU(6.0, name="adapter_dw_relu")(a)
    a = layers.Conv2D(adapter, 1, name="adapter_pw")(a)
    a = layers.ReLU(6.0, name="adapter_pw_relu")(a)
    return layers.GlobalAveragePooling2D(name="adapter_pool")(a)


def vector(pooled: list, name: str):
    """An exit's vector of its pooled maps, in their order."""
    if len(pooled) == 1:
        return layers.Identity(name=name)(pooled[0])
    return layers.Concatenate(name=name)(pooled)


def check_exit_block(exit_block: int, blocks: int) -> None:
    """ValueError unless there is a block after exit_block."""
    if not 1 <= exit_block < blocks:
        raise ValueError(f"exit_block: expected 1..{blocks - 1}, got {exit_block}")


def pools(model: keras.Model, exit_number: int) -> list[layers.Layer]:
    """The pooling layers that make an exit's vector, in order, the adapter's included."""
    last = model.get_layer(f"exit{exit_number}")
    return [last] if isinstance(last, layers.GlobalAveragePooling2D) else inputs_of(last)


def inputs_of(layer: layers.Layer) -> list[layers.Layer]:
    """The layers that feed a layer, in order."""
    return [node.operation for node in layer._inbound_nodes[0].parent_nodes]
