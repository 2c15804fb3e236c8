# SPDX-License-Identifier: MIT
"""The order of execution that needs the least memory at once.

Between two exits any order that computes before it reads gives the same values. The sets of
operators that may have run so far are searched for the way whose worst moment is best: exact, for
CNNs have few branches side by side; where there are too many such sets, the file's order stays.
"""

import heapq

from .memory import aligned

_MOST_SETS = 20000


class _Segment:
    """Operators that may change places: bytes alive before and during each of them.

    Sets of operators are bit masks over their positions in the segment."""

    def __init__(self, ops, sizes, later, in_place):
        self.ops = ops
        self.sizes = sizes
        self.in_place = in_place
        writer = {op.output: 1 << i for i, op in enumerate(ops)}
        readers = {}
        for i, op in enumerate(ops):
            for tensor in op.inputs:
                readers[tensor] = readers.get(tensor, 0) | 1 << i
        self.needs = [sum({writer[t] for t in op.inputs if t in writer}) for op in ops]
        self.tensors = [
            (sizes[t], writer.get(t, 0), readers.get(t, 0), t in later) for t in sorted({*writer, *readers})
        ]
        self.readers = readers
        self.later = later

    def alive(self, done):
        """Bytes that must be kept when the set `done` has run."""
        return sum(
            size
            for size, writer, readers, later in self.tensors
            if writer & done == writer and (later or readers & ~done)
        )

    def during(self, done, alive, i):
        """Bytes while operator `i` runs after the set `done`, which leaves `alive`."""
        op = self.ops[i]
        if op.kind in self.in_place:
            for t in op.inputs:
                if (
                    t not in self.later
                    and not self.readers[t] & ~(done | 1 << i)
                    and self.sizes[t] == self.sizes[op.output]
                ):
                    return alive
        return alive + self.sizes[op.output]

    def peak(self):
        """The most bytes at once in the order given."""
        done, most = 0, 0
        for i in range(len(self.ops)):
            most = max(most, self.during(done, self.alive(done), i))
            done |= 1 << i
        return most

    def search(self):
        """(peak, order) of the best order, or None where the sets are too many."""
        full = (1 << len(self.ops)) - 1
        heap = [(0, 0, 0, ())]
        seen = set()
        while heap:
            most, _, done, order = heapq.heappop(heap)
            if done == full:
                return most, list(order)
            if done in seen:
                continue
            seen.add(done)
            if len(seen) > _MOST_SETS:
                return None
            alive = self.alive(done)
            for i, needs in enumerate(self.needs):
                if not done >> i & 1 and needs & done == needs:
                    step = max(most, self.during(done, alive, i))
                    heapq.heappush(heap, (step, -len(order), done | 1 << i, (*order, i)))
        return None


def improve(ops, sizes, ends, branches, pinned, in_place):
    """Positions of `ops` (inputs, output, kind) in an order that needs less memory at once.

    sizes: {tensor: bytes}; ends: one past each exit's last operator; branches: of each operator;
    pinned: the tensors that are kept to the end; in_place: the kinds whose output may take the
    place of an input. Operators stay between the exits, and in the branch, where they are. The
    given order is kept where no other is better.
    """
    sizes = {tensor: aligned(size) for tensor, size in sizes.items()}
    cuts = [0, *(i for i in range(1, len(ops)) if branches[i] != branches[i - 1] or i in ends), len(ops)]
    order = []
    for start, stop in zip(cuts, cuts[1:], strict=False):
        later = set(pinned).union(*(op.inputs for op in ops[stop:]))
        segment = _Segment(ops[start:stop], sizes, later, in_place)
        found = segment.search() if stop - start > 2 else None
        positions = range(stop - start)
        if found and found[0] < segment.peak():
            positions = found[1]
        order += [start + i for i in positions]
    return order
