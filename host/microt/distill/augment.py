# SPDX-License-Identifier: MIT
"""Random crops, flips and colour changes of a batch of pictures: drawn by NumPy, carried out by Keras ops.

So the same seed changes a picture in the same way whatever Keras runs on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import ops

from microt.distill.philox import uniforms

GREY = (0.299, 0.587, 0.114)
COLUMNS = 7  # of `draw`


def draw(count: int, shape: Sequence[int], size: int, seed: Sequence[int], ranges: dict) -> np.ndarray:
    """(count, COLUMNS) float32, the changes of so many pictures.

    Columns: first place and step between places along the rows, the same along the columns, all in pixels; factors of
    saturation, contrast and brightness. shape: (H, W, ...) of the pictures. size: of what is made of them. seed: two
    int32. ranges: {area, aspect, saturation, contrast, brightness: (low, high)}.
    """
    chance = uniforms(seed, 8, count).T

    def between(i, low, high):
        low, high = np.float32(low), np.float32(high)
        return chance[i] * (high - low) + low

    aspect = np.exp(between(0, *np.log(np.array(ranges["aspect"], np.float32))))
    area = between(1, *ranges["area"])
    height = np.minimum(np.sqrt(area / aspect), np.float32(1))
    width = np.minimum(np.sqrt(area * aspect), np.float32(1))
    top, left = chance[2] * (1 - height), chance[3] * (1 - width)
    mirrored = chance[4] < 0.5
    x0, x1 = np.where(mirrored, left + width, left), np.where(mirrored, left, left + width)
    found = []
    for first, last, length in ((top, top + height, shape[0]), (x0, x1, shape[1])):
        most = np.float32(length - 1)
        found += [first * most, (last - first) * most / np.float32(size - 1)]
    found += [between(5 + i, *ranges[name]) for i, name in enumerate(("saturation", "contrast", "brightness"))]
    return np.stack(found, axis=1)


def augment(pictures, size: int, changes):
    """(N, H, W, 3) uint8 -> (N, size, size, 3) float32, pixel values 0..255. changes: (N, COLUMNS), of `draw`."""
    x = ops.cast(pictures, "float32")
    x = _sample(x, changes[:, 2], changes[:, 3], 2, size)
    x = _sample(x, changes[:, 0], changes[:, 1], 1, size)
    saturation, contrast, brightness = (changes[:, i][:, None, None, None] for i in (4, 5, 6))
    grey = ops.sum(x * ops.convert_to_tensor(np.array(GREY, np.float32)), axis=-1, keepdims=True)
    x = grey + saturation * (x - grey)
    mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    x = mean + contrast * (x - mean)
    return ops.clip(x * brightness, 0.0, 255.0)


def _sample(x, first, step, axis: int, size: int):
    """An axis (1 or 2) of x (N, H, W, 3) at `size` places from `first` on, (N,) each, interpolated.

    What rounding puts outside is black, as in tf.image.crop_and_resize.
    """
    last = x.shape[axis] - 1
    place = first[:, None] + ops.arange(size, dtype="float32")[None] * step[:, None]  # (N, size)
    inside = ops.cast(ops.logical_and(place >= 0, place <= last), "float32")
    below, above = ops.clip(ops.floor(place), 0, last), ops.clip(ops.ceil(place), 0, last)
    low, high = (_take(x, ops.cast(index, "int32"), axis) for index in (below, above))
    return (low + (high - low) * _along(place - below, axis)) * _along(inside, axis)


def _take(x, index, axis: int):
    """x (N, H, W, 3) at index (N, size) along an axis (1 or 2)."""
    count, height, width = ops.shape(x)[0], *x.shape[1:3]
    picture = ops.arange(count, dtype="int32")[:, None]
    if axis == 1:
        rows = ops.reshape(x, (-1, width * 3))
        found = ops.take(rows, ops.reshape(picture * height + index, (-1,)), axis=0)
        return ops.reshape(found, (-1, index.shape[1], width, 3))
    row = picture[:, :, None] * height + ops.arange(height, dtype="int32")[None, :, None]
    places = row * width + index[:, None, :]  # (N, H, size)
    found = ops.take(ops.reshape(x, (-1, 3)), ops.reshape(places, (-1,)), axis=0)
    return ops.reshape(found, (-1, height, index.shape[1], 3))


def _along(values, axis: int):
    return values[:, :, None, None] if axis == 1 else values[:, None, :, None]
