# SPDX-License-Identifier: MIT
"""Multiply-accumulates and parameters of a Keras model, counted from its layers' shapes."""

from __future__ import annotations

import math

import keras
from keras import layers


def macs(model: keras.Model, output: int | None = None) -> int:
    """Multiply-accumulates of one picture, up to one of the model's outputs (None: the whole).

    Convolutions and dense layers count, pooling and activations do not. A layer kind that has
    weights but no rule here raises ValueError.
    """
    target = model if output is None else keras.Model(model.inputs, model.outputs[output])
    return sum(layer_macs(layer) for layer in target.layers)


def parameters(model: keras.Model) -> int:
    """Number of weights and biases."""
    return int(model.count_params())


def layer_macs(layer: layers.Layer) -> int:
    """Multiply-accumulates of one layer for one sample."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size)
    if isinstance(layer, layers.Conv2D):
        channels = layer.input.shape[-1] // layer.groups
        return math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size) * channels
    if isinstance(layer, layers.Dense):
        return layer.input.shape[-1] * math.prod(layer.output.shape[1:])
    if layer.weights and not isinstance(layer, layers.BatchNormalization):
        raise ValueError(f"{layer.name}: no rule to count a {type(layer).__name__} layer")
    return 0
