# SPDX-License-Identifier: MIT
"""The benchmark page: what networks cost on each emulated board, from nothing but counts.

python -m microt.bench.page FOLDER_OF_TFLITE_FILES -o docs/benchmarks.md
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from microt.bench import count, present
from microt.boards import Board

BOARDS = ("MPS2_AN386", "MPS2_AN500", "MPS3_AN547")
SHIPPED = Path(__file__).resolve().parents[3] / "models" / "objects.tflite"
UNKNOWN = "–"


def networks(folder: Path) -> list[Path]:
    """The shipped backbone and every `.tflite` file of a folder that the compiler takes, by name."""
    from microt import compiler

    taken = [SHIPPED]
    for path in sorted(folder.glob("*.tflite")):
        try:
            compiler.compile_tflite(path)
        except ValueError:  # legacy uint8 files
            continue
        taken.append(path)
    return taken


def measure(paths: list[Path], boards=BOARDS, *, log: Callable[[str], None] = print) -> dict[str, dict[str, dict]]:
    """{network: {board: what `count_tflite` found}}; each network is compiled for the board's kernels."""
    results = {}
    for path in paths:
        log(path.name)
        results[path.stem] = {name: count.count_tflite(Board.load(name), path, log=log) for name in boards}
    return results


def write(results: dict[str, dict[str, dict]], path: Path) -> list[Path]:
    """Writes the page and a chart of each network's layers on the first board beside it; returns the files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    charts = {}
    for network, by_board in results.items():
        first = next(iter(by_board.values()))
        charts[network] = path.with_name(f"{path.stem}_{network}.png")
        present.plot(first, charts[network])
    path.write_text(page(results, {network: chart.name for network, chart in charts.items()}))
    return [path, *charts.values()]


def page(results: dict[str, dict[str, dict]], charts: dict[str, str]) -> str:
    """The page as Markdown; charts: {network: file name of its picture}."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Instructions are **counted** under QEMU: one whole run to the last exit, call and",
        "dispatch included, each network compiled for the board's kernels. Cycles and energy are **modelled**, for the",
        "Cortex-M4 only ([how](costs.md)). Nothing here was measured on hardware.",
        "",
        "| network | board | kernels | M MACs | M instructions | per MAC | M cycles | mJ | arena, B | file, B |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for network, by_board in results.items():
        for board, found in by_board.items():
            lines.append(f"| {network} | {board} ({found['core']}) | {', '.join(found['kernels'])} | {_row(found)} |")
    for network, by_board in results.items():
        board = next(iter(by_board))
        lines += ["", f"## {network}, layer by layer on {board}", "", f"![instructions by layer]({charts[network]})"]
    return "\n".join(lines) + "\n"


def _row(found: dict) -> str:
    cells = [
        f"{found['macs'] / 1e6:.2f}",
        f"{found['instructions'] / 1e6:.3f}",
        f"{found['instructions'] / found['macs']:.2f}",
        _millions(found["cycles_modelled"], 1e6),
        _millions(found["energy_uj_modelled"], 1e3),
        f"{found['arena_bytes']:,}",
        f"{found['flash_bytes']:,}",
    ]
    return " | ".join(cells)


def _millions(value: float | None, unit: float) -> str:
    return UNKNOWN if value is None else f"{value / unit:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where more .tflite files lie; those of other types are left out")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    for written in write(measure(networks(arguments.folder)), arguments.output):
        print(written)


if __name__ == "__main__":
    main()
