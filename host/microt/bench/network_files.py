# SPDX-License-Identifier: MIT
"""Benchmark networks and single layers as int8 ``.tflite`` files, made from the names of ``networks``.

Weights are random, the same at every call: a kernel's cost depends on the shapes, and as good as not on the values.
Weights are quantised per channel and symmetric, activations per tensor: the input's zero point is -128, that of an
output -128 behind a ReLU and -3 else, and the output's scale lets its values fill int8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

# builtin code, operator version, options
_OPERATORS = {
    "ADD": (0, 2, "AddOptions"),
    "AVERAGE_POOL_2D": (1, 2, "Pool2DOptions"),
    "CONV_2D": (3, 3, "Conv2DOptions"),
    "DEPTHWISE_CONV_2D": (4, 3, "DepthwiseConv2DOptions"),
    "FULLY_CONNECTED": (9, 4, "FullyConnectedOptions"),
    "MAX_POOL_2D": (17, 2, "Pool2DOptions"),
    "PAD": (34, 2, "PadOptions"),
    "RESHAPE": (22, 1, "ReshapeOptions"),
}
_VALID, _RELU = 1, 1
_INPUT_SCALE, _WEIGHT_SCALE, _INPUT_ZERO = 1 / 255, 0.01, -128
_DEVIATION = 40  # of an output's int8 values, about


@dataclass(frozen=True)
class Layer:
    """What a layer's name tells. Shapes are (h, w, c); before, after: rows and columns of padding."""

    name: str
    kind: str  # conv, pw, dw, fc, add, gap or avgpool
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    kernel: int
    stride: int
    before: int
    after: int
    relu: bool


def read_name(name: str) -> Layer:
    """The layer of a name as ``networks`` describes them.

    Raises:
        ValueError: it is no such name.
    """
    found = re.fullmatch(
        r"(?:(conv|dw|avgpool)(\d+)x\2(?:s(\d+))?|(pw|add|gap|fc))_(?:(\d+)x(\d+)_)?(\d+)(?:-(\d+))?(\+relu)?", name
    )
    if found is None:
        raise ValueError(f"layer: expected a name such as pw_24x24_16-96 or dw3x3s2_48x48_48+relu, got {name!r}")
    kind = found[1] or found[4]
    h, w, cin = (int(n or 1) for n in found.group(5, 6, 7))
    cout = int(found[8] or cin)
    kernel, stride = int(found[2] or 1), int(found[3] or 1)
    if kind == "gap":
        return Layer(name, kind, (h, w, cin), (1, 1, cin), h, 1, 0, 0, False)
    out = (-(-h // stride), -(-w // stride), cout)
    before = 0 if kind == "avgpool" else (kernel - 1) // 2
    after = max((out[0] - 1) * stride + kernel - h - before, 0)
    return Layer(name, kind, (h, w, cin), out, kernel, stride, before, after, bool(found[9]))


def network(names: list[str]) -> bytes:
    """A chain of layers as a ``.tflite`` file; ``add`` takes its input and the last tensor of that shape before it.

    Raises:
        ValueError: a name is none, or a layer does not fit the one before.
    """
    layers = [read_name(name) for name in names]
    file = _File()
    x = file.input(layers[0].inputs)
    history = [x]
    for layer in layers:
        if file.shape(x) != layer.inputs:
            raise ValueError(f"layer {layer.name}: expected an input of {layer.inputs}, got {file.shape(x)}")
        if layer.kind == "add":
            x = file.add(layer, x, _earlier(file, history, layer))
        else:
            x = file.layer(layer, x)
        history.append(x)
    return file.pack(file.flat(x))


def single_layer(name: str) -> bytes:
    """One layer as a ``.tflite`` file. The second input of an ``add`` is the first one, pooled over single pixels."""
    layer = read_name(name)
    file = _File()
    x = file.input(layer.inputs)
    y = file.add(layer, x, file.same(x)) if layer.kind == "add" else file.layer(layer, x)
    return file.pack(file.flat(y))


def _earlier(file: _File, history: list[int], layer: Layer) -> int:
    for tensor in reversed(history[:-1]):
        if file.shape(tensor) == layer.inputs:
            return tensor
    raise ValueError(f"layer {layer.name}: expected a tensor of {layer.inputs} before it, there is none")


class _File:
    """A graph under construction; tensors are numbers."""

    def __init__(self):
        self._random = np.random.default_rng(1)
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.buffers = [schema.BufferT()]
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.subgraphs = [self._graph]
        self._scales, self._rms = {}, {}  # of activations; root of the mean square, real values

    def shape(self, tensor: int) -> tuple[int, ...]:
        """(h, w, c)"""
        return tuple(self._graph.tensors[tensor].shape[1:])

    def input(self, shape) -> int:
        return self._activation(shape, _INPUT_SCALE, _INPUT_ZERO, rms=1 / np.sqrt(3))  # from 0 to 1

    def layer(self, layer: Layer, x: int) -> int:
        if layer.kind in ("gap", "avgpool"):
            return self._pool("AVERAGE_POOL_2D", layer.kernel, layer.stride, x, layer.outputs)
        if layer.kind == "fc":
            return self._weighted("FULLY_CONNECTED", layer, x, (layer.outputs[2], layer.inputs[2]))
        if layer.before or layer.after:
            x = self._pad(x, layer.before, layer.after)
        kernel = (layer.kernel, layer.kernel)
        options = {"padding": _VALID, "strideH": layer.stride, "strideW": layer.stride}
        if layer.kind == "dw":
            shape = (1, *kernel, layer.outputs[2])
            return self._weighted("DEPTHWISE_CONV_2D", layer, x, shape, 3, depthMultiplier=1, **options)
        return self._weighted("CONV_2D", layer, x, (layer.outputs[2], *kernel, layer.inputs[2]), **options)

    def add(self, layer: Layer, x: int, other: int) -> int:
        rms = float(np.hypot(self._rms[x], self._rms[other]))
        y = self._activation(layer.outputs, rms / _DEVIATION, _zero(layer), rms)
        return self._operator("ADD", [x, other], y)

    def same(self, x: int) -> int:
        """Another tensor of the same values."""
        return self._pool("MAX_POOL_2D", 1, 1, x, self.shape(x))

    def flat(self, x: int) -> int:
        """An exit of the engine is a vector."""
        shape = self.shape(x)
        if shape[:2] == (1, 1):
            return x
        size = int(np.prod(shape))
        y = self._like(x, (1, 1, size))
        return self._operator("RESHAPE", [x, self._constant(np.int32([1, 1, 1, size]))], y, newShape=[1, 1, 1, size])

    def pack(self, output: int) -> bytes:
        self._graph.inputs, self._graph.outputs = [0], [output]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _weighted(self, kind, layer, x, shape, axis=0, **options) -> int:
        channels = layer.outputs[2]
        weights = self._random.integers(-127, 128, shape).astype(np.int8)
        scales = np.float32(_WEIGHT_SCALE * self._random.uniform(0.5, 1.0, channels))
        taps = weights.size // channels
        deviation = self._rms[x] * float(np.std(weights * np.mean(scales))) * np.sqrt(taps)
        bias = self._random.integers(-500, 500, channels).astype(np.int32)
        inputs = [
            x,
            self._constant(weights, scales, axis),
            self._constant(bias, np.float32(self._scales[x]) * scales),
        ]
        rms = deviation / np.sqrt(2) if layer.relu else deviation
        y = self._activation(layer.outputs, deviation / _DEVIATION, _zero(layer), rms)
        return self._operator(kind, inputs, y, fusedActivationFunction=_RELU if layer.relu else 0, **options)

    def _pool(self, kind, size, stride, x, shape) -> int:
        y = self._like(x, shape)
        return self._operator(
            kind, [x], y, padding=_VALID, filterHeight=size, filterWidth=size, strideH=stride, strideW=stride
        )

    def _pad(self, x, before, after) -> int:
        h, w, c = self.shape(x)
        amounts = np.int32([[0, 0], [before, after], [before, after], [0, 0]])
        shape = (h + before + after, w + before + after, c)
        y = self._like(x, shape)
        return self._operator("PAD", [x, self._constant(amounts)], y)

    def _like(self, x: int, shape) -> int:
        """An activation quantised as x is."""
        zero_point = int(self._graph.tensors[x].quantization.zeroPoint[0])
        return self._activation(shape, self._scales[x], zero_point, self._rms[x])

    def _activation(self, shape, scale, zero_point, rms) -> int:
        tensor = self._tensor((1, *shape), schema.TensorType.INT8, [scale], 0)
        self._graph.tensors[tensor].quantization.zeroPoint = np.int64([zero_point])
        self._scales[tensor], self._rms[tensor] = float(np.float32(scale)), rms
        return tensor

    def _constant(self, values: np.ndarray, scales=None, axis=0) -> int:
        kind = schema.TensorType.INT8 if values.dtype == np.int8 else schema.TensorType.INT32
        tensor = self._tensor(values.shape, kind, scales, axis)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        self._graph.tensors[tensor].buffer = len(self._model.buffers) - 1
        return tensor

    def _tensor(self, shape, kind, scales, axis) -> int:
        tensor = schema.TensorT()
        tensor.name = f"tensor{len(self._graph.tensors)}"
        tensor.shape, tensor.type, tensor.buffer = [int(n) for n in shape], kind, 0
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.float32(scales)
            tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
            tensor.quantization.quantizedDimension = axis
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _operator(self, kind, inputs, output, **options) -> int:
        number, version, options_class = _OPERATORS[kind]
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.version = version
        self._model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), [output]
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, options_class)
        operator.builtinOptions = getattr(schema, options_class + "T")()
        for field, value in options.items():
            setattr(operator.builtinOptions, field, value)
        self._graph.operators.append(operator)
        return output


def _zero(layer: Layer) -> int:
    return -128 if layer.relu else -3
