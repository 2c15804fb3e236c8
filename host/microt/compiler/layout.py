# SPDX-License-Identifier: MIT
"""How a target's kernels want the weights to lie in the file."""

TARGETS = {"generic": 0, "m0": 1, "dsp": 2, "mve": 3}
TENSORFLOW = 0


def target_code(target):
    """The file's number of a target; ValueError for an unknown one or one without kernels yet."""
    if target not in TARGETS:
        raise ValueError(f"target: expected one of {', '.join(TARGETS)}, got {target!r}")
    if target != "generic":
        raise ValueError(f"target {target!r} has no layouts of its own yet, expected 'generic'")
    return TARGETS[target]


def arrange(lowered, target):
    """(layout number, bytes) of an operator's weights; b"" where it has none."""
    target_code(target)
    if lowered.weights is None:
        return TENSORFLOW, b""
    return TENSORFLOW, lowered.weights.tobytes()
