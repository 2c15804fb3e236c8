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


def exit_parts(first: Sequence[int], last: Sequence[int]) -> list[list[tuple[int, int, int]]]:
    """The parts of the two exits' features: exit 0 all of its own, exit 1 the last of exit 0 and all of its own.

    first, last: lengths of the pooled maps that make each exit's vector, the adapter's (if any) the last of the first.
    """
    parts = [[(e, sum(lengths[:i]), n) for i, n in enumerate(lengths)] for e, lengths in enumerate((first, last))]
    return [parts[0], [parts[0][-1], *parts[1]]]
