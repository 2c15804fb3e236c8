# SPDX-License-Identifier: MIT
"""Bias correction: what rounding the weights to int8 adds to a channel in the mean, taken off its bias.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2,
with the inputs' means measured on pictures: a channel's output is off by sum((W_rounded - W) * E[x]) in the mean.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers


def correct_bias(model: keras.Model, x: np.ndarray) -> keras.Model:
    """A copy of `model` whose biases make up for the rounding of its weights.

    x: (N, *input shape) float32 calibration samples, as the model takes them. Convolutions and dense layers are
    corrected, their weights rounded as TensorFlow Lite does: symmetric, 127 steps, one scale an output channel. Edges,
    where a window hangs over, are taken for the inside.
    """
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    targets = [layer for layer in model.layers if isinstance(layer, kinds) and layer.use_bias]
    if not targets:
        raise ValueError(f"{model.name}: expected a layer with a bias, got none")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    inputs = keras.Model(model.inputs, [layer.input for layer in targets]).predict(x, batch_size=32, verbose=0)
    inputs = inputs if isinstance(inputs, list) else [inputs]
    for layer, values in zip(targets, inputs, strict=True):
        means = np.asarray(values, np.float64).reshape(-1, values.shape[-1]).mean(axis=0)
        kernel, bias = layer.get_weights()
        copy.get_layer(layer.name).set_weights([kernel, bias - _shift(layer, kernel, means).astype(bias.dtype)])
    return copy


def _shift(layer: layers.Layer, kernel: np.ndarray, means: np.ndarray) -> np.ndarray:
    """(channels,) mean change of the outputs; means: (inputs,)."""
    depthwise = isinstance(layer, layers.DepthwiseConv2D)  # kernel (kh, kw, inputs, multiplier)
    axes = (0, 1) if depthwise else tuple(range(kernel.ndim - 1))
    scale = np.abs(kernel).max(axis=axes, keepdims=True) / 127
    safe = np.where(scale > 0, scale, 1)
    error = np.round(kernel / safe) * safe - kernel
    if depthwise:
        return (error.sum(axis=(0, 1)) * means[:, None]).reshape(-1)
    if getattr(layer, "groups", 1) != 1:
        raise ValueError(f"{layer.name}: expected a convolution of one group, got {layer.groups}")
    return np.tensordot(means, error.reshape(-1, *error.shape[-2:]).sum(axis=0), axes=1)
