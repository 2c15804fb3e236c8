# SPDX-License-Identifier: MIT
"""Random changes of a recording, as another speaker, room, hand or sensor would make, and its window after them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microt import signals


@dataclass(frozen=True)
class SoundChanges:
    """copies: how many of each recording. speed: factors, pitch and formants go with it. shift: seconds to either side.
    noise: dB below the peak, of white or low noise in two thirds of the copies. tilt: of the spectrum, a first-order
    filter's coefficient to either side. echo: share of the copies with one."""

    copies: int = 8
    speed: tuple[float, float] = (0.8, 1.25)
    shift: float = 0.15
    noise: tuple[float, float] = (-45.0, -15.0)
    tilt: float = 0.6
    echo: float = 0.3


@dataclass(frozen=True)
class MotionChanges:
    """copies: how many of each recording. speed: factors, with the forces and rates that follow from them. warp: spread
    of the logarithm of a speed that changes on the way. rotation: degrees, spread of the hand's or the
    mounting's. gain: spread of the logarithm, each axis for itself. drift: spread of slow waves, of the recording's own
    spread. shift: rows to either side."""

    copies: int = 12
    speed: tuple[float, float] = (0.75, 1.33)
    warp: float = 0.25
    rotation: float = 25.0
    gain: float = 0.25
    drift: float = 0.1
    shift: int = 16


def change_sound(clip: np.ndarray, rate: int, samples: int, changes: SoundChanges, rng: np.random.Generator):
    """(samples,) int16: a recording at `rate`, changed and cut."""
    x = _stretch(clip.astype(np.float64), _factor(changes.speed, rng))
    reach = int(changes.shift * rate)
    x = np.roll(_fit(x, samples), int(rng.integers(-reach, reach + 1)))
    peak = max(np.abs(x).max(), 1.0)
    kind = rng.uniform() * 3
    if kind < 2:
        noise = rng.normal(0, 1, samples)
        if kind < 1:  # low noise: a random walk less its own course
            noise = np.cumsum(noise)
            noise -= np.convolve(noise, np.ones(101) / 101, "same")
        x = x + noise / noise.std() * peak * 10 ** (rng.uniform(*changes.noise) / 20)
    tilt = rng.uniform(-changes.tilt, changes.tilt)
    x = x + tilt * np.concatenate([[0], x[:-1]])
    if rng.uniform() < changes.echo:
        late = int(rng.uniform(0.01, 0.08) * rate)
        x[late:] += rng.uniform(0.1, 0.5) * x[:-late]
    return signals.to_int16(x / max(np.abs(x).max(), 1.0) * 10 ** rng.uniform(3.0, 4.4))


def change_motion(clip: np.ndarray, rows: int, changes: MotionChanges, rng: np.random.Generator):
    """(rows, axes) int16: a recording of accelerometer and gyroscope (six axes), changed and cut."""
    x = clip.astype(np.float64)
    speeds = np.exp(rng.normal(0, changes.warp, 6))
    course = np.cumsum(np.interp(np.linspace(0, 5, len(x)), np.arange(6), speeds))
    factor = _factor(changes.speed, rng)
    length = max(int(len(x) / factor), 2)
    places = np.interp(np.linspace(0, len(x) - 1, length), np.arange(len(x)), course / course[-1] * (len(x) - 1))
    x = np.stack([np.interp(places, np.arange(len(x)), column) for column in x.T], axis=1)
    rest = x.mean(axis=0) * [1, 1, 1, 0, 0, 0]  # gravity stays what it is
    x = (x - rest) * ([factor**2] * 3 + [factor] * 3)
    time = np.linspace(0, 1, length)[:, None]
    waves = np.sin(2 * np.pi * (rng.uniform(0.5, 2.5, 6) * time + rng.uniform(0, 1, 6)))
    x = x * np.exp(rng.normal(0, changes.gain, 6)) + rng.normal(0, changes.drift, 6) * x.std(axis=0) * waves
    x = x + rng.normal(0, 0.05 * rng.uniform(), x.shape) * x.std(axis=0) + rest
    turn = _rotation(np.deg2rad(rng.normal(0, changes.rotation)), rng)
    x = np.concatenate([x[:, :3] @ turn.T, x[:, 3:] @ turn.T], axis=1)
    cut = signals.window(signals.to_int16(x), (rows, 6))
    shift = int(rng.integers(-changes.shift, changes.shift + 1))
    if shift:
        sides = ((max(shift, 0), max(-shift, 0)), (0, 0))
        cut = np.pad(cut, sides, mode="symmetric")[max(-shift, 0) :][:rows]
    return cut


def _factor(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))


def _stretch(x: np.ndarray, factor: float) -> np.ndarray:
    length = max(int(len(x) / factor), 1)
    return np.interp(np.arange(length) * factor, np.arange(len(x)), x)


def _fit(x: np.ndarray, samples: int) -> np.ndarray:
    return signals.window(signals.to_int16(x), (samples,)).astype(np.float64)


def _rotation(angle: float, rng: np.random.Generator) -> np.ndarray:
    """(3, 3) about a random axis, by Rodrigues' formula."""
    axis = rng.normal(0, 1, 3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
