# SPDX-License-Identifier: MIT
"""A small branch at a cut, briefly trained: does it make an earlier exit good enough to be worth its work?

The branch is the zoo's (depthwise of stride 2, pointwise, pool), beside the pooled map. It learns, without labels,
to look like the network's own last embedding of the same picture.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from microt.distill.losses import cosine_distance, root
from microt.zoo.exits import first_exit
from microt.zoo.macs import macs

MOST, FEWEST = 1000, 100  # pictures to learn from
STEPS, BATCH, RATE = 300, 64, 2e-3


def pictures(count: int, asked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indexes of what an adapter may learn from, of `count` pictures: none that is `asked` about."""
    free = np.setdiff1d(np.arange(count), asked)
    if len(free) < FEWEST:
        raise ValueError(
            f"adapter: expected {FEWEST} pictures or more to train it on, got {len(free)} of {count} that no episode "
            "asks about; give more pictures or fewer episodes"
        )
    return np.sort(rng.permutation(free)[:MOST])


class Adapter:
    """A trained branch; called with maps (N, h, w, c) it gives its pooled vectors (N, filters)."""

    def __init__(self, model: keras.Model, filters: int):
        """model: from a map to the pooled map beside the branch's pool."""
        self._model, self._filters = model, filters
        self.macs = macs(model)  # a picture

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        return self._model.predict(maps.astype(np.float32), batch_size=64, verbose=0)[:, -self._filters :]


def train(maps: np.ndarray, last: np.ndarray, filters: int, seed: int = 0) -> Adapter:
    """maps: (N, h, w, c) at the cut. last: (N, dim) the network's last embedding of the same pictures."""
    keras.utils.set_random_seed(seed)
    x = keras.Input(maps.shape[1:])
    branch = keras.Model(x, first_exit(x, filters))
    seen = layers.Lambda(root)(branch.output[:, -filters:])
    trained = keras.Model(x, layers.Dense(last.shape[1])(seen))
    wanted = np.sqrt(np.maximum(last, 0))
    wanted = (wanted - wanted.mean(axis=0)).astype(np.float32)
    epochs = max(round(STEPS * BATCH / len(maps)), 1)
    schedule = keras.optimizers.schedules.CosineDecay(RATE, epochs * -(-len(maps) // BATCH))
    trained.compile(keras.optimizers.Adam(schedule), loss=cosine_distance, jit_compile=False)
    trained.fit(maps.astype(np.float32), wanted, batch_size=BATCH, epochs=epochs, verbose=0)
    return Adapter(branch, filters)
