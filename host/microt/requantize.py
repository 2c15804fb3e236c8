# SPDX-License-Identifier: MIT
"""A legacy uint8 `.tflite` file (one scale a tensor, asymmetric weights) as an int8 one.

Its weights are dequantised into a float Keras model of the same graph, which is quantised again
with calibration data: weights symmetric and per channel, as the engine and today's TensorFlow Lite
have them. int8 files of any origin take the same way.

Where a file relies on saturation for its activations (a converter of the time dropped a ReLU that
the uint8 range implies), the float model gets the ReLU back.
"""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
from keras import layers

from microt import data
from microt.compiler import tflite
from microt.compiler.graph import Graph, Op, Tensor
from microt.quantize import quantize

_ACTIVATIONS = {"NONE": None, "RELU": None, "RELU6": 6.0}
_NEAR = 0.01


def rebuild(source: str | Path | bytes) -> keras.Model:
    """The float Keras model of a quantised `.tflite` file.

    Takes the file's own input as pixels / 128 - 1 (the file's uint8 value q is 128 * (x + 1)),
    without the batch; outputs in the file's order. ValueError, naming the file, lists all layers
    that have no Keras twin here.
    """
    graph = _read(source)
    return _Builder(graph).model()


def calibration(source: str | Path | bytes, samples: str | Path | np.ndarray, count: int = 200) -> np.ndarray:
    """uint8 (N, *input shape) samples for a file's input, at most `count`, evenly drawn.

    samples: a `.npy` (uint8, or float32 in the real values of the file's input), an array of the
    same kinds, or a data set of pictures (see `data.load`), scaled to the input's size.
    ValueError when the shape does not fit.
    """
    graph = _read(source)
    start = graph.tensors[graph.inputs[0]]
    shape = tuple(start.shape[1:])
    if isinstance(samples, np.ndarray):
        x = samples
    elif Path(samples).suffix == ".npy":
        x = np.load(samples, allow_pickle=False)
    else:
        if len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3:
            raise ValueError(f"data: the input of {graph.source} is {shape}, no square RGB picture; give a .npy")
        x = data.load(samples, shape[0]).x
    if x.ndim != len(shape) + 1 or tuple(x.shape[1:]) != shape or not len(x):
        raise ValueError(f"data: expected (N, {', '.join(map(str, shape))}), got {x.shape}")
    x = x[np.linspace(0, len(x) - 1, min(count, len(x))).astype(int)]
    if x.dtype == np.float32:
        x = np.clip(np.rint(x / start.scale) + start.zero_point, 0, 255).astype(np.uint8)
    if x.dtype != np.uint8:
        raise ValueError(f"data: expected uint8 or float32, got {x.dtype}")
    return x


def requantize(source: str | Path | bytes, samples: np.ndarray) -> bytes:
    """The int8 `.tflite` of a legacy uint8 one; samples: uint8 (N, *input shape)."""
    return quantize(rebuild(source), samples)


def agreement(old: str | Path | bytes, new: bytes, samples: np.ndarray) -> list[float]:
    """How far two files answer alike: for each output of the old file, the correlation of its real
    values with those of the new file, over all of the samples, uint8 (N, *input shape)."""
    figures = []
    for wanted, found in zip(_outputs(old, samples), _outputs(new, samples), strict=True):
        if wanted.std() == 0 or found.std() == 0:
            figures.append(float(np.allclose(wanted, found)))
        else:
            figures.append(float(np.corrcoef(wanted.ravel(), found.ravel())[0, 1]))
    return figures


def _read(source: str | Path | bytes) -> Graph:
    graph = tflite.read(source) if isinstance(source, bytes) else tflite.read_file(source)
    start = graph.tensors[graph.inputs[0]]
    if start.dtype not in ("uint8", "int8") or len(start.scales) != 1:
        raise ValueError(
            f"{graph.source}: expected a quantised file with a uint8 or int8 input, got an input of {start.dtype}"
        )
    return graph


def _outputs(source: str | Path | bytes, samples: np.ndarray) -> list[np.ndarray]:
    """Real values of each output, float32 (N, size), in the order that the file or its signature
    gives them."""
    import tensorflow as tf

    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    start = interpreter.get_input_details()[0]
    outputs = interpreter.get_output_details()
    signatures = interpreter.get_signature_list()
    if signatures:
        named = interpreter.get_signature_runner(next(iter(signatures))).get_output_details()
        outputs = [named[name] for name in sorted(named, key=lambda n: (len(n), n))]
    found = [[] for _ in outputs]
    for sample in samples:
        if start["dtype"] == np.int8:
            sample = (sample.astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(start["index"], sample[None])
        interpreter.invoke()
        for rows, output in zip(found, outputs, strict=True):
            scale, zero = output["quantization"]
            q = interpreter.get_tensor(output["index"]).reshape(-1).astype(np.float32)
            rows.append((q - zero) * scale if scale else q)
    return [np.stack(rows) for rows in found]


class _Unknown(ValueError):
    """A layer without a twin; the message says why."""


class _Builder:
    """Keras tensors for the tensors of a graph, operator by operator."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.values: dict[int, keras.KerasTensor] = {}
        self.names: set[str] = set()
        self.weights: list[tuple[keras.Layer, list[np.ndarray]]] = []

    def model(self) -> keras.Model:
        graph = self.graph
        start = graph.tensors[graph.inputs[0]]
        x = entry = layers.Input(tuple(start.shape[1:]), name="pixels")
        # what the value 128 (x + 1) of the file's input means
        zero = start.zero_point + (128 if start.dtype == "int8" else 0)
        scale, offset = 128 * float(start.scale), (128 - zero) * float(start.scale)
        if abs(scale - 1) > 1e-3 or abs(offset) > 1e-6:
            x = layers.Rescaling(scale, offset=offset, name="real_input")(x)
        self.values[graph.inputs[0]] = x
        failures = []
        for op in graph.ops:
            try:
                self.values[op.output] = self.build(op)
            except _Unknown as error:
                failures.append(f"  layer {op.layer} {op.kind} -> {graph.tensors[op.output].name!r}: {error}")
                self.values[op.output] = layers.Input(tuple(graph.tensors[op.output].shape[1:]))
        if failures:
            raise ValueError(
                f"{graph.source}: {len(failures)} of {len(graph.ops)} layers cannot be rebuilt in Keras:\n"
                + "\n".join(failures)
                + f"\nlayers that can: {', '.join(sorted(_BUILD))}"
            )
        model = keras.Model(entry, [self.values[t] for t in graph.outputs])
        for layer, weights in self.weights:
            layer.set_weights(weights)
        return model

    def build(self, op: Op):
        if op.kind not in _BUILD:
            raise _Unknown("no twin in Keras here")
        y = self.graph.tensors[op.output]
        made = _BUILD[op.kind](self, op)
        if tuple(made.shape[1:]) != tuple(y.shape[1:]):
            raise _Unknown(f"expected an output of shape {list(y.shape)}, got {list(made.shape)}")
        return made

    def name(self, op: Op, more: str = "") -> str:
        """The tensor's own name (the first, where the converter joined several) as far as Keras
        takes it, once."""
        name = self.graph.tensors[op.output].name.split(";")[0]
        name = (re.sub(r"[^A-Za-z0-9_.]+", "_", name).strip("_.") or f"layer{op.layer}") + more
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def input(self, op: Op, which: int = 0):
        index = op.inputs[which]
        if index not in self.values:
            raise _Unknown(f"input {which} is a constant or absent")
        return self.values[index]

    def real(self, index: int) -> np.ndarray:
        """A constant's real values, float32."""
        tensor = self.graph.tensors[index]
        if not tensor.is_constant:
            raise _Unknown(f"{tensor.name!r} is computed, expected a constant")
        if tensor.dtype == "float32":
            return tensor.data
        if not len(tensor.scales):
            raise _Unknown(f"constant {tensor.name!r} has no scale")
        shape = [1] * tensor.data.ndim
        if len(tensor.scales) > 1:
            shape[tensor.axis] = -1
        zero, scale = (np.asarray(a, np.float64).reshape(shape or -1) for a in (tensor.zero_points, tensor.scales))
        return ((tensor.data.astype(np.float64) - zero) * scale).astype(np.float32).reshape(tensor.data.shape)

    def bias(self, op: Op, channels: int) -> np.ndarray:
        if len(op.inputs) < 3 or op.inputs[2] < 0:
            return np.zeros(channels, np.float32)
        return self.real(op.inputs[2]).reshape(channels)

    def weighted(self, op: Op, layer: keras.Layer, x, weights: list[np.ndarray]):
        self.weights.append((layer, weights))
        return self.activated(op, layer(x))

    def activated(self, op: Op, x):
        """`x` behind the operator's activation, or the one that its output's range implies."""
        kind = op.options.get("activation", "NONE")
        if kind not in _ACTIVATIONS:
            raise _Unknown(f"activation {kind}")
        most = _ACTIVATIONS[kind]
        if kind == "NONE":
            y = self.graph.tensors[op.output]
            low, high = _range(y)
            if low is None or low != 0:
                return x
            most = 6.0 if abs(high - 6) < 6 * _NEAR else None
        return layers.ReLU(max_value=most, name=self.name(op))(x)

    def has_activation(self, op: Op) -> bool:
        low, _ = _range(self.graph.tensors[op.output])
        return op.options.get("activation", "NONE") != "NONE" or low == 0


def _range(tensor: Tensor) -> tuple[float | None, float | None]:
    """The real values at both ends of a quantised tensor."""
    if tensor.dtype not in ("uint8", "int8") or len(tensor.scales) != 1:
        return None, None
    ends = (0, 255) if tensor.dtype == "uint8" else (-128, 127)
    low, high = ((end - tensor.zero_point) * float(tensor.scale) for end in ends)
    return low, high


def _stride(op: Op):
    return op.options["StrideH"], op.options["StrideW"]


def _conv(builder: _Builder, op: Op):
    kernel = np.transpose(builder.real(op.inputs[1]), (1, 2, 3, 0))  # kh, kw, cin, cout
    x = builder.input(op)
    layer = layers.Conv2D(
        kernel.shape[3],
        kernel.shape[:2],
        strides=_stride(op),
        padding=op.options["Padding"].lower(),
        dilation_rate=(op.options["DilationHFactor"], op.options["DilationWFactor"]),
        groups=x.shape[3] // kernel.shape[2],
        name=builder.name(op, "_linear" if builder.has_activation(op) else ""),
    )
    return builder.weighted(op, layer, x, [kernel, builder.bias(op, kernel.shape[3])])


def _depthwise(builder: _Builder, op: Op):
    x = builder.input(op)
    kernel = builder.real(op.inputs[1])  # 1, kh, kw, c * multiplier
    kernel = kernel.reshape(*kernel.shape[1:3], x.shape[3], -1)
    layer = layers.DepthwiseConv2D(
        kernel.shape[:2],
        strides=_stride(op),
        padding=op.options["Padding"].lower(),
        depth_multiplier=kernel.shape[3],
        dilation_rate=(op.options["DilationHFactor"], op.options["DilationWFactor"]),
        name=builder.name(op, "_linear" if builder.has_activation(op) else ""),
    )
    return builder.weighted(op, layer, x, [kernel, builder.bias(op, kernel.shape[2] * kernel.shape[3])])


def _dense(builder: _Builder, op: Op):
    matrix = builder.real(op.inputs[1])  # out, in
    x = builder.input(op)
    if len(x.shape) != 2:
        x = layers.Flatten(name=builder.name(op, "_flat"))(x)
    if x.shape[1] != matrix.shape[1]:
        raise _Unknown(f"weights of shape {list(matrix.shape)} for {x.shape[1]} values")
    name = builder.name(op, "_linear" if builder.has_activation(op) else "")
    layer = layers.Dense(matrix.shape[0], name=name)
    return builder.weighted(op, layer, x, [matrix.T, builder.bias(op, matrix.shape[0])])


def _add(builder: _Builder, op: Op):
    name = builder.name(op, "_linear" if builder.has_activation(op) else "")
    return builder.activated(op, layers.Add(name=name)([builder.input(op), builder.input(op, 1)]))


def _pool(kind):
    def build(builder: _Builder, op: Op):
        layer = kind(
            (op.options["FilterHeight"], op.options["FilterWidth"]),
            strides=_stride(op),
            padding=op.options["Padding"].lower(),
            name=builder.name(op, "_linear" if op.options["activation"] != "NONE" else ""),
        )
        x = layer(builder.input(op))
        return builder.activated(op, x) if op.options["activation"] != "NONE" else x

    return build


def _reshape(builder: _Builder, op: Op):
    shape = tuple(builder.graph.tensors[op.output].shape[1:])
    return layers.Reshape(shape, name=builder.name(op))(builder.input(op))


def _softmax(builder: _Builder, op: Op):
    if op.options["Beta"] != 1:
        raise _Unknown(f"beta {op.options['Beta']}, expected 1")
    return layers.Softmax(name=builder.name(op))(builder.input(op))


def _concatenation(builder: _Builder, op: Op):
    if op.options["activation"] != "NONE":
        raise _Unknown(f"activation {op.options['activation']}")
    inputs = [builder.input(op, i) for i in range(len(op.inputs))]
    return layers.Concatenate(axis=op.options["Axis"], name=builder.name(op))(inputs)


def _pad(builder: _Builder, op: Op):
    amounts = builder.graph.tensors[op.inputs[1]]
    if not amounts.is_constant or amounts.shape != (4, 2) or amounts.data[[0, 3]].any():
        raise _Unknown("expected constant paddings of height and width")
    sides = tuple(tuple(int(n) for n in pair) for pair in amounts.data[1:3])
    return layers.ZeroPadding2D(sides, name=builder.name(op))(builder.input(op))


def _mean(builder: _Builder, op: Op):
    axes = builder.graph.tensors[op.inputs[1]]
    x = builder.input(op)
    if not axes.is_constant or {int(a) % 4 for a in axes.data.reshape(-1)} != {1, 2} or len(x.shape) != 4:
        raise _Unknown("expected a mean over height and width")
    keep = len(builder.graph.tensors[op.output].shape) == 4
    return layers.GlobalAveragePooling2D(keepdims=keep, name=builder.name(op))(x)


def _activation(kind, **options):
    def build(builder: _Builder, op: Op):
        return kind(name=builder.name(op), **options)(builder.input(op))

    return build


def _same(builder: _Builder, op: Op):
    return builder.input(op)


_BUILD = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool(layers.AveragePooling2D),
    "MAX_POOL_2D": _pool(layers.MaxPooling2D),
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "SOFTMAX": _softmax,
    "CONCATENATION": _concatenation,
    "PAD": _pad,
    "MEAN": _mean,
    "RELU": _activation(layers.ReLU),
    "RELU6": _activation(layers.ReLU, max_value=6.0),
    "LOGISTIC": _activation(layers.Activation, activation="sigmoid"),
    "TANH": _activation(layers.Activation, activation="tanh"),
    "QUANTIZE": _same,
    "DEQUANTIZE": _same,
}
