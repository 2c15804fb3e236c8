# SPDX-License-Identifier: MIT
"""What other libraries need for the same layers: the figures of a ``perf_baseline.json``, beside ours.

The file (format ``perf-baseline-1``) has, for layers and whole networks, the instructions that the kernels of CMSIS-NN,
TinyEngine and TensorFlow Lite Micro execute on several cores, counted under QEMU as ours are, and modelled Cortex-M4
cycles. Theirs are of the kernel calls alone, and so are ours in a comparison: dispatch is told beside it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = {"cmsis-nn": "CMSIS-NN", "tinyengine": "TinyEngine", "tflm-ref": "TFLM"}

# The checkout's neighbour, where a working copy of this project keeps what it does not ship.
USUAL_PLACE = Path(__file__).resolve().parents[4] / "shared" / "design" / "perf_baseline.json"

_CORES = {"Cortex-M0": "m0", "Cortex-M4": "m4", "Cortex-M7": "m7", "Cortex-M33": "m33", "Cortex-M55": "m55"}


@dataclass(frozen=True)
class Baseline:
    """layers: {name: {library: {core: {"insn", "m4cyc", ...}}}}; networks: {name: {"layers", "results"}}."""

    path: Path
    layers: dict[str, dict]
    networks: dict[str, dict]

    def layer(self, name: str, library: str, core: str) -> dict | None:
        """What a library needs for a layer: {"instructions", "cycles_modelled" and its bounds "_low" and "_high"}, None
        where it was not counted."""
        return _figures(self.layers.get(name, {}).get(library, {}).get(core))

    def network(self, name: str, library: str, core: str) -> dict | None:
        """Likewise, for a network."""
        return _figures(self.networks.get(name, {}).get("results", {}).get(library, {}).get(core))

    def network_of(self, names: list[str | None]) -> str | None:
        """The network that has these layers, in any order and with others that have no counterpart."""
        known = Counter(name for name in names if name is not None)
        for name, network in self.networks.items():
            if Counter(network["layers"]) == known:
                return name
        return None


def _figures(found: dict | None) -> dict | None:
    if found is None:
        return None
    low, high = found.get("m55cyc_bracket", (None, None))
    cycles = {"cycles_modelled": found.get("m4cyc"), "cycles_modelled_low": low, "cycles_modelled_high": high}
    return {"instructions": found["insn"], **cycles}


def load(path: str | Path | None = None) -> Baseline:
    """Reads a baseline; without a path the one at ``../shared/design/perf_baseline.json`` beside the checkout.

    Raises:
        FileNotFoundError: there is none; the message names the place and how to give another.
        ValueError: the file is another one.
    """
    source = Path(path) if path else USUAL_PLACE
    if not source.is_file():
        given = "no such file" if path else "not there, and no path was given"
        raise FileNotFoundError(
            f"compare: expected a perf_baseline.json at {source} ({given}); give its path: --compare PATH, "
            f"or put it at {USUAL_PLACE}"
        )
    try:
        content = json.loads(source.read_text())
        if content["format"] != "perf-baseline-1":
            raise ValueError(f"its format is {content['format']!r}")
        layers = {layer["name"]: layer["results"] for layer in content["layers"]}
        return Baseline(source, layers, content["networks"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{source}: expected a file of the format perf-baseline-1, got another: {error}") from None


def core_of(core: str) -> str | None:
    """The baseline's name of a board's core, None for one that it does not have."""
    name = core.removesuffix("F").removesuffix("+")
    return _CORES.get(name)


def name_of(layer: dict) -> str | None:
    """The baseline's name of a layer of ``count``'s result, None for an operator that it does not have.

    What the report does not tell is taken for usual: square windows, pools as large as their stride.
    """
    h, w, cin = layer["input_shapes"][0]
    oh, ow, cout = layer["output_shape"]
    plane = f"{h}x{w}"
    stride = _stride(h, oh)
    kind = layer["op"]
    if kind == "FULLY_CONNECTED":
        return f"fc_{h * w * cin}-{oh * ow * cout}"
    if kind == "ADD":
        return f"add_{plane}_{cout}"
    if kind in ("MEAN", "AVERAGE_POOL_2D"):
        if (oh, ow) == (1, 1):
            return f"gap_{plane}_{cin}"
        return f"avgpool{stride}x{stride}s{stride}_{plane}_{cin}"
    if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return None
    taps = layer["macs"] // (oh * ow * cout)
    if kind == "DEPTHWISE_CONV_2D":
        return f"dw{_side(taps)}x{_side(taps)}s{stride}_{plane}_{cin}"
    if taps == cin:
        return f"pw_{plane}_{cin}-{cout}"
    side = _side(taps // cin)
    return f"conv{side}x{side}s{stride}_{plane}_{cin}-{cout}"


def _stride(size: int, out: int) -> int:
    return max(round(size / out), 1)


def _side(taps: int) -> int:
    return math.isqrt(taps)


def compare(result: dict, baseline: Baseline) -> dict:
    """Our counts beside those of the libraries.

    Args:
        result: of ``count`` on a board with a core that the baseline has.

    Returns:
        ``board``, ``core``, ``baseline`` (its path), ``network`` (its name there, or None), ``layers``: of a straight
        run to the last exit [{index, layer (its name there, or None), op, macs, instructions, cycles_modelled, then by
        library None or {instructions, cycles_modelled, ratio, cycles_ratio}}], and ``totals`` by library: what it needs
        for the layers that it has, what we need for the same, and how many they are. Ratios are theirs to ours: above 1
        we are the faster. ``cycles_ratio`` is the least one of those where both have cycles, or bounds of them.

    Raises:
        ValueError: the baseline has nothing for the core, or the layers were not counted.
    """
    core = core_of(result["core"])
    if core is None or not any(core in found for layer in baseline.layers.values() for found in layer.values()):
        raise ValueError(f"compare: expected a core that {baseline.path} has, got {result['core']}")
    if any(layer["instructions"] is None for layer in result["layers"]):
        raise ValueError("compare: expected counts by layer, got totals only (counted_by: icount)")
    last = len(result["exits"]) - 1
    rows = []
    for layer in result["layers"]:
        if layer["branch"] not in (None, last):
            continue
        name = name_of(layer)
        if name not in baseline.layers:
            name = None
        row = {key: layer[key] for key in ("index", "op", "macs", *_FIGURES)}
        row["layer"] = name
        for library in LIBRARIES:
            row[library] = None if name is None else beside(layer, baseline.layer(name, library, core))
        rows.append(row)
    totals = {library: _total(rows, library) for library in LIBRARIES}
    return {
        "board": result["board"],
        "core": result["core"],
        "baseline": str(baseline.path),
        "network": baseline.network_of([row["layer"] for row in rows]),
        "layers": rows,
        "totals": {library: total for library, total in totals.items() if total is not None},
    }


_FIGURES = ("instructions", "cycles_modelled", "cycles_modelled_low", "cycles_modelled_high")


def beside(ours: dict, theirs: dict | None) -> dict | None:
    """Their figures with ``ratio`` and ``cycles_ratio``, theirs to ours; None for none."""
    if theirs is None:
        return None
    ratios = [
        theirs[key] / ours[key] for key in _FIGURES[1:] if theirs[key] is not None and ours.get(key) not in (None, 0)
    ]
    return {**theirs, "ratio": theirs["instructions"] / ours["instructions"], "cycles_ratio": min(ratios, default=None)}


def _total(rows: list[dict], library: str) -> dict | None:
    shared = [row for row in rows if row[library] is not None]
    if not shared:
        return None
    ours, theirs = _sum(shared), _sum([row[library] for row in shared])
    return {"layers": len(shared), "of": len(rows), "ours": ours, **beside(ours, theirs)}


def _sum(figures: list[dict]) -> dict:
    total = {}
    for key in _FIGURES:
        values = [each[key] for each in figures]
        total[key] = None if None in values else sum(values)
    return total


def slower(comparison: dict, library: str = "cmsis-nn") -> list[dict]:
    """The layers in which we need more instructions or modelled cycles than a library."""
    found = []
    for row in comparison["layers"]:
        theirs = row[library]
        if theirs is not None and min(theirs["ratio"], theirs["cycles_ratio"] or theirs["ratio"]) < 1:
            found.append(row)
    return found
