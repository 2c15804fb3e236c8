# SPDX-License-Identifier: MIT
"""First layers in strips of rows: every tensor that is left has the same bits, in less memory."""

import numpy as np
import pytest
import random_layers
import tflite_file

from microt.compiler import compile_tflite
from microt.engine import Backbone


def network(seed: int, size: tuple[int, int] = (48, 41)) -> bytes:
    """A .tflite file: convolutions of random windows one after the other, large maps first, and a residual."""
    rng = np.random.default_rng([seed, 21])
    file = tflite_file.File()
    shape = (1, *size, 3)
    start = x = file.int8(shape, 0.05, int(rng.integers(-128, 128)))

    def convolution(x, shape, channels, depthwise, kernel, stride, dilation, valid):
        reach = [(k - 1) * dilation + 1 for k in kernel]
        pairs = zip(shape[1:3], reach, strict=True)
        h, w = ((n - r) // stride + 1 if valid else -(-n // stride) for n, r in pairs)
        cin = shape[3]
        weights = (1, *kernel, cin) if depthwise else (channels, *kernel, cin)
        count = cin if depthwise else channels
        y = file.int8((1, h, w, count), 0.05, int(rng.integers(-128, 100)))
        values = rng.integers(-127, 128, weights).astype(np.int8)
        scale = 1.0 / np.sqrt(np.prod(kernel) * (1 if depthwise else cin)) / 100
        inputs = [x, file.int8(weights, scale, 0, values, axis=3 if depthwise else 0)]
        inputs.append(file.int32(rng.integers(-500, 500, count), 0.05 * scale))
        options = {"strideH": stride, "strideW": stride, "dilationHFactor": dilation, "dilationWFactor": dilation}
        options |= {"padding": int(valid)} | ({"depthMultiplier": 1} if depthwise else {})
        file.add("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", inputs, y, **options)
        return y, (1, h, w, count)

    for channels, depthwise in ((16, False), (0, True), (24, False), (0, True), (8, False)):
        kernel = tuple(rng.choice([1, 3, 3, 5], 2)) if not depthwise else (int(rng.choice([3, 5, 7])),) * 2
        stride = int(rng.integers(1, 3)) if depthwise else 1
        dilation = 2 if stride == 1 and rng.random() < 0.2 else 1
        x, shape = convolution(x, shape, channels, depthwise, kernel, stride, dilation, rng.random() < 0.3)
    before = x
    x, shape = convolution(x, shape, shape[3], False, (3, 3), 1, 1, False)
    y = file.int8(shape, 0.08, -7)
    file.add("ADD", [before, x], y)
    return random_layers.finish(file, start, y, rng)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_left_has_the_same_bits(seed):
    content = network(seed)
    whole = compile_tflite(content)
    expected = dict(Backbone(whole.data).tensors(x := samples(whole.data, seed)))
    for strips in (2, 3, 9):
        made = compile_tflite(content, strips=strips)
        assert made.report["arena_bytes"] < whole.report["arena_bytes"]
        assert made.report["macs"] >= made.report["strips"]["macs_without"] == whole.report["macs"]
        assert made.report["strips"]["arena_bytes_without"] == whole.report["arena_bytes"]
        found = dict(Backbone(made.data).tensors(x))
        kept = expected.keys() & found.keys()
        assert len(kept) == len(expected) - made.report["strips"]["layers"] + 1  # the joined map among them
        for name in kept:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=f"{strips} strips: {name}")
        parts = [found[name] for name in found if name.rpartition(":")[2].startswith("strip ")]
        assert len(parts) == strips * (made.report["strips"]["layers"] + 1)


def samples(data, seed):
    return np.random.default_rng(seed).integers(-128, 128, Backbone(data).input_shape).astype(np.int8)


def test_without_gain_the_file_stays_as_it_is():
    """No map has so many rows."""
    made = compile_tflite(network(0), strips=64)
    assert made.data == compile_tflite(network(0)).data and made.report["strips"] is None


@pytest.mark.parametrize("strips", [-1, 1, 65])
def test_a_wrong_number_of_strips_is_refused(strips):
    with pytest.raises(ValueError, match=f"strips: expected 0 .none. or 2 to 64, got {strips}"):
        compile_tflite(network(0), strips=strips)
