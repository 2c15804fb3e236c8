# SPDX-License-Identifier: MIT
"""Whether a backbone fits a board: its flash and RAM against what the board's firmware leaves.

models/zoo.json has the sizes of the zoo's networks; `python -m microt.fit` writes it anew (a few minutes).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from microt.boards import Board
from microt.boards.board import ROOT

ZOO = ROOT / "models" / "zoo.json"
# Of the heap: for the package microt, the heads of a task and the user's script.
RESERVED_RAM = 65_536
# Of an emulated board's modelled flash: its firmware takes less. A real board has a partition instead.
RESERVED_FLASH = 524_288


def room(board: Board) -> tuple[int, int]:
    """(bytes of flash for a backbone, bytes of RAM for its arena) of a board. ValueError for the unix build."""
    if board.flash_bytes is None:
        raise ValueError(f"board: expected a board with flash and RAM, got {board.name}")
    return board.romfs_bytes or board.flash_bytes - RESERVED_FLASH, board.heap_bytes - RESERVED_RAM


def problem(board: Board, flash_bytes: int, arena_bytes: int) -> str | None:
    """Why a backbone does not fit, with the numbers; None if it does."""
    flash, ram = room(board)
    if flash_bytes > flash:
        return f"{flash_bytes:,} bytes of flash, {board.name} has {flash:,} for backbones"
    if arena_bytes > ram:
        return (
            f"an arena of {arena_bytes:,} bytes, {board.name} has {ram:,} for it "
            f"({board.heap_bytes:,} of heap less {RESERVED_RAM:,} for the package and scripts)"
        )
    return None


def check(board: Board, report: dict, name: str) -> None:
    """ValueError, with the numbers, if a compiled backbone does not fit. report: as microt compile prints it."""
    wrong = problem(board, report["flash_bytes"], report["arena_bytes"])
    if wrong:
        raise ValueError(f"{name} does not fit: it takes {wrong}")


def largest(board: Board) -> tuple[str, dict] | None:
    """Of the zoo's networks that fit the board, the one with most multiply-accumulates: (name, sizes); None if none."""
    fitting = [
        (name, sizes[board.target])
        for name, sizes in json.loads(ZOO.read_text()).items()
        if not problem(board, sizes[board.target]["flash_bytes"], sizes[board.target]["arena_bytes"])
    ]
    return max(fitting, key=lambda found: found[1]["macs"], default=None)


def overview() -> list[dict]:
    """One row a board: {"board", "core", "kernels", "mcu", "flash_bytes", "ram_bytes" (for a backbone, for its arena),
    "emulated", "largest" (name of a zoo network or None)}."""
    rows = []
    for board in map(Board.load, Board.names()):
        if board.flash_bytes is None:
            continue
        flash, ram = room(board)
        found = largest(board)
        rows.append(
            {
                "board": board.name,
                "core": board.core,
                "kernels": board.kernels,
                "mcu": board.mcu,
                "flash_bytes": flash,
                "ram_bytes": ram,
                "emulated": board.qemu is not None,
                "largest": found[0] if found else None,
            }
        )
    return rows


def describe(rows: list[dict]) -> str:
    """The overview as a table."""
    head = f"{'board':18} {'core':12} {'kernels':10} {'flash':>10} {'RAM':>10}  largest of the zoo that fits"
    lines = [
        f"{row['board']:18} {row['core']:12} {row['kernels']:10} {row['flash_bytes']:>10,} {row['ram_bytes']:>10,}  "
        f"{row['largest'] or 'none'}{' (emulated)' if row['emulated'] else ''}"
        for row in rows
    ]
    return "\n".join([head, *lines, "flash: bytes for backbones; RAM: bytes for an arena"])


def _networks() -> dict[str, Callable[[], bytes]]:
    """The zoo's networks by name, each as int8 .tflite bytes; their sizes do not depend on the weights."""
    import numpy as np

    from microt import quantize
    from microt.zoo import ds_cnn, mcunet, mobilenet_v1, mobilenet_v2, motion, proxylessnas

    def pictures(model):
        return quantize.quantize(model, np.zeros((1, *model.input_shape[1:]), np.uint8) + 128)

    def samples(model):
        return quantize.quantize_samples(model, np.ones((1, *model.input_shape[1:]), np.float32))

    return {
        "mobilenet_v1_025_96": lambda: pictures(mobilenet_v1.mobilenet_v1()),
        "ds_cnn": lambda: samples(ds_cnn.ds_cnn()),
        "motion": lambda: samples(motion.motion()),
        "mobilenet_v2_035_96": lambda: pictures(mobilenet_v2.mobilenet_v2(0.35, 96)),
        "mcunet_in3_96": lambda: pictures(mcunet.mcunet_in3(96)),
        "mcunet_in3_176": lambda: pictures(mcunet.mcunet_in3(176)),
        "proxylessnas_03_96": lambda: pictures(proxylessnas.proxylessnas(0.3, 96)),
        "proxylessnas_03_176": lambda: pictures(proxylessnas.proxylessnas(0.3, 176)),
    }


def sizes_of(content: bytes) -> dict[str, dict[str, int]]:
    """{target: {"flash_bytes", "arena_bytes", "macs"}} of a .tflite file for every target that a board has."""
    from microt.compiler import compile_tflite

    found = {}
    for target in sorted({Board.load(name).target for name in Board.names()}):
        report = compile_tflite(content, target=target).report
        found[target] = {key: report[key] for key in ("flash_bytes", "arena_bytes", "macs")}
    return found


def main() -> None:
    zoo = {}
    for name, content in _networks().items():
        zoo[name] = sizes_of(content())
        print(name, zoo[name], file=sys.stderr)
    ZOO.write_text(json.dumps(zoo, indent=1) + "\n")


if __name__ == "__main__":
    main()
