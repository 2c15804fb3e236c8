# SPDX-License-Identifier: MIT
"""The zoo and the losses on Keras's other backends: the same figures as with TensorFlow."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Prints what a network, and every loss of its embeddings, give for fixed weights and pictures.
SCRIPT = """
import json
import sys

import keras
import numpy as np

sys.path.insert(0, sys.argv[1])
from microt.distill import losses
from microt.zoo.mobilenet_v1 import mobilenet_v1

rng = np.random.default_rng(0)
model = mobilenet_v1(0.25, 32, adapter=16, beside=((5,), (9, 11)), last_stride=1)
for layer in model.layers:
    if layer.weights:
        kernel, bias = layer.get_weights()
        fan_in = kernel[..., 0].size if kernel.shape[-1] > 1 else kernel[..., 0, 0].size
        layer.set_weights([rng.normal(0, (2 / fan_in) ** 0.5, kernel.shape), rng.normal(0, 0.1, bias.shape)])
x = rng.uniform(-1, 1, (8, 32, 32, 3)).astype("float32")
part, full = (losses.root(v) for v in model(x))
softmax = losses.CosineSoftmax(4)
softmax.build((None, full.shape[-1]))
softmax.set_weights([rng.normal(0, 1, (4, full.shape[-1]))])
found = {
    "cosine": losses.cosine_distance(full, keras.ops.flip(full, axis=0)),
    "mse": losses.squared_distance(part, 0.5 * part),
    "decorrelation": losses.decorrelation(full),
    "episode": losses.prototype_episode(full, 2),
    "label": softmax(full, np.arange(8) % 4),
    "part": keras.ops.mean(part),
    "full": keras.ops.mean(full),
}
print(json.dumps({name: float(keras.ops.convert_to_numpy(value)) for name, value in found.items()}))
"""
HOST = Path(__file__).parents[2] / "host"


def figures(backend):
    environment = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(HOST)], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_losses_are_those_of_tensorflow(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    assert figures(backend) == pytest.approx(figures("tensorflow"), rel=1e-4, abs=1e-5)
