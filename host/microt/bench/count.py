# SPDX-License-Identifier: MIT
"""What a backbone costs on an emulated board: counted by layer and by exit, then modelled.

The firmware that is built for the board runs under QEMU with the counting plugin. The backbone
lies in ROMFS; a MicroPython script runs it between two marks, once for every exit from the start
and once stage by stage. All that is executed between the marks is counted, the binding and the
interpreter's call included; interrupt handlers are not. A layer's share is what its kernel
executes, the rest is the dispatch around the layers.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from microt.bench import energy, plugin
from microt.bench.cycles import Count, Program, m55_bracket
from microt.bench.elf import Elf
from microt.bench.present import describe, plot
from microt.compiler import read_info

__all__ = ["count", "count_tflite", "describe", "plot"]

# Runs on the board. The input is pseudo-random and always the same: kernels may branch on values.
# The garbage collector rests, so that it is not counted as part of an inference. What an allocation
# costs depends on the holes it finds in the heap, and these on when the line's bytes came in: they
# are filled with floats (16 bytes each) up to a fixed place within four blocks, before each run.
BOARD_SCRIPT = """
import gc
import json
import time
from array import array

import _microt
import emulator

floats = [None] * 600
net = x = times = inside = None


def grown(kind, size):
    # zeros, grown in place: there may be no room for them twice
    width = 2 if kind == "h" else 1
    piece, rest = array(kind, bytes(256 * width)), array(kind, bytes(size % 256 * width))
    found = array(kind)
    for _ in range(size // 256):
        found.extend(piece)
    found.extend(rest)
    return found


def load(path):
    global net, x, times, inside
    gc.enable()
    net = x = None
    gc.collect()
    file = memoryview(open(path, "rb"))
    net = _microt.Backbone(file)
    h, w, c = net.input_shape
    inside = False
    try:
        x = grown("h", net.samples) if net.samples else grown("b", h * w * c)
    except MemoryError:  # then in the arena itself, wherever that is overwritten
        inside = True
        size = net.arena_size + 16
        net = None
        gc.collect()
        memory = grown("b", size)
        net = _microt.Backbone(file, arena=memory)
        x = memoryview(memory)[: h * w * c]
    state = 1
    for i in range(len(x)):
        state = (state * 25173 + 13849) & 0xFFFF
        x[i] = (state >> 8) - 128
    times = []


def settle():
    for i in range(len(floats)):
        floats[i] = None
    gc.collect()
    gc.disable()
    for i in range(len(floats)):
        floats[i] = i + 0.5
        if i > 500 and id(floats[i]) & 63 == 0:
            return


def run(exit):
    settle()
    start = time.ticks_us()
    emulator.mark_begin()
    net.run(x, exit)
    emulator.mark_end()
    times.append(time.ticks_diff(time.ticks_us(), start))


def resume():
    settle()
    start = time.ticks_us()
    emulator.mark_begin()
    net.resume()
    emulator.mark_end()
    times.append(time.ticks_diff(time.ticks_us(), start))


def measure(path):
    load(path)
    run(0)
    for exit in range(1, net.exits):
        resume()
    for exit in range(1, net.exits):
        run(exit)
    print(json.dumps({"microseconds": times, "kernels": _microt.kernels(), "inside": inside}))


"""

# How long the board may be silent: it prints when all runs of a backbone are done.
BOARD_SECONDS = 900

# What a layer's entry takes over from the report of the compiler.
LAYER_KEYS = ("index", "op", "name", "branch", "macs", "input_shapes", "output_shape", "layout")

# With QEMU's -icount shift=0 every instruction takes one nanosecond of the board's clock.
INSTRUCTIONS_PER_MICROSECOND = 1000

# The engine's functions that call kernels; a compiler may have merged the first with the others.
CALLERS = ("microt_step", "microt_run", "microt_resume", *(f"microt_{s}_run" for s in ("c", "m0", "dsp", "mve")))


@dataclass
class Region:
    """What one call on the board cost: all of it, and by op in the order of execution.

    ``total`` and ``ops`` are None where only the instruction clock was there to count with.
    """

    instructions: int
    total: Mapping[int, Count] | None
    ops: list[Mapping[int, Count]] | None


def count(board, mtb: bytes, *, log: Callable[[str], None] = print) -> dict:
    """Counts the instructions of a backbone on an emulated board; models cycles and energy.

    Args:
        board: a ``microt.boards.Board`` that QEMU emulates.
        mtb: the compiled backbone.
        log: takes lines of progress.

    Returns:
        What ``microt bench --json`` prints. Keys that hold a model's figure end in ``_modelled``
        (with ``_low`` and ``_high`` beside cycles) and are None for a core without a model; for a
        Cortex-M55 there are the bounds alone.
        ``instructions`` is that of a straight run to the last exit. ``layers`` has every op once;
        one with a ``branch`` runs for that exit only. Each of ``exits`` holds the cost of
        ``run(exit)``, under ``resume`` that of the step from the exit before, and under ``staged``
        that of ``run(0)`` and all resumes up to it. ``counted_by`` is "plugin", or "icount" where
        the plugin cannot be had: then totals have a resolution of 1000 instructions and layers
        have none; ``notes`` says why.

    Raises:
        ValueError: the backbone is refused by the engine, or the board is not emulated.
        RuntimeError: the firmware cannot be built, or the emulator failed.
    """
    return count_many(board, [mtb], log=log)[0]


def count_many(board, files: list[bytes], *, log: Callable[[str], None] = print) -> list[dict]:
    """As ``count``, for several backbones one after the other, in one start of the emulator."""
    from microt.boards import firmware

    if board.qemu is None:
        raise ValueError(f"board: expected an emulated one to count on, got {board.name}")
    infos = [read_info(mtb) for mtb in files]
    for info in infos:
        board.check_target(info["target"])
    image = firmware.build(board, log=log)
    notes = []
    for target in {info["target"] for info in infos} - {board.target}:
        log(f"compiled for target {target}; weights laid out with --target {board.target} run faster")
    try:
        library = plugin.build(qemu=board.qemu.program)
    except plugin.PluginUnavailable as reason:
        library = None
        notes.append(f"counted by the instruction clock, not by layer: {reason}")
        log(notes[-1])
    log(f"counting on {board.name}")
    elf = Elf(image)
    program = Program.from_elf(image, core=board.core)
    costs = _Costs(board, program)
    results = []
    measured = _measure(board, image, elf, program, files, infos, library, notes)
    for info, (regions, kernels, own_notes) in zip(infos, measured, strict=True):
        results.append(_result(board, info, regions, costs, kernels, [*notes, *own_notes]))
    return results


def count_tflite(board, path: str | Path, *, log: Callable[[str], None] = print) -> dict:
    """As ``count``, for an int8 ``.tflite`` file, which is compiled for the board's target first."""
    from microt import compiler

    return count(board, compiler.compile_tflite(path, target=board.target).data, log=log)


# ---- on the board


def _measure(board, image, elf, program, files, infos, library, notes):
    """Runs the script on the board; (regions, names of the kernels, notes) of each file."""
    from microt.boards import Emulator, link, romfs_image

    names = [f"{number}.mtb" for number in range(len(files))]
    with tempfile.TemporaryDirectory(prefix="microt-bench-") as folder:
        out = Path(folder) / "counts"
        argument = None
        if library is not None:
            argument = plugin.arguments(library, out, _marks(elf, program), plugin.interrupt_ranges(elf))
        emulator = Emulator(
            board,
            image,
            storage=Path(folder) / "storage",
            romfs=romfs_image(dict(zip(names, map(bytes, files), strict=True))),
            icount=True,
            plugin=argument,
        )
        with emulator, link.Link(emulator.port) as connection:
            said = []
            for name in names:  # each in a fresh interpreter: the heap is as if it were the only one
                printed = connection.run(f"{BOARD_SCRIPT}measure('/rom/{name}')\n", timeout=BOARD_SECONDS)
                said.append(json.loads(printed.strip().splitlines()[-1]))
        segments = None if library is None else plugin.parse(out.read_text())
    measured = []
    first = 1  # number of the next region
    for info, each in zip(infos, said, strict=True):
        calls = _calls(info)
        if len(each["microseconds"]) != len(calls):
            raise RuntimeError(f"expected {len(calls)} runs on the board, got {len(each['microseconds'])}")
        own_notes = []
        if each["inside"]:
            own_notes.append("the input lay in the arena for want of room: call and dispatch are a little higher")
        if segments is None:
            regions = [Region(n * INSTRUCTIONS_PER_MICROSECOND, None, None) for n in each["microseconds"]]
        else:
            numbers = range(first, first + len(calls))
            own = [segment for segment in segments if segment.region in numbers]
            regions = regions_of(own, [len(call) for call in calls], own_notes)
        measured.append((regions, each["kernels"], own_notes))
        first += len(calls)
    return measured


def _calls(info: dict) -> list[list[dict]]:
    """The layers of each call that the script makes, in its order."""
    exits = range(1, len(info["exits"]))
    return [
        run_layers(info, 0),
        *(resume_layers(info, exit) for exit in exits),
        *(run_layers(info, exit) for exit in exits),
    ]


def run_layers(info: dict, exit: int) -> list[dict]:
    """The layers that ``run(exit)`` executes, from what ``read_info`` tells of a backbone."""
    return _layers_between(info, 0, exit)


def resume_layers(info: dict, exit: int) -> list[dict]:
    """The layers of the ``resume()`` that leads from the exit before to ``exit``."""
    return _layers_between(info, info["exits"][exit - 1]["end"], exit)


def _layers_between(info, start, exit):
    layers = info["layers"][start : info["exits"][exit]["end"]]
    return [layer for layer in layers if layer["branch"] in (None, exit)]


def _marks(elf: Elf, program: Program) -> dict[str, list[int]]:
    """Addresses of the plugin's marks: both ends of a region, and of each kernel's call in it."""
    marks = {}
    for mark, name in {"begin": "microt_mark_begin", "end": "microt_mark_end"}.items():
        symbol = elf.symbol(name)
        if symbol is None or not symbol.is_function:
            raise RuntimeError(f"{elf.path}: expected a function {name}, found none")
        marks[mark] = [symbol.address]
    marks["kernel"] = _kernel_addresses(elf)
    marks["after"] = [at for name in CALLERS for at in program.after_indirect_calls(name)]
    for mark in ("kernel", "after"):
        if not marks[mark]:
            raise RuntimeError(
                f"{elf.path}: expected a table of kernels and calls through it in "
                f"{', '.join(CALLERS)}, found none: layers cannot be told apart"
            )
    return marks


def _kernel_addresses(elf: Elf) -> list[int]:
    """The functions in the engine's tables of kernels: objects named so that hold nothing else."""
    mask = ~0 if elf.riscv else ~1  # Arm's Thumb bit
    found = set()
    for symbol in elf.symbols:
        if not symbol.is_object or "kernels" not in symbol.name or symbol.size < 4:
            continue
        try:
            table = elf.read(symbol.address, symbol.size & ~3)
        except ValueError:
            continue  # in RAM, filled when the program runs
        words = struct.unpack(f"<{symbol.size // 4}I", table)
        functions = [elf.function_at(word & mask) for word in words if word]
        if all(
            function is not None and function.address == word & mask
            for function, word in zip(functions, filter(None, words), strict=True)
        ):
            found.update(function.address for function in functions)
    return sorted(found)


def regions_of(segments: list[plugin.Segment], ops: list[int], notes: list[str]) -> list[Region]:
    """Puts the plugin's segments together to one region a call, with its ops.

    Args:
        segments: of all regions.
        ops: number of ops that each region is expected to execute.
        notes: gets a line when the counts may be inexact.

    Raises:
        RuntimeError: regions or ops are not those that were expected.
    """
    regions = []
    numbers = sorted({segment.region for segment in segments})
    if len(numbers) != len(ops):
        raise RuntimeError(f"expected {len(ops)} counted regions, got {len(numbers)}")
    for number, expected in zip(numbers, ops, strict=True):
        parts = [segment for segment in segments if segment.region == number]
        total = plugin.add_counts(part.counts for part in parts)
        steps = _kernel_counts(parts)
        if len(steps) != expected:
            raise RuntimeError(f"expected {expected} ops in a run, the board ran {len(steps)}")
        device = sum(part.device_accesses for part in parts)
        if device:
            notes.append(
                f"region {number}: {device} accesses to device registers, counts may be a few instructions too high"
            )
        instructions = sum(item.executed for item in total.values())
        regions.append(Region(instructions, total, steps))
    return regions


def _kernel_counts(parts: list[plugin.Segment]) -> list[Mapping[int, Count]]:
    """By call of a kernel, the counts; a kernel that calls another one is a single call."""
    calls = []
    inside = []
    for part in parts:
        if part.first == "kernel":
            inside.append(part.counts)
        if part.last == "after" and inside:
            calls.append(plugin.add_counts(inside))
            inside = []
    return calls


# ---- the result


class _Costs:
    """Figures of counted code on a board: counted, and modelled where there is a model."""

    def __init__(self, board, program: Program):
        self.board = board
        self.program = program
        self.has_cycles = board.core.startswith("Cortex-M4")
        self.has_bracket = board.core.startswith("Cortex-M55")

    def of_region(self, region: Region) -> dict:
        return self._figures(region.instructions, region.total)

    def of_counts(self, counts: Mapping[int, Count]) -> dict:
        return self._figures(sum(item.executed for item in counts.values()), counts)

    def unknown(self) -> dict:
        return self._figures(None, None)

    def _figures(self, instructions: int | None, counts: Mapping[int, Count] | None) -> dict:
        figures = {"cycles_modelled": None, "cycles_modelled_low": None, "cycles_modelled_high": None}
        if counts is not None and self.has_cycles:
            cycles = self.program.cycles(counts)
            figures = dict(zip(figures, (cycles.mid, cycles.low, cycles.high), strict=True))
        elif counts is not None and self.has_bracket:
            bracket = m55_bracket(self.program.histogram(counts))
            figures |= {"cycles_modelled_low": bracket.low, "cycles_modelled_high": bracket.high}
        microjoules = None
        if figures["cycles_modelled"] is not None and self.board.power_mw is not None:
            microjoules = energy.microjoules(
                figures["cycles_modelled"], clock_hz=self.board.clock_hz, milliwatts=self.board.power_mw
            )
        return {"instructions": instructions, **figures, "energy_uj_modelled": microjoules}


def _result(board, info, regions, costs, kernels, notes) -> dict:
    exits = len(info["exits"])
    stages, straight = regions[:exits], [regions[0], *regions[exits:]]

    layers = []
    for stage, region in enumerate(stages):
        executed = run_layers(info, 0) if stage == 0 else resume_layers(info, stage)
        for position, layer in enumerate(executed):
            entry = {key: layer[key] for key in LAYER_KEYS}
            if region.ops is None:
                layers.append({**entry, **costs.unknown()})
            else:
                layers.append({**entry, **costs.of_counts(region.ops[position])})

    table = []
    staged = None
    for exit in range(exits):
        step = costs.of_region(stages[exit])
        staged = step if staged is None else _add(staged, step)
        figures = costs.of_region(straight[exit])
        entry = {"exit": exit, "macs": info["exits"][exit]["macs"], **figures}
        table.append({**entry, "resume": None if exit == 0 else step, "staged": staged})

    last = straight[-1]
    result = {
        "board": board.name,
        "core": board.core,
        "counted_by": "icount" if last.total is None else "plugin",
        "kernels": list(kernels),
        **costs.of_region(last),
        "arena_bytes": info["arena_bytes"],
        "flash_bytes": info["flash_bytes"],
        "macs": info["macs"],
        "power": {
            "milliwatts": board.power_mw,
            "clock_hz": board.clock_hz,
            "source": board.power_source,
        },
        "layers": layers,
        "dispatch": costs.unknown() if last.ops is None else costs.of_counts(_dispatch(last)),
        "exits": table,
        "histogram": None if last.total is None else costs.program.histogram(last.total),
        "notes": notes,
    }
    return result


def _dispatch(region: Region) -> dict[int, Count]:
    """What a region executed outside its ops."""
    inside = plugin.add_counts(region.ops)
    rest = {}
    for address, item in region.total.items():
        left = Count(*(a - b for a, b in zip(item, inside.get(address, (0, 0, 0)), strict=True)))
        if any(left):
            rest[address] = left
    return rest


def _add(first: dict, second: dict) -> dict:
    """The sum of two figures, key by key; unknown stays unknown."""
    return {key: None if first[key] is None or second[key] is None else first[key] + second[key] for key in first}
