# SPDX-License-Identifier: MIT
"""A lesson: which pictures a board is taught and tested with, and how they get onto it."""

import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microt.boards import Link, LinkError, romfs_image
from microt.compiler import read_info

TASKS = Path(__file__).resolve().parents[2] / "device" / "tasks"
REPORT_MARK = "REPORT "
PROGRESS = re.compile(r"(learn|test): (\d+) of (\d+) samples")
BACKBONE = "/rom/backbone.mtb"
# what tells two .mtb files apart: files of one backbone for several targets have one SHA-256
HEAD = 16


@dataclass
class Lesson:
    """Samples to teach and to test with.

    train_x, test_x: pictures uint8 (N, H, W, C), or windows of int16, (N, samples) or
    (N, rows, axes); train_y, test_y: int indexes into `names`; hold_back: the class that is taught
    only after the others were tested, or None.
    """

    source: str
    names: list
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    hold_back: str | None = None

    @property
    def kind(self):
        """What the samples are: pictures, sounds or motions."""
        return {4: "pictures", 2: "sounds", 3: "motions"}[self.train_x.ndim]


def choose(dataset, *, classes=11, shots=20, tests=150, seed=0, hold_back=True):
    """Draws a lesson from a data set: the classes with most test samples, `shots` samples of each.

    Test samples come from the set's own test split where it has one, never from the taught ones.
    ValueError when fewer than two classes have `shots` samples and one more to test with.
    """
    rng = np.random.default_rng(seed)
    pools = {}
    for label in range(len(dataset.class_names)):
        members = np.flatnonzero(dataset.y == label)
        if dataset.split is not None and (dataset.split == 1).any():
            train, test = (
                members[dataset.split[members] == 0],
                members[dataset.split[members] == 1],
            )
        else:
            members = rng.permutation(members)
            train, test = members[:shots], members[shots:]
        if len(train) >= shots and len(test):
            pools[label] = (train, test)
    if len(pools) < 2:
        raise ValueError(
            f"{dataset.name}: expected at least 2 classes with {shots} samples to teach and 1 to "
            f"test, got {len(pools)} of {len(dataset.class_names)} classes; try fewer --shots"
        )
    chosen = sorted(sorted(pools, key=lambda label: -len(pools[label][1]))[:classes])
    per_class = -(-tests // len(chosen))
    train_index, test_index, train_y, test_y = [], [], [], []
    for position, label in enumerate(chosen):
        train, test = pools[label]
        train = rng.permutation(train)[:shots]
        test = rng.permutation(test)[:per_class]
        train_index.extend(train)
        test_index.extend(test)
        train_y.extend([position] * len(train))
        test_y.extend([position] * len(test))
    names = [str(dataset.class_names[label]) for label in chosen]
    return Lesson(
        source=dataset.name,
        names=names,
        train_x=dataset.x[np.array(train_index)],
        train_y=np.array(train_y),
        test_x=dataset.x[np.array(test_index)],
        test_y=np.array(test_y),
        hold_back=names[-1] if hold_back and len(names) > 2 else None,
    )


def lesson_files(lesson, *, folder, exit_ratio=0.5, head="lda", task="/task"):
    """What `device/tasks/train_task.py` reads, {name: bytes}, with the samples in `folder` on the board.

    Taught again after a cut, the same samples in the same order go on where they were.
    """
    train, labels = npy_bytes(lesson.train_x), [lesson.names[y] for y in lesson.train_y]
    description = {
        "backbone": BACKBONE,
        "task": task,
        "train": {"x": f"{folder}/train.npy", "labels": labels},
        "test": {"x": f"{folder}/test.npy", "labels": [lesson.names[y] for y in lesson.test_y]},
        "exit_ratio": exit_ratio,
        "hold_back": lesson.hold_back,
        "head": head,
        "resume": hashlib.sha256(train + json.dumps(labels).encode()).hexdigest(),
    }
    return {
        "task.json": json.dumps(description).encode(),
        "train.npy": train,
        "test.npy": npy_bytes(lesson.test_x),
    }


def npy_bytes(array):
    """An array as a version 1 .npy file in C order."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0))
    return buffer.getvalue()


def mpremote(port, *arguments, on_line=lambda line: None):
    """Runs mpremote on a board. RuntimeError with the end of what it printed when it fails."""
    command = [sys.executable, "-m", "mpremote", "connect", port, *map(str, arguments)]
    tail = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout:
            on_line(line.rstrip())
            tail = (tail + [line.rstrip()])[-12:]
    if process.returncode:
        said = "\n".join(tail)
        raise RuntimeError(f"mpremote {arguments[0]} on {port} ended with status {process.returncode}:\n{said}")


def run_task(script, port, *, mount=None, on_line=lambda line: None, progress=None):
    """Runs a script of device/tasks with `mpremote run`; returns what its REPORT line holds.

    mount: a folder of this machine that the board sees as its current one. progress(done, total) is called, instead
    of on_line, with the lines that tell how far learning or testing is. RuntimeError when the script fails or
    reports nothing.
    """
    report = None

    def receive(line):
        nonlocal report
        if line.startswith(REPORT_MARK):
            report = json.loads(line[len(REPORT_MARK) :])
        elif progress and (found := PROGRESS.match(line)):
            progress(int(found[2]), int(found[3]))
        else:
            on_line(line)

    mpremote(port, *(["mount", mount] if mount else []), "run", TASKS / script, on_line=receive)
    if report is None:
        raise RuntimeError(f"{script} on {port} ended without a report")
    return report


def push(backbone, port, *, name="backbone.mtb", on_line=lambda line: None):
    """Puts a backbone into the ROMFS of the board at a port, unless it is there already; returns its SHA-256 (hex).

    backbone: the bytes of an .mtb file, for a target that the board runs. The ROMFS then holds this file alone.
    Ends with the board having opened it. RuntimeError when mpremote fails or the board refuses the file.
    """
    wanted = read_info(backbone)["sha256"]
    if read_head(port, name) != bytes(backbone[:HEAD]):
        deploy(romfs_image({name: bytes(backbone)}), port, on_line=on_line)
    found = read_identity(port, name)
    if found != wanted:
        raise RuntimeError(f"/rom/{name} on {port}: expected the backbone {wanted[:12]}, the board opens {found}")
    return wanted


def deploy(image, port, *, on_line=lambda line: None):
    """Writes a ROMFS image (bytes) to the board at a port and resets it, so that /rom holds that. RuntimeError when
    mpremote fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rom.romfs"
        file.write_bytes(image)
        mpremote(port, "romfs", "deploy", file, on_line=on_line)
    with Link(port) as link:
        link.reset()


def read_head(port, name):
    """The first bytes of /rom/<name> on a board, its size and checksum among them; b"" where there is no such file."""
    with Link(port) as link:
        try:
            return bytes(link.eval(f"open('/rom/{name}', 'rb').read({HEAD})"))
        except LinkError:
            return b""


def read_identity(port, name):
    """SHA-256 (hex) of the backbone /rom/<name> as the board opens it, or why it does not."""
    with Link(port) as link:
        try:
            link.exec(f"import microt\nnet = microt.Backbone('/rom/{name}')")
            return bytes(link.eval("bytes(net.sha256)")).hex()
        except LinkError as error:
            return str(error).splitlines()[0]
