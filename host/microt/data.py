# SPDX-License-Identifier: MIT
"""Labelled pictures: reading them, scaling them, drawing few-shot episodes from them.

Three kinds of source: a `.npz` file with JPEG or grey pictures, a folder with one sub-folder a
class (pictures, or arrays that a board collected), and the word "digits" (scikit-learn's bundled
handwritten digits, nothing to download).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

SPLITS = {"train": 0, "test": 1, "validation": 2}
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".npy")


@dataclass(frozen=True)
class Dataset:
    """Samples with their classes.

    x: (N, H, W, 3) uint8, RGB; or windows of int16, (N, samples) of sound or (N, rows, axes) of
    motion. y: (N,) int64, index into class_names. split: (N,) uint8 (0 train, 1 test,
    2 validation) or None when the source has no split.
    """

    x: np.ndarray
    y: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray | None = None
    name: str = ""

    def __len__(self) -> int:
        return len(self.y)

    def part(self, split: str) -> Dataset:
        """The samples of one split ("train", "test" or "validation"), with split None."""
        if split not in SPLITS:
            raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
        if self.split is None:
            raise ValueError(f"{self.name}: has no split, so no {split!r} samples to take")
        keep = np.flatnonzero(self.split == SPLITS[split])
        if not len(keep):
            raise ValueError(f"{self.name}: no sample is marked {split!r}")
        return replace(self, x=self.x[keep], y=self.y[keep], split=None)


@dataclass(frozen=True)
class Episode:
    """One few-shot task: indexes into a Dataset, and labels 0..ways-1 in the order of `classes`."""

    classes: np.ndarray  # (ways,) class indexes of the data set
    support: np.ndarray  # (ways * shots,) sample indexes
    support_y: np.ndarray
    query: np.ndarray
    query_y: np.ndarray


def load(source: str | Path, size: int | None = None) -> Dataset:
    """Read a data set; pictures are cropped to a centred square of `size` pixels.

    source: path of a `.npz` (`jpeg` + `offset`, or `image`; `label`, `class_names`, optional
    `split`), path of a folder of class folders (or of `train/` and `test/` with class folders
    inside), or "digits". size None keeps the pictures as they are; they must then agree.
    ValueError or FileNotFoundError name the file and what is wrong with it.
    """
    if str(source) == "digits":
        return _load_digits(size)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(
            f'{source}: no such file or folder; expected a .npz file, a folder with one sub-folder a class, or "digits"'
        )
    if path.is_dir():
        return _load_folder(path, size)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: expected a .npz file or a folder, got a {path.suffix} file")
    return _load_npz(path, size)


def load_for(source: str | Path, info: dict, *, unseen: str | None = None) -> Dataset:
    """Read a data set as a backbone takes it: pictures, or windows of sound or motion.

    info: of `compiler.read_info`. unseen: see `signals.load`. ValueError when the backbone takes neither.
    """
    height, width, channels = info["input"]["shape"]
    front = info["front_end"]
    if front is not None:
        from microt import signals

        axes = front.get("axes")
        shape = (front["samples"],) if axes is None else (front["samples"] // axes, axes)
        return signals.load(source, shape, front["rate"], unseen=unseen)
    if unseen:
        raise ValueError(f"{source}: groups to leave unseen are for sound and motion, the backbone takes pictures")
    if not info["takes_pixels"] or height != width or channels != 3:
        raise ValueError(
            f"expected a backbone of square RGB pictures, or with a front end for sound or motion; its input is "
            f"{(height, width, channels)}"
        )
    return load(source, height)


def read_pictures(folder: str | Path, size: int) -> np.ndarray:
    """All pictures anywhere below a folder, no labels: (N, size, size, 3) uint8, sorted by path.

    ValueError names the folder that holds none, or the file that cannot be read.
    """
    folder = Path(folder)
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
    return _stack((_open(f, str(f)) for f in files), size, str(folder))


def resize(picture: np.ndarray | Image.Image, size: int) -> np.ndarray:
    """Centre crop to a square and scale, bilinear with antialiasing: (size, size, 3) uint8."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    image = image.convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    if image.width != image.height:  # crop first: the filter would look past a box
        image = image.crop((left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)


def draw_episode(data: Dataset, ways: int, shots: int, rng: np.random.Generator, *, query: str = "test") -> Episode:
    """Draw one episode: `shots` pictures of each of `ways` classes, queries of the same classes.

    With a split, the support comes from "train" and the queries are all of "test" (query="test"),
    or the rest of "train" (query="rest", for choosing constants without touching the test
    pictures). Without a split, the queries are the rest. Only classes that have enough samples
    are drawn; ways is capped by their number only if all classes of the set take part.
    """
    if query not in ("test", "rest"):
        raise ValueError(f'query: expected "test" or "rest", got {query!r}')
    if ways < 2 or shots < 1:
        raise ValueError(f"expected at least 2 ways and 1 shot, got {ways} and {shots}")
    if data.split is None:
        pool, other = np.arange(len(data)), None
    else:
        pool = np.flatnonzero(data.split == SPLITS["train"])
        other = np.flatnonzero(data.split == SPLITS["test"]) if query == "test" else None
    classes_count = len(data.class_names)
    have = np.bincount(data.y[pool], minlength=classes_count)
    if other is None:
        able = np.flatnonzero(have > shots)
    else:
        able = np.flatnonzero((have >= shots) & (np.bincount(data.y[other], minlength=classes_count) > 0))
    ways = min(ways, classes_count)
    if len(able) < ways:
        fullest = ", ".join(f"{data.class_names[c]} {have[c]}" for c in np.argsort(-have, kind="stable")[:5])
        raise ValueError(
            f"{data.name}: {shots} shots of {ways} classes asked, but only {len(able)} of "
            f"{classes_count} classes have enough samples (fullest: {fullest})"
        )
    classes = rng.permutation(able)[:ways]
    support, query_index = [], []
    for c in classes:
        members = rng.permutation(pool[data.y[pool] == c])
        support.append(members[:shots])
        query_index.append(members[shots:] if other is None else other[data.y[other] == c])
    return Episode(
        classes=classes,
        support=np.concatenate(support),
        support_y=np.repeat(np.arange(ways), shots),
        query=np.concatenate(query_index),
        query_y=np.repeat(np.arange(ways), [len(q) for q in query_index]),
    )


def _load_digits(size: int | None) -> Dataset:
    from sklearn.datasets import load_digits

    digits = load_digits()
    size = 96 if size is None else size
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)  # 8 x 8, ink is bright
    x = np.stack([np.asarray(Image.fromarray(g).resize((size, size), Image.Resampling.BICUBIC)) for g in grey])
    return Dataset(
        x=np.repeat(x[..., None], 3, axis=3),
        y=digits.target.astype(np.int64),
        class_names=tuple(str(c) for c in digits.target_names),
        name="digits",
    )


def _load_npz(path: Path, size: int | None) -> Dataset:
    try:
        with np.load(path, allow_pickle=False) as z:
            arrays = {k: z[k] for k in z.files}
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: not a readable .npz file ({error})") from error
    missing = {"label", "class_names"} - set(arrays)
    if missing or not ({"jpeg", "offset"} <= set(arrays) or "image" in arrays):
        raise ValueError(
            f"{path}: expected arrays label, class_names and either jpeg and offset or image, "
            f"got {', '.join(sorted(arrays))}"
        )
    y = arrays["label"].astype(np.int64)
    names = tuple(str(c) for c in arrays["class_names"])
    if "jpeg" in arrays:
        offset, jpeg = arrays["offset"], arrays["jpeg"]
        pictures = (
            _open(io.BytesIO(jpeg[a:b].tobytes()), f"{path}: picture {i}")
            for i, (a, b) in enumerate(zip(offset[:-1], offset[1:], strict=True))
        )
        count = len(offset) - 1
    else:
        pictures, count = (Image.fromarray(p) for p in arrays["image"]), len(arrays["image"])
    if count != len(y):
        raise ValueError(f"{path}: {count} pictures but {len(y)} labels")
    if len(y) and not 0 <= y.min() <= y.max() < len(names):
        raise ValueError(f"{path}: labels {y.min()}..{y.max()} but {len(names)} class names")
    split = arrays["split"].astype(np.uint8) if "split" in arrays else None
    return Dataset(_stack(pictures, size, str(path)), y, names, split, path.stem)


def class_files(
    path: Path, suffixes: tuple[str, ...], what: str
) -> tuple[list[Path], np.ndarray, tuple[str, ...], np.ndarray | None]:
    """(files, labels, class names, split or None) of a folder of class folders, sorted by name.

    ValueError names the folder that holds none of these suffixes, `what` they are.
    """
    tops = {d.name for d in path.iterdir() if d.is_dir() and not d.name.startswith(".")}
    splits = tops & set(SPLITS)
    if splits and tops == splits:
        roots = [(path / s, SPLITS[s]) for s in sorted(splits, key=SPLITS.get)]
    else:
        roots = [(path, None)]
    names: list[str] = []
    for root, _ in roots:
        names += [d.name for d in root.iterdir() if d.is_dir() and not d.name.startswith(".")]
    names = sorted(set(names))
    if len(names) < 2:
        raise ValueError(f"{path}: expected at least two sub-folders, one a class, got {len(names)}")
    files, y, split = [], [], []
    for root, number in roots:
        for c, name in enumerate(names):
            inside = sorted(root.glob(f"{_glob_escape(name)}/*"))
            found = [f for f in inside if f.suffix.lower() in suffixes]
            if not found:
                raise ValueError(f"{root / name}: no {what} in this class folder ({', '.join(suffixes)})")
            files += found
            y += [c] * len(found)
            split += [number] * len(found)
    marks = None if split[0] is None else np.array(split, np.uint8)
    return files, np.array(y, np.int64), tuple(names), marks


def _load_folder(path: Path, size: int | None) -> Dataset:
    files, y, names, split = class_files(path, SUFFIXES, "picture")
    x = _stack((_open(f, str(f)) for f in files), size, str(path))
    return Dataset(x, y, names, split, path.name)


def _glob_escape(name: str) -> str:
    import glob

    return glob.escape(name)


def _open(file: io.BytesIO | Path, what: str) -> Image.Image:
    try:
        if isinstance(file, Path) and file.suffix.lower() == ".npy":
            return _array_picture(np.load(file, allow_pickle=False))
        image = Image.open(file)
        image.load()
        return image
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, TypeError, EOFError) as error:
        raise ValueError(f"{what}: not a readable picture ({error})") from error


def _array_picture(values: np.ndarray) -> Image.Image:
    if values.dtype != np.uint8 or values.ndim not in (2, 3) or values.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(
            f"expected uint8 (rows, columns, 3) or (rows, columns), got {values.dtype} {values.shape}"
            + ('; collect.json takes "shape": [rows, columns, 3]' if values.ndim == 1 else "")
        )
    return Image.fromarray(values[..., 0] if values.shape[2:] == (1,) else values)


def _stack(pictures, size: int | None, what: str) -> np.ndarray:
    if size is not None:
        if size < 1:
            raise ValueError(f"size: expected at least 1 pixel, got {size}")
        rows = [resize(p, size) for p in pictures]
    else:
        rows = [np.asarray(p.convert("RGB")) for p in pictures]
        if len({r.shape for r in rows}) > 1:
            raise ValueError(f"{what}: pictures differ in shape; give the size to scale them to")
    if not rows:
        raise ValueError(f"{what}: holds no picture")
    return np.stack(rows)
