# SPDX-License-Identifier: MIT
"""Random numbers that depend on a seed alone, whatever Keras runs on: `tf.random.stateless_uniform`'s, in NumPy.

Philox 4x32 of ten rounds: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. Key and counter
come from the seed as TensorFlow makes them, so that a training repeats what it did before this file was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
SCRAMBLER = (0x3EC8F720, 0x02461E29)
LOW, HIGH = np.uint64(0xFFFFFFFF), np.uint64(32)


def uniforms(seed: Sequence[int], columns: int, count: int) -> np.ndarray:
    """(count, columns) float32 in [0, 1): each column has its own seed, split off `seed`, two int32."""
    seeds = _bits(seed, 2 * columns).view(np.int32).reshape(columns, 2)
    return np.stack([_floats(_bits(own, count)) for own in seeds], axis=1)


def _floats(bits: np.ndarray) -> np.ndarray:
    """Their low 23 bits as the mantissa of a number from 1 on, less 1."""
    return ((bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def _bits(seed: Sequence[int], count: int) -> np.ndarray:
    """(count,) uint32."""
    words = [(int(v) >> shift) & 0xFFFFFFFF for v in seed for shift in (0, 32)]
    mixed = _philox([np.array(w, np.uint64) for w in words], SCRAMBLER)
    number = np.arange(-(-count // 4), dtype=np.uint64)
    zeros = np.zeros_like(number)
    blocks = _philox([number, zeros, zeros + mixed[2], zeros + mixed[3]], [int(m) for m in mixed[:2]])
    return np.stack(blocks, axis=1).reshape(-1)[:count].astype(np.uint32)


def _philox(counter: list[np.ndarray], key: Sequence[int]) -> list[np.ndarray]:
    """Four words of 32 bits, in uint64, from four and a key of two."""
    c, k = counter, list(key)
    for _ in range(ROUNDS):
        a, b = c[0] * MULTIPLIERS[0], c[2] * MULTIPLIERS[1]
        c = [(b >> HIGH) ^ c[1] ^ np.uint64(k[0]), b & LOW, (a >> HIGH) ^ c[3] ^ np.uint64(k[1]), a & LOW]
        k = [(word + step) & 0xFFFFFFFF for word, step in zip(k, KEY_STEPS, strict=True)]
    return c
