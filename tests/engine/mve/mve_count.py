# SPDX-License-Identifier: MIT
"""Counts instructions of layers and of the benchmark networks on the M55.

    python tests/engine/mve/mve_count.py                   # all single layers and networks
    python tests/engine/mve/mve_count.py pw_24x24_16-96    # one layer
    python tests/engine/mve/mve_count.py vww --where       # by function

Every output is compared as in the tests. With the folder ../shared next to the checkout the table shows CMSIS-NN's
counts too.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import mve_cases as cases
import mve_machine as machine

from microt.bench import plugin
from microt.bench.elf import Elf
from microt.bench.networks import NETWORKS, SINGLE

BASELINE = machine.ROOT.parent / "shared" / "design" / "perf_baseline.json"

shared = machine.on_this_core("count_layers", cases=cases.shared)
case = shared.case


def measure(names: list[str]) -> tuple[dict, list[str]]:
    """(instructions, case, instructions by function) by layer name; and what was wrong."""
    todo = [case(name) for name in dict.fromkeys(names)]
    elf = machine.build()
    symbols = Elf(elf)
    marks = {m: [symbols.symbol(f"mark_{m}").address] for m in ("begin", "end")}
    found, wrong = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, len(todo), 40):
            part = todo[first : first + 40]
            blob, out = Path(folder) / "cases.bin", Path(folder) / "counts"
            blob.write_bytes(machine.image(part))
            command = machine.command("m55", elf, blob)
            command += ["-plugin", plugin.arguments(plugin.build(), out, marks)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            wrong += re.findall(r"bad .*", done.stdout + done.stderr)
            for layer, segment in zip(part, plugin.parse(out.read_text()), strict=True):
                where = Counter()
                for address, count in segment.counts.items():
                    function = symbols.function_at(address)
                    where[function.name if function else "?"] += count.executed
                found[layer.name] = (segment.instructions, layer, where)
    return found, wrong


def _cmsis() -> dict[str, int]:
    if not BASELINE.is_file():
        return {}
    found = {}
    for layer in json.loads(BASELINE.read_text())["layers"]:
        result = layer["results"].get("cmsis-nn", {}).get("m55")
        if result:
            found[layer["name"]] = result["insn"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="layers or networks (default: all)")
    parser.add_argument("--where", action="store_true", help="instructions by function")
    args = parser.parse_args()
    networks = {n: make() for n, make in NETWORKS.items() if not args.names or n in args.names}
    single = [n for n in args.names if n not in NETWORKS] if args.names else SINGLE
    names = [*single, *(name for layers in networks.values() for name in layers)]
    found, wrong = measure(names)
    cmsis = _cmsis()
    print(f"{'layer':30} {'layout':>6} {'MACs':>8} {'insn':>9} {'/MAC':>6}  CMSIS-NN")
    for name, (instructions, layer, where) in found.items():
        macs = layer.macs or layer.expected.size
        theirs = cmsis.get(name.partition("+")[0])
        ratio = ""
        if theirs:
            ratio = f"{theirs / instructions:5.2f}" + ("  SLOWER" if theirs < instructions else "")
        print(f"{name:30} {layer.laid.layout:6} {macs:8} {instructions:9} {instructions / macs:6.3f}  {ratio}")
        if args.where:
            for function, n in where.most_common(6):
                print(f"    {function:40} {n:9} {100 * n / instructions:5.1f} %")
    for network, layers in networks.items():
        kinds = Counter()
        for name in layers:
            kinds[re.match("[a-z]+", name)[0]] += found[name][0]
        parts = ", ".join(f"{kind} {n / 1e6:.3f}" for kind, n in kinds.items())
        print(f"{network}: {sum(kinds.values()) / 1e6:.3f} M instructions ({parts})")
    for line in wrong:
        print("WRONG:", line)


if __name__ == "__main__":
    main()
