# SPDX-License-Identifier: MIT
"""Changes of the graph that leave every remaining value as it was, bit for bit."""

import numpy as np

from .graph import remove_dead
from .params import Unsupported, pad_amounts, quantize_multiplier

_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def _requantize(values, multiplier, shift, zero_in, zero_out):
    """TensorFlow Lite's Requantize to int8 of an array of integers (double rounding)."""
    out = []
    for value in values:
        x = (int(value) - zero_in) << max(shift, 0)
        product = x * multiplier
        nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
        high = int(abs(product + nudge) >> 31) * (1 if product + nudge >= 0 else -1)
        right = max(-shift, 0)
        mask = (1 << right) - 1
        remainder = high & mask
        threshold = (mask >> 1) + (1 if high < 0 else 0)
        y = (high >> right) + (1 if remainder > threshold else 0) + zero_out
        out.append(min(max(y, -128), 127))
    return np.array(out, np.int8)


def _pixel_table(x, y):
    """int8 input for each uint8 value, when QUANTIZE takes tensor `x` (uint8) to `y` (int8)."""
    real = float(x.scale) / float(y.scale)
    multiplier, shift = quantize_multiplier(real)
    return _requantize(np.arange(256), multiplier, shift, x.zero_point, y.zero_point)


def fix_shapes(graph):
    """Take the shape of every RESHAPE from its output, not from the layers that compute it."""
    for op in graph.ops:
        if op.kind in _RESHAPES:
            op.inputs = op.inputs[:1]


def strip_boundary(graph):
    """Take the int8 tensors inside QUANTIZE and DEQUANTIZE as the model's input and outputs.

    Returns (pixel table int8 (256,) or None, {outer tensor: inner tensor}): a uint8 input that
    QUANTIZE takes to int8 becomes the table. A QUANTIZE that changes nothing is dropped anywhere.
    """
    alias = {}
    table = None
    start = graph.inputs[0]
    readers = graph.readers(start)
    x = graph.tensors[start]
    quantized = bool(readers) and all(op.kind == "QUANTIZE" for op in readers)
    if quantized and x.dtype in ("float32", "uint8"):
        inner = readers[0].output
        y = graph.tensors[inner]
        same = all(
            graph.tensors[op.output].dtype == "int8"
            and len(graph.tensors[op.output].scales) == 1
            and graph.tensors[op.output].scale == y.scale
            and graph.tensors[op.output].zero_point == y.zero_point
            for op in readers
            if len(y.scales) == 1
        )
        if y.dtype == "int8" and len(y.scales) == 1 and y.scale > 0 and same:
            if x.dtype == "uint8" and len(x.scales) == 1 and x.scale > 0:
                table = _pixel_table(x, y)
            if x.dtype == "float32" or table is not None:
                graph.ops = [op for op in graph.ops if op not in readers]
                for op in readers[1:]:
                    graph.replace_tensor(op.output, inner)
                    alias[op.output] = inner
                graph.inputs = [inner]
                alias[start] = inner
    for op in list(graph.ops):
        if op.kind not in ("QUANTIZE", "DEQUANTIZE") or len(op.inputs) != 1 or op.inputs[0] < 0:
            continue
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.output]
        outer = x.dtype == "int8" and y.dtype in ("float32", "uint8")
        identity = (
            op.kind == "QUANTIZE"
            and x.dtype == y.dtype == "int8"
            and len(x.scales) == len(y.scales) == 1
            and x.scale == y.scale
            and x.zero_point == y.zero_point
        )
        if identity or (outer and not graph.readers(op.output)):
            graph.ops.remove(op)
            graph.replace_tensor(op.output, op.inputs[0])
            alias[op.output] = op.inputs[0]
    return table, alias


def drop_reshapes(graph, exits):
    """Drop RESHAPE, SQUEEZE and EXPAND_DIMS that keep (height, width, channels), or that only
    flatten for FULLY_CONNECTED. Returns {dropped tensor: the one that stands for it}."""
    alias = {}
    for op in list(graph.ops):
        if op.kind not in _RESHAPES or min(op.inputs, default=-1) < 0:
            continue
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.output]
        if x.is_constant or x.dtype != "int8" or y.dtype != "int8":
            continue
        if len(x.scales) != 1 or len(y.scales) != 1:
            continue
        if x.scale != y.scale or x.zero_point != y.zero_point or x.elements != y.elements:
            continue
        try:
            same = x.hwc == y.hwc
        except ValueError:
            continue
        readers = graph.readers(op.output)
        flatten = bool(readers) and op.output not in exits and all(r.kind == "FULLY_CONNECTED" for r in readers)
        if not (same or flatten):
            continue
        graph.ops.remove(op)
        graph.replace_tensor(op.output, op.inputs[0])
        alias[op.output] = op.inputs[0]
    return alias


def fold_pads(graph, exits):
    """Let a VALID convolution pad for itself where a PAD with the zero point goes before it.

    Exact: a padded position holds the zero point, and the kernels skip positions outside.
    Only where the PAD has no other reader and is no exit.
    """
    for op in list(graph.ops):
        if op.kind not in ("PAD", "PADV2") or op.output in exits:
            continue
        if len(op.inputs) < 2 or min(op.inputs[:2]) < 0:
            continue
        readers = graph.readers(op.output)
        if len(readers) != 1 or readers[0].kind not in _CONVOLUTIONS:
            continue
        conv = readers[0]
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.output]
        if conv.inputs[0] != op.output or conv.options["Padding"] != "VALID":
            continue
        if conv.inputs.count(op.output) != 1 or "pads" in conv.options:
            continue
        if not len(x.scales) == len(y.scales) == 1 or x.is_constant:
            continue
        try:
            amounts, value = pad_amounts(graph, op)
        except (Unsupported, IndexError):
            continue
        if value != y.zero_point or amounts[3].any():
            continue
        # the engine asks for windows that reach the picture: pads below the kernel's extent
        shape = graph.tensors[conv.inputs[1]].shape
        extents = [
            (shape[1] - 1) * conv.options["DilationHFactor"] + 1 if len(shape) == 4 else 0,
            (shape[2] - 1) * conv.options["DilationWFactor"] + 1 if len(shape) == 4 else 0,
        ]
        if amounts[1].max() >= extents[0] or amounts[2].max() >= extents[1]:
            continue
        if x.scale != y.scale or x.zero_point != y.zero_point:
            continue
        (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
        conv.options = {**conv.options, "pads": (top, left, bottom, right)}
        conv.inputs[0] = op.inputs[0]
        graph.ops.remove(op)


def simplify(graph, exits):
    """Every pass, for the tensors `exits` (indices). Returns (exits, names): the indices that
    hold the same values now, and the name that each one goes by."""
    names = [graph.tensors[e].name for e in exits]
    alias = drop_reshapes(graph, exits)

    def resolve(tensor):
        while tensor in alias:
            tensor = alias[tensor]
        return tensor

    exits = [resolve(e) for e in exits]
    remove_dead(graph, exits)
    fold_pads(graph, exits)
    return exits, names
