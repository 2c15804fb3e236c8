# SPDX-License-Identifier: MIT
"""The figures of ``count`` as a table for people and as a chart."""

from __future__ import annotations

from pathlib import Path


def describe(result: dict) -> str:
    """A table of what ``count`` found: layers, exits, totals, and where each figure is from."""
    lines = [_title(result), ""]
    head = f"{'':>4}  {'layer':18} {'MACs':>11} {'instructions':>13} {'per MAC':>8}"
    lines.append(head + f" {'cycles (modelled)':>18}")
    for layer in result["layers"]:
        name = layer["op"] + ("" if layer["branch"] is None else f" (exit {layer['branch']})")
        lines.append(f"{layer['index']:>4}  {name:18} {_costs(layer, layer['macs'])}")
    dispatch = {**result["dispatch"], "macs": 0}
    lines.append(f"{'':>4}  {'around the layers':18} {_costs(dispatch, 0)}")
    lines.append("")
    for entry in result["exits"]:
        name = f"run to exit {entry['exit']}"
        lines.append(f"{'':>4}  {name:18} {_costs(entry, entry['macs'])}{_energy(entry)}")
        if entry["resume"] is not None:
            name = f"resume to {entry['exit']}"
            lines.append(f"{'':>4}  {name:18} {_costs(entry['resume'], None)}{_energy(entry['resume'])}")
    lines.append("")
    lines.append(f"arena {result['arena_bytes']:,} bytes, file {result['flash_bytes']:,} bytes")
    lines += _sources(result)
    return "\n".join(lines)


def _title(result: dict) -> str:
    kernels = ", ".join(result["kernels"])
    return f"{result['board']} ({result['core']}, emulated), kernels: {kernels}"


def _costs(figures: dict, macs: int | None) -> str:
    instructions = figures["instructions"]
    cycles = figures["cycles_modelled"]
    per_mac = "" if not macs or instructions is None else f"{instructions / macs:.2f}"
    return f"{'' if macs is None else f'{macs:,}':>11} {_number(instructions):>13} {per_mac:>8} {_number(cycles):>18}"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _energy(figures: dict) -> str:
    if figures["energy_uj_modelled"] is None:
        return ""
    return f"  {figures['energy_uj_modelled']:,.0f} uJ (modelled)"


def _sources(result: dict) -> list[str]:
    if result["counted_by"] == "plugin":
        lines = ["instructions: counted under QEMU, exact"]
    else:
        lines = ["instructions: QEMU's instruction clock, to the nearest thousand"]
    if result["cycles_modelled"] is None and result.get("cycles_modelled_low") is not None:
        low, high = result["cycles_modelled_low"], result["cycles_modelled_high"]
        lines.append(f"cycles: modelled without wait states, between {low:,} and {high:,}; energy: no model")
    elif result["cycles_modelled"] is None:
        lines.append(f"cycles and energy: no model for {result['core']} from these counts")
    else:
        low, high = result["cycles_modelled_low"], result["cycles_modelled_high"]
        power = result["power"]
        lines += [
            f"cycles: Cortex-M4 model without wait states, between {low:,} and {high:,}; not compared with a board",
            f"energy: modelled cycles at {power['clock_hz'] / 1e6:g} MHz and"
            f" {power['milliwatts']:g} mW ({power['source']})",
        ]
    return lines + [f"note: {note}" for note in result["notes"]]


def plot(result: dict, path: str | Path) -> None:
    """Draws instructions and modelled cycles by layer to an image file (.png, .svg, .pdf).

    Raises:
        ValueError: the layers were not counted (``counted_by`` is "icount").
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layers = result["layers"]
    if any(layer["instructions"] is None for layer in layers):
        raise ValueError("expected counts by layer to draw, got totals only (counted_by: icount)")
    figure = Figure(figsize=(9, 1.6 + 0.24 * len(layers)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    rows = range(len(layers))
    with_cycles = result["cycles_modelled"] is not None
    height = 0.4 if with_cycles else 0.8
    shift = height / 2 if with_cycles else 0
    instructions = [layer["instructions"] / 1e6 for layer in layers]
    axes.barh(
        [row - shift for row in rows],
        instructions,
        height=height,
        color="#2f6db3",
        label="instructions (counted)",
    )
    if with_cycles:
        cycles = [layer["cycles_modelled"] / 1e6 for layer in layers]
        spread = [
            [(layer["cycles_modelled"] - layer["cycles_modelled_low"]) / 1e6 for layer in layers],
            [(layer["cycles_modelled_high"] - layer["cycles_modelled"]) / 1e6 for layer in layers],
        ]
        axes.barh(
            [row + shift for row in rows],
            cycles,
            height=height,
            xerr=spread,
            error_kw={"elinewidth": 0.8, "ecolor": "#5a3a10"},
            color="#e0953a",
            label="Cortex-M4 cycles (modelled, low to high)",
        )
    axes.set_yticks(list(rows), [_layer_label(layer) for layer in layers], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("millions")
    axes.grid(axis="x", linewidth=0.4)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", fontsize=8)
    axes.set_title(_title(result), fontsize=10)
    figure.savefig(path, dpi=120)


def _layer_label(layer: dict) -> str:
    branch = "" if layer["branch"] is None else f" (exit {layer['branch']})"
    return f"{layer['index']} {layer['op']}{branch}"
