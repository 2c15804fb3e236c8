# SPDX-License-Identifier: MIT
"""The device's head in NumPy float32: features, projection, linear discriminants, threshold.

The device (device/microt) computes the same in MicroPython; this twin serves to choose the
constants that travel in the `.mtb` and to measure. Words: embedding (int8, of an exit), feature
z (float32, length d), projected feature u (length k), scores (one per class).

    z   for each part of the embeddings: dequantise, square root, subtract the mean, scale to
        length 1; concatenate, divide by sqrt(number of parts)
    u   projection z: whitens by the within-class covariance of the host's pictures
    head  w_c = Sigma^-1 (m_c - m), b_c = -(m_c + m).w_c / 2, Sigma = (1 - s) S + s tau I in u
        space; m is the mean of the class means: the same answers as without it, but the right
        sides of the equations are small, and the solver is done sooner
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ITERATIONS = 8  # of the conjugate gradients, see `lda`
FOLDS = 10  # of the cross-validation behind a threshold
SOFTENING = 0.36  # see `temperature`
EVEN = 2  # samples, see `biases`


@dataclass(frozen=True)
class ExitFeatures:
    """How an exit's feature is made from the embeddings of all exits passed.

    parts: (exit, start, length) slices of the embeddings. root: square root of max(value, 0).
    mean: (d,) float32. projection: (k, d) int8 with row_scale (k,) float32; k may be 0.
    shrink: s of the head. prior_trace: expected trace of the within-class scatter of u.
    """

    parts: tuple[tuple[int, int, int], ...]
    root: bool
    mean: np.ndarray
    projection: np.ndarray
    row_scale: np.ndarray
    shrink: float
    prior_trace: float

    @property
    def matrix(self) -> np.ndarray:
        """(k, d) float32: what the int8 projection stands for."""
        return self.projection.astype(np.float32) * self.row_scale[:, None]


def roots(
    embeddings: Sequence[np.ndarray],
    quantization: Sequence[tuple[float, int]],
    parts: Sequence[tuple[int, int, int]],
    root: bool = True,
) -> list[np.ndarray]:
    """The slices that make a feature, dequantised and square-rooted: (N, length) float32 each.

    embeddings: (N, dim_e) int8 per exit. quantization: (scale, zero point) per exit.
    """
    found = []
    for e, start, length in parts:
        if start + length > embeddings[e].shape[1]:
            raise ValueError(f"part ({e}, {start}, {length}): exit {e} has {embeddings[e].shape[1]} values")
        scale, zero = quantization[e]
        v = embeddings[e][:, start : start + length].astype(np.float32)
        v = np.float32(scale) * (v - np.float32(zero))
        found.append(np.sqrt(np.maximum(v, 0)) if root else v)
    return found


def centred(values: Sequence[np.ndarray], mean: np.ndarray) -> np.ndarray:
    """Parts (N, length) less their slice of `mean` (d,), each of length 1: z (N, d) float32."""
    start, columns = 0, []
    for v in values:
        v = v - mean[start : start + v.shape[1]]
        columns.append(v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-6))
        start += v.shape[1]
    return (np.concatenate(columns, axis=1) / np.sqrt(len(values))).astype(np.float32)


def feature(
    features: ExitFeatures,
    embeddings: Sequence[np.ndarray],
    quantization: Sequence[tuple[float, int]],
) -> np.ndarray:
    """z, (N, d) float32."""
    values = roots(embeddings, quantization, features.parts, features.root)
    return centred(values, features.mean)


def project(features: ExitFeatures, z: np.ndarray) -> np.ndarray:
    """u, (N, k) float32."""
    return z @ features.matrix.T


def within_class(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(d, d) covariance of the samples about the means of their classes, divided by N."""
    centre = np.zeros((int(y.max()) + 1, z.shape[1]), np.float64)
    np.add.at(centre, y, z)
    centre /= np.maximum(np.bincount(y, minlength=len(centre)), 1)[:, None]
    residual = z - centre[y]
    return residual.T @ residual / len(z)


def fit_projection(z: np.ndarray, y: np.ndarray, k: int, prior: float = 2 / 3) -> np.ndarray:
    """(k, d) float64 projection chosen on the host's labelled pictures (z (N, d), y (N,)).

    Whitens by B = prior P / tr P + (1 - prior) I / d with P the within-class covariance, then
    keeps the k directions in which the whitened features vary most.
    """
    d = z.shape[1]
    if not 1 <= k <= d:
        raise ValueError(f"k: expected 1..{d}, got {k}")
    p = within_class(z, y)
    value, vector = np.linalg.eigh(prior * p / np.trace(p) + (1 - prior) * np.eye(d) / d)
    white = (vector / np.sqrt(value)) @ vector.T
    total = np.cov(z @ white, rowvar=False)
    _, direction = np.linalg.eigh(total)
    return direction[:, ::-1][:, :k].T @ white


def quantize_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k, d) -> int8 (k, d) and float32 scales (k,), symmetric, one scale a row.

    A row of zeros gets the scale 0.
    """
    scale = np.abs(matrix).max(axis=1) / 127
    whole = np.round(matrix / np.where(scale > 0, scale, 1)[:, None])
    return whole.astype(np.int8), scale.astype(np.float32)


def quantized_rows(u: np.ndarray) -> np.ndarray:
    """u (n, k) as the device keeps it: int8 with one symmetric scale a row, back in float32."""
    whole, scale = quantize_rows(u)
    return whole.astype(np.float32) * scale[:, None]


def lda(
    u: np.ndarray,
    y: np.ndarray,
    classes: int,
    shrink: float,
    prior_trace: float,
    iterations: int = ITERATIONS,
) -> tuple[np.ndarray, np.ndarray]:
    """Linear discriminants by conjugate gradients: W (classes, k), b (classes,) float32.

    u: (n, k) float32 samples or their int8 images times a scale. Sigma = (1 - s) S + s tau I with
    S the within-class covariance and tau = tr S / k (prior_trace / k when every class has one
    sample), never formed: each product runs over the samples. Every class needs a sample.
    """
    n, k = u.shape
    counts = np.bincount(y, minlength=classes)
    if len(counts) > classes or not counts.all():
        raise ValueError(f"expected a sample of each of {classes} classes, got {counts.tolist()}")
    u = u.astype(np.float32)
    means = np.stack([u[y == c].mean(axis=0) for c in range(classes)])
    residual = u - means[y]
    trace = float((residual * residual).sum()) / n if n > classes else prior_trace
    ridge = np.float32(shrink * trace / k)

    def sigma(v):  # (classes, k), a row at a time on the device
        return np.float32((1 - shrink) / n) * ((v @ residual.T) @ residual) + ridge * v

    middle = means.mean(axis=0)
    sides = means - middle
    w = sides / np.float32(trace / k)
    r = sides - sigma(w)
    p, rr = r.copy(), (r * r).sum(axis=1)
    limit = np.float32(1e-10) * (sides * sides).sum(axis=1)
    for _ in range(iterations):
        if (rr <= limit).all():
            break
        ap = sigma(p)
        alpha = rr / np.maximum((p * ap).sum(axis=1), np.float32(1e-30))
        w += alpha[:, None] * p
        r -= alpha[:, None] * ap
        new = (r * r).sum(axis=1)
        p = r + (new / np.maximum(rr, np.float32(1e-30)))[:, None] * p
        rr = new
    return w, biases(w, means, counts)


def biases(w: np.ndarray, means: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(classes,) of discriminants w = Sigma^-1 (m_c - m): -m_c . Sigma^-1 m_c / 2, with class means' distances evened.

    w, means: (classes, k). counts: (classes,), samples. The mean of few samples lies too far out, by chance for one
    class more than for another: of what the squared distances to the centre m differ by counts / (counts + EVEN) is
    left, as in `microt.heads.lda` on the device.
    """
    middle = means.mean(axis=0)
    distances = ((means - middle) * w).sum(axis=1)
    return -0.5 * ((means + middle) * w).sum(axis=1) + 0.5 * EVEN / (counts + EVEN) * (distances - distances.mean())


def temperature(n: int, classes: int, k: int) -> float:
    """What the logits of `lda` are multiplied by so that its scores are honest probabilities.

    n samples of `classes` classes in k dimensions. The class means are estimates, which makes the
    bare logits too large, the more so the fewer the samples; without this the scores saturate at
    1.0 and no threshold carries over from held-out samples to new ones. The form follows the
    noise of the means (k / samples a class); the factor is the one of least log-loss over
    k = 128..384 and 2..20 shots.
    """
    return 1 / (1 + SOFTENING * k * classes / n)


def fit(
    features: ExitFeatures, u: np.ndarray, y: np.ndarray, iterations: int = ITERATIONS
) -> tuple[np.ndarray, np.ndarray]:
    """The head of an exit: `lda` with the file's constants, temperature folded in."""
    classes = int(y.max()) + 1
    w, b = lda(u, y, classes, features.shrink, features.prior_trace, iterations)
    t = np.float32(temperature(len(u), classes, u.shape[1]))
    return t * w, t * b


def lda_direct(
    u: np.ndarray, y: np.ndarray, classes: int, shrink: float, prior_trace: float
) -> tuple[np.ndarray, np.ndarray]:
    """What `lda` converges to, by a float64 solve: W (classes, k), b (classes,)."""
    n, k = u.shape
    u = u.astype(np.float64)
    means = np.stack([u[y == c].mean(axis=0) for c in range(classes)])
    s = within_class(u, y)
    trace = np.trace(s) if n > classes else prior_trace
    middle = means.mean(axis=0)
    sigma = (1 - shrink) * s + shrink * trace / k * np.eye(k)
    w = np.linalg.solve(sigma, (means - middle).T).T
    return w, biases(w, means, np.bincount(y))


def prior_lda(
    z: np.ndarray, y: np.ndarray, classes: int, prior: np.ndarray, mix: float = 0.5,
    identity: float = 0.2,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The reference head with the full prior: W (classes, d), b (classes,), float64.

    prior: (d, d) within-class covariance of the host's pictures, scaled to the trace of the
    support's S; C = mix S + (1 - mix) prior, then (1 - identity) C + identity tr C / d I.
    """
    z, d = z.astype(np.float64), z.shape[1]
    means = np.stack([z[y == c].mean(axis=0) for c in range(classes)])
    s = within_class(z, y)
    c = mix * s + (1 - mix) * prior * (np.trace(s) / np.trace(prior))
    c = (1 - identity) * c + identity * np.trace(c) / d * np.eye(d)
    w = np.linalg.solve(c, means.T).T
    return w, -0.5 * (means * w).sum(axis=1)


def scores(x: np.ndarray, head: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Softmax of the discriminants: (N, classes)."""
    logits = x @ head[0].T + head[1]
    logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits / logits.sum(axis=1, keepdims=True)


def held_out_confidences(u: np.ndarray, y: np.ndarray, fit, folds: int = FOLDS) -> np.ndarray:
    """(n,) confidence of each sample under a head fitted without its fold.

    Stratified: the i-th sample of a class is in fold i % folds. fit(u, y) -> head.
    """
    fold = np.zeros(len(y), int)
    for c in np.unique(y):
        members = np.flatnonzero(y == c)
        fold[members] = np.arange(len(members)) % folds
    found = np.zeros(len(y), np.float32)
    for f in range(folds):
        out = fold == f
        if out.any():
            found[out] = scores(u[out], fit(u[~out], y[~out])).max(axis=1)
    return found


def threshold(confidences: np.ndarray, exit_ratio: float) -> float:
    """The confidence that a share `exit_ratio` of the held-out samples reaches."""
    if not 0 <= exit_ratio <= 1:
        raise ValueError(f"exit_ratio: expected 0..1, got {exit_ratio}")
    return float(np.quantile(confidences, 1 - exit_ratio))


def save_features(path: str | Path, features: Sequence[ExitFeatures]) -> None:
    """Write the features of all exits to a `.npz` as microt.compiler.features reads it."""
    arrays = {}
    for e, f in enumerate(features):
        arrays[f"exit{e}_parts"] = np.array(f.parts, np.int32)
        arrays[f"exit{e}_sqrt"] = np.array(f.root)
        arrays[f"exit{e}_mean"] = f.mean.astype(np.float32)
        if len(f.projection):
            arrays[f"exit{e}_projection"] = f.projection.astype(np.int8)
            arrays[f"exit{e}_row_scale"] = f.row_scale.astype(np.float32)
        arrays[f"exit{e}_shrink"] = np.array(f.shrink, np.float32)
        arrays[f"exit{e}_prior_trace"] = np.array(f.prior_trace, np.float32)
    np.savez_compressed(path, **arrays)


def load_features(path: str | Path) -> list[ExitFeatures]:
    """Read what `save_features` wrote; ValueError names a missing array."""
    with np.load(path, allow_pickle=False) as z:
        count = sum(name.endswith("_parts") for name in z.files)
        if not count:
            raise ValueError(f"{path}: expected exit0_parts and others, got {', '.join(z.files)}")
        found = []
        for e in range(count):
            missing = {f"exit{e}_{n}" for n in ("sqrt", "mean", "shrink", "prior_trace")}
            missing -= set(z.files)
            if missing:
                raise ValueError(f"{path}: {', '.join(sorted(missing))} missing")
            mean = z[f"exit{e}_mean"]
            projected = f"exit{e}_projection" in z.files
            found.append(ExitFeatures(
                parts=tuple(tuple(int(n) for n in part) for part in z[f"exit{e}_parts"]),
                root=bool(z[f"exit{e}_sqrt"]),
                mean=mean,
                projection=z[f"exit{e}_projection"] if projected
                else np.zeros((0, len(mean)), np.int8),
                row_scale=z[f"exit{e}_row_scale"] if projected else np.zeros(0, np.float32),
                shrink=float(z[f"exit{e}_shrink"]),
                prior_trace=float(z[f"exit{e}_prior_trace"]),
            ))  # fmt: skip
        return found
