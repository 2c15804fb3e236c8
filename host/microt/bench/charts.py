# SPDX-License-Identifier: MIT
"""The pictures of the benchmark page."""

from __future__ import annotations

from pathlib import Path

from microt.bench.bars import Verdict
from microt.bench.baseline import Baseline, core_of

_OURS, _CMSIS, _TINYENGINE, _BAR = "#2f6db3", "#e0953a", "#7a9e4e", "#222222"
_SIZE = {"dpi": 90}


def _axes(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def networks(found: list[Verdict], path: Path) -> None:
    """Instructions of the benchmark networks, ours beside the libraries', and the bar as a line."""
    rows = [verdict for verdict in found if verdict.bar.figure == "instructions"]
    figure, axes = _axes(8, 1 + 0.55 * len(rows))
    series = [
        ("microt", _OURS, [row.ours for row in rows]),
        ("CMSIS-NN", _CMSIS, [row.libraries["cmsis-nn"] for row in rows]),
        ("TinyEngine", _TINYENGINE, [row.libraries["tinyengine"] for row in rows]),
    ]
    for number, (label, colour, values) in enumerate(series):
        at = [row + 0.27 * (number - 1) for row in range(len(rows))]
        axes.barh(at, [float("nan") if v is None else v for v in values], height=0.26, color=colour, label=label)
    for number, row in enumerate(rows):
        label = "to reach" if number == 0 else None
        axes.vlines(row.bar.required, number - 0.42, number - 0.12, color=_BAR, linewidth=1.5, label=label)
    axes.set_yticks(range(len(rows)), [f"{row.network}, {row.core}" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    ticks = [1, 2, 5, 10, 20, 50, 100, 200]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(left=1)
    axes.set_xlabel("million instructions a run (counted), logarithmic")
    axes.grid(axis="x", linewidth=0.4)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, **_SIZE)


def layers(results: dict[str, dict], baseline: Baseline, path: Path) -> None:
    """How many times our instructions CMSIS-NN needs for each single layer, a mark for every core."""
    names = list(next(iter(results.values()))["layers"])
    figure, axes = _axes(8, 1 + 0.2 * len(names))
    marks = zip("os^Dv", (_OURS, _TINYENGINE, _CMSIS, "#8b4a9c", "#777777"), results.items(), strict=False)
    for mark, colour, (_, counted) in marks:
        at, ratios = [], []
        for row, name in enumerate(names):
            theirs = baseline.layer(name, "cmsis-nn", core_of(counted["core"]))
            if theirs is not None:
                at.append(row)
                ratios.append(theirs["instructions"] / counted["layers"][name]["instructions"])
        axes.scatter(ratios, at, s=16, marker=mark, color=colour, label=counted["core"])
    axes.axvline(1, color=_BAR, linewidth=1)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 4, 8, 16], ["0.5", "1", "2", "4", "8", "16"])
    axes.minorticks_off()
    axes.set_xlabel("CMSIS-NN's instructions to ours (counted), logarithmic")
    axes.grid(linewidth=0.4)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, **_SIZE)
