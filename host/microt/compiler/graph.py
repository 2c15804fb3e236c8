# SPDX-License-Identifier: MIT
"""The network between the file it came from and the plan: tensors, operators, their order."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Tensor:
    """One tensor of the graph; a constant when `data` is there.

    `scales` is float32 (1,) or (channels,), `zero_points` int64 of the same length; both empty
    when the file gives no quantisation. `axis` is the dimension that `scales` runs along.
    """

    name: str
    shape: tuple
    dtype: str
    scales: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    zero_points: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    axis: int = 0
    data: np.ndarray | None = None

    @property
    def is_constant(self):
        return self.data is not None

    @property
    def scale(self):
        return np.float32(self.scales[0])

    @property
    def zero_point(self):
        return int(self.zero_points[0])

    @property
    def elements(self):
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def hwc(self):
        """(height, width, channels) without the batch; a vector is (1, 1, n).

        Raises ValueError where the tensor is no single picture, map or vector.
        """
        shape = tuple(self.shape)
        if len(shape) == 4 and shape[0] == 1:
            return shape[1:]
        if len(shape) == 3 and shape[0] == 1:
            return (1,) + shape[1:]
        if len(shape) == 2 and shape[0] == 1:
            return (1, 1, shape[1])
        if len(shape) == 1:
            return (1, 1, shape[0])
        if not shape:
            return (1, 1, 1)
        raise ValueError(
            f"tensor {self.name!r}: expected a batch of 1 and at most 4 dimensions, got shape {list(shape)}"
        )


@dataclass
class Op:
    """One operator: `kind` is TensorFlow Lite's name of it, inputs and outputs index
    `Graph.tensors` (-1: an optional input that is absent), `layer` is its index in the file."""

    kind: str
    inputs: list
    outputs: list
    options: dict
    layer: int

    @property
    def output(self):
        return self.outputs[0]


@dataclass
class Graph:
    """Operators in order of execution over a list of tensors, and where it starts and ends."""

    source: str
    tensors: list
    ops: list
    inputs: list
    outputs: list

    def activations(self, op):
        """Indices of the inputs of `op` that are computed, not constant, in order."""
        return [i for i in op.inputs if i >= 0 and not self.tensors[i].is_constant]

    def writer(self, tensor):
        """The operator that writes `tensor`, or None."""
        for op in self.ops:
            if tensor in op.outputs:
                return op
        return None

    def readers(self, tensor):
        """The operators that read `tensor`, in order."""
        return [op for op in self.ops if tensor in op.inputs]

    def replace_tensor(self, old, new):
        """Let every reader of `old`, and the graph's outputs, take `new` instead."""
        for op in self.ops:
            op.inputs = [new if i == old else i for i in op.inputs]
        self.outputs = [new if i == old else i for i in self.outputs]


def topological(graph):
    """Put the operators in an order that computes before it reads, the file's own where it can.

    Raises ValueError where a tensor is read that nothing writes, written twice, or in a circle.
    """
    written = {}
    for op in graph.ops:
        for out in op.outputs:
            if out in written or out in graph.inputs or graph.tensors[out].is_constant:
                raise ValueError(
                    f"{graph.source}: expected every tensor to be written once, layer {op.layer} "
                    f"{op.kind} writes {graph.tensors[out].name!r} again"
                )
            written[out] = op
    ready = set(graph.inputs)
    waiting = list(graph.ops)
    order = []
    while waiting:
        later = []
        for op in waiting:
            if all(i in ready for i in graph.activations(op)):
                order.append(op)
                ready.update(op.outputs)
            else:
                later.append(op)
        if len(later) == len(waiting):
            op = later[0]
            missing = [graph.tensors[i].name for i in graph.activations(op) if i not in ready]
            raise ValueError(
                f"{graph.source}: layer {op.layer} {op.kind} reads {missing[0]!r}, which no layer computes before it"
            )
        waiting = later
    graph.ops = order


def needed(graph, tensor):
    """The operators needed to compute `tensor`: a set of positions in `graph.ops`."""
    wanted = {tensor}
    positions = set()
    for position in range(len(graph.ops) - 1, -1, -1):
        op = graph.ops[position]
        if wanted.intersection(op.outputs):
            positions.add(position)
            wanted.update(graph.activations(op))
    return positions


def remove_dead(graph, keep):
    """Drop the operators that none of the tensors `keep` depends on."""
    alive = set()
    for tensor in keep:
        alive |= needed(graph, tensor)
    graph.ops = [op for position, op in enumerate(graph.ops) if position in alive]
