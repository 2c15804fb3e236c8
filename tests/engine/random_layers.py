# SPDX-License-Identifier: MIT
"""What the tests of random layers share: quantisations to draw, and the comparison with TensorFlow
Lite's reference kernels."""

import itertools

import numpy as np
import tflite_file as tfl

from microt.compiler import compile_tflite
from microt.engine import Backbone

EXTREMES = (-128, -127, -1, 0, 1, 126, 127)


def zero_point(rng):
    return int(rng.choice(EXTREMES)) if rng.random() < 0.4 else int(rng.integers(-128, 128))


def scale(rng, low, high):
    return float(np.float32(np.exp(rng.uniform(np.log(low), np.log(high)))))


def weight_scales(rng, channels, per_channel):
    return np.exp(rng.uniform(np.log(1e-3), np.log(3e-2), channels if per_channel else 1)).astype(np.float32)


def pick(rng, *choices):
    return choices[int(rng.integers(len(choices)))]


def out_size(size, kernel, stride, dilation, padding):
    reach = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == tfl.SAME else (size - reach) // stride + 1


def inputs_of(rng, shape, count):
    """int8 inputs: random ones, and the extremes."""
    found = [rng.integers(-128, 128, shape).astype(np.int8) for _ in range(count)]
    return [*found, np.full(shape, -128, np.int8), np.full(shape, 127, np.int8)]


def compare(content, inputs, minimum_spread=0):
    """All tensors that the engine has, on either kernels, against the reference's; returns the outputs seen."""
    files = {compile_tflite(content, in_place=in_place).data for in_place in (False, True)}
    nets = [Backbone(data, reference=reference) for data in files for reference in (False, True)]
    reference = tfl.Reference(content)
    seen = []
    for x, net in itertools.product(inputs, nets):
        expected = reference.run(x)
        for name, got in net.tensors(x):
            if name not in expected:
                assert ":" in name  # the compiler's own, between two of the file's
                continue
            wrong = got.reshape(-1) != expected[name].reshape(-1)
            assert not wrong.any(), f"{name}: {wrong.sum()} of {wrong.size} values differ"
        np.testing.assert_array_equal(got.reshape(-1), reference.output().reshape(-1))
        seen.append(got.reshape(-1))
    values = np.unique(np.concatenate(seen))
    assert len(values) >= minimum_spread
    return values


def finish(file, x, y, rng):
    """Exits are vectors: anything else is flattened by a last RESHAPE, which changes no value."""
    tensor = file.graph.tensors[y]
    if len(tensor.shape) == 4 and tuple(tensor.shape[1:3]) != (1, 1):
        n = int(np.prod(tensor.shape))
        z = file.int8((1, n), tensor.quantization.scale[0], int(tensor.quantization.zeroPoint[0]))
        y = file.add("RESHAPE", [y, file.int32([1, n])], z, newShape=[1, n])
    return file.pack([x], [y])


def check_many(make, seeds, count=2):
    seen = set()
    for seed in seeds:
        rng = np.random.default_rng([seed, 77])
        content, shape = make(rng)
        try:
            seen.update(compare(content, inputs_of(rng, shape, count)).tolist())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return seen
