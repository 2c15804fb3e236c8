# SPDX-License-Identifier: MIT
"""The same training on Keras' other backends, on several devices and by several processes: the same losses."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from microt.distill.philox import uniforms
from microt.engine import Backbone

ROOT = Path(__file__).parents[2]
HOST = ROOT / "host"

# Prints the loss terms of three steps, all terms of a recipe at both exits, from fixed weights and pictures.
SCRIPT = """
import dataclasses
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from microt.distill import devices

if "DEVICES" in os.environ:
    import tensorflow as tf

    devices_wanted = [tf.config.LogicalDeviceConfiguration()] * int(os.environ["DEVICES"])
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices_wanted)
devices.strategy()

import keras
import numpy as np

from microt.data import Dataset
from microt.distill import recipe, train, trainer

rng = np.random.default_rng(0)
x = rng.integers(0, 256, (16, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
data = Dataset(x, np.arange(16) % 4, tuple("abcd"), None, "patterns")
loss = recipe.ExitLoss(teacher=1, own=0.5, label=0.2, decorrelation=1, episode=0.5)
made = recipe.Recipe(
    Path("r.toml"), recipe.Data(Path("x")), recipe.Start(random=True), None,
    recipe.Backbone(resolution=32, adapter=16), loss, loss,
    recipe.Train(epochs=3, batch=16, episode_shots=4), recipe.Augment(), recipe.Quantize(), recipe.Features(),
)
trained = trainer.Trainer(made, data, rng.random((16, 6)), 3)
for layer in [*trained.objective.tail.layers, *trained.objective.projections.values()]:
    if layer.weights and not isinstance(layer, keras.layers.BatchNormalization):
        weights = layer.get_weights()
        size = weights[0].size / weights[0].shape[-1] if weights[0].shape[-1] > 1 else 9
        layer.set_weights([rng.normal(0, (2 / size) ** 0.5, w.shape) for w in weights])
rows = [train.epoch_rows(made, data, np.random.default_rng(n))[0] for n in range(3)]
print(devices.describe())
print(json.dumps([trained.learn(0, rows[:1]), trained.learn(1, rows[1:])]))
"""
TERMS = [f"{name}_{kind}" for name in ("part", "full") for kind in ("teacher", "own", "label", "decorrelation",
         "episode")]  # fmt: skip


def start(**environment):
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"} | environment
    command = [sys.executable, "-c", SCRIPT, str(HOST)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def losses(process, described):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    said, found = out.splitlines()[-2:]
    assert said == described
    return json.loads(found)


@pytest.fixture(scope="module")
def alone():
    found = losses(start(), "tensorflow")
    assert all(set(step) == {*TERMS, "total"} for step in found)
    assert found[0]["part_label"] != pytest.approx(found[1]["part_label"], rel=1e-3), "something is learned"
    return found


def same(found, wanted):
    # the first step to rounding; then it has been through the optimizer, which divides by small gradients
    assert found[0] == pytest.approx(wanted[0], rel=1e-4, abs=1e-5)
    assert found[1] == pytest.approx(wanted[1], rel=2e-2, abs=2e-3)


def test_two_devices_lose_what_one_does(alone):
    same(losses(start(DEVICES="2"), "tensorflow, 2 replicas"), alone)


@pytest.mark.slow
def test_two_workers_lose_what_one_does(alone):
    with socket.socket() as a, socket.socket() as b:
        for one in (a, b):
            one.bind(("localhost", 0))
        cluster = {"worker": [f"localhost:{one.getsockname()[1]}" for one in (a, b)]}
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}) for i in (0, 1)]
    processes = [start(TF_CONFIG=config) for config in configs]
    for i, process in enumerate(processes):
        same(losses(process, f"tensorflow, 2 replicas, worker {i + 1} of 2"), alone)


def installed(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_lose_what_tensorflow_does(alone, backend):
    installed(backend)
    same(losses(start(KERAS_BACKEND=backend), backend), alone)


@pytest.mark.slow
def test_two_devices_of_jax_lose_what_one_of_tensorflow_does(alone):
    installed("jax")
    environment = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    same(losses(start(**environment), "jax, 2 cpu devices"), alone)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_recipe_becomes_a_backbone(tmp_path, backend):
    installed(backend)
    (tmp_path / "r.toml").write_text("""
        data.pictures = "digits"
        start.random = true
        loss.part = {label = 1.0}
        loss.full = {label = 1.0}
        backbone = {resolution = 32, adapter = 16}
        train = {epochs = 1, batch = 512}
        quantize.pictures = 16
        features = {lengths = [16, 24], pictures = 200}
    """)
    done = subprocess.run(
        [sys.executable, "-m", "microt.cli", "distill", str(tmp_path / "r.toml"), "-o", str(tmp_path / "out")],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(HOST)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and f"; {backend}" in done.stderr, done.stderr
    assert len(Backbone(tmp_path / "out" / "backbone.mtb").exits) == 2
    # its float network is any backend's
    assert len(keras.models.load_model(tmp_path / "out" / "model.keras").outputs) == 2


def test_chances_are_those_of_tensorflow():
    import tensorflow as tf

    for seed in ((1, 0), (-7, 12345)):
        seeds = tf.random.split(tf.constant(seed, tf.int32), 5)
        wanted = np.stack([tf.random.stateless_uniform([9], one).numpy() for one in seeds], axis=1)
        assert (uniforms(seed, 5, 9) == wanted).all()
