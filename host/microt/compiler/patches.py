# SPDX-License-Identifier: MIT
"""First layers run strip by strip: the large maps at the start of a CNN never exist as a whole.

The rows of one map are cut into strips. For each strip the layers before it run on the rows that it
needs, from a copy of the input's rows, and the strips are joined. Rows at a cut are computed twice;
padding stays where the picture ends, so every value is the same (Lin et al., MCUNetV2,
arXiv:2110.15352, cut in both directions; rows alone lie together in memory).
"""

from dataclasses import replace

from . import exits
from .lower import Lowered
from .mtb import ORIGINS

_WINDOWS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_MOST_JOINED = 4


def chain(lowered, schedule):
    """How many of the first operators are convolutions one after the other, each read by the next alone."""
    readers = {}
    for low in lowered:
        for tensor in low.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
    length = 0
    for before, low in zip([None, *lowered], lowered, strict=False):
        follows = before is None or (low.inputs == [before.output] and readers[before.output] == 1)
        inside = schedule.branches[length] == exits.TRUNK and length + 1 < schedule.ends[0]
        if low.kind not in _WINDOWS or not follows or not inside or low.output in schedule.tensors:
            break
        length += 1
    return length


def _rows(low, graph, first, end):
    """(input rows [first, end), padding above and below) that rows [first, end) of the output need."""
    height = graph.tensors[low.inputs[0]].hwc[0]
    stride, dilation, pad, kernel = (int(low.args[i]) for i in (0, 2, 4, 10))
    start = first * stride - pad
    stop = (end - 1) * stride - pad + (kernel - 1) * dilation + 1
    return max(start, 0), min(stop, height), max(-start, 0), max(stop - height, 0)


def _slice(graph, index, first, end, name):
    """A tensor for rows [first, end) of another; its index."""
    tensor = graph.tensors[index]
    _, width, channels = tensor.hwc
    graph.tensors.append(replace(tensor, name=f"{tensor.name}:{name}", shape=(1, end - first, width, channels)))
    return len(graph.tensors) - 1


def _strip(graph, lowered, first, end, name):
    """Operators that compute rows [first, end) of the last one's output, and the tensor that holds them."""
    wanted = [(first, end, 0, 0)]
    for low in reversed(lowered):
        wanted.append(_rows(low, graph, *wanted[-1][:2]))
    wanted.reverse()
    source = lowered[0].inputs[0]
    start, stop, *_ = wanted[0]
    _, width, channels = graph.tensors[source].hwc
    held = _slice(graph, source, start, stop, name)
    steps = [start * width * channels, width * channels, channels, 1, ORIGINS["STRIDED_SLICE"]]
    ops = [Lowered("STRIDED_COPY", [source], held, steps)]
    for low, needs, rows in zip(lowered, wanted, wanted[1:], strict=False):
        height, pixels = graph.tensors[low.output].hwc[0], graph.tensors[held].hwc[0] * graph.tensors[held].hwc[1]
        args = [int(value) for value in low.args]
        args[4], args[6] = needs[2], needs[3]
        output = _slice(graph, low.output, *rows[:2], name)
        fits = graph.tensors[output].hwc[0] * graph.tensors[output].hwc[1] <= pixels
        ops.append(
            replace(
                low,
                inputs=[held],
                output=output,
                args=args,
                macs=low.macs // height * (rows[1] - rows[0]),
                plane=pixels if low.plane and fits else 0,
            )
        )
        held = output
    return ops, held


def _join(graph, parts, output):
    """Concatenations of strips, at most 4 at a time."""
    ops = []
    while len(parts) > _MOST_JOINED:
        joined = []
        for at in range(0, len(parts), _MOST_JOINED):
            group = parts[at : at + _MOST_JOINED]
            if len(group) > 1:
                rows = sum(graph.tensors[part].hwc[0] for part in group)
                ops.append(Lowered("CONCATENATION", group, _slice(graph, output, 0, rows, f"join {at}"), []))
                group = [ops[-1].output]
            joined += group
        parts = joined
    return [*ops, Lowered("CONCATENATION", parts, output, [])]


def split(graph, schedule, lowered, length, strips):
    """(schedule, operators) with the first `length` operators in strips of rows of the last one's output."""
    output = lowered[length - 1].output
    height = graph.tensors[output].hwc[0]
    ops, parts = [], []
    for strip in range(strips):
        first, end = (height * n // strips for n in (strip, strip + 1))
        made, part = _strip(graph, lowered[:length], first, end, f"strip {strip}")
        ops += made
        parts.append(part)
    ops += _join(graph, parts, output)
    more = sum(low.macs for low in ops) - sum(low.macs for low in lowered[:length])
    added = len(ops) - length
    moved = replace(
        schedule,
        branches=[exits.TRUNK] * added + schedule.branches,
        ends=[end + added for end in schedule.ends],
        macs=[macs + more for macs in schedule.macs],
    )
    return moved, [*ops, *lowered[length:]]
