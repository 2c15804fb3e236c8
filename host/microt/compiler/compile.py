# SPDX-License-Identifier: MIT
"""From an int8 TensorFlow Lite file to a .mtb file and its report."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import exits as exits_
from . import features as features_
from . import layout, memory, mtb, order, passes, patches, tflite, timeline
from .graph import remove_dead
from .lower import OPERATORS, Unsupported, lower


@dataclass
class Compiled:
    """A compiled backbone: `data` the bytes of the .mtb file, `report` what is in it
    (see `mtb.read_info`), `why` of layers that have no fast layout on the target, and
    `unmatched_sums`: how many accumulator values, of all that can occur, FULLY_CONNECTED rounds
    otherwise than TensorFlow Lite (see `lower.fixed_point`)."""

    data: bytes
    report: dict

    def write(self, path):
        """Write the file; returns its path."""
        path = Path(path)
        path.write_bytes(self.data)
        return path


def _refuse(graph, failures):
    """One error for all operators that cannot be compiled."""
    legacy = [op for op, _ in failures if _dtype(graph, op) == "uint8"]
    if legacy:
        raise ValueError(
            f"{graph.source}: a legacy uint8 file ({len(legacy)} layers have uint8 activations "
            "and asymmetric weights), expected int8 activations and symmetric int8 weights; "
            f"re-quantise it first: microt quantize {graph.source}"
        )
    kinds = {_dtype(graph, op) for op in graph.ops}
    if "float32" in kinds and "int8" not in kinds:
        raise ValueError(
            f"{graph.source}: a float32 file (none of {len(graph.ops)} layers is int8), expected "
            "int8: convert it with full integer quantisation"
        )
    lines = [f"  layer {op.layer} {op.kind} -> {graph.tensors[op.output].name!r}: {reason}" for op, reason in failures]
    raise ValueError(
        f"{graph.source}: {len(failures)} of {len(graph.ops)} layers cannot be compiled:\n"
        + "\n".join(lines)
        + f"\nsupported operators: {', '.join(OPERATORS)}"
    )


def _dtype(graph, op):
    return graph.tensors[op.output].dtype


def _lower(graph):
    lowered, failures = [], []
    for op in graph.ops:
        try:
            lowered.append(lower(graph, op))
        except Unsupported as error:
            failures.append((op, str(error)))
    if failures:
        _refuse(graph, failures)
    return lowered


def _pixel_table(pixels, derived, shape):
    if pixels is None or pixels is False:
        return derived
    if pixels is True:
        if derived is not None:
            return derived
        if shape[2] not in (1, 3):
            raise ValueError(f"pixels: expected an input picture of 1 or 3 channels, got shape {list(shape)}")
        return np.arange(-128, 128).astype(np.int8)
    table = np.asarray(pixels)
    if table.shape != (256,) or table.dtype != np.int8:
        raise ValueError(f"pixels: expected True or a table int8 (256,), got {table.dtype} {table.shape}")
    return table


_IN_PLACE = ("RESHAPE", "ADD", "LOOKUP", "ARITHMETIC")


def _place(graph, schedule, lowered, laid):
    """Tensor records with their places in the arena, in order of first use, and the arena's size.
    Returns (records, {tensor of the graph: index of its record}, arena bytes, {step: (offset,
    bytes) of its scratch})."""
    first = {graph.inputs[0]: -1}
    last = {}
    for step, low in enumerate(lowered):
        first[low.output] = step
        for index in low.inputs:
            last[index] = step
    used = list(first)
    index_of = {tensor: i for i, tensor in enumerate(used)}
    blocks, pinned = [], set(schedule.tensors)
    for tensor in used:
        end = len(lowered) if tensor in pinned else last.get(tensor, first[tensor])
        blocks.append(memory.Block(graph.tensors[tensor].elements, first[tensor], end))
    pairs = [
        (index_of[low.output], index_of[source])
        for low in lowered
        if low.kind in _IN_PLACE or low.in_place
        for source in low.inputs
    ]
    scratch = {step: constants.scratch for step, constants in enumerate(laid) if constants.scratch}
    blocks += [memory.Block(size, step, step) for step, size in scratch.items()]
    shrinking = {index_of[low.output] for low in lowered if low.in_place}
    offsets, peak, _ = memory.plan_in_place(blocks, pairs, shrinking)
    scratch = {step: (offset, size) for (step, size), offset in zip(scratch.items(), offsets[len(used) :], strict=True)}
    names = dict(zip(schedule.tensors, schedule.names, strict=True))
    records = []
    for tensor, offset in zip(used, offsets, strict=False):
        source = graph.tensors[tensor]
        records.append(
            mtb.TensorRecord(
                names.get(tensor, source.name),
                source.hwc,
                float(source.scale),
                source.zero_point,
                offset,
                mtb.NONE if first[tensor] < 0 else first[tensor],
                last.get(tensor, mtb.NONE),
            )
        )
    return records, index_of, peak, scratch


def _order(graph, schedule, lowered, laid):
    """(operators, their constants, what `_place` gives for them) in the order that needs the smaller arena."""
    placed = _place(graph, schedule, lowered, laid)
    sizes = {t: graph.tensors[t].elements for low in lowered for t in (*low.inputs, low.output)}
    pinned = set(schedule.tensors)
    positions = order.improve(lowered, sizes, schedule.ends, schedule.branches, pinned, _IN_PLACE)
    if positions != list(range(len(lowered))):
        other = [[each[position] for position in positions] for each in (lowered, laid)]
        again = _place(graph, schedule, *other)
        if again[2] < placed[2]:
            return *other, again
    return lowered, laid, placed


def _depthwise_in_place(graph, schedule, lowered, laid, placed, target):
    """(operators, their constants, what `_place` gives for them) where depthwise convolutions run in the place of
    their input, but only those that make the arena smaller: the ones where most is alive."""
    pinned = set(schedule.tensors)
    while True:
        last = {t: step for step, low in enumerate(lowered) for t in low.inputs}
        alive = _alive(placed, len(lowered))
        changed = [
            replace(low, in_place=True)
            if alive[step] == max(alive)
            and not low.in_place
            and layout.in_place(low, constants, target)
            and last[low.inputs[0]] == step
            and low.inputs[0] not in pinned
            else low
            for step, (low, constants) in enumerate(zip(lowered, laid, strict=True))
        ]
        if all(a is b for a, b in zip(changed, lowered, strict=True)):
            return lowered, laid, placed
        other = [
            old if a is b else layout.in_place(a, old, target) for a, b, old in zip(changed, lowered, laid, strict=True)
        ]
        again = _place(graph, schedule, changed, other)
        if again[2] >= placed[2]:
            return lowered, laid, placed
        lowered, laid, placed = changed, other, again


_WORTH = 1.02  # times the arena: what less scratch must save, as kernels are slower with it


def _less_scratch(graph, schedule, lowered, laid, placed):
    """(constants, what `_place` gives for them) with less scratch where it makes the arena larger."""
    least = [constants.within(0) for constants in laid]
    smallest = _place(graph, schedule, lowered, least)
    if smallest[2] * _WORTH > placed[2]:
        return laid, placed
    alive = _alive(placed, len(lowered))
    room = [smallest[2] - (bytes_ - constants.scratch) for bytes_, constants in zip(alive, laid, strict=True)]
    fitted = [constants.within(left) for constants, left in zip(laid, room, strict=True)]
    again = _place(graph, schedule, lowered, fitted)
    return (fitted, again) if again[2] <= smallest[2] else (least, smallest)


def _alive(placed, steps):
    """Bytes alive at each step of what `_place` gives."""
    records, _, _, scratch = placed
    tensors = [
        {
            "offset": r.offset,
            "bytes": int(np.prod(r.hwc)),
            "alive": [-1 if r.first == mtb.NONE else r.first, r.first if r.last == mtb.NONE else r.last],
        }
        for r in records
    ]
    return mtb.live_bytes(tensors, [scratch.get(step, (0, 0))[1] for step in range(steps)])


def _op_record(low, laid, branch, records, index_of, scratch):
    return mtb.OpRecord(
        low.kind,
        records[index_of[low.output]].name,
        [index_of[i] for i in low.inputs],
        index_of[low.output],
        branch,
        low.macs,
        laid.layout,
        np.array(low.args, "<i4").tobytes(),
        laid.weights,
        laid.bias,
        laid.requant,
        *scratch,
    )


def _beside(record, size, arena):
    """(offset of `size` bytes beside a tensor, before the first op; bytes of the arena then)."""
    end = memory.aligned(record.offset + int(np.prod(record.hwc)))
    if size <= record.offset:
        return 0, arena
    return end, max(arena, end + memory.aligned(size))


def _program(graph, schedule, lowered, target, features, pixels, front_end, in_place):
    """The Program for a target, and why layers have no layout of their own: {step: reason}.

    features, pixels, front_end: as a Program has them. in_place: as `compile_tflite` has it.
    """
    laid = [layout.lay_out(low, graph, target) for low in lowered]
    lowered, laid, placed = _order(graph, schedule, lowered, laid)
    if in_place:
        lowered, laid, placed = _depthwise_in_place(graph, schedule, lowered, laid, placed, target)
    laid, placed = _less_scratch(graph, schedule, lowered, laid, placed)
    records, index_of, arena, scratch = placed
    start = index_of[graph.inputs[0]]
    beside = 0
    if front_end is not None and front_end.scratch():
        beside, arena = _beside(records[start], front_end.scratch(), arena)
    program = mtb.Program(
        layout.target_code(target),
        arena,
        start,
        records,
        [
            _op_record(low, constants, branch, records, index_of, scratch.get(step, (0, 0)))
            for step, (low, constants, branch) in enumerate(zip(lowered, laid, schedule.branches, strict=True))
        ],
        [
            mtb.ExitRecord(index_of[tensor], end, cost)
            for tensor, end, cost in zip(schedule.tensors, schedule.ends, schedule.macs, strict=True)
        ],
        features,
        pixels,
        front_end,
        beside,
    )
    return program, {step: constants.why for step, constants in enumerate(laid) if constants.why}


def _in_strips(graph, schedule, lowered, extras, strips):
    """(schedule, operators, how many of the first layers were split) with the first layers in strips of rows, as many
    of them as make the arena of the generic target smallest: all targets' files are the same backbone."""
    best = schedule, lowered, 0
    least = _program(graph, schedule, lowered, "generic", *extras)[0].arena
    for length in range(2, patches.chain(lowered, schedule) + 1):
        if graph.tensors[lowered[length - 1].output].hwc[0] < strips:
            break
        made = patches.split(graph, schedule, lowered, length, strips)
        arena = _program(graph, *made, "generic", *extras)[0].arena
        if arena < least:
            least = arena
            best = *made, length
    return best


def compile_tflite(
    source, *, exits=None, target="generic", features=None, pixels=None, front_end=None, in_place=True, strips=0
):
    """Compile an int8 .tflite file (path or bytes) to a Compiled .mtb.

    exits     names or indices of tensors; None: the file's outputs. They are numbered by their
              cost. The embedding of a map is its mean over height and width, in the map's own
              scale and zero point, on a branch of that exit; its name has ":mean" added
    target    the core that the weights are laid out for: "generic" runs everywhere, "m0" on
              Cortex-M0+ (M0, M23, M3), "dsp" on M4F, M7 and M33, "mve" on M55 and M85 (see
              `boards.Board.target`); all are the same backbone: their embeddings and their SHA-256 are equal
    features  what happens to embeddings before a head, see `features`; None: nothing
    pixels    True: the backbone also takes uint8 pixels p as p - 128; or a table int8 (256,);
              None or False: only where the file itself has a uint8 input
    front_end a `front_end.Mel` or `Axes`: the backbone also takes windows of int16 samples
    in_place  False: no depthwise convolution runs in the place of its input, though that would
              make the arena smaller
    strips    2 to 64: the first layers run in so many strips of rows, if that makes the arena smaller (see
              `patches`); the embeddings are the same bits, the MACs more, and the SHA-256 is another

    Raises ValueError, naming the file, for whatever cannot be compiled: one error lists all
    operators that the engine does not run.
    """
    layout.target_code(target)
    if strips not in (0, *range(2, 65)):
        raise ValueError(f"strips: expected 0 (none) or 2 to 64, got {strips}")
    if front_end is not None and pixels is not None and pixels is not False:
        raise ValueError("pixels, front_end: expected one of them, got both")
    if isinstance(source, (str, Path)):
        graph = tflite.read_file(source)
    else:
        graph = tflite.read(source)
    wanted = exits_.find(graph, exits)
    passes.fix_shapes(graph)
    derived, alias = passes.strip_boundary(graph)
    asked = [graph.tensors[tensor].name for tensor in wanted]
    tensors = [_resolve(alias, tensor) for tensor in wanted]
    tensors = exits_.pool(graph, tensors, asked)
    exits_.check(graph, tensors, asked)
    remove_dead(graph, tensors)
    tensors, names = passes.simplify(graph, tensors)
    lowered = _lower(graph)
    exits_.check(graph, tensors, names)
    schedule = exits_.schedule(graph, tensors, names, [low.macs for low in lowered])
    lowered = [lowered[position] for position in schedule.order]
    if len(lowered) > 1024:
        raise ValueError(f"{graph.source}: expected at most 1024 layers, got {len(lowered)}")
    extras = (
        features_.normalise(features, [graph.tensors[t].hwc[2] for t in schedule.tensors]),
        _pixel_table(pixels, derived, graph.tensors[graph.inputs[0]].hwc) if front_end is None else None,
        front_end,
        in_place,
    )
    split = None
    if strips:
        whole = schedule, lowered
        schedule, lowered, length = _in_strips(graph, *whole, extras, strips)
        if length:
            split = {
                "strips": strips,
                "layers": length,
                "macs_without": whole[0].macs[-1],
                "arena_bytes_without": _program(graph, *whole, target, *extras)[0].arena,
            }
    program, reasons = _program(graph, schedule, lowered, target, *extras)
    identity = None
    if target != "generic":
        identity = mtb.identity_of(mtb.write(_program(graph, schedule, lowered, "generic", *extras)[0]))
    data = mtb.write(program, identity)
    report = mtb.read_info(data, graph.source)
    report["strips"] = split
    report["unmatched_sums"] = sum(low.unmatched for low in lowered)
    for step, reason in reasons.items():
        report["layers"][step]["why"] = reason
    return Compiled(data, report)


def _resolve(alias, tensor):
    while tensor in alias:
        tensor = alias[tensor]
    return tensor


def _times(shape):
    return " x ".join(map(str, shape))


def _inputs(shapes):
    if len(shapes) > 1 and all(shape == shapes[0] for shape in shapes):
        return f"{len(shapes)} of {_times(shapes[0])}"
    return " + ".join(_times(shape) for shape in shapes)


def _takes(report):
    front = report["front_end"]
    if front is None:
        return "uint8 pixels or int8" if report["takes_pixels"] else "int8"
    how = {
        "mel": "{frame} samples every {step}, {bands} mel bands, {coefficients} coefficients, floor {floor} dB",
        "axes": "{axes} axes",
    }[front["kind"]].format(**front)
    return f"windows of {front['samples']:,} int16 samples at {front['rate']:,} Hz ({front['kind']}: {how}), or int8"


def describe(report):
    """The report as text: layers with the memory alive at each, exits, memory against its lower bound."""
    from rich.console import Console
    from rich.table import Table

    text = io.StringIO()
    console = Console(file=text, width=160, highlight=False, force_terminal=False)
    table = Table(box=None, pad_edge=False, header_style="")
    laid_out = any(layer["layout"] for layer in report["layers"])
    for title in ("layer", "operator", "input", "output", *(["layout"] if laid_out else []), "exit"):
        table.add_column(title, justify="right" if title == "layer" else "left", no_wrap=True)
    for title in ("MACs", "weights B", "alive B"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("of the arena", no_wrap=True)
    highest = timeline.peak(report)
    for layer in report["layers"]:
        reached = [str(e) for e, x in enumerate(report["exits"]) if x["end"] == layer["index"] + 1]
        branch = "" if layer["branch"] is None else f"only {layer['branch']}"
        table.add_row(
            str(layer["index"]),
            layer["op"].lower(),
            _inputs(layer["input_shapes"]),
            _times(layer["output_shape"]),
            *([layer["layout"]] if laid_out else []),
            "ends " + reached[0] if reached else branch,
            f"{layer['macs']:,}",
            f"{layer['weight_bytes']:,}",
            f"{layer['live_bytes']:,}",
            timeline.bar(layer["live_bytes"], report["arena_bytes"]) + (" most" if layer["index"] == highest else ""),
        )
    console.print(table)
    total = report["macs"] or 1
    console.print()
    if report.get("strips"):
        split = report["strips"]
        console.print(
            f"the first {split['layers']} layers run in {split['strips']} strips of rows: "
            f"{report['arena_bytes']:,} bytes of arena instead of {split['arena_bytes_without']:,}, "
            f"x {report['macs'] / split['macs_without']:.3f} MACs"
        )
    for number, exit_ in enumerate(report["exits"]):
        console.print(
            f"exit {number}: {exit_['dim']} values, {exit_['macs']:,} MACs "
            f"({100 * exit_['macs'] / total:.1f} %), {exit_['layers']} layers, "
            f"{exit_['arena_bytes']:,} bytes of arena (at most {exit_['peak_bytes']:,} alive), "
            f"scale {exit_['scale']:.6g}, zero point {exit_['zero_point']}, {exit_['tensor']}",
            markup=False,
            soft_wrap=True,
        )
    arena, bound = report["arena_bytes"], report["arena_lower_bound_bytes"]
    over = 100 * (arena - bound) / bound if bound else 0.0
    console.print(
        f"arena: {arena:,} bytes, {over:.1f} % over the lower bound of {bound:,} "
        f"(the most that is alive at once)\nflash: {report['flash_bytes']:,} bytes, "
        f"target {report['target']}, "
        f"takes {_takes(report)}",
        soft_wrap=True,
    )
    for layer in report["layers"]:
        if layer.get("why"):
            console.print(
                f"note: layer {layer['index']} ({layer['op'].lower()}) has no fast kernel for target "
                f"{report['target']}: {layer['why']}",
                markup=False,
                soft_wrap=True,
            )
    if report.get("unmatched_sums"):
        console.print(
            f"note: {report['unmatched_sums']} sums of fully connected layers are rounded "
            "otherwise than TensorFlow Lite does (by 1)",
            soft_wrap=True,
        )
    return text.getvalue().rstrip("\n")
