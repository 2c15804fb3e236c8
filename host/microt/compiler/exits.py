# SPDX-License-Identifier: MIT
"""Which tensors are exits, and the order of execution that lets each be reached and resumed."""

from dataclasses import dataclass

import numpy as np

from .graph import Op, Tensor, needed

MAX_EXITS = 8
TRUNK = 0xFFFF


@dataclass
class Schedule:
    """`order` the positions of `graph.ops` in order of execution, `branches` the exit whose
    private branch each belongs to, or TRUNK. For each exit, in order of cost: `tensors`, `names`,
    `ends` (one past its last op) and `macs`."""

    order: list
    branches: list
    tensors: list
    names: list
    ends: list
    macs: list


def find(graph, wanted):
    """Indices of the tensors that `wanted` names: a name, an index, or a name's digits.

    None: the file's outputs. Raises ValueError for what is not there, ambiguous or named twice.
    """
    if wanted is None:
        found = list(dict.fromkeys(graph.outputs))
    else:
        found = [_find(graph, item) for item in wanted]
        for i, tensor in enumerate(found):
            if tensor in found[:i]:
                raise ValueError(f"exit {wanted[i]!r}: named twice")
    if not 1 <= len(found) <= MAX_EXITS:
        raise ValueError(f"{graph.source}: expected 1 to {MAX_EXITS} exits, got {len(found)}")
    return found


def _vector(graph, op):
    shape = graph.tensors[op.output].shape
    return len(shape) > 0 and graph.tensors[op.output].elements == shape[-1]


def _find(graph, item):
    names = [tensor.name for tensor in graph.tensors]
    if isinstance(item, str):
        count = names.count(item)
        if count == 1:
            return names.index(item)
        if count > 1:
            at = [i for i, name in enumerate(names) if name == item]
            raise ValueError(f"exit {item!r}: {count} tensors of that name, give one of {at}")
        if not item.isdecimal():
            vectors = [graph.tensors[op.output].name for op in graph.ops if _vector(graph, op)]
            raise ValueError(
                f"exit {item!r}: expected a tensor of {graph.source}; its vectors are "
                f"{', '.join(map(repr, vectors)) or 'none'}"
            )
        item = int(item)
    item = int(item)
    if not 0 <= item < len(names):
        raise ValueError(f"exit {item}: expected a tensor index below {len(names)}")
    return item


def pool(graph, tensors, names):
    """Where an exit is a map, add its mean over height and width, of the map's own scale and zero
    point, and take that. Returns the tensors, pooled where they were maps.

    Raises ValueError for a tensor that is no single map or vector.
    """
    found = []
    for index, name in zip(tensors, names, strict=True):
        tensor = graph.tensors[index]
        try:
            h, w, channels = tensor.hwc
        except ValueError:
            raise ValueError(
                f"exit {name!r}: expected a map (1, h, w, c) or a vector (1, n), got shape {list(tensor.shape)}"
            ) from None
        if (h, w) == (1, 1) or graph.writer(index) is None:
            found.append(index)
            continue
        axes = np.arange(1, len(tensor.shape) - 1).astype(np.int32)
        graph.tensors.append(Tensor(f"{name}:axes", axes.shape, "int32", data=axes))
        graph.tensors.append(Tensor(f"{name}:mean", (1, channels), tensor.dtype, tensor.scales, tensor.zero_points))
        at = len(graph.tensors) - 1
        layer = graph.writer(index).layer
        graph.ops.append(Op("MEAN", [index, at - 1], [at], {"KeepDims": False}, layer))
        found.append(at)
    return found


def check(graph, tensors, names):
    """Raise ValueError where an exit is no computed int8 vector."""
    for i, (index, name) in enumerate(zip(tensors, names, strict=True)):
        tensor = graph.tensors[index]
        if index in tensors[:i]:
            raise ValueError(f"exit {name!r}: holds the same values as exit {names[tensors.index(index)]!r}")
        if tensor.is_constant or graph.writer(index) is None:
            kind = "a constant" if tensor.is_constant else "the model's input"
            if index not in graph.inputs and not tensor.is_constant:
                kind = "a tensor that no layer computes"
            raise ValueError(f"exit {name!r}: expected a tensor that a layer computes, got {kind}")
        shape = list(tensor.shape)
        try:
            vector = tensor.hwc[:2] == (1, 1)
        except ValueError:
            vector = False
        if not vector:
            raise ValueError(
                f"exit {name!r}: expected a vector (1, 1, n) or (1, n), got shape {shape}; name a pooled tensor"
            )


def schedule(graph, tensors, names, macs):
    """Order the operators for the exits; `macs` gives the cost of each position of `graph.ops`.

    Trunk up to exit 0's tap, branch 0, trunk up to exit 1's tap, branch 1, ... where exits go by
    their cost. A branch holds what only its exit needs, and the last exit has none.
    """
    needs = [needed(graph, tensor) for tensor in tensors]
    by_cost = sorted(range(len(tensors)), key=lambda e: (sum(macs[p] for p in needs[e]), len(needs[e])))
    needs = [needs[e] for e in by_cost]
    order, branches, ends = [], [], []
    for exit_, need in enumerate(needs):
        others = set().union(*(n for e, n in enumerate(needs) if e != exit_))
        last = exit_ == len(needs) - 1
        private = set() if last else need - others
        emitted = set(order)
        for position in sorted(need - private - emitted):
            order.append(position)
            branches.append(TRUNK)
        for position in sorted(private):
            order.append(position)
            branches.append(exit_)
        ends.append(len(order))
    costs = [
        sum(macs[p] for p, b in zip(order[:end], branches, strict=False) if b in (TRUNK, exit_))
        for exit_, end in enumerate(ends)
    ]
    return Schedule(
        order,
        branches,
        [tensors[e] for e in by_cost],
        [names[e] for e in by_cost],
        ends,
        costs,
    )
