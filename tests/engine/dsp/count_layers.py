# SPDX-License-Identifier: MIT
"""Counts instructions of layers and of the benchmark networks on every core, and models Cortex-M4 cycles.

    python tests/engine/dsp/count_layers.py                        # all single layers and networks
    python tests/engine/dsp/count_layers.py --core m0              # the kernels of another core: m0, m55
    python tests/engine/dsp/count_layers.py pw_24x24_16-96 --same  # TensorFlow's SAME padding
    python tests/engine/dsp/count_layers.py vww --where            # by function

Every output is compared as in the tests. With the folder ../shared next to the checkout the
table shows CMSIS-NN's figures too.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import dsp_cases as cases
import dsp_machine as machine
import numpy as np

from microt.bench import plugin
from microt.bench.cycles import Program
from microt.bench.elf import Elf
from microt.bench.networks import NETWORKS, SINGLE
from microt.compiler import layout_dsp as layouts
from microt.compiler.layout_dsp import Window

MODELLED = ("m4", "m7", "m33")  # cycles of the first, on code that is the same
OTHERS = {"m0": "m0", "m55": "mve"}  # folders of tests of other cores
BASELINE = machine.ROOT.parent / "shared" / "design" / "perf_baseline.json"


def requant(rng, channels: int, taps: int, relu: str) -> layouts.Requant:
    made = cases.requant(rng, channels, taps, friendly=True)
    return dataclasses.replace(made, zero_in=-128, zero_out=-128 if relu else -3)


def case(name: str, *, same: bool = False, reference: bool = False) -> machine.Case:
    """The layer of a name, on random values; see microt.bench.networks."""
    rng = np.random.default_rng(list(name.encode()))
    options = {"use_reference": reference}
    plain, _, relu = name.partition("+")
    kind, *shape = plain.split("_")
    numbers = [int(n) for part in shape for n in re.findall(r"\d+", part)]
    if kind == "fc":
        depth, out = numbers
        q = requant(rng, out, depth, "")
        weights, x = cases.values(rng, out, depth), cases.values(rng, 1, 1, depth)
        clamp = (-128, 127)
        return machine.fully_connected_case(name, weights, q, x, (1, 1, out), clamp, **options)
    h, w, cin = numbers[:3]
    x = rng.integers(-128, 128, (h, w, cin), dtype=np.int8)
    if kind == "add":
        args = [20]
        for scale in (0.5, 0.4, 2 / ((1 << 20) * 1.2)):
            args += cases.quantize(scale)
        b = rng.integers(-128, 128, x.shape, dtype=np.int8)
        return machine.add_case(name, x, b, (3, -5, 2), [*args, -128, 127], **options)
    if kind == "gap":
        pool = Window((h, w, cin), (1, 1, cin), (h, w))
        return machine.average_pool_case(name, pool, x, 0, (-128, 127), **options)
    k, stride = 1, 1
    if kind != "pw":
        k, stride = map(int, re.search(r"(\d)x\d(?:s(\d))?", kind).groups())
    out = (h // stride, w // stride)
    before = 0 if kind == "avgpool2x2s2" else (k - 1) // 2
    total = max((out[0] - 1) * stride + k - h, 0)
    if same:
        before = total // 2
    after = max(total - before, 0)
    pads = (before, before, after, after)
    cout = numbers[3] if len(numbers) > 3 else cin
    window = Window((h, w, cin), (*out, cout), (k, k), (stride, stride), (1, 1), pads)
    if kind.startswith("avgpool"):
        return machine.average_pool_case(name, window, x, 0, (-128, 127), **options)
    if kind.startswith("dw"):
        q = requant(rng, cout, k * k, relu)
        weights = rng.integers(-127, 128, (k, k, cin), dtype=np.int8)
        return machine.depthwise_case(name, window, weights, q, x, **options)
    q = requant(rng, cout, k * k * cin, relu)
    weights = rng.integers(-127, 128, (cout, k, k, cin), dtype=np.int8)
    return machine.conv_case(name, window, weights, q, x, **options)


def measure(names: list[str], core: str = "m4", **options) -> tuple[dict, list[str]]:
    """Counts by layer name: (instructions, modelled M4 cycles, case, by function); and what was wrong.

    The cycles of other cores are None.
    """
    return measure_cases([case(name, **options) for name in dict.fromkeys(names)], core)


def over(limits: dict[str, float], core: str = "m4") -> dict[str, float]:
    """Layers that take more instructions per MAC, or per output where there are no MACs, than their limit."""
    found, wrong = measure(list(limits), core)
    assert wrong == []
    taken = {name: count / (layer.macs or layer.expected.size) for name, (count, _, layer, _) in found.items()}
    return {name: n for name, n in taken.items() if n > limits[name]}


def measure_cases(todo: list[machine.Case], core: str = "m4") -> tuple[dict, list[str]]:
    """As measure, for layers made elsewhere; their names must differ."""
    elf = machine.build(core)
    program, symbols = Program.from_elf(elf), Elf(elf)
    marks = {m: [symbols.symbol(f"mark_{m}").address] for m in ("begin", "end")}
    found, wrong = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, len(todo), 40):
            part = todo[first : first + 40]
            blob, out = Path(folder) / "cases.bin", Path(folder) / "counts"
            blob.write_bytes(machine.image(part))
            command = machine.command(core, elf, blob)
            command += ["-plugin", plugin.arguments(plugin.build(), out, marks)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            wrong += re.findall(r"bad .*", done.stdout + done.stderr)
            segments = plugin.parse(out.read_text())
            for layer, segment in zip(part, segments, strict=True):
                where = Counter()
                for address, count in segment.counts.items():
                    function = symbols.function_at(address)
                    where[function.name if function else "?"] += count.executed
                cycles = program.cycles(segment.counts).mid if core in MODELLED else None
                found[layer.name] = (segment.instructions, cycles, layer, where)
    return found, wrong


def _cmsis(core: str) -> dict:
    """{layer: (instructions, modelled M4 cycles or None)} of CMSIS-NN, where the baseline file is there."""
    if not BASELINE.is_file():
        return {}
    layers = {}
    for layer in json.loads(BASELINE.read_text())["layers"]:
        result = layer["results"].get("cmsis-nn", {}).get(core)
        if result:
            layers[layer["name"]] = (result["insn"], result.get("m4cyc"))
    return layers


def _against(ours: tuple, theirs: tuple) -> str:
    ratios = [b / a for a, b in zip(ours, theirs, strict=True) if a and b]
    return " ".join(f"{ratio:5.2f}" for ratio in ratios) + ("  SLOWER" if min(ratios) < 1 else "")


def report(names: list[str], core: str, *, same: bool, reference: bool, where: bool) -> None:
    networks = {n: make() for n, make in NETWORKS.items() if not names or n in names}
    single = [n for n in names if n not in NETWORKS] if names else SINGLE
    every = [*single, *(name for layers in networks.values() for name in layers)]
    found, wrong = measure(every, core, same=same, reference=reference)
    cmsis = _cmsis(core)
    modelled = core in MODELLED
    columns = f"{'cycles':>9} {'/MAC':>5}" if modelled else ""
    print(f"{'layer':30} {'layout':>6} {'MACs':>8} {'insn':>9} {'/MAC':>6} {columns}  CMSIS-NN")
    for name, (instructions, cycles, layer, functions) in found.items():
        macs = layer.macs or layer.expected.size
        theirs = cmsis.get(name.partition("+")[0])
        ratio = _against((instructions, cycles), theirs) if theirs else ""
        columns = f"{cycles:9} {cycles / macs:5.2f}" if modelled else ""
        layout = layer.laid.layout
        print(f"{name:30} {layout:6} {macs:8} {instructions:9} {instructions / macs:6.3f} {columns}  {ratio}")
        if where:
            for function, n in functions.most_common(8):
                print(f"    {function:40} {n:9} {100 * n / instructions:5.1f} %")
    for network, layers in networks.items():
        kinds = Counter()
        for name in layers:
            instructions, cycles, *_ = found[name]
            kinds[re.match("[a-z]+", name)[0], "instructions"] += instructions
            kinds[re.match("[a-z]+", name)[0], "cycles"] += cycles or 0
        print(f"{network}: " + "; ".join(_sums(kinds, unit) for unit in ("instructions", "cycles")[: 1 + modelled]))
    for line in wrong:
        print("WRONG:", line)


def _sums(kinds: Counter, unit: str) -> str:
    parts = {kind: n / 1e6 for (kind, what), n in kinds.items() if what == unit}
    return f"{sum(parts.values()):.3f} M {unit} (" + ", ".join(f"{kind} {n:.3f}" for kind, n in parts.items()) + ")"


def on_core(core: str):
    """This module, to work on the machine of another core."""
    folder = OTHERS[core]
    sys.path.insert(0, str(machine.HERE.parent / folder))
    other = importlib.import_module(f"{folder}_machine")
    return other.on_this_core("count_layers", cases=other.on_this_core("dsp_cases"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="layers or networks (default: all)")
    parser.add_argument("--core", default="m4", choices=[*MODELLED, *OTHERS])
    parser.add_argument("--same", action="store_true", help="pad as TensorFlow's SAME does")
    parser.add_argument("--reference", action="store_true", help="the reference kernels")
    parser.add_argument("--where", action="store_true", help="instructions by function")
    args = parser.parse_args()
    run = on_core(args.core).report if args.core in OTHERS else report
    run(args.names, args.core, same=args.same, reference=args.reference, where=args.where)


if __name__ == "__main__":
    main()
