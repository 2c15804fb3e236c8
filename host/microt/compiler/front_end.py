# SPDX-License-Identifier: MIT
"""Front ends: what makes a backbone's input from a window of int16 samples, as part of the `.mtb` file.

`Mel` is for sound, `Axes` for motion. The engine computes them in integers (the format at the top of mtb.c says
how); `reference` is the same in float64, by the formulas. A front end is described by a TOML table, `[front_end]`
with `kind` and the fields below, or by text: `mel:rate=16000,frame=480,coefficients=10`.
"""

from __future__ import annotations

import struct
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import numpy as np

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

KINDS = {"sample": 0, "less_mean": 1, "change": 2}
_RECORD = 64
_STEP = 1 / 1024  # of the engine's logarithms, to base 2


def multiplier_of(real: float) -> tuple[int, int]:
    """(multiplier, shift) of a positive factor, real = multiplier * 2^(shift - 31), as TensorFlow Lite has them."""
    mantissa, shift = np.frexp(real)
    multiplier = int(round(float(mantissa) * 2**31))
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if not -31 <= shift <= 30:
        raise ValueError(f"front end: a factor of {real} is out of range; change the input's scale")
    return multiplier, int(shift)


@dataclass(frozen=True)
class Mel:
    """Log-mel bands of a sound, or their cosine transform (MFCC): input (frames, coefficients or bands, 1).

    rate: samples a second. frame, step, transform: samples. low, high: Hz, the edges of the triangular bands, evenly
    spaced on the mel scale 1127 ln(1 + f / 700). coefficients: 0 for the bands themselves. floor: dB below full scale,
    the least power that counts. least_peak: samples are taken relative to the window's largest, but at least to this
    one; 32768: always to full scale.

    A value is the natural logarithm of a band's amplitude: half that of sum over bins of weight * |X|^2, X the
    transform of the frame under a periodic Hann window, samples relative to full scale. The cosine transform is
    type II, times sqrt(2 / bands), as in TensorFlow's tf.signal.mfccs_from_log_mel_spectrograms.
    """

    rate: int = 16000
    frame: int = 480
    step: int = 320
    transform: int = 512
    bands: int = 40
    coefficients: int = 0
    low: float = 20.0
    high: float = 4000.0
    floor: float = -60.0
    least_peak: int = 256

    kind = "mel"

    def __post_init__(self):
        size = self.transform
        if not 32 <= size <= 2048 or size & (size - 1):
            raise ValueError(f"front end: transform: expected a power of two from 32 to 2048, got {size}")
        if not 1 <= self.frame <= size:
            raise ValueError(f"front end: frame: expected 1 to {size} samples (the transform), got {self.frame}")
        if not 1 <= self.step <= 65535 or not 1 <= self.rate <= 65535:
            raise ValueError(f"front end: expected step and rate of 1 to 65535, got {self.step} and {self.rate}")
        if not 1 <= self.bands <= 128 or not 0 <= self.coefficients <= self.bands:
            raise ValueError(
                f"front end: expected 1 to 128 bands and no more coefficients, got {self.bands} and {self.coefficients}"
            )
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise ValueError(f"front end: expected 0 <= low < high <= {self.rate / 2} Hz, got {self.low}, {self.high}")
        if not -190 <= self.floor <= 190 or not 1 <= self.least_peak <= 32768:
            raise ValueError(
                f"front end: expected a floor within 190 dB and a least peak of 1 to 32768, "
                f"got {self.floor} and {self.least_peak}"
            )

    @property
    def columns(self) -> int:
        """Values of a frame."""
        return self.coefficients or self.bands

    def samples(self, hwc: tuple[int, int, int]) -> int:
        """Samples of the window that makes an input of this shape; ValueError when none does."""
        if hwc[1:] != (self.columns, 1):
            raise ValueError(f"front end: expected an input of (frames, {self.columns}, 1), the backbone has {hwc}")
        return self.frame + (hwc[0] - 1) * self.step

    def scratch(self) -> int:
        """Bytes of the arena that the engine needs beside the input."""
        return 4 * self.transform + 8 + 4 * self.bands

    def window(self) -> np.ndarray:
        """Periodic Hann, (frame,)."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.frame) / self.frame)

    def filters(self) -> np.ndarray:
        """(bins, bands) triangular weights, none for the bin of 0 Hz, as tf.signal.linear_to_mel_weight_matrix."""

        def mels(hertz):
            return 1127 * np.log1p(np.asarray(hertz) / 700)

        bins = mels(np.arange(self.transform // 2 + 1) * self.rate / self.transform)[:, None]
        edges = np.linspace(mels(self.low), mels(self.high), self.bands + 2)
        rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
        fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
        weights = np.maximum(0, np.minimum(rise, fall))
        weights[0] = 0
        return weights

    def cosines(self) -> np.ndarray:
        """(coefficients, bands)"""
        angle = np.pi * np.arange(self.coefficients)[:, None] * (np.arange(self.bands) + 0.5) / self.bands
        return np.sqrt(2 / self.bands) * np.cos(angle)

    def reference(self, samples: np.ndarray) -> np.ndarray:
        """(N, window) int16 -> (N, frames, columns, 1) float64, by the formulas."""
        x = np.asarray(samples, np.float64)
        x = x / np.maximum(np.abs(x).max(axis=1, keepdims=True), self.least_peak)
        frames = (x.shape[1] - self.frame) // self.step + 1
        pieces = np.stack([x[:, i * self.step : i * self.step + self.frame] for i in range(frames)], axis=1)
        power = np.abs(np.fft.rfft(pieces * self.window(), self.transform)) ** 2 @ self.filters()
        logs = np.maximum(0.5 * np.log(np.maximum(power, 1e-300)), self.floor * np.log(10) / 20)
        return (logs @ self.cosines().T if self.coefficients else logs)[..., None]

    def record(self, hwc, scale: float, data, scratch: int) -> bytes:
        """The file's record (mtb.c). data: `put(bytes) -> (offset, size)`; scratch: its offset in the arena."""
        size = self.transform
        sines = np.round(32767 * np.sin(2 * np.pi * np.arange(3 * size // 4) / size))
        bands, weights = [], []
        for column in np.round(32768 * self.filters()).astype(int).T:
            used = np.flatnonzero(column)
            first, last = (used[0], used[-1]) if len(used) else (0, -1)
            bands += [first, last - first + 1]
            weights += list(column[first : last + 1])
        multiplier, shift = multiplier_of(_STEP * np.log(2) / 2 / scale)
        places = [
            data.put(np.asarray(table).astype(kind).tobytes())[0]
            for table, kind in (
                (np.round(32767 * self.window()), "<i2"),
                (sines, "<i2"),
                (bands, "<u2"),
                (weights, "<u2"),
                (np.round(32767 * self.cosines()), "<i2"),
            )
        ]
        floor = round(self.floor * np.log2(10) / 10 / _STEP)
        return struct.pack(
            "<HHIHHHHHHiii7I",
            1, self.rate, self.samples(hwc), self.frame, self.step, size, self.bands, self.coefficients,
            self.least_peak, floor, multiplier, shift, *places, scratch, self.scratch(),
        ) + bytes(4)  # fmt: skip


@dataclass(frozen=True)
class Channel:
    """A channel of an input of motion. axis: of the samples. one: the sample's value that is 1 in the input.

    value: "sample"; "less_mean", less the axis's mean over the window, which takes most of gravity away; or "change",
    less the row before, 0 in the first.
    """

    axis: int
    one: float
    value: str = "sample"


@dataclass(frozen=True)
class Axes:
    """Windows of an accelerometer and a gyroscope, or of any sensor: input (rows, 1, channels).

    rate: rows a second. axes: int16 values of a row. channels: what the input holds, in order.
    """

    rate: int
    axes: int
    channels: tuple[Channel, ...]

    kind = "axes"

    def __post_init__(self):
        if not 1 <= self.axes <= 64 or not 1 <= self.rate <= 65535:
            raise ValueError(f"front end: expected 1 to 64 axes, a rate of 1 to 65535, got {self.axes}, {self.rate}")
        if not self.channels:
            raise ValueError("front end: expected a channel or more, got none")
        for number, channel in enumerate(self.channels):
            if not 0 <= channel.axis < self.axes or channel.value not in KINDS or not channel.one > 0:
                raise ValueError(
                    f"front end: channel {number}: expected an axis of 0 to {self.axes - 1}, a positive `one` and a "
                    f"value of {', '.join(KINDS)}, got {channel}"
                )

    def samples(self, hwc: tuple[int, int, int]) -> int:
        """int16 values of the window that makes an input of this shape; ValueError when none does."""
        if hwc[1:] != (1, len(self.channels)) or hwc[0] > 32768:
            raise ValueError(f"front end: expected an input of (rows, 1, {len(self.channels)}), the backbone has {hwc}")
        return hwc[0] * self.axes

    def scratch(self) -> int:
        """Bytes of the arena that the engine needs beside the input."""
        return 0

    def reference(self, samples: np.ndarray) -> np.ndarray:
        """(N, rows, axes) int16 -> (N, rows, 1, channels) float64, by the formulas."""
        x = np.asarray(samples, np.float64)
        mean = x.mean(axis=1, keepdims=True)
        mean = np.sign(mean) * np.floor(np.abs(mean) + 0.5)
        forms = {"sample": x, "less_mean": x - mean, "change": np.diff(x, axis=1, prepend=x[:, :1])}
        return np.stack([forms[c.value][..., c.axis] / c.one for c in self.channels], axis=-1)[:, :, None]

    def record(self, hwc, scale: float, data, scratch: int) -> bytes:
        """The file's record, see `Mel.record`."""
        table = b"".join(
            struct.pack("<HHii", c.axis, KINDS[c.value], *multiplier_of(1 / (c.one * scale))) for c in self.channels
        )
        head = struct.pack("<HHIHHI", 2, self.rate, self.samples(hwc), self.axes, 0, data.put(table)[0])
        return head + bytes(_RECORD - len(head))


def from_table(table: dict, where: str) -> Mel | Axes:
    """A front end from a TOML table: kind and the fields of `Mel` or `Axes`, channels as tables of `Channel`."""
    table = dict(table)
    kinds = {"mel": Mel, "axes": Axes}
    kind = kinds.get(table.pop("kind", None))
    if kind is None:
        raise ValueError(f"{where}: front end: expected a kind of {' or '.join(kinds)}")
    try:
        if "channels" in table:
            table["channels"] = tuple(_made(Channel, channel, where) for channel in table["channels"])
        return _made(kind, table, where)
    except TypeError as error:
        raise ValueError(f"{where}: front end: {error}") from None


def _made(kind: type, table: dict, where: str):
    known = {field.name: field for field in fields(kind)}
    if set(table) - set(known):
        unknown = ", ".join(sorted(set(table) - set(known)))
        raise ValueError(f"{where}: front end: no key {unknown}; known: {', '.join(known)}")
    missing = [name for name, field in known.items() if field.default is MISSING and name not in table]
    if missing:
        raise ValueError(f"{where}: front end: needs {', '.join(missing)}")
    values = {}
    for name, value in table.items():
        wanted = known[name].type  # a string: annotations are postponed
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if wanted in ("int", "float") and (not number or (wanted == "int" and value != int(value))):
            raise ValueError(f"{where}: front end: {name}: expected {wanted}, got {value!r}")
        values[name] = {"int": int, "float": float}[wanted](value) if wanted in ("int", "float") else value
    return kind(**values)


def read(source: str | Path) -> Mel | Axes:
    """A front end from a TOML file with a table [front_end], or from text such as "mel:rate=8000,coefficients=10"."""
    text = str(source)
    if not text.endswith(".toml"):
        kind, _, pairs = text.partition(":")
        table = {"kind": kind}
        for pair in filter(None, pairs.split(",")):
            name, _, value = pair.partition("=")
            try:
                table[name] = float(value)
            except ValueError:
                raise ValueError(f"front end {text!r}: {name}: expected a number, got {value!r}") from None
        return from_table(table, f"front end {text!r}")
    content = tomllib.loads(Path(source).read_text())
    if "front_end" not in content:
        raise ValueError(f"{source}: expected a table [front_end], got {', '.join(content) or 'none'}")
    return from_table(content["front_end"], text)


def describe(record: bytes) -> dict | None:
    """What `microt info` tells of the input section: {kind, rate, samples, ...}, or None for a table of pixels."""
    if len(record) != _RECORD:
        return None
    kind, rate, samples = struct.unpack_from("<HHI", record)
    found = {"kind": {1: "mel", 2: "axes"}.get(kind, str(kind)), "rate": rate, "samples": samples}
    found["scratch_bytes"] = struct.unpack_from("<I", record, 56)[0]  # of axes: 0
    if kind == 1:
        names = ("frame", "step", "transform", "bands", "coefficients", "least_peak")
        found |= dict(zip(names, struct.unpack_from("<6H", record, 8), strict=True))
        found["floor"] = round(struct.unpack_from("<i", record, 20)[0] * _STEP * 10 / np.log2(10), 2)
    else:
        found["axes"] = struct.unpack_from("<H", record, 8)[0]
    return found
