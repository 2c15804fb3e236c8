# SPDX-License-Identifier: MIT
"""Conjugate gradients (Hestenes and Stiefel, 1952): A x = b for a positive definite A that is never formed."""

from microt.arrays import zeros
from microt.vector import axpy, dot, scale

TOLERANCE = 1e-7  # of the residual's squared length, against the right-hand side's


class Gradients:
    """Room for systems of k unknowns: x (what is found) and r (the right-hand side, lost), array("f") of k.

    apply(v, out): out = A v.
    """

    def __init__(self, k, apply):
        self.apply = apply
        self.x = zeros(k)
        self.r = zeros(k)
        self._p = zeros(k)
        self._ap = zeros(k)

    def solve(self, start, iterations):
        """From r, the right-hand side, to x, beginning at start * r."""
        x, r, p, ap = self.x, self.r, self._p, self._ap
        limit = TOLERANCE * dot(r, r)
        x[:] = r
        scale(x, start)
        self.apply(x, ap)
        axpy(-1.0, ap, r)
        p[:] = r
        rr = dot(r, r)
        for _ in range(iterations):
            if rr <= limit:
                break
            self.apply(p, ap)
            alpha = rr / dot(p, ap)
            axpy(alpha, p, x)
            axpy(-alpha, ap, r)
            previous, rr = rr, dot(r, r)
            scale(p, rr / previous)
            axpy(1.0, r, p)
