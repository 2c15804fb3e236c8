# SPDX-License-Identifier: MIT
"""The zoo's networks against published and measured figures."""

import keras
import numpy as np
import pytest

from microt.zoo.macs import macs, parameters
from microt.zoo.mobilenet_v1 import fold, mobilenet_v1


def test_counts_agree_with_the_paper():
    """Howard et al., table 6 and 7: width 1 at 224: 569 M, 0.25 at 128: 14 M (both with the
    1000-way classifier), 4.2 M and 0.5 M parameters."""
    classifier = 1024 * 1000
    model = mobilenet_v1(1.0, 224, adapter=0)
    assert (macs(model) + classifier) / 1e6 == pytest.approx(569, abs=1)
    assert (parameters(model) + classifier) / 1e6 == pytest.approx(4.2, abs=0.1)
    small = mobilenet_v1(0.25, 128, adapter=0)
    assert (macs(small) + 256 * 1000) / 1e6 == pytest.approx(13.6, abs=0.5)
    assert (parameters(small) + 256 * 1000) / 1e6 == pytest.approx(0.5, abs=0.05)


def test_counts_of_the_shipped_backbone():
    plain = mobilenet_v1(adapter=0)
    assert (macs(plain), macs(plain, 0)) == (7_489_152, 3_416_832)
    assert parameters(plain) == 210_336
    model = mobilenet_v1()
    assert (macs(model), macs(model, 0)) == (7_794_432, 3_722_112)
    assert macs(model, 0) / macs(model) == pytest.approx(0.478, abs=0.001)
    assert parameters(model) == 244_640
    assert [o.shape for o in model.outputs] == [(None, 384), (None, 256)]


def test_counting_by_hand():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, 2, "same")(image)  # 4 x 4 x 4 outputs of 27 products
    x = keras.layers.DepthwiseConv2D(3, padding="valid")(x)  # 2 x 2 x 4 outputs of 9
    x = keras.layers.Dense(5)(keras.layers.Flatten()(x))  # 16 x 5
    assert macs(keras.Model(image, x)) == 64 * 27 + 16 * 9 + 80


def test_unknown_layer_is_refused():
    image = keras.Input((8, 4))
    model = keras.Model(image, keras.layers.LSTM(2)(image))
    with pytest.raises(ValueError, match="no rule to count a LSTM layer"):
        macs(model)


def test_folding_changes_nothing():
    keras.utils.set_random_seed(3)
    model = mobilenet_v1(0.25, 32, normalise=True, adapter=24, exit_block=4)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            values = [rng.normal(0, 0.3, w.shape) for w in layer.get_weights()]
            if isinstance(layer, keras.layers.BatchNormalization):
                values = [np.abs(v) + 0.5 for v in values]
            layer.set_weights(values)
    x = rng.uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    folded = fold(model)
    assert not any(isinstance(n, keras.layers.BatchNormalization) for n in folded.layers)
    for a, b in zip(model(x, training=False), folded(x, training=False), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.std() > 0.01 and np.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("given, message", [
    ({"exit_block": 13}, "exit_block: expected 1..12, got 13"),
    ({"resolution": 100}, "resolution: expected a multiple of 32, got 100"),
])  # fmt: skip
def test_wrong_arguments(given, message):
    with pytest.raises(ValueError, match=message):
        mobilenet_v1(**given)
