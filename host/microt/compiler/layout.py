# SPDX-License-Identifier: MIT
"""What each target's kernels want: how the weights lie in the file, and scratch in the arena."""

from collections.abc import Callable
from dataclasses import dataclass, field

TENSORFLOW = 0
IN_PLACE = 1


def _never(lowered):
    return False


@dataclass(frozen=True)
class Target:
    """A core's kernels. `code` is the file's number of the target.

    `arrange` {operator: function of a Lowered giving (layout number, bytes of weights), or None
    for TensorFlow Lite's order}; `scratch` {operator: function of a Lowered giving the bytes that
    its kernel needs beside the tensors}. Operators that are not there run on the reference kernels.
    `in_place` a function of a Lowered that has a `plane`: whether the kernel can put the output
    where the input is; without an `arrange` of its own it is then laid out as IN_PLACE.
    """

    code: int
    arrange: dict[str, Callable] = field(default_factory=dict)
    scratch: dict[str, Callable] = field(default_factory=dict)
    ready: bool = False
    in_place: Callable = _never


TARGETS = {
    "generic": Target(0, ready=True, in_place=lambda lowered: True),
    "m0": Target(1),
    "dsp": Target(2),
    "mve": Target(3),
}


def _target(name):
    if name not in TARGETS:
        raise ValueError(f"target: expected one of {', '.join(TARGETS)}, got {name!r}")
    if not TARGETS[name].ready:
        raise ValueError(f"target {name!r} has no layouts of its own yet, expected 'generic'")
    return TARGETS[name]


def target_code(target):
    """The file's number of a target; ValueError for an unknown one or one without kernels yet."""
    return _target(target).code


def arrange(lowered, target):
    """(layout number, bytes) of an operator's weights; b"" where it has none."""
    special = _target(target).arrange.get(lowered.kind)
    found = special(lowered) if special else None
    if found is not None:
        return found
    if lowered.in_place:
        return IN_PLACE, lowered.weights.tobytes()
    return TENSORFLOW, b"" if lowered.weights is None else lowered.weights.tobytes()


def scratch_bytes(lowered, target):
    """Bytes that an operator's kernel needs in the arena beside its tensors."""
    special = _target(target).scratch.get(lowered.kind)
    if special:
        return special(lowered)
    return lowered.plane if lowered.in_place else 0


def runs_in_place(lowered, target):
    """True if the target's kernel can put the output of this operator where its input is, though
    it reads inputs again that it has passed."""
    return lowered.plane > 0 and _target(target).in_place(lowered)
