# SPDX-License-Identifier: MIT
"""The figures of ``baseline.compare`` as a table for people and as a chart."""

from __future__ import annotations

from pathlib import Path

from microt.bench.baseline import LIBRARIES, slower

_COLOURS = {"cmsis-nn": "#e0953a", "tinyengine": "#7a9e4e", "tflm-ref": "#b9b9b9"}


def describe(comparison: dict) -> str:
    """A table of every layer's instructions, ours and theirs, and where modelled cycles differ in the verdict."""
    shown = list(comparison["totals"])
    lines = [f"{comparison['board']} ({comparison['core']}, emulated) against {comparison['baseline']}"]
    if comparison["network"]:
        lines.append(f"network: {comparison['network']}")
    head = f"{'':>4}  {'layer':24} {'ours':>12}"
    lines += ["", head + "".join(f" {LIBRARIES[library]:>12} {'':>6}" for library in shown)]
    for row in comparison["layers"]:
        name = row["layer"] or row["op"]
        lines.append(f"{row['index']:>4}  {name:24} {row['instructions']:>12,}{_cells(row, shown)}")
    lines.append("")
    for library, total in comparison["totals"].items():
        ours = total["ours"]
        text = (
            f"{LIBRARIES[library]}, {total['layers']} of {total['of']} layers: {total['instructions']:,} instructions,"
            f" ours {ours['instructions']:,}: {total['ratio']:.2f} times ours"
        )
        if total["cycles_modelled"] is not None and ours["cycles_modelled"] is not None:
            text += (
                f"; cycles (modelled) {total['cycles_modelled']:,}, ours {ours['cycles_modelled']:,}:"
                f" {total['cycles_ratio']:.2f} times"
            )
        elif total["cycles_ratio"] is not None:
            text += f"; cycles (modelled, bounds) {total['cycles_ratio']:.2f} times at least"
        lines.append(text)
    missed = slower(comparison) if "cmsis-nn" in comparison["totals"] else []
    for row in missed:
        lines.append(f"slower than CMSIS-NN: layer {row['index']}, {row['layer']}: {_ratios(row['cmsis-nn'])}")
    if not missed and "cmsis-nn" in comparison["totals"]:
        lines.append("no layer slower than with CMSIS-NN")
    lines.append("instructions: counted under QEMU, of the kernels alone; cycles: modelled")
    return "\n".join(lines)


def _cells(row: dict, shown: list[str]) -> str:
    text = ""
    for library in shown:
        found = row[library]
        text += f" {'-':>12} {'':>6}" if found is None else f" {found['instructions']:>12,} {found['ratio']:>5.2f}x"
    return text


def _ratios(found: dict) -> str:
    text = f"{found['ratio']:.2f} times our instructions"
    return text if found["cycles_ratio"] is None else f"{text}, {found['cycles_ratio']:.2f} times our modelled cycles"


def plot(comparison: dict, path: str | Path) -> None:
    """Draws instructions by layer, ours and theirs, to an image file (.png, .svg, .pdf)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in comparison["layers"] if row["layer"] is not None]
    shown = list(comparison["totals"])
    height = 0.85 / (1 + len(shown))
    figure = Figure(figsize=(9, 1.6 + (0.1 + 0.1 * (1 + len(shown))) * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    series = [("microt", "#2f6db3", [row["instructions"] for row in rows])]
    for library in shown:
        values = [float("nan") if row[library] is None else row[library]["instructions"] for row in rows]
        series.append((LIBRARIES[library], _COLOURS[library], values))
    for number, (label, colour, values) in enumerate(series):
        at = [row + height * (number - len(shown) / 2) for row in range(len(rows))]
        axes.barh(at, [value / 1e6 for value in values], height=height, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{row['index']} {row['layer']}" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("million instructions (counted), logarithmic")
    axes.grid(axis="x", linewidth=0.4)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", fontsize=8)
    axes.set_title(f"{comparison['network'] or 'layers'} on {comparison['core']}", fontsize=10)
    figure.savefig(path, dpi=110)
