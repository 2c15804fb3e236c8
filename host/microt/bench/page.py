# SPDX-License-Identifier: MIT
"""The benchmark page: what networks and layers cost on each emulated board, from nothing but counts.

python -m microt.bench.page [FOLDER_OF_TFLITE_FILES] -o docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from microt.bench import bars, charts, measure
from microt.bench import baseline as other_libraries
from microt.bench.baseline import Baseline, core_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RESULTS = measure.ROOT / "build" / "bench" / "results.json"
MISSES = Path(__file__).with_name("misses.toml")
UNKNOWN = "–"


def write(results: dict[str, dict], baseline: Baseline | None, path: Path, missing: list[str]) -> list[Path]:
    """Writes the page and its pictures beside it; returns the files.

    Args:
        results: of ``measure.measure``.
        baseline: of other libraries, None where there is none.
        missing: what was not at hand, a sentence each.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    verdicts = bars.verdicts(results, baseline)
    pictures = {}
    if verdicts:
        pictures["networks"] = path.with_name(f"{path.stem}_networks.png")
        charts.networks(verdicts, pictures["networks"])
    if baseline is not None:
        pictures["layers"] = path.with_name(f"{path.stem}_layers.png")
        charts.layers(results, baseline, pictures["layers"])
    path.write_text(page(results, baseline, missing, {name: picture.name for name, picture in pictures.items()}))
    return [path, *pictures.values()]


def page(results: dict[str, dict], baseline: Baseline | None, missing: list[str], pictures: dict[str, str]) -> str:
    """The page as Markdown; pictures: {"networks", "layers": file name}."""
    verdicts = bars.verdicts(results, baseline)
    slower = [] if baseline is None else bars.slower_layers(results, baseline)
    parts = [_head(results, missing)]
    parts += [_bar_table(results, baseline, verdicts, slower), _code_note(results)]
    if "networks" in pictures:
        parts.append(f"![instructions of networks]({pictures['networks']})")
    parts += [_networks(results), _plain_c(results), _misses(results, verdicts, slower)]
    parts.append(_layers(results, baseline, pictures))
    parts.append(_sizes(results))
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results, missing) -> str:
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`, from nothing but commands. **Counted**: instructions, exactly, under QEMU.",
        "**Modelled**: cycles of a Cortex-M4 without wait states, with bounds, bounds for a Cortex-M55, and",
        "energy ([how](costs.md)). Nothing here was measured on hardware. A run is one call of `run` to the last exit,",
        "the interpreter's call and dispatch included; every network is compiled for the board's kernels.",
    ]
    if missing:
        lines += ["", "Not at hand when this page was written:", "", *(f"* {sentence}" for sentence in missing)]
    cores = ", ".join(f"{name} is a {board['core']}" for name, board in results.items())
    return "\n".join([*lines, "", f"Boards: {cores}."])


def _table(head: list[str], align: str, rows: list[list[str]]) -> str:
    marks = {"l": "---", "r": "--:"}
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(marks[a] for a in align) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _bar_table(results, baseline, verdicts, slower) -> str:
    rows = []
    for verdict in verdicts:
        bar = verdict.bar
        figure = "instructions, counted" if bar.figure == "instructions" else "cycles, modelled"
        rows.append(
            [
                f"{verdict.network}, {verdict.core}: M {figure}",
                _number(verdict.libraries["cmsis-nn"]),
                _number(verdict.libraries["tinyengine"]),
                _number(bar.prototype),
                f"{bar.required:g}, then {bar.after:g}",
                _number(verdict.ours),
                verdict.words,
            ]
        )
    rows.append(_layers_row(results, baseline, slower))
    rows += [_dispatch_row(results), _arena_row(results), _code_row(results)]
    head = ["what", "CMSIS-NN", "TinyEngine", "our prototype", "to reach", "ours", ""]
    return "## The bar\n\n" + _table(head, "lrrrrrl", [row for row in rows if row])


def _number(millions: float | None) -> str:
    return UNKNOWN if millions is None else f"{millions:.2f}" if millions < 100 else f"{millions:.0f}"


def _layers_row(results, baseline, slower) -> list[str]:
    what = "single layers, never slower than CMSIS-NN in instructions and modelled cycles"
    if baseline is None:
        return [what, UNKNOWN, UNKNOWN, UNKNOWN, "all", UNKNOWN, "not compared"]
    count = bars.compared_layers(results, baseline)
    missed = len({(board, layer) for board, layer, _ in slower})
    verdict = "reached" if not missed else f"**missed** by {missed}"
    return [what, UNKNOWN, UNKNOWN, UNKNOWN, f"{count} of {count}", f"{count - missed} of {count}", verdict]


def _dispatch_row(results) -> list[str]:
    shares = [
        (result["dispatch"]["instructions"] / result["instructions"], network, board)
        for board, counted in results.items()
        for network, result in counted["networks"].items()
        if result["dispatch"]["instructions"] is not None
    ]
    if not shares:
        return []
    share, network, board = max(shares)
    over = sum(each > bars.DISPATCH_SHARE for each, *_ in shares)
    verdict = "reached" if not over else f"**missed** by {over} of {len(shares)} runs"
    ours = f"{share:.2%} at most ({network}, {board})"
    return [
        "call, dispatch and set-up around the kernels, counted",
        UNKNOWN,
        UNKNOWN,
        UNKNOWN,
        "under 1 %",
        ours,
        verdict,
    ]


def _arena_row(results) -> list[str]:
    board = results.get("MPS2_AN386")
    network = board and next((n for n in (bars.VWW, bars.STAND_IN[bars.VWW]) if n in board["networks"]), None)
    if network is None:
        return []
    arena = board["networks"][network]["arena_bytes"]
    verdict = "reached" if arena <= bars.ARENA_BYTES else f"**missed** by {arena - bars.ARENA_BYTES:,} B"
    what = f"arena of {network} on {board['core']}, no patches, scratch included, B"
    return [what, UNKNOWN, UNKNOWN, UNKNOWN, f"{bars.ARENA_BYTES:,}", f"{arena:,}", verdict]


def _code_row(results) -> list[str]:
    if "MPS2_AN386" not in results:
        return []
    ours = bars.module_bytes(results["MPS2_AN386"]["size"])
    verdict = "reached" if ours <= bars.CODE_BYTES else f"**missed** by {ours - bars.CODE_BYTES:,} B"
    what = "code of the module with all DSP kernels, B"
    # CMSIS-NN's and TinyEngine's kernels for the single layers alone (kernels.md, section 4)
    return [what, "27.5 KB (layer set)", "32.7 KB", "24 KB", f"{bars.CODE_BYTES:,}", f"{ours:,}", verdict]


def _code_note(results) -> str:
    """What the bar on code leaves out."""
    if "MPS2_AN386" not in results:
        return ""
    row = results["MPS2_AN386"]["size"]["parts"]["microt sensor input"]
    return (
        "The code is that of `microt engine` and `microt module`, on a Cortex-M4F, under [code size](#code-size).\n"
        "What makes inputs of sound, motion and pictures, `microt sensor input`, is not in it: "
        f"{row['code'] + row['data']:,} B more."
    )


def _networks(results) -> str:
    rows, left_out = [], []
    for board, counted in results.items():
        for network, found in counted["networks"].items():
            rows.append(_network_row(network, counted["core"], found))
        left_out += [f"{network} on {board}: {why}." for network, why in counted["left_out"].items()]
    rows.sort(key=lambda row: row[0])
    head = "network|core|M MACs|M instr., counted|per MAC|dispatch|M cycles, modelled|low – high|mJ, modelled"
    text = "## Networks\n\n" + _table([*head.split("|"), "arena, B", "file, B"], "llrrrrrrrrr", rows)
    if left_out:
        text += "\n\nLeft out: " + " ".join(left_out)
    return text


def _network_row(network, core, found) -> list[str]:
    low, high = found["cycles_modelled_low"], found["cycles_modelled_high"]
    dispatch = found["dispatch"]["instructions"]
    return [
        network,
        core,
        f"{found['macs'] / 1e6:.2f}",
        f"{found['instructions'] / 1e6:.3f}",
        f"{found['instructions'] / found['macs']:.2f}",
        UNKNOWN if dispatch is None else f"{dispatch / found['instructions']:.2%}",
        _millions(found["cycles_modelled"], 1e6),
        UNKNOWN if low is None else f"{low / 1e6:.2f} – {high / 1e6:.2f}",
        _millions(found["energy_uj_modelled"], 1e3),
        f"{found['arena_bytes']:,}",
        f"{found['flash_bytes']:,}",
    ]


def _plain_c(results) -> str:
    """Tuned plain C beside the reference kernels, where it is what a core runs."""
    rows = []
    for counted in results.values():
        for network, reference in counted.get("reference", {}).items():
            found = counted["networks"][network]
            tuned, macs = found["instructions"], found["macs"]
            cells = [f"{n / 1e6:.3f}" for n in (reference, tuned)] + [f"{n / macs:.2f}" for n in (reference, tuned)]
            rows.append([network, counted["core"], *cells, f"{reference / tuned:.2f}x"])
    if not rows:
        return ""
    rows.sort()
    head = "network|core|M instr., reference|tuned|per MAC, reference|tuned|reference to tuned"
    text = "Whole runs with `engine/kernels/c/`, and with `MICROT_REFERENCE=1`; counted."
    return f"## Tuned plain C\n\n{text}\n\n" + _table(head.split("|"), "llrrrrr", rows)


def _millions(value: float | None, unit: float) -> str:
    return UNKNOWN if value is None else f"{value / unit:.3f}"


def _misses(results, verdicts, slower) -> str:
    """Each figure that falls short, of the second bar too: where its instructions go, and what was tried."""
    tried = tomllib.loads(MISSES.read_text())
    parts = []
    for verdict in verdicts:
        if verdict.ours is None or verdict.ours <= verdict.bar.after:
            continue
        counted = results[verdict.bar.board]["networks"][verdict.network]
        of = f", {verdict.ours:.2f} M, of the second figure, {verdict.bar.after:g} M" if verdict.reached else ""
        title = f"### {verdict.network} on {verdict.core}: {verdict.bar.figure.replace('_', ' ')}{of}"
        parts += [title, _histogram(counted["histogram"]), tried.get(verdict.key, tried["untold"])]
    for board, layer, what in slower:
        counted = results[board]["layers"][layer]
        title = f"### {layer} on {results[board]['core']}: {what} with CMSIS-NN"
        parts += [title, _histogram(counted["histogram"]), tried.get(f"{board}/{layer}", tried["untold"])]
    parts += _other_misses(results, tried)
    if not parts:
        return "## What falls short\n\nNothing: every figure above that was counted is reached."
    return "\n\n".join(["## What falls short", "Executed instructions by class, of a whole run.", *parts])


def _other_misses(results, tried) -> list[str]:
    parts = []
    for key, row in (
        ("dispatch", _dispatch_row(results)),
        ("arena", _arena_row(results)),
        ("code", _code_row(results)),
    ):
        if row and "missed" in row[-1]:
            parts += [f"### {row[0]}: {row[-2]}", tried.get(key, tried["untold"])]
    return parts


def _histogram(histogram: dict[str, int] | None) -> str:
    if not histogram:
        return "No counts by class: there was no counting plugin."
    total = sum(histogram.values())
    shown = [(name, n) for name, n in histogram.items() if n > 0.005 * total]
    return _table([name for name, _ in shown], "r" * len(shown), [[f"{n / total:.1%}" for _, n in shown]])


def _layers(results, baseline, pictures) -> str:
    text = [
        "## Single layers",
        "Of the kernel alone; a name tells kernel, stride, input and channels. Per MAC; for pools and additions per"
        " value read. In brackets how many times ours CMSIS-NN and TinyEngine need. TinyEngine is not bit-exact.",
    ]
    if "layers" in pictures:
        text.append(f"![CMSIS-NN's instructions to ours]({pictures['layers']})")
    for counted in results.values():
        core = core_of(counted["core"])
        rows = []
        for name, ours in counted["layers"].items():
            cells = [
                name,
                f"{ours['macs']:,}",
                f"{ours['instructions']:,}",
                f"{ours['instructions'] / ours['macs']:.3f}",
            ]
            cmsis, tinyengine = (
                None if baseline is None else baseline.layer(name, library, core)
                for library in ("cmsis-nn", "tinyengine")
            )
            cells += [_their_instructions(cmsis, ours), _their_instructions(tinyengine, ours)]
            cells += [_cycles(ours, ours), _their_cycles(cmsis, ours)]
            rows.append(cells)
        head = "layer|MACs|instructions|per MAC|CMSIS-NN|TinyEngine|cycles per MAC, modelled|CMSIS-NN"
        text.append(f"### {counted['core']}\n\n" + _table(head.split("|"), "lrrrrrrr", rows))
    return "\n\n".join(text)


def _their_instructions(theirs, ours) -> str:
    if theirs is None:
        return UNKNOWN
    return f"{theirs['instructions'] / ours['macs']:.2f} ({theirs['instructions'] / ours['instructions']:.2f}x)"


def _cycles(figures, ours) -> str:
    """Modelled cycles for each MAC, or their bounds."""
    if figures["cycles_modelled"] is not None:
        return f"{figures['cycles_modelled'] / ours['macs']:.2f}"
    if figures["cycles_modelled_low"] is None:
        return UNKNOWN
    return " – ".join(f"{figures[f'cycles_modelled_{end}'] / ours['macs']:.2f}" for end in ("low", "high"))


def _their_cycles(theirs, ours) -> str:
    ratio = None if theirs is None else other_libraries.beside(ours, theirs)["cycles_ratio"]
    return UNKNOWN if ratio is None else f"{_cycles(theirs, ours)} ({ratio:.2f}x)"


def _sizes(results) -> str:
    parts = {}
    for counted in results.values():
        for name, row in counted["size"]["parts"].items():
            parts.setdefault(name, {})[counted["core"]] = row["code"] + row["data"]
        files = counted["size"]["microt_files"]
        for kernels in ("dsp", "mve", "m0", "c", "ref"):
            folder = f"engine/kernels/{kernels}/"
            size = sum(row["code"] + row["data"] for file, row in files.items() if file.startswith(folder))
            if size:
                parts.setdefault(f"of the engine: {kernels} kernels", {})[counted["core"]] = size
    cores = [counted["core"] for counted in results.values()]
    rows = [
        [name, *(f"{sizes[core]:,}" if core in sizes else UNKNOWN for core in cores)] for name, sizes in parts.items()
    ]
    rows.append(["whole firmware", *(f"{counted['size']['flash_bytes']:,}" for counted in results.values())])
    text = "Bytes of flash, code and constants, by `tools/code_size.py`."
    return f"## Code size\n\n{text}\n\n" + _table(["part", *cores], "l" + "r" * len(cores), rows)


def _at_hand(folder: Path | None, path: str | None) -> tuple[Path | None, Baseline | None, list[str]]:
    """The folder and the baseline where they are there, and sentences about what is not."""
    missing = []
    if folder is None or not folder.is_dir():
        missing.append("public models: no folder of .tflite files was given or there (`make bench MODELS=folder`)")
        folder = None
    try:
        return folder, other_libraries.load(path), missing
    except FileNotFoundError as error:
        missing.append(
            f"figures of other libraries: {str(error).partition(' (')[0].replace(str(measure.ROOT.parent), '..')}"
        )
        return folder, None, missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where more .tflite files lie")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--baseline", help="a perf_baseline.json  [default: in ../shared/design beside the checkout]")
    parser.add_argument("--again", action="store_true", help=f"from the counts of the last time, {RESULTS}")
    arguments = parser.parse_args()
    folder, baseline, missing = _at_hand(arguments.folder, arguments.baseline)
    if not arguments.again:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        networks = measure.sources(folder)
        results = {}
        for board in measure.BOARDS:
            results |= measure.measure(networks, [board])
            if board not in results:
                missing.append(f"tools for {board}: `tools/setup.sh {board}`")
            RESULTS.write_text(json.dumps(results))
    for written in write(json.loads(RESULTS.read_text()), baseline, arguments.output, missing):
        print(written)


if __name__ == "__main__":
    main()
