# SPDX-License-Identifier: MIT
"""int8 quantisation, and the backbone that ships."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tflite

from microt import head
from microt.quantize import Int8Backbone, quantize
from microt.zoo.mobilenet_v1 import mobilenet_v1

MODELS = Path(__file__).parents[2] / "models"
ALLOWED = {
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "PAD", "AVERAGE_POOL_2D", "MEAN",
    "RESHAPE", "SOFTMAX", "CONCATENATION",
}  # fmt: skip


def operators(content: bytes) -> list[str]:
    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    names = {v: k for k, v in vars(tflite.BuiltinOperator).items() if k.isupper()}
    codes = [model.OperatorCodes(graph.Operators(i).OpcodeIndex()) for i in range(graph.OperatorsLength())]
    return [names[max(c.BuiltinCode(), c.DeprecatedBuiltinCode())] for c in codes]


def pictures(count, size):
    x = np.random.default_rng(0).integers(0, 256, (count, size // 8, size // 8, 3), np.uint8)
    return x.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(5)
    model = mobilenet_v1(0.25, 32, adapter=16)
    for layer in model.layers:
        if layer.weights:  # lively enough that every layer has something to say
            kernel, bias = layer.get_weights()
            fan_in = 9 if kernel.shape[-1] == 1 else kernel.size / kernel.shape[-1]
            rng = np.random.default_rng(kernel.size)
            layer.set_weights([rng.normal(0, 1.4 / fan_in**0.5, kernel.shape), bias + 0.05])
    x = pictures(20, 32)
    return model, x, quantize(model, x)


def test_bias_correction_takes_back_what_rounding_adds():
    """Weights of .4 steps all round to nothing: their share of the mean must come back through the bias."""
    image = keras.Input((16, 16, 3))
    y = keras.layers.Conv2D(6, 3, name="conv")(image)
    y = keras.layers.DepthwiseConv2D(3, name="depthwise")(keras.layers.ReLU(6.0)(y))
    y = keras.layers.Conv2D(8, 1, name="pointwise")(keras.layers.ReLU(6.0)(y))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(y))
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if layer.weights:
            kernel = np.full(layer.get_weights()[0].shape, 0.4 / 127)
            kernel[0, 0, 0] = 1  # sets the scale of its channel
            layer.set_weights([kernel, np.full(layer.get_weights()[1].shape, 0.3)])
    x = rng.integers(128, 256, (30, 16, 16, 3), dtype=np.uint8)
    wanted = model.predict(x / np.float32(128) - 1, verbose=0)

    def off(**options):
        backbone = Int8Backbone(quantize(model, x, **options))
        got = (backbone.embed(x)[0].astype(float) - backbone.zero_points[0]) * backbone.scales[0]
        return np.abs((got - wanted).mean(axis=0)).mean()

    assert off(bias_correction=True) < 0.3 * off()


def test_only_operators_that_the_engine_runs(small):
    found = set(operators(small[2]))
    assert found <= ALLOWED
    assert {"CONCATENATION", "MEAN"} <= found


def test_outputs_keep_their_order_and_meaning(small):
    model, x, content = small
    backbone = Int8Backbone(content)
    assert [v.shape for v in backbone.embed(x[:2])] == [(2, 144), (2, 256)]
    assert backbone.input_quantization[1] == 0
    assert backbone.input_quantization[0] == pytest.approx(1 / 128)
    exact = model.predict(x.astype(np.float32) / 128 - 1, verbose=0)
    for wanted, whole, scale, zero in zip(
        exact, backbone.embed(x), backbone.scales, backbone.zero_points, strict=True
    ):  # fmt: skip
        got = (whole.astype(np.float32) - zero) * scale
        norms = np.linalg.norm(got, axis=1) * np.linalg.norm(wanted, axis=1)
        assert ((got * wanted).sum(axis=1) / norms).mean() > 0.9


def test_input_means_pixel_less_128_whatever_the_pictures(small):
    model, x, _ = small
    backbone = Int8Backbone(quantize(model, x.clip(90, 180)))
    assert backbone.input_quantization == (pytest.approx(1 / 128), 0)


def test_wrong_pictures_are_refused(small):
    model, _, content = small
    with pytest.raises(ValueError, match=r"expected \(N, 32, 32, 3\) uint8, got \(1, 8, 8, 3\)"):
        quantize(model, np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"x: expected \(N, 32, 32, 3\) uint8, got .* float32"):
        Int8Backbone(content).embed(np.zeros((1, 32, 32, 3), np.float32))


def test_shipped_backbone():
    content = (MODELS / "objects.tflite").read_bytes()
    compiled = (MODELS / "objects.mtb").stat().st_size
    assert len(content) < 600_000 and compiled < 800_000
    assert set(operators(content)) <= ALLOWED
    backbone = Int8Backbone(content)
    assert backbone.input_shape == (112, 112, 3)
    embeddings = backbone.embed(pictures(3, 112))
    assert [e.shape for e in embeddings] == [(3, 576), (3, 512)]
    features = head.load_features(MODELS / "objects_features.npz")
    assert [f.projection.shape for f in features] == [(320, 576), (384, 768)]
    pairs = list(zip(backbone.scales, backbone.zero_points, strict=True))
    z = head.feature(features[1], embeddings, pairs)
    assert np.allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)


def test_shipped_files_belong_together():
    """The compiled file is what the compiler makes of the shipped .tflite and features."""
    from microt.compiler.compile import compile_tflite

    again = compile_tflite(MODELS / "objects.tflite", features=MODELS / "objects_features.npz", pixels=True)
    assert again.data == (MODELS / "objects.mtb").read_bytes()
