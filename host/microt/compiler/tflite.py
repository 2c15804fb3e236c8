# SPDX-License-Identifier: MIT
"""Reads a TensorFlow Lite file into a graph, with the schema's own generated accessors.

The accessors trust the file; a damaged one makes them raise whatever Python raises. Everything
read here is therefore bounded by the file's size and ends as ValueError naming the file.
"""

import struct
from pathlib import Path

import numpy as np
import tflite as schema

from .graph import Graph, Op, Tensor, topological

_MAGIC = b"TFL3"
_DAMAGE = (
    struct.error,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
    OverflowError,
    MemoryError,
    ZeroDivisionError,
)


def _names(enumeration):
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


_KINDS = _names(schema.BuiltinOperator)
_TYPES = {code: name.lower() for code, name in _names(schema.TensorType).items() if code < (1 << 16)}
_ACTIVATIONS = _names(schema.ActivationFunctionType)
_NUMPY = {
    "int8": np.dtype("<i1"),
    "uint8": np.dtype("<u1"),
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bool": np.dtype("?"),
}
_MAX_ELEMENTS = 1 << 28

# operator: its options table, and the fields that the compiler reads
_OPTIONS = {
    "CONV_2D": ("Conv2DOptions", "Padding StrideH StrideW DilationHFactor DilationWFactor"),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        "Padding StrideH StrideW DilationHFactor DilationWFactor DepthMultiplier",
    ),
    "FULLY_CONNECTED": ("FullyConnectedOptions", "WeightsFormat"),
    "ADD": ("AddOptions", ""),
    "SUB": ("SubOptions", ""),
    "MUL": ("MulOptions", ""),
    "AVERAGE_POOL_2D": ("Pool2DOptions", "Padding StrideH StrideW FilterHeight FilterWidth"),
    "MAX_POOL_2D": ("Pool2DOptions", "Padding StrideH StrideW FilterHeight FilterWidth"),
    "GELU": ("GeluOptions", "Approximate"),
    "LEAKY_RELU": ("LeakyReluOptions", "Alpha"),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        "BeginMask EndMask EllipsisMask NewAxisMask ShrinkAxisMask Offset",
    ),
    "MEAN": ("ReducerOptions", "KeepDims"),
    "SOFTMAX": ("SoftmaxOptions", "Beta"),
    "CONCATENATION": ("ConcatenationOptions", "Axis"),
}
_FUSED = {
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "ADD",
    "SUB",
    "MUL",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "CONCATENATION",
}


class _Refused(ValueError):
    """A whole file, but not one that the compiler takes."""


def _bounded(count, size, what):
    if not 0 <= count <= size:
        raise ValueError(f"{what}: a count of {count} in a file of {size} bytes")
    return count


def _vector(array):
    """The accessors give 0 for an absent vector."""
    return np.zeros(0, np.int64) if isinstance(array, int) else np.asarray(array)


def _tensor(table, buffers, size, index):
    name = table.Name()
    name = name.decode("utf-8", "replace") if name else f"tensor{index}"
    dtype = _TYPES.get(table.Type())
    if dtype is None:
        raise ValueError(f"tensor {name!r}: unknown element type {table.Type()}")
    shape = tuple(int(n) for n in _vector(table.ShapeAsNumpy()))
    signature = [int(n) for n in _vector(table.ShapeSignatureAsNumpy())]
    dynamic = any(n <= 0 for n in shape)
    elements = 1
    for n in shape:
        elements *= max(n, 1)
    if len(shape) > 8 or elements > _MAX_ELEMENTS:
        raise ValueError(f"tensor {name!r}: shape {list(shape)} is out of reach")
    quantisation = table.Quantization()
    scales, zero_points, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    if quantisation is not None:
        scales = _vector(quantisation.ScaleAsNumpy()).astype(np.float32)
        zero_points = _vector(quantisation.ZeroPointAsNumpy()).astype(np.int64)
        axis = int(quantisation.QuantizedDimension())
        if len(zero_points) == 0 and len(scales):
            zero_points = np.zeros(len(scales), np.int64)
        if len(zero_points) == 1 and len(scales) > 1:
            zero_points = np.repeat(zero_points, len(scales))
        if len(scales) != len(zero_points):
            raise ValueError(f"tensor {name!r}: {len(scales)} scales but {len(zero_points)} zero points")
        if len(scales) and not (np.isfinite(scales).all() and (scales >= 0).all()):
            raise ValueError(f"tensor {name!r}: expected scales of 0 or more, got {scales.min()}")
        if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
            raise ValueError(f"tensor {name!r}: {len(scales)} scales along dimension {axis} of shape {list(shape)}")
    tensor = Tensor(name, shape, dtype, scales, zero_points, axis)
    buffer = table.Buffer()
    if not 0 <= buffer < len(buffers):
        raise ValueError(f"tensor {name!r}: buffer {buffer} of {len(buffers)}")
    raw = buffers[buffer]
    if raw is not None and dtype in _NUMPY and table.Sparsity() is None:
        item = _NUMPY[dtype]
        if dynamic or len(raw) != elements * item.itemsize:
            raise ValueError(
                f"tensor {name!r}: expected {elements * item.itemsize} bytes for shape "
                f"{list(shape)} of {dtype}, got {len(raw)}"
            )
        tensor.data = np.frombuffer(raw, item).reshape(shape)
    elif raw is not None:
        tensor.data = np.frombuffer(raw, np.uint8)
        tensor.dtype = f"sparse {dtype}" if dtype in _NUMPY else dtype
    elif dynamic or (len(signature) == len(shape) and any(n < 0 for n in signature[1:])):
        raise _Refused(f"tensor {name!r}: expected a static shape, got {signature or list(shape)}")
    return tensor


def _options(op, kind):
    entry = _OPTIONS.get(kind)
    if entry is None:
        return {}
    name, fields = entry
    table = op.BuiltinOptions()
    expected = getattr(schema.BuiltinOptions, name)
    if table is None:
        if op.BuiltinOptionsType() not in (0, expected):
            raise ValueError(f"{kind} with options of type {op.BuiltinOptionsType()}")
        raise ValueError(f"{kind} without its {name}")
    if op.BuiltinOptionsType() != expected:
        raise ValueError(f"{kind}: expected {name}, got options of type {op.BuiltinOptionsType()}")
    reader = getattr(schema, name)()
    reader.Init(table.Bytes, table.Pos)
    values = {field: getattr(reader, field)() for field in fields.split()}
    if "Padding" in values:
        code = values["Padding"]
        if code not in (0, 1):
            raise ValueError(f"{kind}: expected padding SAME or VALID, got code {code}")
        values["Padding"] = "VALID" if code == schema.Padding.VALID else "SAME"
    if kind in _FUSED:
        code = reader.FusedActivationFunction()
        if code not in _ACTIVATIONS:
            raise ValueError(f"{kind}: unknown fused activation {code}")
        values["activation"] = _ACTIVATIONS[code]
    return values


def _read(data, source):
    model = schema.Model.GetRootAsModel(data, 0)
    size = len(data)
    if model.Version() != 3:
        raise _Refused(f"expected TensorFlow Lite schema version 3, got {model.Version()}")
    if model.SubgraphsLength() != 1:
        raise _Refused(f"expected one subgraph, got {model.SubgraphsLength()}")
    kinds = []
    for i in range(_bounded(model.OperatorCodesLength(), size, "operator codes")):
        code = model.OperatorCodes(i)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = _KINDS.get(number, f"operator {number}")
        if kind == "CUSTOM":
            kind = f"CUSTOM {(code.CustomCode() or b'?').decode('utf-8', 'replace')}"
        kinds.append(kind)
    buffers = []
    total = 0
    for i in range(_bounded(model.BuffersLength(), size, "buffers")):
        raw = _vector(model.Buffers(i).DataAsNumpy())
        total += _bounded(len(raw), size - total, "constant data")
        buffers.append(raw.astype(np.uint8, copy=False).tobytes() if len(raw) else None)
    subgraph = model.Subgraphs(0)
    count = _bounded(subgraph.TensorsLength(), size, "tensors")
    tensors = [_tensor(subgraph.Tensors(i), buffers, size, i) for i in range(count)]

    def indices(array, what, optional=False):
        values = [int(i) for i in _vector(array)]
        for i in values:
            if not (-1 if optional else 0) <= i < count:
                raise ValueError(f"{what}: tensor {i} of {count}")
        return values

    ops = []
    for i in range(_bounded(subgraph.OperatorsLength(), size, "operators")):
        op = subgraph.Operators(i)
        if not 0 <= op.OpcodeIndex() < len(kinds):
            raise ValueError(f"layer {i}: operator code {op.OpcodeIndex()} of {len(kinds)}")
        kind = kinds[op.OpcodeIndex()]
        try:
            inputs = indices(op.InputsAsNumpy(), "inputs", optional=True)
            outputs = indices(op.OutputsAsNumpy(), "outputs")
            if not outputs:
                raise ValueError("no output")
            ops.append(Op(kind, inputs, outputs, _options(op, kind), i))
        except ValueError as error:
            raise ValueError(f"layer {i} {kind}: {error}") from None
    inputs = indices(subgraph.InputsAsNumpy(), "model inputs")
    outputs = indices(subgraph.OutputsAsNumpy(), "model outputs")
    if len(inputs) != 1:
        raise _Refused(f"expected one input, got {len(inputs)}")
    if not outputs:
        raise _Refused("expected at least one output, got none")
    return Graph(source, tensors, ops, inputs, outputs)


def read(data, source="model"):
    """Read the bytes of a .tflite file (TensorFlow Lite schema version 3) into a Graph.

    Operators of every kind are read, supported or not; `passes.check` judges those that remain.
    Raises ValueError, naming `source`, for what is no such file, truncated, damaged, has more
    than one subgraph or input, or a shape that is not static.
    """
    data = bytes(data)
    if len(data) < 8 or data[4:8] != _MAGIC:
        raise ValueError(
            f"{source}: expected a TensorFlow Lite file (the letters TFL3 at byte 4), "
            f"got {data[4:8]!r} in {len(data)} bytes"
        )
    try:
        graph = _read(data, source)
    except _Refused as error:
        raise ValueError(f"{source}: {error}") from None
    except _DAMAGE as error:
        what = str(error) if isinstance(error, ValueError) else repr(error)
        raise ValueError(
            f"{source}: expected a whole TensorFlow Lite file, this one is truncated or damaged ({what})"
        ) from None
    topological(graph)
    return graph


def read_file(path):
    """`read` of a file; ValueError as there, OSError where it cannot be opened."""
    path = Path(path)
    return read(path.read_bytes(), path.name)
