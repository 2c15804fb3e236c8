# SPDX-License-Identifier: MIT
"""Counts what the benchmark page shows: networks, single layers and code sizes on every emulated board."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from microt.bench import baseline, count, network_files, networks
from microt.boards import Board, firmware

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "models"
CODE_SIZE = ROOT / "tools" / "code_size.py"
BOARDS = ("MPS2_AN386", "MPS2_AN500", "MPS3_AN547", "MPS2_M0PLUS", "VIRT_RV32")

# What a run on a board needs beside the arena and the input: the interpreter, the script, its floats.
_HEAP_BYTES_BESIDE = 20_000


def sources(folder: Path | None, *, log: Callable[[str], None] = print) -> dict[str, bytes]:
    """The networks, {name: .tflite file}: built here, shipped, and those of a folder that the compiler takes."""
    from microt import compiler

    found = {name: network_files.network(make()) for name, make in networks.NETWORKS.items()}
    paths = sorted(SHIPPED.glob("*.tflite")) + (sorted(folder.glob("*.tflite")) if folder is not None else [])
    for path in paths:
        try:
            compiler.compile_tflite(path)
        except ValueError as error:
            log(f"{path.name} is left out: {error}")
            continue
        found[path.stem] = path.read_bytes()
    return found


def measure(
    found: dict[str, bytes], boards: Iterable[str] = BOARDS, *, log: Callable[[str], None] = print
) -> dict[str, dict]:
    """Counts everything on every board.

    Returns:
        By board: ``core``; ``networks``, by name what ``count`` tells; ``layers``, by name {figures, ``macs`` (values
        read where there are none), ``histogram`` of the whole run}; ``left_out``, by network why; ``size``, what
        tools/code_size.py prints of its firmware; of a board that runs tuned plain C ``reference``, instructions of
        the reference kernels by network. A board whose tools are not installed is absent.
    """
    results = {}
    for name in boards:
        board = Board.load(name)
        if absent := missing_tools(board):
            log(f"{name} is left out: {absent[0]} is not installed")
            continue
        results[name] = {"core": board.core, **_on_board(board, found, log), "size": _code_size(board, log)}
        if board.target == "generic":
            results[name]["reference"] = _reference(name, results[name]["networks"], found, log)
    return results


def missing_tools(board: Board) -> list[str]:
    """The programs that counting on a board needs and that are not there."""
    return [tool for tool in (board.qemu.program, *firmware.TOOLS[board.port]) if shutil.which(tool) is None]


def _reference(name: str, networks: Iterable[str], found: dict[str, bytes], log) -> dict[str, int]:
    from microt import compiler

    before = os.environ.get("MICROT_REFERENCE")
    os.environ["MICROT_REFERENCE"] = "1"
    try:
        files = [compiler.compile_tflite(found[network]).data for network in networks]
        counted = count.count_many(Board.load(name), files, log=log)
    finally:
        del os.environ["MICROT_REFERENCE"]
        if before is not None:
            os.environ["MICROT_REFERENCE"] = before
    return {network: result["instructions"] for network, result in zip(networks, counted, strict=True)}


def _on_board(board: Board, found: dict[str, bytes], log) -> dict:
    from microt import compiler

    files, left_out = {}, {}
    for name, content in found.items():
        compiled = compiler.compile_tflite(content, target=board.target)
        needed = compiled.report["arena_bytes"] + _size(compiled.report["input"]["shape"]) + _HEAP_BYTES_BESIDE
        if needed > board.heap_bytes:
            left_out[name] = f"needs {needed:,} bytes of heap, the board has {board.heap_bytes:,}"
            log(f"{board.name}: {name} {left_out[name]}")
            continue
        files[name] = compiled.data
    singles = {
        name: compiler.compile_tflite(network_files.single_layer(name), target=board.target).data
        for name in networks.SINGLE
    }
    log(f"{board.name}: {len(files)} networks, {len(singles)} layers")
    counted = count.count_many(board, [*files.values(), *singles.values()], log=log)
    layers = {}
    for name, result in zip(singles, counted[len(files) :], strict=True):
        layer = next(layer for layer in result["layers"] if baseline.name_of(layer) == name)
        layers[name] = {
            **layer,
            "macs": layer["macs"] or _size(layer["output_shape"]),
            "histogram": result["histogram"],
        }
    return {"networks": dict(zip(files, counted, strict=False)), "layers": layers, "left_out": left_out}


def _size(shape) -> int:
    h, w, c = shape
    return h * w * c


def _code_size(board: Board, log) -> dict:
    image = firmware.build(board, log=log)
    done = subprocess.run([sys.executable, CODE_SIZE, image, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{CODE_SIZE}: {done.stderr.strip()}")
    return json.loads(done.stdout)
