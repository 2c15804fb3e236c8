# SPDX-License-Identifier: MIT
"""What each target's kernels want: how the constants lie in the file, and scratch in the arena."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from . import layout_dsp, layout_m0, layout_mve
from .laid import IN_PLACE, Laid, plain


def _generic(kind, args, inputs, output, weights, bias, requant, zero_in, zero_out):
    """TensorFlow Lite's order, as the reference kernels take it. The arguments are those that
    every target's `lay_out` takes, see `layout_dsp.lay_out`."""
    return plain(weights, bias, requant)


def _layout_1(lowered, laid):
    """The constants of an operator of the generic target that puts its output where its input is."""
    constants = plain(lowered.weights, lowered.bias, lowered.requant, lowered.plane)
    return replace(constants, layout=IN_PLACE) if lowered.plane else None


def _same(lowered, laid):
    return laid if laid.in_place else None


def _planes(lowered, laid):
    return layout_dsp.in_place(lowered.plane, laid)


@dataclass(frozen=True)
class Target:
    """A core's kernels. `code` is the file's number of the target, `lay_out` gives the Laid of any
    operator, `names` the layouts' names by number,
    `in_place` as the function of that name, without the target."""

    code: int
    lay_out: Callable[..., Laid]
    names: dict[int, str] | None = None
    in_place: Callable[..., Laid | None] = _same


TARGETS = {
    "generic": Target(0, _generic, in_place=_layout_1),
    "m0": Target(1, layout_m0.lay_out, layout_m0.NAMES),
    "dsp": Target(2, layout_dsp.lay_out, layout_dsp.NAMES, _planes),
    "mve": Target(3, layout_mve.lay_out, layout_mve.NAMES),
}


def _target(name):
    if name not in TARGETS:
        raise ValueError(f"target: expected one of {', '.join(TARGETS)}, got {name!r}")
    return TARGETS[name]


def target_code(target):
    """The file's number of a target; ValueError for an unknown one."""
    return _target(target).code


def layout_name(target, number):
    """What a target calls a layout; "" for TensorFlow Lite's order and for numbers it does not know."""
    if number == IN_PLACE:
        return "in place"
    known = TARGETS.get(target)
    return (known.names or {}).get(number, "") if known else ""


def lay_out(lowered, graph, target):
    """The Laid of a Lowered operator for a target."""
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


def in_place(lowered, laid, target):
    """The Laid of an operator, laid out as `lay_out` gives it, whose kernel on the target puts the
    output where the input is, though it reads inputs again that it has passed; None: none can."""
    return _target(target).in_place(lowered, laid)
