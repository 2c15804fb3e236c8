# SPDX-License-Identifier: MIT
"""Nearest class mean: the class whose mean is closest to the sample.

In the projected space, which whitens by the within-class scatter of the host's pictures, this is
linear discriminants with nothing taken from the samples but their means: w_c = m_c / tau,
b_c = -m_c . m_c / (2 tau), tau = the backbone's prior trace / k (without one, the samples' own).
"""

from microt.heads.lda import scatter_trace
from microt.vector import axpy, dot, scale

# of running means: 1 / variance, in each direction, of a feature of length 1 about its class mean
SHARPNESS = 40.0


def solve(rows, weights, bias, hold=None, progress=None):
    """Fills weights (classes x k) and bias (classes) from the samples outside of fold `hold`; no background."""
    k, classes = rows.k, rows.classes
    counts = rows.means(weights, hold)
    unit = rows.scale
    trace = rows.feature.prior_trace or scatter_trace(rows, weights, counts, rows.parts(hold)) * unit * unit
    sharpness = k / trace if trace > 0 else SHARPNESS
    for c in range(classes):
        bias[c] = -0.5 * sharpness * unit * unit * dot(weights, weights, k, c * k, c * k)
    scale(weights, sharpness * unit)
    if progress:
        progress("classes", classes, classes)
    return None


def follow(head, row, count, z):
    """Moves the running mean of class `row` of a head, `count` samples old, to take in z as well.

    Such a head is right after each sample without any fit: weights are SHARPNESS times the means.
    """
    d = head.d
    scale(head.weights, count / (count + 1), d, row * d)
    axpy(SHARPNESS / (count + 1), z, head.weights, d, 0, row * d)
    settle(head, row)


def leave(head, row, count, z):
    """Takes z, one of the `count` samples of class `row`, two or more, out of its running mean: undoes `follow`."""
    d = head.d
    scale(head.weights, count / (count - 1), d, row * d)
    axpy(-SHARPNESS / (count - 1), z, head.weights, d, 0, row * d)
    settle(head, row)


def settle(head, row):
    """The bias of a class from its running mean."""
    d = head.d
    head.bias[row] = -0.5 * dot(head.weights, head.weights, d, row * d, row * d) / SHARPNESS
