# SPDX-License-Identifier: MIT
"""The feature transform that travels with a backbone, made from the host's labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from microt.head import (
    ExitFeatures,
    centred,
    feature,
    fit_projection,
    project,
    quantize_rows,
    roots,
    within_class,
)


def build_features(
    embeddings: Sequence[np.ndarray],
    quantization: Sequence[tuple[float, int]],
    y: np.ndarray,
    parts: Sequence[Sequence[tuple[int, int, int]]],
    lengths: Sequence[int],
    *,
    prior: float = 0.5,
    shrink: float = 0.6,
) -> list[ExitFeatures]:
    """Means, projections and constants, one ExitFeatures an exit.

    embeddings: (N, dim) int8 per exit, of pictures with the labels y (N,). parts: per exit, see
    ExitFeatures. lengths: k per exit. prior: share of the within-class covariance in the
    whitening. shrink: the head's default.
    """
    found = []
    for exit_parts, k in zip(parts, lengths, strict=True):
        values = roots(embeddings, quantization, exit_parts)
        mean = np.concatenate([v.mean(axis=0) for v in values]).astype(np.float32)
        z = centred(values, mean)
        projection, row_scale = quantize_rows(fit_projection(z, y, k, prior))
        features = ExitFeatures(
            parts=tuple(tuple(part) for part in exit_parts),
            root=True,
            mean=mean,
            projection=projection,
            row_scale=row_scale,
            shrink=shrink,
            prior_trace=0.0,
        )
        u = project(features, feature(features, embeddings, quantization))
        trace = float(np.trace(within_class(u.astype(np.float64), y)))
        found.append(ExitFeatures(**(vars(features) | {"prior_trace": trace})))
    return found


def exit_parts(pool: int, adapter: int, last: int) -> list[list[tuple[int, int, int]]]:
    """The parts of the zoo's two exits: exit 0 [pooled map, adapter], exit 1 [adapter, last map].

    pool, adapter, last: lengths of the three pooled vectors; without an adapter exit 1 takes the
    pooled map in its place.
    """
    first = [(0, 0, pool)] + ([(0, pool, adapter)] if adapter else [])
    return [first, [first[-1], (1, 0, last)]]
