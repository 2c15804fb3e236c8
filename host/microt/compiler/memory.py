# SPDX-License-Identifier: MIT
"""Where each tensor lies in the arena: offsets for blocks of known size and lifetime.

First-fit over several orders, improved by a seeded local search where the lower bound is not
reached: some order of first-fit gives an optimal plan. The same input always gives the same plan.
"""

import random
from dataclasses import dataclass

ALIGN = 16
_SEARCH_STEPS = 2500


@dataclass(frozen=True)
class Block:
    """`size` bytes alive from step `start` to step `end`, both included."""

    size: int
    start: int
    end: int


def aligned(size):
    """The size rounded up to a multiple of 16."""
    return -(-size // ALIGN) * ALIGN


def lower_bound(blocks):
    """Bytes that no plan can do without: the most that is alive at one step, sizes aligned."""
    steps = {block.start for block in blocks}
    return max(
        (sum(aligned(b.size) for b in blocks if b.start <= step <= b.end) for step in steps),
        default=0,
    )


def _overlaps(blocks):
    return [
        [j for j, b in enumerate(blocks) if j != i and b.start <= a.end and a.start <= b.end]
        for i, a in enumerate(blocks)
    ]


def _lowest(i, sizes, overlaps, offsets):
    """The lowest offset for block `i` beside the neighbours that are placed."""
    at = 0
    for start, end in sorted((offsets[j], offsets[j] + sizes[j]) for j in overlaps[i] if offsets[j] is not None):
        if start - at >= sizes[i]:
            break
        at = max(at, end)
    return at


def _first_fit(order, sizes, overlaps):
    offsets = [None] * len(sizes)
    peak = 0
    for i in order:
        offsets[i] = _lowest(i, sizes, overlaps, offsets)
        peak = max(peak, offsets[i] + sizes[i])
    return offsets, peak


def _orders(blocks, sizes, overlaps):
    indices = range(len(blocks))
    length = [b.end - b.start + 1 for b in blocks]
    crowd = [sizes[i] + sum(sizes[j] for j in overlaps[i]) for i in indices]
    for key in (
        lambda i: (-sizes[i], blocks[i].start),
        lambda i: (-crowd[i], -sizes[i]),
        lambda i: (-sizes[i] * length[i], blocks[i].start),
        lambda i: (-length[i], -sizes[i]),
        lambda i: (blocks[i].start, -sizes[i]),
        lambda i: (-blocks[i].end, -sizes[i]),
    ):
        yield sorted(indices, key=key)


def _search(order, best, sizes, overlaps, bound):
    """Move the blocks that make the peak forward; keep what is not worse."""
    choose = random.Random(len(sizes))
    offsets, peak = best
    current = peak
    order = list(order)
    for _ in range(_SEARCH_STEPS):
        if peak == bound or len(order) < 2:
            break
        trial = list(order)
        tops = [i for i in range(len(sizes)) if offsets[i] + sizes[i] == peak]
        if choose.random() < 0.5 and tops:
            moved = choose.choice(tops)
        else:
            moved = choose.choice(trial)
        trial.remove(moved)
        trial.insert(choose.randrange(len(trial) + 1), moved)
        found, height = _first_fit(trial, sizes, overlaps)
        if height <= current:
            order, current = trial, height
            if height < peak:
                offsets, peak = found, height
    return offsets, peak


def plan(blocks):
    """(offsets, peak bytes) of the blocks; blocks alive at one step never overlap.

    Offsets are multiples of 16.
    """
    sizes = [aligned(b.size) for b in blocks]
    overlaps = _overlaps(blocks)
    bound = lower_bound(blocks)
    best, first = None, None
    for order in _orders(blocks, sizes, overlaps):
        found = _first_fit(order, sizes, overlaps)
        if best is None or found[1] < best[1]:
            best, first = found, order
    if best[1] > bound:
        best = _search(first, best, sizes, overlaps, bound)
    return best


def plan_in_place(blocks, pairs, shrinking=()):
    """`plan` where an output may take the place of an input that dies as it is written.

    `pairs` are (output, input) indices of `blocks` in order of execution; a pair counts when the
    sizes agree, or the output is smaller and one of `shrinking`, and the input's last step is the
    output's first. Returns the better of sharing
    and not sharing: (offsets, peak, lower bound of the one taken).
    """
    group = list(range(len(blocks)))
    merged = {i: block for i, block in enumerate(blocks)}
    taken = set()
    for out, into in pairs:
        a, b = blocks[into], blocks[out]
        if out in taken or a.size < b.size or (a.size > b.size and out not in shrinking):
            continue
        root = group[into]
        if root == out or merged[root].end != b.start:
            continue
        merged[root] = Block(merged[root].size, merged[root].start, b.end)
        del merged[out]
        group[out] = root
        taken.add(out)
    roots = list(merged)
    offsets, peak = plan([merged[r] for r in roots])
    place = dict(zip(roots, offsets, strict=True))
    best = [place[group[i]] for i in range(len(blocks))], peak, lower_bound(merged.values())
    if taken and peak > best[2]:
        offsets, peak = plan(blocks)
        if peak < best[1]:
            return offsets, peak, lower_bound(blocks)
    return best
