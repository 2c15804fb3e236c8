# SPDX-License-Identifier: MIT
"""What happens to stored embeddings before a head: the transform shipped with the backbone.

One dictionary an exit, or None where it has no transform:

    parts        [(exit, start, length), ...]: slices of the embeddings of exits passed
    sqrt         bool: square root of max(x, 0) of the dequantised values
    mean         float32 (d,), d = sum of the lengths; None: zeros
    projection   int8 (k, d) and row_scale float32 (k,), or both None
    shrink       float in 0..1: default share of the identity in the head's covariance
    prior_trace  float >= 0: expected trace of the within-class scatter in the projected space

In a .npz file, or a flat dictionary, the same keys with the exit in front: `exit0_parts` (int,
(parts, 3)), `exit0_sqrt`, `exit0_mean`, `exit0_projection`, `exit0_row_scale`, `exit0_shrink`,
`exit0_prior_trace`, `exit1_parts`, ...
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_KEYS = ("parts", "sqrt", "mean", "projection", "row_scale", "shrink", "prior_trace")
MAX_PARTS = 16


@dataclass
class Feature:
    """The checked transform of one exit; see the module for the fields."""

    parts: list
    sqrt: bool
    mean: np.ndarray
    projection: np.ndarray | None
    row_scale: np.ndarray | None
    shrink: float
    prior_trace: float


def _split(flat):
    out = {}
    for key, value in flat.items():
        head, _, name = key.partition("_")
        if not (head.startswith("exit") and head[4:].isdecimal() and name in _KEYS):
            raise ValueError(f"features: unknown key {key!r}, expected exit0_ and one of {', '.join(_KEYS)}")
        out.setdefault(int(head[4:]), {})[name] = value
    return [out.get(e) for e in range(max(out) + 1)] if out else []


def _one(exit_, given, dims):
    where = f"features of exit {exit_}"
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}, expected {', '.join(_KEYS)}")
    if "parts" not in given:
        raise ValueError(f"{where}: expected 'parts', a list of (exit, start, length)")
    parts = np.asarray(given["parts"])
    if parts.ndim != 2 or parts.shape[1] != 3 or not 1 <= len(parts) <= MAX_PARTS:
        raise ValueError(f"{where}: expected parts of shape (1..{MAX_PARTS}, 3), got {list(parts.shape)}")
    parts = [tuple(int(n) for n in part) for part in parts]
    for e, start, length in parts:
        if not (0 <= e <= exit_ and start >= 0 and length >= 1 and start + length <= dims[e]):
            sizes = ", ".join(map(str, dims[: exit_ + 1]))
            raise ValueError(
                f"{where}: part {(e, start, length)} lies outside the embeddings of exits 0..{exit_} ({sizes} values)"
            )
    d = sum(length for _, _, length in parts)
    mean = given.get("mean")
    mean = np.zeros(d, np.float32) if mean is None else np.asarray(mean, np.float32)
    if mean.shape != (d,) or not np.isfinite(mean).all():
        raise ValueError(f"{where}: expected a finite mean of shape ({d},), got {mean.shape}")
    projection, row_scale = given.get("projection"), given.get("row_scale")
    if (projection is None) != (row_scale is None):
        raise ValueError(f"{where}: expected projection and row_scale together")
    if projection is not None:
        projection, row_scale = np.asarray(projection), np.asarray(row_scale, np.float32)
        if projection.dtype != np.int8 or projection.ndim != 2 or projection.shape[1] != d:
            raise ValueError(
                f"{where}: expected an int8 projection of shape (k, {d}), got {projection.dtype} {projection.shape}"
            )
        k = len(projection)
        if not 1 <= k <= 65535 or row_scale.shape != (k,) or not np.isfinite(row_scale).all():
            raise ValueError(f"{where}: expected a finite row_scale of shape ({k},), got {row_scale.shape}")
    shrink, trace = float(given.get("shrink", 0.0)), float(given.get("prior_trace", 0.0))
    if not (0 <= shrink <= 1 and 0 <= trace < float("inf")):
        raise ValueError(f"{where}: expected shrink in 0..1 and prior_trace of 0 or more, got {shrink}, {trace}")
    return Feature(parts, bool(given.get("sqrt", False)), mean, projection, row_scale, shrink, trace)


def normalise(features, dims):
    """One Feature or None for each exit of `dims` (embedding lengths); [] where all are None.

    `features`: None, a path of a .npz, a flat dictionary or a list of dictionaries (see the
    module). Raises ValueError naming the exit and the field.
    """
    if features is None:
        return []
    if isinstance(features, (str, Path)):
        with np.load(features, allow_pickle=False) as file:
            features = {key: file[key] for key in file.files}
    if hasattr(features, "items"):
        features = _split(dict(features))
    given = list(features)
    if len(given) > len(dims):
        raise ValueError(f"features of {len(given)} exits, the backbone has {len(dims)}")
    given += [None] * (len(dims) - len(given))
    out = [None if item is None else _one(e, item, dims) for e, item in enumerate(given)]
    return out if any(item is not None for item in out) else []
