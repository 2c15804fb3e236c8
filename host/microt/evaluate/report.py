# SPDX-License-Identifier: MIT
"""The result of an evaluation as text, as JSON, as a chart, and as a web page of one file."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path

from microt.report import BLUE, GREEN, GREY, ORANGE, VERMILION

COLUMNS = ("exit0", "staged", "exit1")
TITLES = {"exit0": "exit 0 alone", "staged": "staged", "exit1": "always the last exit"}
ROLES = {"float": "before int8", "teacher": "teacher", "baseline": "baseline"}

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } img { max-width: 100% } .note { color: #555 }
"""


def describe(result: dict) -> str:
    """The result of `evaluate` as a table for the terminal."""
    lines = [headline(result), "", f"{'':<24}{'accuracy':>10}{'+-':>8}"]
    for column in COLUMNS:
        lines.append(f"{TITLES[column]:<24}{result['accuracy'][column]:>10.3f}{_ci(result['ci95'][column]):>8}")
    lines += [f"{title:<40}{'':>2}{_three(row)}" for title, row in compared(result)]
    lines += [
        "",
        f"{'answered at exit 0':<24}asked {result['exit_ratio_asked']:.2f}, got {result['exit_ratio_got']:.2f}",
    ]
    lines += [f"{title:<24}{text}" for title, text in facts(result)]
    lines += ["", f"{'ratio asked':>12}{'got':>8}{'accuracy':>10}{'+-':>8}{'energy saved':>14}"]
    for row in result["staged"]:
        lines.append(
            f"{row['ratio_asked']:>12.1f}{row['ratio_got']:>8.2f}{row['accuracy']:>10.3f}{_ci(row['ci95']):>8}"
            f"{row['energy_saving_modelled']:>14.1%}"
        )
    return "\n".join(lines)


def compared(result: dict) -> list[tuple[str, dict]]:
    """(title, row of `microt.evaluate.rivals`) of each network that was compared with, a heading first."""
    return [(f"{ROLES[row['role']]}, {row['file']}, {row['head']}", row) for row in result.get("rivals", [])]


def rounding(result: dict) -> list[tuple[str, str]]:
    """What int8 costs, where the float network was compared with: (title, sentence)."""
    return [
        ("int8 against float", ", ".join(
            f"{TITLES[c]} {100 * (result['accuracy'][c] - row[c]):+.2f}" for c in COLUMNS
        ) + " points")
        for row in result.get("rivals", []) if row["role"] == "float"
    ]  # fmt: skip


def headline(result: dict) -> str:
    """What was evaluated, in one line."""
    name = result["backbone"]["file"] or f"backbone {result['backbone']['sha256'][:12]}"
    return (
        f"{name} on {result['data']['name']}: {result['ways']} classes, {result['shots']} samples each, "
        f"{result['episodes']} episodes, head {result['head']}"
    )


def facts(result: dict) -> list[tuple[str, str]]:
    """(title, sentence) of everything but the accuracies."""
    cost, data, net = result["train_cost"], result["data"], result["backbone"]
    auroc = {k: "not measured" if result[k] is None else f"{result[k]:.3f}" for k in ("exit_auroc", "reject_auroc")}
    return [
        *rounding(result),
        ("energy saved", f"{result['energy_saving_modelled']:.1%}, modelled: {result['energy_source']}"),
        ("exit 0 knows its errors", f"AUROC {auroc['exit_auroc']}"),
        ("unlike anything taught", f"AUROC {auroc['reject_auroc']}"),
        (
            "learning",
            f"{cost['samples']} samples, one run of the backbone each: {cost['backbone_macs'] / 1e9:.2f} G "
            f"multiply-accumulates (running it again in each of 100 epochs: "
            f"{cost['backbone_macs_rerun_every_epoch'] / 1e9:.0f} G), "
            f"{cost['embedding_bytes_per_sample']} bytes kept of each",
        ),
        (
            "heads",
            f"fit {cost['fit_ms_this_machine']:.0f} ms, thresholds {cost['calibrate_ms_this_machine']:.0f} ms "
            "on this machine, by the device's code",
        ),
        ("backbone", f"{net['macs'] / 1e6:.2f} M multiply-accumulates, {net['flash_bytes']:,} bytes of flash, "
                     f"arena {net['arena_bytes']:,} bytes"),
        ("samples", f"taught from {data['support_from']}, asked about {data['queries_from']} "
                    f"({data['queries']:.0f} an episode), seed {result['seed']}"),
    ]  # fmt: skip


def write(result: dict, folder: str | Path) -> dict[str, Path]:
    """Write evaluate.json, evaluate.png and evaluate.html (one file, the chart inside); returns the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"evaluate.{kind}" for kind in ("json", "png", "html")}
    picture = draw(result)
    paths["json"].write_text(json.dumps(result, indent=1))
    paths["png"].write_bytes(picture)
    paths["html"].write_text(page(result, picture))
    return paths


def draw(result: dict) -> bytes:
    """PNG: accuracy against the share answered at exit 0 and against the energy saved."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    rows = result["staged"]
    accuracy = [100 * r["accuracy"] for r in rows]
    spread = [100 * (r["ci95"] or 0) for r in rows]
    ratios = [r["ratio_got"] for r in rows]
    savings = [100 * r["energy_saving_modelled"] for r in rows]
    for axes, x in ((left, ratios), (right, savings)):
        axes.errorbar(x, accuracy, spread, color=BLUE, marker="o", ms=4, capsize=2, label="staged")
        axes.axhline(100 * result["accuracy"]["exit1"], color=GREEN, lw=1, ls="--", label="always the last exit")
        axes.axhline(100 * result["accuracy"]["exit0"], color=ORANGE, lw=1, ls="--", label="exit 0 alone")
        for title, row in compared(result):
            style = "-." if row["role"] == "teacher" else ":"
            axes.axhline(100 * row["exit1"], color=GREY, lw=1, ls=style, label=title)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    at = {left: result["exit_ratio_got"], right: 100 * result["energy_saving_modelled"]}
    for axes, x in at.items():
        axes.plot(x, 100 * result["accuracy"]["staged"], "*", ms=15, color=VERMILION, zorder=5,
                  label=f"ratio {result['exit_ratio_asked']:g} asked")  # fmt: skip
    left.set_xlabel("share answered at exit 0")
    right.set_xlabel("energy saved, % (modelled)")
    left.set_ylabel("accuracy, %")
    left.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)
    figure.suptitle(headline(result), fontsize=10)
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, dpi=120)
    plt.close(figure)
    return file.getvalue()


def page(result: dict, picture: bytes) -> str:
    """The report as one HTML file."""
    accuracies = [("", "accuracy", "± 95 %")] + [
        (TITLES[c], f"{result['accuracy'][c]:.1%}", _points(result["ci95"][c])) for c in COLUMNS
    ]
    curve = [("share asked at exit 0", "got", "accuracy", "± 95 %", "energy saved")] + [
        (f"{r['ratio_asked']:.1f}", f"{r['ratio_got']:.2f}", f"{r['accuracy']:.1%}", _points(r["ci95"]),
         f"{r['energy_saving_modelled']:.1%}") for r in result["staged"]
    ]  # fmt: skip
    rest = "".join(f"<tr><td>{html.escape(t)}</td><td style='text-align:left'>{html.escape(s)}</td></tr>"
                   for t, s in facts(result))  # fmt: skip
    others = [("compared with", *(TITLES[c] for c in COLUMNS))] + [
        (title, *("" if row[c] is None else f"{row[c]:.1%}" for c in COLUMNS)) for title, row in compared(result)
    ]
    encoded = base64.b64encode(picture).decode()
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(headline(result))}</title><style>{STYLE}</style>
<h1>{html.escape(headline(result))}</h1>
<p class="note">Embeddings by the host build of the engine, learning by the device's own MicroPython code, thresholds
from the taught samples alone. ± is 1.96 standard errors over the episodes. Energy is modelled, never measured.</p>
<p>{result["exit_ratio_asked"]:.0%} asked at exit 0, {result["exit_ratio_got"]:.0%} got.</p>
{_table(accuracies)}
{_table(others) if len(others) > 1 else ""}
<h2>Accuracy against cost</h2>
<img alt="accuracy against the share answered at exit 0 and the energy saved" src="data:image/png;base64,{encoded}">
{_table(curve)}
<h2>Costs and set-up</h2>
<table>{rest}</table>
</html>
"""


def _three(row: dict) -> str:
    return "  ".join(f"{TITLES[c]} {row[c]:.3f}" for c in COLUMNS if row[c] is not None)


def _table(rows: list[tuple[str, ...]]) -> str:
    cells = [
        "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row)
        for tag, row in [("th", rows[0])] + [("td", row) for row in rows[1:]]
    ]
    return "<table>" + "".join(f"<tr>{c}</tr>" for c in cells) + "</table>"


def _ci(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _points(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
