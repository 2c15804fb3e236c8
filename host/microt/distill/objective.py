# SPDX-License-Identifier: MIT
"""What is trained, as one Keras model: a batch goes in, its loss terms come out. Runs wherever Keras does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import keras

from microt.distill import devices


class Objective(keras.Model):
    """A weighted sum of loss terms; sub-classes make the terms in `call(batch, training)`, a scalar a name."""

    def __init__(self, weights: Mapping[str, float], **kwargs):
        """weights: of the terms by name; a term of weight 0 need not be made."""
        super().__init__(**kwargs)
        self.weights_of_terms = {name: float(weight) for name, weight in weights.items() if weight}
        self.means = [keras.metrics.Mean(name=name) for name in self.weights_of_terms]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum; a replica's share of it, so that the replicas' gradients add up to the whole batch's."""
        return sum(weight * y_pred[name] for name, weight in self.weights_of_terms.items()) / devices.replicas()

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for mean in self.means:
            mean.update_state(y_pred[mean.name])
        return self.get_metrics_result()

    def ready(self, optimizer: keras.optimizers.Optimizer) -> None:
        """To be called at the end of a sub-class's __init__: all layers are built by then."""
        self.built = True
        optimizer.build(self.trainable_variables)
        # compiling by XLA changes TensorFlow's rounding, and so every figure; JAX knows nothing else
        self.compile(optimizer=optimizer, jit_compile=devices.backend() == "jax")

    def learn(self, batches: Callable[[], Iterator[devices.Batch]], steps: int) -> dict[str, float]:
        """So many steps; the means of the terms over them, unweighted, and of "total".

        batches: gives the whole batches from the first step on, each time it is called.
        """
        found = devices.fit(self, batches, steps)
        return {mean.name: found[mean.name] for mean in self.means} | {"total": found["loss"]}


class TwoRates(keras.optimizers.AdamW):
    """AdamW whose `slow` variables go by a schedule of their own and lose nothing to weight decay: Adam's."""

    def __init__(self, learning_rate, slow_rate, slow: list, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self._slow_rate = slow_rate
        self._slow = {self._var_key(variable) for variable in slow}
        self.exclude_from_weight_decay(var_list=slow)

    def update_step(self, gradient, variable, learning_rate):
        if self._var_key(variable) in self._slow:
            learning_rate = self._slow_rate(self.iterations)
        super().update_step(gradient, variable, learning_rate)
