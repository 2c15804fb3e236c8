# SPDX-License-Identifier: MIT
"""Legacy uint8 files become int8 files that answer alike."""

import os
import sys
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

# the writer of small .tflite files that the engine's tests have
sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))

import tflite_file as tfl

from microt import requantize
from microt.compiler import compile_tflite
from microt.engine import Backbone

LEGACY = Path(__file__).resolve().parents[3] / "shared" / "models" / "mobilenet_v1_0.25_128_quant.tflite"
PHOTOS = LEGACY.parents[1] / "data" / "flower_photos.npz"


def pictures(count, h, w, c, seed=0):
    """Gradients and stripes, uint8 (count, h, w, c)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w] / max(h, w)
    found = []
    for _ in range(count):
        planes = []
        for _ in range(c):
            a, b, f, g = rng.normal(0, 1, 4)
            planes.append(127 + 60 * np.sin(6 * (a * x + b * y) + f) + 50 * g * (x - y) + rng.normal(0, 8, (h, w)))
        found.append(np.stack(planes, -1))
    return np.clip(found, 0, 255).astype(np.uint8)


class Legacy:
    """A uint8 graph of one scale a tensor under construction."""

    def __init__(self, seed):
        self.file = tfl.File()
        self.rng = np.random.default_rng(seed)

    def tensor(self, shape, scale, zero_point, data=None):
        return self.file._tensor(shape, tfl.schema.TensorType.UINT8, scale, zero_point, 0, data)

    def weights(self, *shape, zero_point=120):
        data = np.clip(self.rng.normal(zero_point, 40, shape), 1, 255).astype(np.uint8)
        return self.tensor(shape, 0.01, zero_point, data)

    def scale(self, index):
        return float(self.file.graph.tensors[index].quantization.scale[0])

    def bias(self, n, x):
        return self.file.int32(self.rng.integers(-2000, 2000, n), self.scale(x) * 0.01)

    def add(self, kind, inputs, shape, scale, zero_point, **options):
        """An operator in the version that reads uint8."""
        y = self.tensor(shape, scale, zero_point)
        self.file.add(kind, inputs, y, **options)
        self.file.model.operatorCodes[-1].version = 1
        return y


def legacy_graph(seed=0, scale=1 / 128, zero_point=128):
    """Every kind of layer; returns the bytes of the file."""
    g = Legacy(seed)
    valid, same = {"padding": tfl.VALID}, {"padding": tfl.SAME}
    x = g.tensor((1, 16, 16, 3), scale, zero_point)
    pads = g.file.int32([[0, 0], [1, 0], [0, 1], [0, 0]])
    y = g.add("PAD", [x, pads], (1, 17, 17, 3), scale, zero_point)
    w, b = g.weights(8, 3, 3, 3), g.bias(8, x)
    # the range implies a ReLU that the file does not name
    y = g.add("CONV_2D", [y, w, b], (1, 8, 8, 8), 0.02, 0, strideH=2, strideW=2, **valid)
    w, b = g.weights(1, 3, 3, 8), g.bias(8, y)
    y = g.add("DEPTHWISE_CONV_2D", [y, w, b], (1, 8, 8, 8), 6 / 255, 0, strideH=1, strideW=1, depthMultiplier=1,
              fusedActivationFunction=tfl.RELU6, **same)  # fmt: skip
    w, b = g.weights(8, 1, 1, 8), g.bias(8, y)
    z = g.add("CONV_2D", [y, w, b], (1, 8, 8, 8), 0.06, 130, strideH=1, strideW=1, **same)
    y = g.add("ADD", [y, z], (1, 8, 8, 8), 0.05, 110)
    pool = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2}
    a = g.add("AVERAGE_POOL_2D", [y], (1, 4, 4, 8), 0.05, 110, **pool, **valid)
    m = g.add("MAX_POOL_2D", [y], (1, 4, 4, 8), 0.05, 110, **pool, **valid)
    y = g.add("CONCATENATION", [a, m], (1, 4, 4, 16), 0.05, 110, axis=3)
    mean = g.add("MEAN", [y, g.file.int32([1, 2])], (1, 16), 0.05, 110)
    y = g.add("RESHAPE", [y, g.file.int32([1, 256])], (1, 256), 0.05, 110, newShape=[1, 256])
    w, b = g.weights(10, 256), g.bias(10, y)
    y = g.add("FULLY_CONNECTED", [y, w, b], (1, 10), 0.3, 128)
    y = g.add("SOFTMAX", [y], (1, 10), 1 / 256, 0, beta=1.0)
    return g.file.pack([x], [mean, y])


@pytest.mark.parametrize("scale, zero_point", [(1 / 128, 128), (1 / 100, 90)])
def test_a_graph_of_every_layer(scale, zero_point):
    content = legacy_graph(1, scale, zero_point)
    with pytest.raises(ValueError, match="microt quantize"):
        compile_tflite(content)
    x = pictures(80, 16, 16, 3)
    # the float model first: dequantised values through the same graph
    model = requantize.rebuild(content)
    wanted = requantize._outputs(content, x[60:])
    found = model.predict(x[60:].astype(np.float32) / 128 - 1, verbose=0)
    for a, b in zip(wanted, found, strict=True):
        assert np.corrcoef(a.ravel(), np.asarray(b).ravel())[0, 1] > 0.98
    assert np.abs(wanted[0] - found[0]).max() < 0.1  # two steps of the mean's scale
    new = requantize.requantize(content, x[:60])
    figures = requantize.agreement(content, new, x[60:])
    assert len(figures) == 2 and min(figures) > 0.98
    compiled = compile_tflite(new, pixels=True)
    assert [e["dim"] for e in compiled.report["exits"]] == [16, 10]
    net = Backbone(compiled.data)
    mean = (net.run(x[70]).astype(np.float32) - net.exits[0].zero_point) * net.exits[0].scale
    assert np.corrcoef(mean, wanted[0][10])[0, 1] > 0.98


@pytest.mark.skipif(not (LEGACY.exists() and PHOTOS.exists()), reason=f"no {LEGACY.name}, {PHOTOS.name} in ../shared")
def test_the_public_legacy_file():
    x = requantize.calibration(LEGACY, PHOTOS, 100)[np.random.default_rng(0).permutation(100)]
    new = requantize.requantize(LEGACY, x[:60])
    (figure,) = requantize.agreement(LEGACY, new, x[60:])
    assert figure > 0.96  # of probabilities, which exaggerate
    # embedding and logits, on the engine
    from microt.distill.teacher import TfliteTeacher

    layers = compile_tflite(new).report["layers"]
    pool = next(i for i, layer in enumerate(layers) if layer["op"] == "AVERAGE_POOL_2D")
    assert layers[pool + 1]["output_shape"] == [1, 1, 1001]
    net = Backbone(compile_tflite(new, exits=[layers[i]["name"] for i in (pool, pool + 1)], pixels=True).data)
    found = net.embed(x[60:])
    for exit_, values, tensor in zip(net.exits, found, ("AVERAGE_POOL_2D", "SpatialSqueeze"), strict=True):
        real = (values.astype(np.float32) - exit_.zero_point) * exit_.scale
        assert np.corrcoef(real.ravel(), TfliteTeacher(LEGACY, tensor).embed(x[60:]).ravel())[0, 1] > 0.98


def test_calibration_samples(tmp_path):
    content = legacy_graph(1, 1 / 255, 0)
    x = pictures(9, 16, 16, 3)
    np.testing.assert_array_equal(requantize.calibration(content, x, 3), x[[0, 4, 8]])
    np.save(tmp_path / "x.npy", x.astype(np.float32) / 255)
    np.testing.assert_array_equal(requantize.calibration(content, tmp_path / "x.npy"), x)
    assert requantize.calibration(content, "digits", 5).shape == (5, 16, 16, 3)
    with pytest.raises(ValueError, match=r"expected \(N, 16, 16, 3\), got \(9, 16, 16\)"):
        requantize.calibration(content, x[..., 0])
    with pytest.raises(ValueError, match="expected uint8 or float32, got int64"):
        requantize.calibration(content, x.astype(np.int64))


def test_layers_without_a_twin_are_listed():
    g = Legacy(0)
    x = g.tensor((1, 8, 8, 3), 1 / 128, 128)
    y = g.add("TRANSPOSE", [x, g.file.int32([0, 2, 1, 3])], (1, 8, 8, 3), 1 / 128, 128)
    w = g.weights(4, 1, 1, 3)
    y = g.add("CONV_2D", [y, w, g.bias(4, x)], (1, 8, 8, 4), 0.05, 128, strideH=1, strideW=1, fusedActivationFunction=2)
    with pytest.raises(ValueError) as error:
        requantize.rebuild(g.file.pack([x], [y]))
    lines = str(error.value).splitlines()
    assert "2 of 2 layers cannot be rebuilt" in lines[0]
    assert "layer 0 TRANSPOSE -> 't2'" in lines[1] and "activation RELU_N1_TO_1" in lines[2]


def test_a_float_file_is_refused():
    file = tfl.File()
    x = file._tensor((1, 4), tfl.schema.TensorType.FLOAT32, None, 0, 0, None)
    y = file._tensor((1, 4), tfl.schema.TensorType.FLOAT32, None, 0, 0, None)
    file.add("RESHAPE", [x], y, newShape=[1, 4])
    with pytest.raises(ValueError, match="expected a quantised file .* got an input of float32"):
        requantize.rebuild(file.pack([x], [y]))
