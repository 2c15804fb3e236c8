# SPDX-License-Identifier: MIT
"""What each target's kernels want: how the weights lie in the file, and scratch in the arena."""

from collections.abc import Callable
from dataclasses import dataclass, field

TENSORFLOW = 0


@dataclass(frozen=True)
class Target:
    """A core's kernels. `code` is the file's number of the target.

    `arrange` {operator: function of a Lowered giving (layout number, bytes of weights), or None
    for TensorFlow Lite's order}; `scratch` {operator: function of a Lowered giving the bytes that
    its kernel needs beside the tensors}. Operators that are not there run on the reference kernels.
    """

    code: int
    arrange: dict[str, Callable] = field(default_factory=dict)
    scratch: dict[str, Callable] = field(default_factory=dict)
    ready: bool = False


TARGETS = {
    "generic": Target(0, ready=True),
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
    return TENSORFLOW, b"" if lowered.weights is None else lowered.weights.tobytes()


def scratch_bytes(lowered, target):
    """Bytes that an operator's kernel needs in the arena beside its tensors."""
    special = _target(target).scratch.get(lowered.kind)
    return special(lowered) if special else 0
