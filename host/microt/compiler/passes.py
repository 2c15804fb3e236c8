# SPDX-License-Identifier: MIT
"""Changes of the graph that leave every remaining value as it was, bit for bit."""

import numpy as np

from . import tables
from .graph import Op, Tensor, remove_dead
from .lower import Unsupported
from .lower.fixed_point import quantize_multiplier
from .lower.movement import concatenation_axis, pad_amounts
from .lower.reductions import reduced_axes

_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# operators whose constants count the dimensions of their input
_RANKED = ("PAD", "PADV2", "STRIDED_SLICE", "SLICE", "TRANSPOSE")


def _pixel_table(x, y):
    """int8 input for each uint8 value, when QUANTIZE takes tensor `x` (uint8) to `y` (int8)."""
    real = float(x.scale) / float(y.scale)
    multiplier, shift = quantize_multiplier(real)
    values = tables.requantize(np.arange(256) - x.zero_point, multiplier, shift)
    return tables.saturate(values + y.zero_point)


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
        same = same and (len(x.shape) == len(y.shape) or not any(r.kind in _RANKED for r in readers))
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


def fold_dilations(graph, exits):
    """Make SPACE_TO_BATCH_ND, a VALID convolution of stride 1, BATCH_TO_SPACE_ND one dilated
    convolution again, as Keras wrote it. Exact: each output is the same sum; the padding holds
    the zero point, and the kernels skip positions outside."""
    for last in [op for op in graph.ops if op.kind == "BATCH_TO_SPACE_ND"]:
        conv = graph.writer(last.inputs[0])
        first = graph.writer(conv.inputs[0]) if conv and conv.inputs[0] >= 0 else None
        if conv is None or conv.kind not in _CONVOLUTIONS or first is None or first.kind != "SPACE_TO_BATCH_ND":
            continue
        inner = {first.output, conv.output}
        if inner & {*exits, *graph.outputs} or any(len(graph.readers(t)) != 1 for t in inner):
            continue
        found = _dilated(graph, first, conv, last)
        if found is None:
            continue
        conv.options = {**conv.options, **found}
        conv.inputs[0] = first.inputs[0]
        conv.outputs = [last.output]
        graph.ops.remove(first)
        graph.ops.remove(last)


def _same_values(graph, *indices):
    """True if one quantisation holds for all these tensors."""
    tensors = [graph.tensors[i] for i in indices]
    return all(
        len(t.scales) == 1 and t.scale == tensors[0].scale and t.zero_point == tensors[0].zero_point for t in tensors
    )


def _dilated(graph, first, conv, last):
    """The options of the one convolution, or None where the three are something else."""
    if len(first.inputs) != 3 or len(last.inputs) != 3 or min(first.inputs + last.inputs + conv.inputs[:2]) < 0:
        return None
    constants = [graph.tensors[i] for i in first.inputs[1:] + last.inputs[1:]]
    shapes = [(2,), (2, 2), (2,), (2, 2)]
    if any(t.dtype != "int32" or not t.is_constant or t.shape != s for t, s in zip(constants, shapes, strict=True)):
        return None
    block, pads, again, crops = (t.data.astype(np.int64) for t in constants)
    x, y = graph.tensors[first.inputs[0]], graph.tensors[last.output]
    filters = graph.tensors[conv.inputs[1]].shape
    options = conv.options
    plain = all(options[n] == 1 for n in ("StrideH", "StrideW", "DilationHFactor", "DilationWFactor"))
    if not (plain and options["Padding"] == "VALID" and "pads" not in options and len(filters) == 4):
        return None
    if len(x.shape) != 4 or len(y.shape) != 4 or (block != again).any() or (block < 1).any():
        return None
    if not (_same_values(graph, first.inputs[0], first.output) and _same_values(graph, conv.output, last.output)):
        return None
    sides = []
    for axis in (0, 1):
        extent = (filters[1 + axis] - 1) * int(block[axis]) + 1
        before = int(pads[axis, 0] - crops[axis, 0])
        # what the output's size asks for
        after = y.shape[1 + axis] - 1 + extent - x.shape[1 + axis] - before
        whole = x.shape[1 + axis] + int(pads[axis].sum()) - int(crops[axis].sum())
        if not (0 <= before < extent and 0 <= after < extent) or y.shape[1 + axis] > whole:
            return None
        sides.append((before, after))
    (top, bottom), (left, right) = sides
    return {"DilationHFactor": int(block[0]), "DilationWFactor": int(block[1]), "pads": (top, left, bottom, right)}


def _like(graph, source, name, shape):
    """A new activation with the quantisation of tensor `source`; its index."""
    tensor = graph.tensors[source]
    graph.tensors.append(Tensor(name, tuple(shape), tensor.dtype, tensor.scales, tensor.zero_points))
    return len(graph.tensors) - 1


def _integers(graph, name, values):
    data = np.array(values, np.int32)
    graph.tensors.append(Tensor(name, data.shape, "int32", data=data))
    return len(graph.tensors) - 1


def split_concatenations(graph):
    """Join more than four tensors in several steps: an operator takes four."""
    for op in [op for op in graph.ops if op.kind == "CONCATENATION" and len(op.inputs) > 4]:
        y = graph.tensors[op.output]
        try:
            axis = concatenation_axis(graph, op)
        except Unsupported:
            continue
        shapes = [graph.tensors[i].shape for i in op.inputs if i >= 0]
        if len(shapes) != len(op.inputs) or any(len(shape) != len(y.shape) for shape in shapes):
            continue
        while len(op.inputs) > 4:
            shape = list(y.shape)
            shape[axis] = sum(graph.tensors[i].shape[axis] for i in op.inputs[:4])
            part = _like(graph, op.output, f"{y.name}:{len(op.inputs)}", shape)
            before = Op("CONCATENATION", op.inputs[:4], [part], dict(op.options), op.layer)
            graph.ops.insert(graph.ops.index(op), before)
            op.inputs = [part, *op.inputs[4:]]


def count_axes_from_the_last(graph):
    """Note the axes of MEAN and REDUCE_MAX as -3 (height), -2 and -1 in the option `axes`, which
    stays true when a RESHAPE before them is dropped."""
    for op in graph.ops:
        if op.kind in ("MEAN", "REDUCE_MAX") and len(op.inputs) == 2 and min(op.inputs) >= 0:
            try:
                op.options = {**op.options, "axes": reduced_axes(graph, op)}
            except Unsupported:
                continue


def mean_over_height_and_width(graph):
    """Write a MEAN over other axes of one picture as a TRANSPOSE that brings them to the front, a
    MEAN over height and width, and the RESHAPEs between. Exact: the same sums."""
    for op in [op for op in graph.ops if op.kind == "MEAN" and "axes" in op.options]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.output]
        rank = len(x.shape)
        axes = {rank + a for a in op.options["axes"]}
        inner = set(range(1, rank))
        if not 2 <= rank <= 4 or x.shape[0] != 1 or not axes <= inner or not axes or axes == inner - {rank - 1}:
            continue
        kept = sorted(inner - axes)
        order = [0, *sorted(axes), *kept]
        moved = tuple(x.shape[i] for i in order)
        count = int(np.prod([x.shape[i] for i in axes]))
        rows = x.shape[min(axes)]
        at = graph.ops.index(op)
        source = op.inputs[0]
        steps = []
        if order != list(range(rank)):
            turned = _like(graph, source, f"{y.name}:turned", moved)
            permutation = _integers(graph, f"{y.name}:order", order)
            steps.append(Op("TRANSPOSE", [source, permutation], [turned], {}, op.layer))
            source = turned
        block = _like(graph, source, f"{y.name}:rows", (1, rows, count // rows, x.elements // count))
        mean = _like(graph, op.output, f"{y.name}:mean", (1, 1, 1, x.elements // count))
        axes_of = _integers(graph, f"{y.name}:axes", [1, 2])
        steps.append(Op("RESHAPE", [source], [block], {}, op.layer))
        steps.append(Op("MEAN", [block, axes_of], [mean], {"axes": {-3, -2}}, op.layer))
        steps.append(Op("RESHAPE", [mean], [op.output], {}, op.layer))
        graph.ops[at : at + 1] = steps


def simplify(graph, exits):
    """Every pass, for the tensors `exits` (indices). Returns (exits, names): the indices that
    hold the same values now, and the name that each one goes by."""
    names = [graph.tensors[e].name for e in exits]
    count_axes_from_the_last(graph)
    mean_over_height_and_width(graph)
    split_concatenations(graph)
    alias = drop_reshapes(graph, exits)

    def resolve(tensor):
        while tensor in alias:
            tensor = alias[tensor]
        return tensor

    exits = [resolve(e) for e in exits]
    remove_dead(graph, exits)
    fold_dilations(graph, exits)
    fold_pads(graph, exits)
    return exits, names
