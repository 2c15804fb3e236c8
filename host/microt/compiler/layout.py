# SPDX-License-Identifier: MIT
"""What each target's kernels want: how the constants lie in the file, and scratch in the arena."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from . import layout_dsp
from .laid import IN_PLACE, Laid, plain


def _generic(kind, args, inputs, output, weights, bias, requant, zero_in, zero_out):
    """TensorFlow Lite's order, as the reference kernels take it. The arguments are those that
    every target's `lay_out` takes, see `layout_dsp.lay_out`."""
    return plain(weights, bias, requant)


def _never(lowered):
    return False


@dataclass(frozen=True)
class Target:
    """A core's kernels. `code` is the file's number of the target, `lay_out` gives the Laid of any
    operator (None: this target has no kernels yet), `names` the layouts' names by number,
    `in_place` a function of a Lowered that has a `plane`: whether the kernel can put the output
    where the input is (layout 1)."""

    code: int
    lay_out: Callable[..., Laid] | None = None
    names: dict[int, str] | None = None
    in_place: Callable = _never


TARGETS = {
    "generic": Target(0, _generic, in_place=lambda lowered: True),
    "m0": Target(1),
    "dsp": Target(2, layout_dsp.lay_out, layout_dsp.NAMES),
    "mve": Target(3),
}


def _target(name):
    if name not in TARGETS:
        raise ValueError(f"target: expected one of {', '.join(TARGETS)}, got {name!r}")
    if TARGETS[name].lay_out is None:
        ready = [other for other, target in TARGETS.items() if target.lay_out]
        raise ValueError(f"target {name!r} has no layouts of its own yet, expected one of {', '.join(ready)}")
    return TARGETS[name]


def target_code(target):
    """The file's number of a target; ValueError for an unknown one or one without kernels yet."""
    return _target(target).code


def layout_name(target, number):
    """What a target calls a layout; "" for TensorFlow Lite's order and for numbers it does not know."""
    if number == IN_PLACE:
        return "in place"
    known = TARGETS.get(target)
    return (known.names or {}).get(number, "") if known else ""


def lay_out(lowered, graph, target):
    """The Laid of a Lowered operator for a target."""
    if lowered.in_place:
        constants = plain(lowered.weights, lowered.bias, lowered.requant, lowered.plane)
        return replace(constants, layout=IN_PLACE)
    inputs = [graph.tensors[i] for i in lowered.inputs]
    output = graph.tensors[lowered.output]
    return _target(target).lay_out(
        lowered.kind,
        lowered.args,
        [tensor.hwc for tensor in inputs],
        output.hwc,
        lowered.weights,
        lowered.bias,
        lowered.requant,
        inputs[0].zero_point,
        output.zero_point,
    )


def runs_in_place(lowered, target):
    """True if the target's kernel can put the output of this operator where its input is, though
    it reads inputs again that it has passed."""
    return lowered.plane > 0 and _target(target).in_place(lowered)
