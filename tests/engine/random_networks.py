# SPDX-License-Identifier: MIT
"""Random networks of several operators, with branches and exits anywhere, and what every tensor of them must be."""

import dataclasses

import numpy as np
import tflite_file as tfl
from random_layers import out_size, pick, scale, weight_scales, zero_point

from microt.bench.count import resume_layers, run_layers
from microt.compiler import compile_tflite, read_info
from microt.engine import Backbone


class Growing:
    """A network to which operators are added; `values` of a tensor spread over about 40 steps."""

    def __init__(self, rng, shape):
        self.rng, self.file = rng, tfl.File()
        self.scales, self.zeros, self.shapes = {}, {}, {}
        self.deviation = {}  # real, about
        self.x = self.tensor(shape, scale(rng, 0.005, 0.2), zero_point(rng))
        self.deviation[self.x] = 74 * self.scales[self.x]

    def tensor(self, shape, s, z):
        t = self.file.int8((1, *shape), s, z)
        self.scales[t], self.zeros[t], self.shapes[t] = float(np.float32(s)), z, tuple(shape)
        return t

    def made(self, kind, inputs, shape, deviation, **options):
        """An operator whose output has a quantisation of its own."""
        y = self.tensor(shape, max(deviation, 1e-6) / float(pick(self.rng, 30, 40, 60)), zero_point(self.rng))
        self.deviation[y] = deviation
        return self.file.add(kind, inputs, y, **options)

    def kept(self, kind, inputs, shape, **options):
        """An operator whose output is quantised as its first input is."""
        x = inputs[0]
        y = self.tensor(shape, self.scales[x], self.zeros[x])
        self.deviation[y] = self.deviation[x]
        return self.file.add(kind, inputs, y, **options)

    def convolution(self, x, depthwise=False, pointwise=False):
        rng = self.rng
        h, w, c = self.shapes[x]
        k = 1 if pointwise else int(pick(rng, 3, 3, 5, 7))
        stride = 1 if pointwise else int(pick(rng, 1, 1, 2))
        padding = tfl.VALID if h >= k and w >= k and rng.random() < 0.3 else tfl.SAME
        cout = c if depthwise else int(pick(rng, 4, 8, 8, 16, 24, 5, 7))
        shape = (1, k, k, c) if depthwise else (cout, k, k, c)
        sw = weight_scales(rng, cout, True)
        weights = rng.integers(-127, 128, shape).astype(np.int8)
        wt = self.file.int8(shape, sw, 0, weights, axis=3 if depthwise else 0)
        deviation = self.deviation[x] * float(sw.mean()) * 74 * np.sqrt(k * k * (1 if depthwise else c))
        bias = self.file.int32(rng.integers(-500, 500, cout), np.float32(self.scales[x]) * sw)
        options = {"depthMultiplier": 1} if depthwise else {}
        out = (out_size(h, k, stride, 1, padding), out_size(w, k, stride, 1, padding), cout)
        return self.made(
            "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, wt, bias], out, deviation, padding=padding,
            strideH=stride, strideW=stride, fusedActivationFunction=pick(rng, tfl.NONE, tfl.RELU, tfl.RELU6), **options,
        )  # fmt: skip

    def binary(self, x, kind):
        """With an earlier tensor of the shape, or with x's mean; None where there is neither."""
        others = [t for t, shape in self.shapes.items() if shape == self.shapes[x] and t != x]
        if not others or self.rng.random() < 0.3:
            h, w, c = self.shapes[x]
            pooled = self.made("MEAN", [x, self.file.int32([1, 2])], (1, 1, c), self.deviation[x], keepDims=True)
            others = [pooled]
        other = others[int(self.rng.integers(len(others)))]
        one, two = self.deviation[x], self.deviation[other]
        deviation = one * two if kind == "MUL" else float(np.hypot(one, two))
        inputs = [x, other] if self.rng.random() < 0.5 else [other, x]
        return self.made(kind, inputs, self.shapes[x], deviation, fusedActivationFunction=pick(self.rng, 0, 0, 1))

    def pool(self, x, kind):
        h, w, c = self.shapes[x]
        kh, kw = (int(n) for n in self.rng.integers(1, (min(h, 4) + 1, min(w, 4) + 1)))
        stride = int(pick(self.rng, 1, 2))
        padding = pick(self.rng, tfl.SAME, tfl.VALID)
        out = (out_size(h, kh, stride, 1, padding), out_size(w, kw, stride, 1, padding), c)
        return self.kept(
            kind, [x], out, padding=padding, strideH=stride, strideW=stride, filterHeight=kh, filterWidth=kw
        )

    def concatenation(self, x):
        """Of convolutions of x, brought to x's quantisation."""
        h, w, _ = self.shapes[x]
        parts = [x]
        for _ in range(int(self.rng.integers(1, 3))):
            wide = self.convolution(x, pointwise=True)
            parts.append(self.tensor(self.shapes[wide], self.scales[x], self.zeros[x]))
            self.deviation[parts[-1]] = self.deviation[x]
            self.file.add("QUANTIZE", [wide], parts[-1])
        return self.kept("CONCATENATION", parts, (h, w, sum(self.shapes[t][2] for t in parts)), axis=3)

    def pad(self, x):
        h, w, c = self.shapes[x]
        amounts = np.zeros((4, 2), int)
        amounts[1:3] = self.rng.integers(0, 3, (2, 2))
        out = (h + int(amounts[1].sum()), w + int(amounts[2].sum()), c)
        return self.kept("PAD", [x, self.file.int32(amounts)], out)

    def transpose(self, x):
        h, w, c = self.shapes[x]
        return self.kept("TRANSPOSE", [x, self.file.int32([0, 2, 1, 3])], (w, h, c))

    def function(self, x, kind):
        return self.made(kind, [x], self.shapes[x], self.deviation[x])

    def step(self, x):
        h, w, _ = self.shapes[x]
        steps = [
            lambda: self.convolution(x),
            lambda: self.convolution(x, depthwise=True),
            lambda: self.convolution(x, depthwise=True),
            lambda: self.convolution(x, pointwise=True),
            lambda: self.convolution(x, pointwise=True),
            lambda: self.binary(x, pick(self.rng, "ADD", "ADD", "SUB", "MUL")),
            lambda: self.pool(x, pick(self.rng, "MAX_POOL_2D", "AVERAGE_POOL_2D")),
            lambda: self.concatenation(x),
            lambda: self.pad(x),
            lambda: self.transpose(x),
            lambda: self.function(x, pick(self.rng, "HARD_SWISH", "RELU6", "LEAKY_RELU", "QUANTIZE", "TANH")),
        ]
        if h * w > 900:
            steps = steps[:5]
        return steps[int(self.rng.integers(len(steps)))]()


def network(rng):
    """(content, (h, w, c) of the input, names of exits): a trunk of operators, then branches off random tensors."""
    shape = tuple(int(n) for n in (*rng.integers(3, 20, 2), pick(rng, 1, 3, 3, 8)))
    net = Growing(rng, shape)
    y = net.x
    for _ in range(int(rng.integers(4, 12))):
        y = net.step(y)
    trunk = [t for t in net.deviation if t != net.x]
    exits = []
    for _ in range(int(rng.integers(0, 4))):
        t = trunk[int(rng.integers(len(trunk)))]
        if rng.random() < 0.6:  # a branch of its own
            t = net.step(t)
        exits.append(t)
    outputs = list(dict.fromkeys([*exits, y]))
    return net.file.pack([net.x], outputs), shape, [f"t{t}" for t in outputs]


@dataclasses.dataclass
class Expected:
    """What a network must answer to one input: every tensor by name, checked against TensorFlow Lite's reference."""

    content: bytes
    exits: list[str] | None
    input: np.ndarray
    tensors: dict[str, np.ndarray]
    embeddings: list[np.ndarray]

    def file(self, target):
        """(compiled file, its tensors in the order of a run from exit to exit, then its embeddings)"""
        data = compile_tflite(self.content, exits=self.exits, target=target).data
        info = read_info(data)
        order = run_layers(info, 0)
        for exit in range(1, len(info["exits"])):
            order += resume_layers(info, exit)
        return data, [*(self.tensors[layer["name"]] for layer in order), *self.embeddings]


def expected(content, x, exits=None):
    """Runs the engine and the reference; AssertionError where they differ."""
    net = Backbone(compile_tflite(content, exits=exits).data)
    reference = tfl.Reference(content).run(x)
    tensors = dict(net.tensors(x))
    compared = 0
    for name, got in tensors.items():
        if name not in reference:
            assert ":" in name or exits  # the compiler's own
            continue
        wrong = got.reshape(-1) != reference[name].reshape(-1)
        assert not wrong.any(), f"{name}: {wrong.sum()} of {wrong.size} values differ"
        compared += 1
    assert compared
    return Expected(content, exits, x, tensors, [net.run(x, exit) for exit in range(len(net.exits))])
