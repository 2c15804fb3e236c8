# SPDX-License-Identifier: MIT
"""Labelled sounds and motions, cut to the windows of int16 samples that a backbone's front end takes.

Sources: a `.npz` file (`audio` + `offset` + `rate`, or `signal` (N, rows, axes) + `rate`; `label`, `class_names`,
optional `split` and groups such as `speaker`), or a folder with one sub-folder a class (or `train/` and `test/` with
those inside) of `.wav` files, of `.csv` files, a row a line, or of the `.npy` files that a board collected, int16 and
at the rate that the backbone takes.
"""

from __future__ import annotations

import csv
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microt.data import SPLITS, Dataset, class_files

SUFFIXES = {"sound": (".wav", ".npy"), "motion": (".csv", ".npy")}


@dataclass(frozen=True)
class Recordings:
    """Whole recordings: int16 arrays (samples,) or (rows, axes), all of one rate in Hz (0: the source does not say);
    y, split as a Dataset has them."""

    clips: list[np.ndarray]
    rate: int
    y: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray | None = None
    groups: dict[str, np.ndarray] | None = None  # (N,) str by the name of the group
    name: str = ""


def load(source: str | Path, shape: tuple[int, ...], rate: int, *, unseen: str | None = None) -> Dataset:
    """Windows of a set: x (N, *shape) int16 at `rate` Hz.

    shape: (samples,) of sound or (rows, axes) of motion. unseen: such as "speaker=lucas,theo": what these said is the
    test split, what the others said outside of the set's own test split is the train split, the rest is left out.
    ValueError or FileNotFoundError name the file and what is wrong with it.
    """
    found = read(source, *(("sound", 1) if len(shape) == 1 else ("motion", shape[1])))
    if unseen:
        found = by_group(found, unseen)
    clips = [window(resample(clip, found.rate or rate, rate), shape, f"{source}: recording {i}")
             for i, clip in enumerate(found.clips)]  # fmt: skip
    return Dataset(np.stack(clips), found.y, found.class_names, found.split, found.name)


def read(source: str | Path, kind: str, axes: int = 1) -> Recordings:
    """The recordings of a set; kind: "sound" or "motion". axes: values a row, for `.npy` files of one dimension."""
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{source}: no such file or folder; expected a .npz file or a folder of {kind}")
    if path.is_dir():
        return _read_folder(path, kind, axes)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: expected a .npz file or a folder, got a {path.suffix} file")
    return _read_npz(path, kind)


def read_unlabelled(source: str | Path, kind: str, axes: int = 1) -> tuple[list[np.ndarray], int]:
    """(recordings, their rate in Hz or 0) of a folder, anywhere below it, or of an `.npz` file's train split.

    As `read`, labels neither needed nor looked at. ValueError names a folder that holds none.
    """
    path = Path(source)
    if not path.is_dir():
        found = read(source, kind, axes)
        keep = range(len(found.y)) if found.split is None else np.flatnonzero(found.split == SPLITS["train"])
        return [found.clips[i] for i in keep], found.rate
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES[kind] and f.is_file())
    if not files:
        raise ValueError(f"{path}: holds no {kind} ({', '.join(SUFFIXES[kind])})")
    return _read_files(path, files, kind, axes)


def by_group(found: Recordings, unseen: str) -> Recordings:
    """The recordings with `unseen` groups as test split, see `load`."""
    key, _, names = unseen.partition("=")
    groups = (found.groups or {}).get(key)
    if groups is None:
        have = ", ".join(found.groups or ()) or "none"
        raise ValueError(f"{found.name}: no groups called {key!r} to leave unseen (there are: {have})")
    wanted = names.split(",")
    missing = [n for n in wanted if n not in groups]
    if missing:
        raise ValueError(f"{found.name}: no {key} {', '.join(missing)}; there are {', '.join(np.unique(groups))}")
    test = np.isin(groups, wanted)
    train = ~test if found.split is None else ~test & (found.split == SPLITS["train"])
    keep = np.flatnonzero(test | train)
    return Recordings(
        [found.clips[i] for i in keep], found.rate, found.y[keep], found.class_names, test[keep].astype(np.uint8),
        {k: v[keep] for k, v in found.groups.items()}, f"{found.name}, {unseen} unseen",
    )  # fmt: skip


def resample(clip: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """The recording at another rate, by a polyphase filter."""
    if rate == wanted:
        return clip
    from scipy.signal import resample_poly

    common = np.gcd(rate, wanted)
    return to_int16(resample_poly(clip.astype(np.float64), wanted // common, rate // common, axis=0))


def window(clip: np.ndarray, shape: tuple[int, ...], what: str = "recording") -> np.ndarray:
    """A window of `shape` from the middle of what happens in a recording.

    A longer recording is cut where its energy is greatest (motion: its change). A shorter one is centred: between
    silence for sound, between its own reflections for motion, which knows no silence.
    """
    if clip.shape[1:] != tuple(shape[1:]) or not len(clip):
        raise ValueError(f"{what}: expected rows of {shape[1:] or '1 value'}, got an array of {clip.shape}")
    short = shape[0] - len(clip)
    if short <= 0:
        values = clip.astype(np.float64).reshape(len(clip), -1)
        change = values if clip.ndim == 1 else np.diff(values, axis=0, prepend=values[:1])
        energy = np.cumsum(np.concatenate([[0], (change**2).sum(axis=1)]))
        start = int(np.argmax(energy[shape[0] :] - energy[: -shape[0]]))
        return clip[start : start + shape[0]]
    before = short // 2
    padding = [(before, short - before)] + [(0, 0)] * (clip.ndim - 1)
    return np.pad(clip, padding, mode="constant" if clip.ndim == 1 else "symmetric")


def to_int16(values: np.ndarray) -> np.ndarray:
    """Rounded and clipped."""
    return np.clip(np.round(values), -32768, 32767).astype(np.int16)


def read_wav(path: str | Path) -> tuple[np.ndarray, int]:
    """(samples int16, rate) of a PCM file of 8, 16, 24 or 32 bits; channels are averaged."""
    try:
        with wave.open(str(path)) as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a readable .wav file of PCM ({error})") from error
    if width == 1:
        values = (np.frombuffer(raw, np.uint8).astype(np.float64) - 128) * 256
    else:  # the upper two bytes
        whole = np.frombuffer(raw[: len(raw) // width * width], np.uint8).reshape(-1, width)
        values = np.ascontiguousarray(whole[:, -2:]).view("<i2")[:, 0].astype(np.float64)
    values = values[: len(values) // channels * channels].reshape(-1, channels).mean(axis=1)
    if not len(values):
        raise ValueError(f"{path}: holds no sample")
    return to_int16(values), rate


def read_csv(path: str | Path) -> np.ndarray:
    """(rows, axes) int16 of a file of numbers, a row a line; a first line of names is passed over."""
    with open(path, newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    try:
        try:
            [float(v) for v in rows[0]]
        except ValueError:
            rows = rows[1:]
        values = np.array([[float(v) for v in row] for row in rows])
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path}: expected lines of as many numbers each ({error})") from error
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"{path}: expected lines of as many finite numbers each, got an array of {values.shape}")
    return to_int16(values)


def read_npy(path: str | Path, kind: str, axes: int = 1) -> np.ndarray:
    """(samples,) or (rows, axes) int16 of a file that a board collected; one dimension holds a row after the other."""
    try:
        values = np.load(path, allow_pickle=False)
        found = f"{values.dtype} {values.shape}"
    except (ValueError, OSError, EOFError, AttributeError) as error:
        raise ValueError(f"{path}: not a readable .npy file ({error})") from error
    shape = "(samples,)" if kind == "sound" else f"(rows, {axes})"
    if values.dtype != np.int16:
        hint = '; collect.json takes "dtype": "int16"' if values.dtype == np.uint8 else ""
        raise ValueError(f"{path}: expected int16 {shape}, got {found}{hint}")
    if kind == "sound":
        flat = values.reshape(-1) if values.shape[1:] in ((), (1,)) else None
    elif values.ndim == 1 and values.size % axes == 0:
        flat = values.reshape(-1, axes)
    else:
        flat = values if values.shape[1:] == (axes,) else None
    if flat is None or not flat.size:
        raise ValueError(f"{path}: expected int16 {shape}, got {found}")
    return flat


def _read_npz(path: Path, kind: str) -> Recordings:
    try:
        with np.load(path, allow_pickle=False) as z:
            arrays = {k: z[k] for k in z.files}
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: not a readable .npz file ({error})") from error
    wanted = {"label", "class_names", "rate"} | ({"audio", "offset"} if kind == "sound" else {"signal"})
    if wanted - set(arrays):
        raise ValueError(f"{path}: expected arrays {', '.join(sorted(wanted))}, got {', '.join(sorted(arrays))}")
    if kind == "sound":
        audio, offset = arrays["audio"], arrays["offset"]
        clips = [audio[a:b] for a, b in zip(offset[:-1], offset[1:], strict=True)]
    else:
        clips = list(arrays["signal"])
    y = arrays["label"].astype(np.int64)
    names = tuple(str(c) for c in arrays["class_names"])
    if len(clips) != len(y) or (len(y) and not 0 <= y.min() <= y.max() < len(names)):
        raise ValueError(f"{path}: {len(clips)} recordings, {len(y)} labels, {len(names)} class names do not agree")
    groups = {}
    for key, values in arrays.items():
        if key not in wanted | {"split"} and values.shape == y.shape:
            known = arrays.get(f"{key}_names")
            groups[key] = values.astype(str) if known is None else known[values].astype(str)
    split = arrays["split"].astype(np.uint8) if "split" in arrays else None
    return Recordings(clips, int(arrays["rate"]), y, names, split, groups, path.stem)


def _read_folder(path: Path, kind: str, axes: int) -> Recordings:
    files, y, names, split = class_files(path, SUFFIXES[kind], kind)
    return Recordings(*_read_files(path, files, kind, axes), y, names, split, None, path.name)


def _read_files(path: Path, files: list[Path], kind: str, axes: int) -> tuple[list[np.ndarray], int]:
    """(recordings, their rate or 0) of files of one kind below a folder."""
    arrays = [f for f in files if f.suffix.lower() == ".npy"]
    if arrays and len(arrays) < len(files):
        other = next(f for f in files if f not in arrays)
        raise ValueError(f"{path}: expected files of one kind, got {arrays[0].name} and {other.name}")
    if arrays:
        return [read_npy(f, kind, axes) for f in files], 0
    if kind == "motion":
        return [read_csv(f) for f in files], 0
    clips = [read_wav(f) for f in files]
    highest = max(rate for _, rate in clips)
    return [resample(clip, rate, highest) for clip, rate in clips], highest
