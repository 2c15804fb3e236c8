# SPDX-License-Identifier: MIT
"""Rows about their mean, with the directions of most variance taken back to the level of the next.

A few directions hold most of the samples' variance, and descent is slow in all others. Where rows were u, they become

    u' = M (u - mean),  M = I - sum of g_j V_j V_j^T,  g_j = 1 - sqrt(level / variance along V_j)

int8 again, with another scale; V (int8, m x k, taken at length 1) are the first principal directions, by power
iteration. Weights w' for u' are weights M w' for u.
"""

from microt.arrays import zeros
from microt.vector import axpy, dot, fill, matvec, quantize, scale, vecmat

SPACE = 768  # bytes for directions
POWER_ITERATIONS = 3
CONDITION = 64  # no variance is taken back by more: with few samples these directions are all there is
NOTHING = 1e-3  # less variance is none, in units of the int8 rows


class Flat:
    """Flattens the values of a `Rows`, once; its scale is another then.

    work: array("f") of 2 k values or more, overwritten. progress(what, done, total) is called now and then.

    square: mean squared length of the rows' values. stretch: how many times as large it would be without M.
    """

    def __init__(self, rows, work, progress=None):
        self.k = k = rows.k
        work = memoryview(work)
        spare = work[:k]
        self.centre, before = self._middle(rows, spare)
        self._principal(rows, spare, work[k : 2 * k], progress)
        x = work[k : 2 * k + 1] if len(work) > 2 * k else zeros(k + 1)
        u = memoryview(x)[:k]
        values, row = memoryview(rows.values), bytearray(k + 1)
        whole = memoryview(row)[:k]
        unit = 0.0
        for i in range(rows.n):
            self._row(rows, i, u, spare)
            unit = max(unit, quantize(u, whole))
        unit = unit or 1.0  # all zero: any will do
        x[k] = 127 * unit  # beside it all rows have one scale
        self.square = 0.0
        for i in range(rows.n):
            self._row(rows, i, u, spare)
            quantize(x, row)
            values[i * k : (i + 1) * k] = whole
            self.square += dot(whole, whole) / rows.n
        self.square = max(self.square, NOTHING)
        self.stretch = max(before / (self.square * unit * unit), 1.0)
        self._scale = rows.scale
        rows.scale *= unit

    def restore(self, u):
        """u' to u, in place."""
        for j, length in enumerate(self._lengths):
            along = dot(self._directions, u, self.k, j * self.k) * self._taken[j] / (1 - self._taken[j])
            axpy(along / length, self._directions, u, self.k, j * self.k)
        if self.centre:
            axpy(self._scale, self.centre, u)

    def back(self, weights, bias):
        """Weights (classes x k) and bias (classes) of a head of u' to those of one of u, in place."""
        k = self.k
        for c in range(len(bias)):
            for j, length in enumerate(self._lengths):
                along = dot(self._directions, weights, k, j * k, c * k) * self._taken[j]
                axpy(-along / length, self._directions, weights, k, j * k, c * k)
            if self.centre:
                bias[c] -= self._scale * dot(self.centre, weights, k, 0, c * k)

    def shrink(self, weights, amount):
        """A step of the penalty amount |M w'|^2 / 2 on weights w' (classes x k), implicit: it cannot overshoot."""
        k = self.k
        factor = 1 / (1 + amount)
        for c in range(len(weights) // k):
            for j, length in enumerate(self._lengths):
                along = dot(self._directions, weights, k, j * k, c * k) / length
                own = 1 / (1 + amount * (1 - self._taken[j]) ** 2)
                axpy(along * (own / factor - 1), self._directions, weights, k, j * k, c * k)
        scale(weights, factor)

    def _middle(self, rows, mean):
        # the rows' mean rounded to int8, None where it was taken off before, and the mean squared distance from it
        k, n, values = self.k, rows.n, rows.values
        fill(mean, 0.0)
        square = 0.0
        for i in range(n):
            axpy(1 / n, values, mean, k, i * k)
            square += dot(values, values, k, i * k, i * k) / n
        if rows.centre:
            return None, square
        centre = bytearray(k)
        for j in range(k):
            centre[j] = round(mean[j]) & 0xFF
        return centre, square - 2 * dot(centre, mean) + dot(centre, centre)

    def _read(self, rows, i, u):
        fill(u, 0.0)
        axpy(1.0, rows.values, u, self.k, i * self.k)
        if self.centre:
            axpy(-1.0, self.centre, u)

    def _row(self, rows, i, u, spare):
        # u' of a row that is not flat yet
        self._read(rows, i, u)
        m = len(self._lengths)
        if m:
            matvec(self._directions, u, self._along, m, self.k)
            for j in range(m):
                self._along[j] *= self._taken[j] / self._lengths[j]
            vecmat(self._along, self._directions, spare, m, self.k)
            axpy(-1.0, spare, u)

    def _principal(self, rows, v, w, progress):
        # directions (int8 in a bytearray, m x k), their squared lengths, what of each is taken off. v, w: k floats
        k, n, values = self.k, rows.n, rows.values
        most = max(1, SPACE // k)
        product = zeros(n)
        found, lengths, variances = bytearray(most * k), zeros(most), zeros(most + 1)
        m = 0
        while True:
            self._read(rows, m % n, v)
            for _ in range(POWER_ITERATIONS):
                # w = S v = sum of q (q . v) / n - centre (centre . v) over rows q, less what lies along those before
                matvec(values, v, product, n, k)
                vecmat(product, values, w, n, k)
                scale(w, 1 / n)
                if self.centre:
                    axpy(-dot(self.centre, v), self.centre, w)
                for p in range(m):
                    axpy(-dot(found, w, k, p * k) / lengths[p], found, w, k, p * k)
                variances[m] = dot(w, w) ** 0.5
                if variances[m] < NOTHING:
                    break
                v[:] = w
                scale(v, 1 / variances[m])
            if variances[m] < NOTHING or m == most:
                break
            quantize(v, found, m * k)
            lengths[m] = dot(found, found, k, m * k, m * k)
            m += 1
            if progress:
                progress("directions", m, most)
        level = max(variances[m], variances[0] / CONDITION)
        self._directions, self._lengths = found, lengths[:m]
        self._taken, self._along = zeros(m), zeros(m)
        for j in range(m):
            self._taken[j] = max(0.0, 1 - (level / variances[j]) ** 0.5)
