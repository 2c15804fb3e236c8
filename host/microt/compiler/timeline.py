# SPDX-License-Identifier: MIT
"""The arena over time: which bytes hold what while each layer runs, as text and as a picture."""

_BLOCKS = " ▏▎▍▌▋▊▉█"
# colour-blind safe, light enough for black letters
_COLOURS = ("#88ccee", "#ddcc77", "#aaddaa", "#ee99aa", "#99ddcc", "#ccbbee", "#eebb88")


def bar(value, most, width=16):
    """`value` of `most` as a bar of at most `width` characters, in eighths of one."""
    eighths = round(8 * width * value / most) if most else 0
    whole, rest = divmod(min(max(eighths, 0), 8 * width), 8)
    return "█" * whole + (_BLOCKS[rest] if rest else "")


def peak(report):
    """Index of the layer that needs the most memory; None without layers."""
    layers = report["layers"]
    return max(layers, key=lambda layer: layer["live_bytes"])["index"] if layers else None


def plot(report, path):
    """Draw the arena of a report (see `mtb.read_info`) into the picture `path` (.png, .svg, .pdf).

    Layers go to the right, bytes of the arena upwards; each block is a tensor from the layer that
    writes it to the last that reads it, hatched blocks are scratch. A line tells how much is alive.
    Returns the path. ValueError for a report without layers or another kind of picture.
    """
    from pathlib import Path

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Rectangle

    path = Path(path)
    layers = report["layers"]
    if not layers:
        raise ValueError("plot: expected a report with layers, got none")
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"plot: expected a picture .png, .svg or .pdf, got {path.name!r}")
    count = len(layers)
    figure, axes = pyplot.subplots(figsize=(max(8, min(24, 0.3 * count + 3)), 5), layout="constrained")
    for number, tensor in enumerate(report["tensors"]):
        first, last = tensor["alive"]
        first, last = max(first, 0), min(last, count - 1)
        place = (first - 0.5, tensor["offset"]), last - first + 1, tensor["bytes"]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.add_patch(Rectangle(*place, facecolor=colour, edgecolor="#555555", linewidth=0.5, alpha=0.85))
    for layer in layers:
        if layer["scratch_bytes"]:
            place = (layer["index"] - 0.5, layer["scratch_offset"]), 1, layer["scratch_bytes"]
            axes.add_patch(Rectangle(*place, facecolor="none", edgecolor="#555555", hatch="////", linewidth=0.5))
    alive = [layer["live_bytes"] for layer in layers]
    axes.step(range(count), alive, where="mid", color="black", linewidth=1.2, label="alive")
    axes.axhline(report["arena_bytes"], color="#aa3344", linewidth=1, label=f"arena {report['arena_bytes']:,} bytes")
    for number, exit_ in enumerate(report["exits"]):
        axes.axvline(exit_["end"] - 0.5, color="#4477aa", linestyle="--", linewidth=1)
        axes.text(exit_["end"] - 0.6, 0.8 * report["arena_bytes"], f"exit {number}", ha="right", va="top", rotation=90)
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(0, 1.05 * report["arena_bytes"])
    step = max(1, count // 40)
    names = [f"{layer['index']} {layer['op'].lower()}" for layer in layers]
    axes.set_xticks(range(0, count, step), names[::step], rotation=90, fontsize=7)
    axes.set_ylabel("place in the arena, bytes")
    axes.set_title(f"most alive in layer {names[peak(report)]}: {max(alive):,} bytes", fontsize=10)
    axes.legend(loc="upper right", fontsize=8)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
