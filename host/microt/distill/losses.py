# SPDX-License-Identifier: MIT
"""Losses between embeddings. Each returns a scalar, the mean over the batch; Keras ops only."""

from __future__ import annotations

import keras
from keras import ops

ROOT_FLOOR = 1e-5  # keeps the square root's slope finite at 0


def root(features):
    """(N, d) pooled non-negative features -> their square roots."""
    return ops.sqrt(ops.maximum(features, 0.0) + ROOT_FLOOR)


def unit(vectors):
    """(N, d) -> rows of length 1."""
    return vectors / ops.maximum(ops.norm(vectors, axis=-1, keepdims=True), 1e-6)


def cosine_distance(a, b):
    """1 - cosine of the rows of a and b, both (N, d)."""
    return ops.mean(1.0 - ops.sum(unit(a) * unit(b), axis=-1))


class CosineSoftmax(keras.layers.Layer):
    """Classification by the cosine to one learned direction a class: (N, d), (N,) -> loss.

    The batch's mean is taken off the features first: pooled features are all positive, so that
    their plain cosines differ little.
    """

    def __init__(self, classes: int, scale: float = 16.0, **kwargs):
        super().__init__(**kwargs)
        self.classes, self.scale = classes, scale

    def build(self, features_shape, labels_shape=None):
        self.directions = self.add_weight(
            shape=(self.classes, features_shape[-1]), initializer="glorot_normal",
            name="directions",
        )  # fmt: skip

    def call(self, features, labels):
        features = features - ops.mean(features, axis=0, keepdims=True)
        logits = self.scale * ops.matmul(unit(features), ops.transpose(unit(self.directions)))
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        return ops.mean(losses)
