# SPDX-License-Identifier: MIT
"""Whole networks, tensor by tensor, against TensorFlow Lite's reference kernels."""

from pathlib import Path

import numpy as np
import pytest
import tflite_file as tfl

from microt.compiler import compile_tflite
from microt.engine import Backbone

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ["vww_96_int8", "kws_ref_model", "pretrainedResnet_quant"]


def files():
    for name in PUBLIC:
        path = ROOT.parent / "shared" / "models" / f"{name}.tflite"
        reason = f"../shared/models/{name}.tflite is not here"
        yield pytest.param(path, id=name, marks=pytest.mark.skipif(not path.exists(), reason=reason))
    for path in sorted((ROOT / "models").glob("*.tflite")):
        yield pytest.param(path, id=path.stem)


@pytest.mark.parametrize("path", files())
def test_every_tensor(path):
    content = path.read_bytes()
    net = Backbone(compile_tflite(content).data)
    reference = tfl.Reference(content)
    rng = np.random.default_rng(1)
    shape = net.input_shape
    smooth = np.linspace(-128, 127, int(np.prod(shape))).astype(np.int8).reshape(shape)
    compared = 0
    for x in [*rng.integers(-128, 128, (3, *shape)).astype(np.int8), smooth]:
        expected = reference.run(x)
        for name, got in net.tensors(x):
            if name in expected:  # the compiler may name a tensor of its own
                compared += 1
                np.testing.assert_array_equal(got.reshape(-1), expected[name].reshape(-1), err_msg=name)
        for e, exit in enumerate(net.exits):
            assert exit.name in expected
            np.testing.assert_array_equal(net.run(x, e), expected[exit.name].reshape(-1))
    assert compared >= 4 * 0.9 * len(net.ops)


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.mtb")), ids=lambda p: p.stem)
def test_shipped_files(path):
    """The committed .mtb answers as TensorFlow Lite does with the .tflite beside it."""
    source = path.with_suffix(".tflite")
    if not source.exists():
        pytest.skip(f"no {source.name} beside it")
    net = Backbone(path)
    reference = tfl.Reference(source.read_bytes())
    x = np.random.default_rng(2).integers(-128, 128, net.input_shape).astype(np.int8)
    expected = reference.run(x)
    got = [net.run(x), *(net.resume() for _ in net.exits[1:])]
    for exit, embedding in zip(net.exits, got, strict=True):
        np.testing.assert_array_equal(embedding, expected[exit.name].reshape(-1), err_msg=exit.name)
