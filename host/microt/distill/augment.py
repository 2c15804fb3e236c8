# SPDX-License-Identifier: MIT
"""Random crops, flips and colour changes of a batch of pictures, inside the training graph."""

from __future__ import annotations

import tensorflow as tf

GREY = (0.299, 0.587, 0.114)


def augment(pictures: tf.Tensor, size: int, seed: tf.Tensor, ranges: dict) -> tf.Tensor:
    """(N, H, W, 3) uint8 -> (N, size, size, 3) float32, pixel values 0..255.

    seed: two int32, the same seed gives the same pictures. ranges: {area, aspect, saturation,
    contrast, brightness: (low, high)}.
    """
    count = tf.shape(pictures)[0]
    seeds = tf.random.split(seed, 8)

    def draw(i, low=0.0, high=1.0):
        return tf.random.stateless_uniform([count], seeds[i], low, high)

    low, high = ranges["aspect"]
    aspect = tf.exp(draw(0, tf.math.log(float(low)), tf.math.log(float(high))))
    area = draw(1, *ranges["area"])
    height = tf.minimum(tf.sqrt(area / aspect), 1.0)
    width = tf.minimum(tf.sqrt(area * aspect), 1.0)
    top, left = draw(2) * (1.0 - height), draw(3) * (1.0 - width)
    flip = draw(4) < 0.5
    x0, x1 = tf.where(flip, left + width, left), tf.where(flip, left, left + width)
    boxes = tf.stack([top, x0, top + height, x1], axis=1)
    x = tf.cast(pictures, tf.float32)
    x = tf.image.crop_and_resize(x, boxes, tf.range(count), (size, size))

    def factor(i, name):
        return draw(i, *ranges[name])[:, None, None, None]

    grey = tf.reduce_sum(x * tf.constant(GREY), axis=-1, keepdims=True)
    x = grey + factor(5, "saturation") * (x - grey)
    mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
    x = mean + factor(6, "contrast") * (x - mean)
    return tf.clip_by_value(x * factor(7, "brightness"), 0.0, 255.0)
