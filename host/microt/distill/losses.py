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


def squared_distance(a, b):
    """Mean squared difference of a and b, both (N, d): MicroT's embedding loss."""
    return ops.mean(ops.square(a - b))


DISTANCES = {"cosine": cosine_distance, "mse": squared_distance}


def decorrelation(features):
    """How far the features (N, d) are from uncorrelated: 0.5 mean((F^T F - I)^2).

    F: the features less the batch's mean, each column of length 1 (O-FSCIL, arXiv:2403.07851).
    """
    features = features - ops.mean(features, axis=0, keepdims=True)
    columns = features / ops.maximum(ops.norm(features, axis=0, keepdims=True), 1e-6)
    off = ops.matmul(ops.transpose(columns), columns) - ops.eye(features.shape[-1])
    return 0.5 * ops.mean(ops.square(off))


def prototype_episode(features, shots: int, scale: float = 16.0):
    """Loss of one few-shot episode within the batch: half of each class's samples are asked about the others' means.

    features: (ways * shots, d), `shots` samples of a class after those of another, 2 or more. Cross-entropy of the
    cosine to each class's mean, the batch's mean taken off first, times `scale`.
    """
    features = features - ops.mean(features, axis=0, keepdims=True)
    groups = ops.reshape(features, (-1, shots, features.shape[-1]))
    half = shots // 2
    means = ops.mean(groups[:, :half], axis=1)
    asked = ops.reshape(groups[:, half:], (-1, features.shape[-1]))
    logits = scale * ops.matmul(unit(asked), ops.transpose(unit(means)))
    labels = ops.repeat(ops.arange(ops.shape(means)[0]), shots - half)
    return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))


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
