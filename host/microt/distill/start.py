# SPDX-License-Identifier: MIT
"""A quantised `.tflite` network as the start of a Keras backbone: its weights, dequantised.

Value = (q - zero point) * scale, per tensor or per output channel. A classifier's convolutions are matched in
the order of execution, so the file must hold the same sequence of layers as the Keras model; of a
backbone with two exits (`read_backbone`) the graph tells which layers are the first exit's own.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tflite
from keras import layers

from microt.zoo.mobilenet_v1 import BLOCKS, LAST_STRIDED, folded, mobilenet_v1

CONVOLUTIONS = (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D)


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
    return _set_in_order(model, convolutions(path), path)


def load_application(model: keras.Model, name: str, weights: str, width: float) -> list[str]:
    """As `load_start`, from a network of keras.applications with its batch normalisation folded into it.

    name: such as "MobileNetV2". weights: "imagenet" (fetched by Keras) or a file. ValueError says why they are not
    to be had.
    """
    builder = getattr(keras.applications, name)
    try:
        network = builder(
            input_shape=tuple(model.input_shape[1:]), alpha=width, include_top=False,
            weights=None if weights == "random" else weights,
        )  # fmt: skip
    except Exception as error:  # Keras raises what its downloader raises, a bare Exception among them
        raise ValueError(f"start.application: {name} of width {width} with weights {weights!r}: {error}") from error
    return _set_in_order(model, folded_convolutions(network), name)


def folded_convolutions(model: keras.Model) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """As `convolutions`, of a Keras network whose convolutions are each followed by batch normalisation."""
    found = []
    for layer in model.layers:
        if not isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            continue
        norm = layer._outbound_nodes[0].operation
        if layer.use_bias or not isinstance(norm, layers.BatchNormalization):
            raise ValueError(f"{model.name}: expected batch normalisation behind {layer.name}, got {norm.name}")
        kind = "depthwise" if isinstance(layer, layers.DepthwiseConv2D) else "conv"
        found.append((kind, *folded(layer.get_weights()[0], norm, kind == "depthwise")))
    return found


def set_random(model: keras.Model, seed: int) -> None:
    """Random weights of a variance that neither dies nor explodes behind ReLU (He et al., arXiv:1502.01852)."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            kernel, *rest = layer.get_weights()
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            fan_in = kernel[..., 0, 0].size if depthwise else kernel[..., 0].size
            layer.set_weights([rng.normal(0, (2 / fan_in) ** 0.5, kernel.shape), *rest])


def _set_in_order(model: keras.Model, source: list, path: str | Path) -> list[str]:
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


def read_backbone(path: str | Path) -> keras.Model:
    """A MobileNetV1 with two exits as `microt distill` writes it, float: a `.keras` file or an int8 `.tflite`.

    ValueError says what about the file is not such a backbone.
    """
    path = Path(path)
    if path.suffix == ".keras":
        model = keras.models.load_model(path)
        if model.name != "mobilenet_v1" or len(model.outputs) != 2:
            raise ValueError(f"{path}: expected a mobilenet_v1 of two exits, got {model.name}")
        return model
    if path.suffix != ".tflite":
        raise ValueError(f"{path}: expected a .keras or .tflite backbone")
    source = tflite.Model.GetRootAs(path.read_bytes(), 0)
    graph = source.Subgraphs(0)
    needs = [_needed(graph, int(output)) for output in graph.OutputsAsNumpy()]
    if len(needs) != 2:
        raise ValueError(f"{path}: expected a backbone of two exits, got {len(needs)}")
    found = dict(zip(_convolution_places(source, graph), convolutions(path), strict=True))
    last = max((0, 1), key=lambda e: sum(op in found for op in needs[e]))
    trunk, first = ([op for op in found if op in needs[e]] for e in (last, 1 - last))
    branch = [op for op in first if op not in trunk]
    before = [op for op in first if op in trunk]
    if len(trunk) != 2 * len(BLOCKS) + 1 or len(before) % 2 == 0 or len(branch) not in (0, 2):
        raise ValueError(
            f"{path}: expected a MobileNetV1 whose first exit has a branch of two convolutions or none, "
            f"got {len(trunk)} convolutions to the last exit, {len(before)} shared and {len(branch)} beside them"
        )
    blocks = {op: number // 2 for number, op in enumerate(trunk)}
    taken = blocks[_writer(source, graph, int(graph.Operators(branch[0]).Inputs(0)))] if branch else 0
    vectors = [_pooled(source, graph, int(graph.Outputs(e))) for e in (1 - last, last)]
    beside = [[blocks[op] for op in vector if op in blocks] for vector in vectors]
    model = mobilenet_v1(
        found[trunk[-1]][1].shape[-1] / BLOCKS[-1][0],
        int(graph.Tensors(graph.Inputs(0)).Shape(1)),
        exit_block=len(before) // 2,
        adapter=found[branch[1]][1].shape[-1] if branch else 0,
        adapter_block=0 if taken == len(before) // 2 else taken,
        beside=(tuple(beside[0][:-1]), tuple(beside[1][:-1])),
        last_stride=_stride(graph.Operators(trunk[2 * LAST_STRIDED - 1])),
    )
    names = ["conv0"] + [f"{kind}{n}" for n in range(1, len(BLOCKS) + 1) for kind in ("dw", "pw")]
    for name, op in zip(names + ["adapter_dw", "adapter_pw"], trunk + branch, strict=False):
        model.get_layer(name).set_weights(found[op][1:])
    return model


def _pooled(model, graph, output: int) -> list[int]:
    """The convolutions whose pooled maps make the vector `output`, in its order."""
    last = next(op for op in map(graph.Operators, range(graph.OperatorsLength())) if output in op.OutputsAsNumpy())
    concatenates = _builtin_code(model.OperatorCodes(last.OpcodeIndex())) == tflite.BuiltinOperator.CONCATENATION
    return [_writer(model, graph, int(t)) for t in (last.InputsAsNumpy() if concatenates else [output])]


def _writer(model, graph, tensor: int) -> int:
    """The convolution behind a tensor, pooling and whatever else takes one input passed over."""
    place = next(i for i in range(graph.OperatorsLength()) if tensor in graph.Operators(i).OutputsAsNumpy())
    op = graph.Operators(place)
    if _builtin_code(model.OperatorCodes(op.OpcodeIndex())) in CONVOLUTIONS:
        return place
    return _writer(model, graph, int(op.Inputs(0)))


def _convolution_places(model, graph) -> list[int]:
    places = range(graph.OperatorsLength())
    return [i for i in places if _builtin_code(model.OperatorCodes(graph.Operators(i).OpcodeIndex())) in CONVOLUTIONS]


def _needed(graph, tensor: int) -> set[int]:
    """The operators that a tensor needs."""
    wanted, found = {tensor}, set()
    for number in reversed(range(graph.OperatorsLength())):  # operators stand in order of execution
        op = graph.Operators(number)
        if wanted & {int(t) for t in op.OutputsAsNumpy()}:
            wanted |= {int(t) for t in op.InputsAsNumpy()}
            found.add(number)
    return found


def _builtin_code(code) -> int:
    return max(code.BuiltinCode(), code.DeprecatedBuiltinCode())


def _depth_multiplier(op) -> int:
    return _depthwise_options(op).DepthMultiplier()


def _stride(op) -> int:
    return _depthwise_options(op).StrideH()


def _depthwise_options(op) -> tflite.DepthwiseConv2DOptions:
    options = tflite.DepthwiseConv2DOptions()
    table = op.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


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
