# SPDX-License-Identifier: MIT
"""A task's journal with NumPy: read one that a board wrote, write one that a board opens.

The format is described at the top of device/microt/store/journal.py.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MAGIC, VERSION = b"MTJ\0", 1
HEADER, HEADER_SIZE = "<4sHHI32sIIII", 64
FILES = ("journal.bin", "journal2.bin")  # one of them, or both where power went during a compaction
RECORD, RECORD_SIZE = "<BBHI", 8
MARK, SAMPLE, FORGET, DROP, LABEL = 0xA5, 1, 2, 3, 4
LABEL_BYTES = 64


@dataclass
class TaskFile:
    """The samples that count, in the order they were taught.

    embeddings: (n, size) int8, all exits' embeddings one after another. labels: (n,) str. times: (n,) uint32, the
    board's `time.time()`. sha256: 32 bytes, the backbone. notes: what was not as it should be.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    times: np.ndarray
    sha256: bytes
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """{label: samples}, in the order the labels got their first."""
        found: dict[str, int] = {}
        for label in self.labels:
            found[str(label)] = found.get(str(label), 0) + 1
        return found


def parse(data: bytes, name: str = "journal") -> TaskFile:
    """A journal's bytes; ValueError when its header is damaged. Damaged records are left out, with a note."""
    if len(data) < HEADER_SIZE:
        raise ValueError(f"{name}: expected at least {HEADER_SIZE} bytes, got {len(data)}")
    magic, version, _, size, sha256, *_ = struct.unpack_from(HEADER, data)
    (crc,) = struct.unpack_from("<I", data, HEADER_SIZE - 4)
    if magic != MAGIC or crc != zlib.crc32(data[: HEADER_SIZE - 4]):
        raise ValueError(f"{name}: the header is damaged, or not a journal's")
    if version != VERSION:
        raise ValueError(f"{name}: expected version {VERSION}, got {version}")
    samples: dict[int, tuple[int, str, bytes]] = {}
    notes, end, at, last = [], HEADER_SIZE, HEADER_SIZE, -1
    while at < len(data):
        record = _record(data, at, last)
        if record is None:
            at = data.find(bytes((MARK,)), at + 1)
            at = len(data) if at < 0 else at
            continue
        kind, last, payload = record
        if at > end:
            notes.append(f"{name}: bytes {end} to {at} are damaged and stepped over")
        end = at = at + RECORD_SIZE + len(payload) + 4
        if kind == SAMPLE:
            (time,) = struct.unpack_from("<I", payload)
            samples[last] = (time, payload[4 + size :].decode(), payload[4 : 4 + size])
        elif kind == FORGET:
            samples = {number: sample for number, sample in samples.items() if sample[1] != payload.decode()}
        elif kind == DROP:
            samples.pop(struct.unpack_from("<I", payload)[0], None)
        elif kind != LABEL:
            notes.append(f"{name}: a record of kind {kind}, of a newer version, is stepped over")
    if end < len(data):
        notes.append(f"{name}: {len(data) - end} bytes at its end make no whole record")
    values = list(samples.values())
    embeddings = np.frombuffer(b"".join(v[2] for v in values), np.int8).reshape(len(values), size)
    return TaskFile(
        embeddings,
        np.array([v[1] for v in values], str),
        np.array([v[0] for v in values], np.uint32),
        sha256,
        notes,
    )


def _record(data, at, last):
    # (kind, number, payload) of the good record at a place, or None
    if len(data) - at < RECORD_SIZE + 4:
        return None
    mark, kind, length, number = struct.unpack_from(RECORD, data, at)
    end = at + RECORD_SIZE + length
    if mark != MARK or number <= last or end + 4 > len(data):
        return None
    if struct.unpack_from("<I", data, end)[0] != zlib.crc32(data[at:end]):
        return None
    return kind, number, data[at + RECORD_SIZE : end]


def pack(task: TaskFile) -> bytes:
    """The journal that a board opens as this task. ValueError for labels that are not 1 to 64 bytes of UTF-8."""
    if task.embeddings.dtype != np.int8 or task.embeddings.ndim != 2:
        raise ValueError(f"embeddings: expected (n, size) of int8, got {task.embeddings.shape} of "
                         f"{task.embeddings.dtype}")  # fmt: skip
    if not len(task.embeddings) == len(task.labels) == len(task.times):
        raise ValueError(
            f"expected as many labels and times as embeddings, got {len(task.labels)}, {len(task.times)} and "
            f"{len(task.embeddings)}"
        )
    head = struct.pack(
        HEADER, MAGIC, VERSION, HEADER_SIZE, task.embeddings.shape[1], task.sha256, secrets.randbits(32) or 1, 0, 0, 0
    )
    out = [head, struct.pack("<I", zlib.crc32(head))]
    for number, (row, label, time) in enumerate(zip(task.embeddings, task.labels, task.times, strict=True)):
        text = str(label).encode()
        if not 1 <= len(text) <= LABEL_BYTES:
            raise ValueError(f"label: expected 1 to {LABEL_BYTES} bytes, got {len(text)}")
        payload = struct.pack("<I", int(time)) + row.tobytes() + text
        record = struct.pack(RECORD, MARK, SAMPLE, len(payload), number) + payload
        out += [record, struct.pack("<I", zlib.crc32(record))]
    return b"".join(out)


def save(task: TaskFile, path: str | Path) -> None:
    """Writes a task as `.npz`: embeddings, labels, times, sha256."""
    np.savez_compressed(
        path,
        embeddings=task.embeddings,
        labels=task.labels,
        times=task.times,
        sha256=np.frombuffer(task.sha256, np.uint8),
    )


def load(path: str | Path) -> TaskFile:
    """Reads what `save` wrote."""
    with np.load(path, allow_pickle=False) as z:
        missing = {"embeddings", "labels", "times", "sha256"} - set(z.files)
        if missing:
            raise ValueError(f"{path}: {', '.join(sorted(missing))} missing")
        return TaskFile(z["embeddings"], z["labels"], z["times"], z["sha256"].tobytes())


def pull(port: str, folder: str = "/task") -> TaskFile:
    """The task in a folder of the board at a port. LinkError: it is not there."""
    from microt.boards import Link, LinkError

    found, problem = {}, None
    with Link(port) as link:
        for name in FILES:
            path = f"{folder.rstrip('/')}/{name}"
            try:
                found[path] = link.get(path)
            except LinkError as error:
                problem = problem or error
    if not found:
        raise problem
    path = newest(found)
    return parse(found[path], path)


def newest(files: dict[str, bytes]) -> str:
    """The name of the file that a board takes, of those of FILES that are there: the latest that is whole."""

    def age(data):
        if len(data) < HEADER_SIZE:
            return False, -1
        *_, generation, length, _ = struct.unpack_from(HEADER, data)
        return len(data) >= length, generation

    return max(files, key=lambda name: age(files[name]))


def push(task: TaskFile, port: str, folder: str = "/task") -> None:
    """Puts a task into a folder of the board at a port; what it held is replaced, heads included: fit again there."""
    from microt.boards import Link

    folder = folder.rstrip("/")
    data = pack(task)
    with Link(port) as link:
        link.exec(f"""
import os
def quiet(f, *a):
    try:
        f(*a)
    except OSError:
        pass
quiet(os.mkdir, {folder!r})
for name in ("heads.bin", "heads2.bin", "journal.bin", "journal2.bin"):
    quiet(os.remove, {folder!r} + "/" + name)
""")
        link.put(data, f"{folder}/journal.bin")
