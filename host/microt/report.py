# SPDX-License-Identifier: MIT
"""A run in words and as a picture: what was learned, what it costs, and example answers."""

import base64
import html
import io
import json
from pathlib import Path

import numpy as np

# Okabe and Ito's colours, told apart by colour-blind readers too
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8A8A8A"
EXAMPLES = 12
COLUMNS = ("exit0", "staged", "exit1")
COSTS = (
    ("instructions", "M instructions, counted", 1e6),
    ("cycles_modelled", "M cycles, modelled", 1e6),
    ("energy_uj_modelled", "mJ, modelled", 1e3),
)


def staged_curve(samples, energy_exit0, energy_exit1):
    """Accuracy against mean energy as the share answered at exit 0 goes from 0 to 1.

    samples: rows [true, exit 0's label, its confidence, exit 1's label, its confidence, exit that
    answered, exit score]. Returns (ratio, accuracy, energy in the energies' unit), each (N+1,): element r
    answers the r samples of the highest exit scores at exit 0 and resumes for the others.
    """
    rows = sorted(samples, key=lambda row: -row[6])
    right0 = np.array([row[1] == row[0] for row in rows], float)
    right1 = np.array([row[3] == row[0] for row in rows], float)
    count = len(rows)
    early = np.concatenate([[0.0], np.cumsum(right0)])
    late = right1.sum() - np.concatenate([[0.0], np.cumsum(right1)])
    ratio = np.arange(count + 1) / count
    energy = ratio * energy_exit0 + (1 - ratio) * energy_exit1
    return ratio, (early + late) / count, energy


def choose_examples(samples, count=EXAMPLES, seed=0):
    """Indexes of test samples worth showing: half answered at each exit, as varied as possible."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(samples))
    chosen = []
    for exit_index, share in ((0, count // 2), (1, count - count // 2)):
        at_exit = [i for i in order if samples[i][5] == exit_index]
        seen, first, rest = set(), [], []
        for i in at_exit:
            (rest if samples[i][0] in seen else first).append(i)
            seen.add(samples[i][0])
        chosen.extend((first + rest)[:share])
    return [int(i) for i in chosen]


def cost_rows(report):
    """(title, exit 0, staged, exit 1), in the title's unit, of every cost known for this core."""
    for key, title, unit in COSTS:
        values = report["cost"]["exit0"][key], report[key], report["cost"]["exit1"][key]
        if None not in values:
            yield title, *(value / unit for value in values)


def restart_verdict(report):
    restored = report["restored_after_restart"]
    if restored is None:
        return "not tried"
    return "same classes, same answers" if restored else "NOT the same classes and answers"


def saving_verdict(report):
    saving = report["energy_saving_modelled"]
    if saving is None:
        return "not modelled for this core"
    return f"{saving:.1%} less than always running to exit 1 (modelled)"


def kind(report):
    """What the samples were: pictures, sounds or motions."""
    return report["data"].get("kind", "pictures")


def describe(report):
    """The table printed at the end of a run."""
    learning, power = report["learning"], report["power"]
    lines = [
        f"{report['board']} ({report['core']}), {report['data']['source']}: "
        f"{len(report['labels'])} classes, {report['shots']} shots, "
        f"{report['test_samples']} unseen {kind(report)}",
        "",
        f"{'':<28}{'exit 0':>10}{'staged':>10}{'exit 1':>10}",
    ]

    def accuracy_row(title, accuracy):
        return f"{title:<28}" + "".join(f"{accuracy[column]:>10.1%}" for column in COLUMNS)

    lines.append(accuracy_row("accuracy", report["accuracy"]))
    if report["before"]:
        title = short(f"  before {report['hold_back']}", 27)
        lines.append(accuracy_row(title, report["before"]["accuracy"]))
    for title, *values in cost_rows(report):
        lines.append(f"{title:<28}" + "".join(f"{value:>10.2f}" for value in values))
    facts = {
        "answered at exit 0": f"asked {report['exit_ratio_asked']:.2f}, got {report['exit_ratio_got']:.2f}",
        "energy": saving_verdict(report),
        "learning": f"{learning['instructions'] / 1e9:.2f} G instructions, the heads alone "
        f"{learning['head_instructions'] / 1e9:.2f} G",
        "": f"running the backbone again would add "
        f"{learning['instructions_per_avoided_epoch'] / 1e9:.2f} G every epoch",
        "memory": f"{report['ram_bytes'] / 1024:.0f} KiB RAM, "
        f"{report['arena_bytes'] / 1024:.0f} KiB of it the arena; "
        f"{report['flash_bytes'] / 1024:.0f} KiB flash",
        "after a power cut": restart_verdict(report),
    }
    if power["milliwatts"] is not None:
        figure = f"{power['milliwatts']} mW at {power['clock_hz'] / 1e6:.0f} MHz, {power['source']}"
        facts["power figure"] = figure
    lines.append("")
    lines.extend(f"{name:<28}{text}" for name, text in facts.items())
    return "\n".join(lines)


def draw_run(run, path):
    """Draws a run folder's report.json and examples.npz: to a picture, or to a page for a path in .html.

    ValueError when the folder holds no report, or the path is neither.
    """
    run, path = Path(run), Path(path)
    if path.suffix not in (".png", ".html"):
        raise ValueError(f"{path}: expected a name that ends in .png or .html")
    source = run / "report.json"
    if not source.is_file():
        raise ValueError(f"{run}: expected a run's folder with report.json")
    report = json.loads(source.read_text())
    pictures = None
    if (run / "examples.npz").is_file():
        with np.load(run / "examples.npz") as archive:
            pictures = archive["index"], archive["x"]
    if path.suffix == ".png":
        draw(report, pictures, path)
        return
    picture = io.BytesIO()
    draw(report, pictures, picture)
    path.write_text(page(report, picture.getvalue()))


def page(report, picture):
    """The report as one HTML page. picture: what `draw` draws, the bytes of a PNG."""
    title = html.escape(f"{report['board']} on {report['data']['source']}")
    encoded = base64.b64encode(picture).decode()
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font-family: sans-serif; max-width: 75em; margin: 2em auto">
<img style="max-width: 100%" alt="accuracy, cost and example answers" src="data:image/png;base64,{encoded}">
<pre>{html.escape(describe(report))}</pre>
</html>
"""


def draw(report, pictures, path):
    """Draws a report to a PNG, a file's path or a binary file.

    pictures: (index (K,), x (K, ...)) of test samples, pictures or windows of int16, or None.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(14, 8.6), dpi=110)
    grid = figure.add_gridspec(
        2, 3, height_ratios=[1.15, 1], width_ratios=[1.25, 0.8, 0.95],
        left=0.06, right=0.975, top=0.83, bottom=0.03, hspace=0.3, wspace=0.27,
    )  # fmt: skip
    accuracy = report["accuracy"]
    headline = f"{report['board']} learned {len(report['labels'])} classes from {report['shots']} {kind(report)} each"
    findings = (
        f"{accuracy['staged']:.1%} right on {report['test_samples']} unseen {kind(report)} "
        f"(always the full model: {accuracy['exit1']:.1%}).\n"
        f"Energy: {saving_verdict(report)}.  After a power cut: {restart_verdict(report)}."
    )
    figure.text(0.06, 0.94, headline, fontsize=19, weight="bold")
    figure.text(0.06, 0.928, findings, fontsize=11.5, color="#333333", va="top", linespacing=1.5)
    draw_curve(figure.add_subplot(grid[0, 0]), report)
    draw_bars(figure.add_subplot(grid[0, 1]), report)
    draw_cost(figure.add_subplot(grid[0, 2]), report)
    if pictures is not None:
        draw_examples(figure, grid[1, :], report, pictures)
    figure.savefig(path, format="png")
    plt.close(figure)


def draw_curve(axes, report):
    # where there is no cycle model, and so no energy, instructions stand in
    key, unit, title, label = "energy_uj_modelled", 1e3, "energy", "energy per picture, mJ (modelled)"
    if report[key] is None:
        key, unit, title, label = "instructions", 1e6, "instructions", "M instructions per picture (counted)"
    cost = report["cost"]
    ratio, accuracy, spent = staged_curve(report["samples"], cost["exit0"][key] / unit, cost["exit1"][key] / unit)
    axes.plot(spent, 100 * accuracy, color=BLUE, lw=2)
    for share in (0, 0.25, 0.5, 0.75, 1):
        at = int(round(share * (len(ratio) - 1)))
        axes.plot(spent[at], 100 * accuracy[at], "o", color=BLUE, ms=5)
        axes.annotate(
            f"{share:g}", (spent[at], 100 * accuracy[at]), xytext=(0, -14),
            textcoords="offset points", ha="center", fontsize=8, color=BLUE,
        )  # fmt: skip
    axes.plot(
        report[key] / unit, 100 * report["accuracy"]["staged"], "*", ms=17,
        color=VERMILION, label=f"this run: ratio {report['exit_ratio_got']:.2f}", zorder=5,
    )  # fmt: skip
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy, %")
    axes.set_title(f"Accuracy against {title}, by share answered early", fontsize=11, loc="left")
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.12 * (high - low), high)


def draw_bars(axes, report):
    places = np.arange(3)
    after = [100 * report["accuracy"][column] for column in COLUMNS]
    before = report["before"]
    width = 0.38 if before else 0.62
    colours = [ORANGE, VERMILION, GREEN]
    if before:
        values = [100 * before["accuracy"][column] for column in COLUMNS]
        bars = axes.bar(places - width / 2, values, width, color=colours, alpha=0.4)
        axes.bar_label(bars, fmt="%.1f", fontsize=8.5)
    bars = axes.bar(places + (width / 2 if before else 0), after, width, color=colours)
    axes.bar_label(bars, fmt="%.1f", fontsize=8.5, weight="bold")
    axes.set_xticks(places, ["exit 0\nalone", "staged", "exit 1\nalways"])
    axes.set_ylim(0, 116)  # room for a note above full bars
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("accuracy, %")
    axes.set_title(f"On unseen {kind(report)}, on the board", fontsize=11, loc="left")
    if before:
        axes.text(
            0.5, 0.99, f"pale: before {short(report['hold_back'])} was taught", fontsize=8.5,
            ha="center", va="top", transform=axes.transAxes,
        )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)


def draw_cost(axes, report):
    axes.axis("off")
    # the picture's footnote says which are modelled
    rows = [
        [title.replace(", modelled", "*").removesuffix(", counted"), *(f"{v:.2f}" for v in values)]
        for title, *values in cost_rows(report)
    ]
    headings = ["per picture", "exit 0", "staged", "exit 1"]
    table = axes.table(
        rows, colLabels=headings, cellLoc="right", bbox=[0, 0.52, 1, 0.46], edges="horizontal",
        colWidths=[0.46, 0.18, 0.18, 0.18],
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(10)
    learning, power = report["learning"], report["power"]
    lines = [
        f"ratio asked {report['exit_ratio_asked']:.2f}, got {report['exit_ratio_got']:.2f}",
        f"learning {learning['instructions'] / 1e9:.1f} G instructions,",
        f"   of them the heads {learning['head_instructions'] / 1e9:.1f} G",
        f"RAM {report['ram_bytes'] / 1024:.0f} KiB, flash {report['flash_bytes'] / 1024:.0f} KiB",
    ]
    if power["milliwatts"] is not None:
        lines.append(f"* modelled: {power['milliwatts']:.1f} mW at {power['clock_hz'] / 1e6:.0f} MHz")
    axes.text(
        0, 0.44, "\n".join(lines), va="top", fontsize=9.5, linespacing=1.7,
        transform=axes.transAxes,
    )  # fmt: skip
    axes.set_title("What it costs", fontsize=11, loc="left")


def draw_examples(figure, slot, report, pictures):
    index, images = pictures
    columns = 6
    cells = slot.subgridspec(-(-len(index) // columns), columns, hspace=0.62, wspace=0.5)
    labels = report["labels"]
    for position, (sample, image) in enumerate(zip(index, images, strict=True)):
        true, label0, confidence0, label1, confidence1, exit_index, _ = report["samples"][sample]
        label, confidence = (label0, confidence0) if exit_index == 0 else (label1, confidence1)
        axes = figure.add_subplot(cells[position // columns, position % columns])
        if image.dtype == np.int16:  # sound or motion over time
            axes.plot(image, linewidth=0.5)
        else:
            axes.imshow(image.squeeze(), cmap="gray")
        axes.set_xticks([])
        axes.set_yticks([])
        right = label == true
        for spine in axes.spines.values():
            spine.set_color(GREEN if right else VERMILION)
            spine.set_linewidth(3)
        verdict = "" if right else f"\n(is {short(labels[true])})"
        axes.set_title(
            f"{short(labels[label])}\n{confidence:.2f} at exit {exit_index}{verdict}",
            fontsize=8.5,
            linespacing=1.15,
        )


def short(name, limit=22):
    return name if len(name) <= limit else name[: limit - 1] + "…"
