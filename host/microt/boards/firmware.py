# SPDX-License-Identifier: MIT
"""Building a board's firmware with make, out of tree, into build/<BOARD>/.

With MICROT_REFERENCE=1 in the environment into build/<BOARD>-reference/, without the kernels for an instruction set.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from microt.boards.board import ROOT, Board, reference_only

BUILD = ROOT / "build"
MODULES = ROOT / "device" / "cmodules"
CROSS = "arm-none-eabi-"

_PROGRESS_STEP = 50  # compiled files between two lines of progress
_PROGRESS_MARKS = ("CC ", "AS ", "MPY ", "GEN ", "LINK ")
_ERROR_LINES = 30
_ELF_ARM = 40  # e_machine


def build(board: Board, *, log: Callable[[str], object] = print) -> Path:
    """Builds what has changed and returns firmware.elf (for the unix port the program `micropython`).

    log is called with a line of progress now and then. RuntimeError says what is missing, or shows the end of the
    compiler's output.
    """
    compiler = f"{CROSS}gcc" if board.port == "mps" else "gcc"
    for tool in (compiler, "make"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{board.name}: {tool} is not installed; tools/setup.sh installs what the build needs")
    source = micropython(log=log)
    folder = BUILD / (f"{board.name}-reference" if reference_only() else board.name)
    with _lock(BUILD / "mpy-cross"):
        cross = BUILD / "mpy-cross" / "mpy-cross"
        _make(source / "mpy-cross", {"BUILD": BUILD / "mpy-cross"}, "mpy-cross", log)
    variables = {
        "BUILD": folder,
        "MICROPY_MPYCROSS": cross,
        "MICROPY_MPYCROSS_DEPENDENCY": cross,
        "USER_C_MODULES": MODULES,
    }
    if board.port == "unix":
        directory, program = source / "ports" / "unix", folder / "micropython"
        variables["VARIANT_DIR"] = board.path
    else:
        directory, program = ROOT / "boards" / board.port, folder / "firmware.elf"
        variables |= {
            "MICROPYTHON_DIR": source,
            "BOARD": board.name,
            "BOARD_DIR": board.path,
            "HEAP_BYTES": board.heap_bytes,
            "STACK_BYTES": board.stack_bytes,
        }
    if reference_only():
        variables["MICROT_REFERENCE"] = 1
    with _lock(folder):
        _make(directory, variables, board.name, log)
    if not program.is_file():
        raise RuntimeError(f"{board.name}: make succeeded but left no {program}")
    return program


def size(elf: Path) -> dict[str, int]:
    """{"flash_bytes": code, constants and initial data; "ram_bytes": all of RAM, heap and stack included}.

    elf: a board's firmware.elf or the unix port's program. Of the latter the heap is not part: it is allocated later.
    """
    with open(elf, "rb") as file:
        machine = int.from_bytes(file.read(20)[18:], "little")
    tool = f"{CROSS}size" if machine == _ELF_ARM else "size"
    output = subprocess.run([tool, elf], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(field) for field in output.splitlines()[1].split()[:3])
    return {"flash_bytes": text + data, "ram_bytes": data + bss}


def symbol(elf: Path, name: str) -> int:
    """Address of a function or variable of the firmware, without the Thumb bit. ValueError if there is none."""
    output = subprocess.run([f"{CROSS}nm", elf], capture_output=True, text=True, check=True).stdout
    found = re.search(rf"^([0-9a-f]+) \w {re.escape(name)}$", output, re.MULTILINE)
    if not found:
        raise ValueError(f"{elf}: no symbol {name}")
    return int(found[1], 16) & ~1


def micropython(*, log: Callable[[str], object] = print) -> Path:
    """MicroPython's source tree, fetched on first use. RuntimeError says why there is none."""
    result = subprocess.run(["sh", ROOT / "tools" / "get_micropython.sh"], capture_output=True, text=True)
    for line in result.stderr.splitlines():
        log(line)
    if result.returncode:
        raise RuntimeError(f"no MicroPython source:\n{result.stderr.rstrip()}")
    return Path(result.stdout.strip())


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keeps two builds from working in one folder at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(directory: Path, variables: dict[str, object], name: str, log: Callable[[str], object]) -> None:
    jobs = min(len(os.sched_getaffinity(0)), 8)
    command = ["make", "-C", directory, f"-j{jobs}", *(f"{key}={value}" for key, value in variables.items())]
    # MicroPython's own make files reach for Python by name; variables of an outer make are not meant for this one.
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    compiled = 0
    last = collections.deque(maxlen=_ERROR_LINES)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout:
            if not line.startswith(_PROGRESS_MARKS):  # jobs beside the one that failed go on for a while
                last.append(line.rstrip())
            if line.startswith(("CC ", "AS ")):
                compiled += 1
                if compiled % _PROGRESS_STEP == 0:
                    log(f"{name}: {compiled} files compiled")
            elif line.startswith("LINK "):
                log(f"{name}: linked after compiling {compiled} files")
    if process.returncode:
        raise RuntimeError(f"{name}: make failed with status {process.returncode}\n" + "\n".join(last))
