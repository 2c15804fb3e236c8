# SPDX-License-Identifier: MIT
"""Running MicroPython scripts on this machine, with the boards' user module and device package."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path

from microt.boards import firmware
from microt.boards.board import Board, reference_only


def run(
    script: Path | str,
    *,
    args: Sequence[str] = (),
    cwd: Path | None = None,
    timeout: float | None = None,
    heap_bytes: int | None = None,
) -> subprocess.CompletedProcess:
    """Runs a script (a Path, or its source as str) on the unix build, building it first if need be.

    args: sys.argv[1:], only for a Path. cwd: working directory. timeout: seconds, subprocess.TimeoutExpired after them.
    heap_bytes: the interpreter's heap, by default that of boards/UNIX/board.toml.
    Returns a CompletedProcess with text in stdout and stderr; its returncode is 1 after an uncaught exception.
    """
    command = [str(program()), "-X", f"heapsize={heap_bytes or Board.load('UNIX').heap_bytes}"]
    if isinstance(script, Path):
        command += [str(script.resolve()), *args]
    elif args:
        raise ValueError("args: expected none with a script given as source")
    else:
        command += ["-c", script]
    return subprocess.run(command, cwd=cwd, timeout=timeout, capture_output=True, text=True)


def program() -> Path:
    """The unix build, brought up to date once a process; with MICROT_REFERENCE=1 that of the reference kernels."""
    return _build(reference_only())


@functools.cache
def _build(reference: bool) -> Path:
    return firmware.build(Board.load("UNIX"), log=lambda line: None)
