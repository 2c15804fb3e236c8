# SPDX-License-Identifier: MIT
"""The zoo's networks against published and measured figures."""

import keras
import numpy as np
import pytest

from microt.zoo.exits import pools
from microt.zoo.macs import macs, parameters
from microt.zoo.mobilenet_v1 import arguments_of, fold, mobilenet_v1


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


def test_maps_of_several_depths_and_a_finer_end():
    """Pooled maps cost nothing; block 12 without its stride costs 4 times as much, block 13 too."""
    shape = {"resolution": 112, "beside": ((5,), (9, 11))}
    coarse, fine = mobilenet_v1(**shape), mobilenet_v1(**shape, last_stride=1)
    assert [o.shape[-1] for o in fine.outputs] == [64 + 128 + 256, 128 + 128 + 256]
    assert [pool.name for pool in pools(fine, 1)] == ["pool9", "pool11", "pool13"]
    assert macs(coarse) == macs(mobilenet_v1(resolution=112))
    last_two = 4 * 4 * (9 * 128 + 128 * 256 + 9 * 256 + 256 * 256)
    assert macs(fine) - macs(coarse) == (7 * 7 - 4 * 4) * last_two // 16
    assert (macs(fine), macs(fine, 0)) == (14_475_968, 5_193_408)
    assert parameters(fine) == parameters(coarse)
    later = mobilenet_v1(**shape | {"beside": ((5, 6), (9, 11))}, exit_block=7, adapter_block=6, last_stride=1)
    assert macs(later) == macs(fine)
    assert macs(later, 0) - macs(fine, 0) == 7 * 7 * 128 * (9 + 128)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    vector = np.asarray(fine(x)[1])
    deep = np.asarray(keras.Model(fine.input, fine.get_layer("block11").output)(x)).mean(axis=(1, 2))
    assert np.allclose(vector[:, 128:256], deep, atol=1e-5)


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
    arguments = {"width": 0.25, "resolution": 32, "adapter": 24, "exit_block": 4, "adapter_block": 2,
                 "beside": ((2,), (9, 10)), "last_stride": 1}  # fmt: skip
    model = mobilenet_v1(**arguments, normalise=True)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            values = [rng.normal(0, 0.3, w.shape) for w in layer.get_weights()]
            if isinstance(layer, keras.layers.BatchNormalization):
                values = [np.abs(v) + 0.5 for v in values]
            layer.set_weights(values)
    x = rng.uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    folded = fold(model)
    assert arguments_of(folded) == arguments
    assert not any(isinstance(n, keras.layers.BatchNormalization) for n in folded.layers)
    for a, b in zip(model(x, training=False), folded(x, training=False), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.std() > 0.01 and np.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("given, message", [
    ({"exit_block": 13}, "exit_block: expected 1..12, got 13"),
    ({"resolution": 100}, "resolution: expected a multiple of 16, got 100"),
    ({"adapter_block": 7}, "adapter_block: expected 0..6, got 7"),
    ({"last_stride": 3}, "last_stride: expected 1 or 2, got 3"),
    ({"beside": ((6,), ())}, r"beside: expected ascending blocks 1..5 for exit 0, got \[6\]"),
    ({"beside": ((), (11, 9))}, r"beside: expected ascending blocks 1..12 for exit 1, got \[11, 9\]"),
])  # fmt: skip
def test_wrong_arguments(given, message):
    with pytest.raises(ValueError, match=message):
        mobilenet_v1(**given)
