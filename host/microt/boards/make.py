# SPDX-License-Identifier: MIT
"""Running the build tools: one build a folder at a time, a line of progress now and then, the error in sight."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_STEP = 50  # compiled files between two lines of progress
_PERCENT_STEP = 25
_MARKS = ("CC ", "AS ", "MPY ", "GEN ", "LINK ", "make[", "-- ")
_PERCENT = re.compile(r"\[ *(\d+)%\] ")
_ERROR_LINES = 30


def require(board: str, tools: Mapping[str, str]) -> None:
    """RuntimeError unless every tool is on PATH. tools: the Debian package of each."""
    missing = {tool: package for tool, package in tools.items() if shutil.which(tool) is None}
    if missing:
        # the tool's own error names one: the first
        tool = next(iter(missing))
        raise RuntimeError(
            f"{board}: {tool} is not installed; tools/setup.sh {board} installs what the build needs, "
            f"or: sudo apt-get install {' '.join(sorted(set(missing.values())))}"
        )


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keeps two builds from working in one folder at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(directory: Path, variables: Mapping[str, object], name: str, log: Callable[[str], object]) -> None:
    """Runs make. RuntimeError with the end of its output when it fails."""
    assignments = [f"{key}={value}" for key, value in variables.items()]
    run(["make", "-C", directory, f"-j{jobs()}", *assignments], name, log)


def jobs() -> int:
    """How many compilers to run at once."""
    return min(len(os.sched_getaffinity(0)), 8)


def run(
    command: Sequence[object],
    name: str,
    log: Callable[[str], object],
    *,
    environment: Mapping[str, object] | None = None,
) -> None:
    """Runs a build tool. environment: variables to add. RuntimeError with the end of its output when it fails."""
    # MicroPython's own make files reach for Python by name; variables of an outer make are not meant for this one.
    variables = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    variables |= {key: str(value) for key, value in (environment or {}).items()}
    compiled = percent = 0
    last = collections.deque(maxlen=_ERROR_LINES)
    with subprocess.Popen(
        [str(word) for word in command],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout:
            done = _PERCENT.match(line)
            if not done and not line.startswith(_MARKS):  # jobs beside the one that failed go on for a while
                last.append(line.rstrip())
            if done and int(done[1]) >= percent + _PERCENT_STEP:
                percent = int(done[1])
                log(f"{name}: {percent} % built")
            elif line.startswith(("CC ", "AS ")):
                compiled += 1
                if compiled % _STEP == 0:
                    log(f"{name}: {compiled} files compiled")
            elif line.startswith("LINK "):
                log(f"{name}: linked after compiling {compiled} files")
    if process.returncode:
        tool = Path(str(command[0])).name
        raise RuntimeError(f"{name}: {tool} failed with status {process.returncode}\n" + "\n".join(last))
