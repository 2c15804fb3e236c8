# SPDX-License-Identifier: MIT
"""A quantised `.tflite` classifier as the start of a Keras backbone: its weights, dequantised.

Value = (q - zero point) * scale, per tensor or per output channel. Convolutions are matched in
the order of execution, so the file must hold the same sequence of layers as the Keras model.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tflite
from keras import layers


def convolutions(path: str | Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The convolutions of a `.tflite` file in order: (kind, kernel, bias), float32.

    kind "conv": kernel (kh, kw, cin, cout); kind "depthwise": kernel (kh, kw, c, multiplier).
    """
    model = tflite.Model.GetRootAs(Path(path).read_bytes(), 0)
    graph = model.Subgraphs(0)
    found = []
    for i in range(graph.OperatorsLength()):
        op = graph.Operators(i)
        code = _builtin_code(model.OperatorCodes(op.OpcodeIndex()))
        if code == tflite.BuiltinOperator.CONV_2D:
            kernel = np.transpose(_value(model, graph, op.Inputs(1)), (1, 2, 3, 0))
            found.append(("conv", kernel, _value(model, graph, op.Inputs(2))))
        elif code == tflite.BuiltinOperator.DEPTHWISE_CONV_2D:
            kernel = _value(model, graph, op.Inputs(1))  # 1, kh, kw, c * multiplier
            multiplier = _depth_multiplier(op)
            kernel = kernel.reshape(*kernel.shape[1:3], -1, multiplier)
            found.append(("depthwise", kernel, _value(model, graph, op.Inputs(2))))
    return found


def load_start(model: keras.Model, path: str | Path) -> list[str]:
    """Set the weights of `model`'s convolutions, in order, from a `.tflite` file.

    Layers whose name begins with "adapter" have no twin and are left alone; what the file has
    beyond the model's last layer (a classifier) is ignored. Returns the names of the layers set.
    ValueError names the first layer whose kind or shape differs.
    """
    source = convolutions(path)
    targets = [
        layer
        for layer in model.layers
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)) and not layer.name.startswith("adapter")
    ]
    if len(source) < len(targets):
        raise ValueError(f"{path}: expected {len(targets)} convolutions, got {len(source)}")
    for layer, (kind, kernel, bias) in zip(targets, source, strict=False):
        wanted = "depthwise" if isinstance(layer, layers.DepthwiseConv2D) else "conv"
        shape = tuple(layer.get_weights()[0].shape)
        if kind != wanted or kernel.shape != shape:
            raise ValueError(
                f"{path}: layer {layer.name} expects a {wanted} kernel of shape {shape}, got {kind} {kernel.shape}"
            )
        layer.set_weights([kernel, bias])
    return [layer.name for layer in targets]


def _builtin_code(code) -> int:
    return max(code.BuiltinCode(), code.DeprecatedBuiltinCode())


def _depth_multiplier(op) -> int:
    options = tflite.DepthwiseConv2DOptions()
    table = op.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options.DepthMultiplier()


def _value(model, graph, index: int) -> np.ndarray:
    tensor = graph.Tensors(index)
    kinds = {
        tflite.TensorType.UINT8: np.uint8,
        tflite.TensorType.INT8: np.int8,
        tflite.TensorType.INT32: np.int32,
        tflite.TensorType.FLOAT32: np.float32,
    }
    if tensor.Type() not in kinds:
        raise ValueError(f"tensor {tensor.Name().decode()}: weights of type {tensor.Type()}")
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
    value = np.frombuffer(raw, kinds[tensor.Type()]).reshape(tensor.ShapeAsNumpy())
    if tensor.Type() == tflite.TensorType.FLOAT32:
        return value
    quantization = tensor.Quantization()
    scale = np.asarray(quantization.ScaleAsNumpy(), np.float64)
    zero = np.asarray(quantization.ZeroPointAsNumpy(), np.float64)
    shape = [1] * value.ndim
    shape[quantization.QuantizedDimension()] = -1
    value = (value - zero.reshape(shape)) * scale.reshape(shape)
    return value.astype(np.float32)
