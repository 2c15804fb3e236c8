# SPDX-License-Identifier: MIT
"""Training on all devices there are: what each of Keras' backends needs for it, in one place.

TensorFlow  tf.distribute: MultiWorkerMirroredStrategy where the environment's TF_CONFIG names a cluster of workers,
            else MirroredStrategy where there is more than one GPU (or, with none, more than one logical CPU).
            Each replica sees its part of a batch; losses are of the whole one, see `whole_batch`.
JAX         keras.distribution.DataParallel where there is more than one device: a program is of the whole batch.
PyTorch     the one device that Keras takes.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
from collections.abc import Callable, Iterator

import keras
import numpy as np

Batch = dict[str, np.ndarray]


def backend() -> str:
    """ "tensorflow", "jax" or "torch"."""
    return keras.backend.backend()


def worker() -> tuple[int, int]:
    """(this worker's number, how many there are), by TF_CONFIG; (0, 1) without."""
    config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    cluster = config.get("cluster", {})
    workers = len(cluster.get("chief", [])) + len(cluster.get("worker", []))
    if backend() != "tensorflow" or workers < 2:
        return 0, 1
    task = config.get("task", {})
    if task.get("type") not in ("chief", "worker") or not isinstance(task.get("index"), int):
        raise ValueError(f"TF_CONFIG: expected a task of type chief or worker with its index, got {task}")
    return task["index"] + (len(cluster.get("chief", [])) if task["type"] == "worker" else 0), workers


@functools.cache
def strategy():
    """The tf.distribute strategy for what there is; None for one device or another backend.

    Several workers: to be called before anything else of TensorFlow's is.
    """
    if backend() != "tensorflow":
        return None
    import tensorflow as tf

    if worker()[1] > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus, cpus = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
    devices = [device.name for device in gpus or cpus]
    return tf.distribute.MirroredStrategy(devices) if len(devices) > 1 else None


@contextlib.contextmanager
def scope() -> Iterator[None]:
    """Where networks and optimizers that are to be trained are made."""
    if not several():
        yield
    elif backend() == "jax":
        # stays set: Keras also looks for it where it feeds the batches
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        yield
    else:
        with strategy().scope():
            yield


def several() -> bool:
    """Whether what is made in `scope` is spread over more than one device."""
    if backend() == "jax":
        import jax

        return jax.device_count() > 1
    return replicas() > 1


def replicas() -> int:
    """How many parts a batch is fed in."""
    return strategy().num_replicas_in_sync if strategy() else 1


def describe() -> str:
    """Such as "tensorflow, 2 replicas, worker 1 of 2"."""
    number, workers = worker()
    text = backend()
    if backend() == "jax":
        import jax

        text += f", {jax.device_count()} {jax.default_backend()} devices" if jax.device_count() > 1 else ""
    if replicas() > 1:
        text += f", {replicas()} replicas"
    return text + (f", worker {number + 1} of {workers}" if workers > 1 else "")


def fit(model: keras.Model, batches: Callable[[], Iterator[Batch]], steps: int) -> dict[str, float]:
    """So many steps of a compiled model; its metrics over them.

    batches: goes through the whole batches, from the first on each time it is called.
    """
    if replicas() > 1:
        return _fit_replicas(model, batches, steps)
    history = model.fit(((batch,) for batch in batches()), steps_per_epoch=steps, shuffle=False, verbose=0).history
    return {name: float(values[0]) for name, values in history.items()}


def _fit_replicas(model: keras.Model, batches, steps: int) -> dict[str, float]:
    """As `fit`, with tf.distribute: Keras' own does not feed several workers by a function."""
    import tensorflow as tf

    def dataset(context) -> tf.data.Dataset:
        here = replicas() // context.num_input_pipelines  # a part for each replica of this worker
        own = range(context.input_pipeline_id * here, (context.input_pipeline_id + 1) * here)

        def parts():
            for batch in batches():
                for part in own:
                    yield {name: _part(values, part) for name, values in batch.items()}

        kinds = {name: tf.TensorSpec((None, *v.shape[1:]), v.dtype) for name, v in next(parts()).items()}
        return tf.data.Dataset.from_generator(parts, output_signature=kinds)

    if getattr(model, "replicas_step", None) is None:
        model.replicas_step = tf.function(
            lambda part: strategy().run(model.train_step, args=((part,),)), reduce_retracing=True
        )
    model.reset_metrics()
    for part in itertools.islice(strategy().distribute_datasets_from_function(dataset), steps):
        found = model.replicas_step(part)
    # every replica has seen the losses of the whole batches
    return {name: float(strategy().experimental_local_results(value)[0]) for name, value in found.items()}


def _part(values: np.ndarray, number: int) -> np.ndarray:
    if len(values) % replicas():
        raise ValueError(f"expected batches that {replicas()} replicas can share, got {len(values)} samples")
    size = len(values) // replicas()
    return values[number * size : (number + 1) * size]


def whole_batch(parts: dict) -> dict:
    """From every replica's part of a batch, all of it: gradients flow back to each part."""
    if replicas() == 1:
        return parts
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None:  # Keras looks at shapes, outside of any replica
        return parts
    # each puts its part into zeros, and all add up: all_gather fails with several workers
    own = context.replica_id_in_sync_group

    def placed(part):
        mine = tf.reshape(tf.one_hot(own, replicas(), dtype=part.dtype), (-1, *[1] * len(part.shape)))
        return tf.reshape(mine * part[None], (-1, *part.shape[1:]))

    return {name: context.all_reduce(tf.distribute.ReduceOp.SUM, placed(part)) for name, part in parts.items()}
