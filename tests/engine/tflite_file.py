# SPDX-License-Identifier: MIT
"""Writes small int8 .tflite files and runs them with TensorFlow Lite's reference kernels."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

NONE, RELU, RELU6 = 0, 1, 3
SAME, VALID = 0, 1
# in the schema's numbers: builtin code, operator version, options class
_OPERATORS = {
    "CONV_2D": (3, 3, "Conv2DOptions"),
    "DEPTHWISE_CONV_2D": (4, 3, "DepthwiseConv2DOptions"),
    "FULLY_CONNECTED": (9, 4, "FullyConnectedOptions"),
    "ADD": (0, 2, "AddOptions"),
    "PAD": (34, 2, "PadOptions"),
    "PADV2": (60, 2, "PadV2Options"),
    "AVERAGE_POOL_2D": (1, 2, "Pool2DOptions"),
    "MEAN": (40, 2, "ReducerOptions"),
    "RESHAPE": (22, 1, "ReshapeOptions"),
    "SOFTMAX": (25, 2, "SoftmaxOptions"),
    "CONCATENATION": (2, 2, "ConcatenationOptions"),
    "MAX_POOL_2D": (17, 2, "Pool2DOptions"),
    "REDUCE_MAX": (82, 2, "ReducerOptions"),
    "SUB": (41, 2, "SubOptions"),
    "MUL": (18, 2, "MulOptions"),
    "PRELU": (54, 1, None),
    "MAXIMUM": (55, 2, "MaximumMinimumOptions"),
    "MINIMUM": (57, 2, "MaximumMinimumOptions"),
    "EXP": (47, 2, "ExpOptions"),
    "GELU": (150, 2, "GeluOptions"),
    "LOGISTIC": (14, 2, None),
    "TANH": (28, 2, None),
    "HARD_SWISH": (117, 1, "HardSwishOptions"),
    "RELU": (19, 2, None),
    "RELU6": (21, 2, None),
    "RELU_N1_TO_1": (20, 1, None),
    "RELU_0_TO_1": (152, 1, None),
    "LEAKY_RELU": (98, 2, "LeakyReluOptions"),
    "QUANTIZE": (114, 1, "QuantizeOptions"),
    "STRIDED_SLICE": (45, 2, "StridedSliceOptions"),
    "SLICE": (65, 2, "SliceOptions"),
    "TRANSPOSE": (39, 2, "TransposeOptions"),
    "SPACE_TO_BATCH_ND": (38, 2, "SpaceToBatchNDOptions"),
    "BATCH_TO_SPACE_ND": (37, 2, "BatchToSpaceNDOptions"),
}


class File:
    """A graph under construction; tensors are named by their number."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def _tensor(self, shape, kind, scale, zero_point, axis, data):
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.graph.tensors)}"
        tensor.shape, tensor.type = [int(n) for n in shape], kind
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.atleast_1d(np.float32(scale))
            count = len(tensor.quantization.scale)
            tensor.quantization.zeroPoint = np.full(count, zero_point, np.int64)
            tensor.quantization.quantizedDimension = axis
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def int8(self, shape, scale, zero_point=0, data=None, axis=0):
        """An activation, or weights when there is data."""
        return self._tensor(shape, schema.TensorType.INT8, scale, zero_point, axis, data)

    def int32(self, data, scale=None):
        data = np.asarray(data, np.int32)
        return self._tensor(data.shape, schema.TensorType.INT32, scale, 0, 0, data)

    def add(self, kind, inputs, output, **options):
        """An operator; options as the schema's field names."""
        number, version, name = _OPERATORS[kind]
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = version
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), [output]
        if name:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = getattr(schema, name + "T")()
        for field, value in options.items():
            assert hasattr(operator.builtinOptions, field), field
            setattr(operator.builtinOptions, field, value)
        self.graph.operators.append(operator)
        return output

    def pack(self, inputs, outputs) -> bytes:
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


class Reference:
    """TensorFlow Lite's reference kernels on a file, with all tensors readable."""

    def __init__(self, content: bytes):
        self.interpreter = tf.lite.Interpreter(
            model_content=content,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.index = {d["name"]: d["index"] for d in self.interpreter.get_tensor_details()}

    def run(self, x: np.ndarray) -> dict:
        """{name: array} of everything, after running int8 x of any shape of the right size."""
        self.interpreter.set_tensor(self.input["index"], x.reshape(self.input["shape"]))
        self.interpreter.invoke()
        return Lazy(self)

    def output(self) -> np.ndarray:
        return self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])


class Lazy:
    """Tensors by name, read when asked for."""

    def __init__(self, reference):
        self.reference = reference

    def __contains__(self, name):
        return name in self.reference.index

    def __getitem__(self, name):
        return self.reference.interpreter.get_tensor(self.reference.index[name])
