# SPDX-License-Identifier: MIT
"""Counts instructions and models Cortex-M4 cycles of layers and of the benchmark networks.

    python tests/engine/dsp/count_layers.py                        # all single layers and networks
    python tests/engine/dsp/count_layers.py pw_24x24_16-96 --same  # TensorFlow's SAME padding
    python tests/engine/dsp/count_layers.py vww --where            # by function

Every output is compared as in the tests. With the folder ../shared next to the checkout the
table shows CMSIS-NN's figures too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import subprocess
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
    """Counts by layer name: (instructions, modelled cycles, case, by function); and what was wrong."""
    return measure_cases([case(name, **options) for name in dict.fromkeys(names)], core)


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
                cycles = program.cycles(segment.counts).mid
                found[layer.name] = (segment.instructions, cycles, layer, where)
    return found, wrong


def _cmsis() -> tuple[dict, dict]:
    if not BASELINE.is_file():
        return {}, {}
    baseline = json.loads(BASELINE.read_text())
    layers = {}
    for layer in baseline["layers"]:
        result = layer["results"].get("cmsis-nn", {}).get("m4")
        if result:
            layers[layer["name"]] = (result["insn"], result["m4cyc"])
    return layers, baseline["networks"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="layers or networks (default: all)")
    parser.add_argument("--core", default="m4", choices=machine.CORES)
    parser.add_argument("--same", action="store_true", help="pad as TensorFlow's SAME does")
    parser.add_argument("--reference", action="store_true", help="the reference kernels")
    parser.add_argument("--where", action="store_true", help="instructions by function")
    args = parser.parse_args()
    networks = {n: make() for n, make in NETWORKS.items() if not args.names or n in args.names}
    single = [n for n in args.names if n not in NETWORKS] if args.names else SINGLE
    names = [*single, *(name for layers in networks.values() for name in layers)]
    found, wrong = measure(names, args.core, same=args.same, reference=args.reference)
    cmsis, _ = _cmsis()
    print(f"{'layer':30} {'MACs':>8} {'insn':>9} {'cycles':>9} {'/MAC':>5} {'/MAC':>5}  CMSIS-NN")
    for name, (instructions, cycles, layer, where) in found.items():
        macs = layer.macs or layer.expected.size
        ratio = ""
        theirs = cmsis.get(name.partition("+")[0])
        if theirs:
            ratio = f"{theirs[0] / instructions:5.2f} {theirs[1] / cycles:5.2f}"
            if theirs[0] < instructions or theirs[1] < cycles:
                ratio += "  SLOWER"
        print(
            f"{name:30} {macs:8} {instructions:9} {cycles:9} {instructions / macs:5.2f} {cycles / macs:5.2f}  {ratio}"
        )
        if args.where:
            for function, n in where.most_common(8):
                print(f"    {function:40} {n:9} {100 * n / instructions:5.1f} %")
    for network, layers in networks.items():
        kinds = Counter()
        total = Counter()
        for name in layers:
            instructions, cycles, *_ = found[name]
            kind = re.match("[a-z]+", name)[0]
            kinds[kind, "insn"] += instructions
            kinds[kind, "cycles"] += cycles
            total["insn"] += instructions
            total["cycles"] += cycles
        parts = ", ".join(
            f"{kind} {kinds[kind, 'insn'] / 1e6:.3f} / {kinds[kind, 'cycles'] / 1e6:.3f}"
            for kind in dict.fromkeys(k for k, _ in kinds)
        )
        print(f"{network}: {total['insn'] / 1e6:.3f} M instructions, {total['cycles'] / 1e6:.3f} M cycles ({parts})")
    for line in wrong:
        print("WRONG:", line)


if __name__ == "__main__":
    main()
