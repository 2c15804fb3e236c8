# SPDX-License-Identifier: MIT
"""Multinomial logistic regression, the head of MicroT (scikit-learn's, C = 1).

Minimises mean cross-entropy + |W|^2 / (2 C n) over samples less their mean, divided by their mean standard deviation,
by stochastic gradient descent, one sample a step, in a fixed order; a sample that is answered right with a
score above 1 - SETTLED is stepped over.

A few directions hold most of the samples' variance, and descent is slow in all others. So each step takes the first
DIRECTIONS principal ones (V, int8, by power iteration) back to the variance of the next: the step is along
x - sum of g_j V_j. Steps along x are summed up in `weights` and those along V in a small matrix of their own, so that
nothing but the int8 rows and the weights is as large as either.
"""

from array import array

from microt.arrays import zeros
from microt.vector import axpy, dot, fill, matvec, quantize, rank1, scale, softmax, vecmat

EPOCHS = 15
RATE = 2.0  # falls in a straight line to END of it; divided by the mean squared length of a step's direction
END = 0.05
SETTLED = 0.02
C = 1.0
DIRECTIONS = 6
POWER_ITERATIONS = 5
CONDITION = 64  # no direction is taken back by more: with few samples these directions are all there is


def solve(rows, weights, bias, hold=None, progress=None, epochs=EPOCHS):
    """Fills weights (classes x k) and bias (classes) from the samples outside of fold `hold`; no background."""
    k, classes, labels = rows.k, rows.classes, rows.labels
    parts = rows.parts(hold)
    n = sum(size for _, size in parts)
    centre, square = middle(rows, parts, n, weights)
    x = zeros(k)
    directions, lengths, shares, left_over = principal(rows, parts, n, centre, weights, x)
    m = len(lengths)
    fill(weights, 0.0)
    fill(bias, 0.0)
    along = zeros(m)  # V x
    ours = zeros(classes)  # logits, then errors
    theirs = zeros(classes)
    steps = zeros(classes * m)  # along V
    step = coprime(n)
    skip_from, skip = hole(parts, n)
    at = 0
    for epoch in range(epochs):
        rate = RATE * (1 - (1 - END) * epoch / (epochs - 1)) if epochs > 1 else RATE
        for _ in range(n):
            at = (at + step) % n
            i = at + skip if at >= skip_from else at
            read(rows, i, centre, x)
            matvec(weights, x, ours, classes, k)
            axpy(1.0, bias, ours)
            if m:
                matvec(directions, x, along, m, k)
                matvec(steps, along, theirs, classes, m)
                axpy(1.0, theirs, ours)
            softmax(ours, ours)
            label = labels[i]
            if ours[label] > 1 - SETTLED:
                continue
            ours[label] -= 1
            rank1(weights, -rate / left_over, ours, x, classes, k)
            for j in range(m):
                along[j] *= shares[j] / lengths[j]
            rank1(steps, rate / left_over, ours, along, classes, m)
            axpy(-rate / k, ours, bias)
        shrink(weights, steps, rate * square / (k * C * left_over), directions, lengths, shares, k)
        if progress:
            progress("epochs", epoch + 1, epochs)
    for c in range(classes):
        for j in range(m):
            axpy(steps[c * m + j], directions, weights, k, j * k, c * k)
        bias[c] -= dot(weights, centre, k, c * k)
    scale(weights, 1 / rows.scale)
    return None


def shrink(weights, steps, amount, directions, lengths, shares, k):
    """The step of the penalty, amount of the weights, taken implicitly: it cannot overshoot."""
    m = len(lengths)
    classes = len(weights) // k
    factor = 1 / (1 + amount)
    for c in range(classes):
        for j in range(m):
            along = dot(weights, directions, k, c * k, j * k) / lengths[j] + steps[c * m + j]
            steps[c * m + j] *= factor
            steps[c * m + j] += along * (1 / (1 + amount * (1 - shares[j])) - factor)
    scale(weights, factor)


def read(rows, i, centre, out):
    """Row i less the centre into out (k)."""
    fill(out, 0.0)
    axpy(1.0, rows.values, out, rows.k, i * rows.k)
    axpy(-1.0, centre, out)


def middle(rows, parts, n, work):
    """The rows' mean rounded to int8 (bytearray, k), and their mean squared distance from it. work: k floats."""
    k, values = rows.k, rows.values
    mean = memoryview(work)[:k]
    fill(mean, 0.0)
    for first, size in parts:
        for i in range(first, first + size):
            axpy(1 / n, values, mean, k, i * k)
    centre = bytearray(k)
    for j in range(k):
        centre[j] = round(mean[j]) & 0xFF
    square = 0.0
    for first, size in parts:
        for i in range(first, first + size):
            square += dot(values, values, k, i * k, i * k) - 2 * dot(values, centre, k, i * k)
    return centre, max(square / n + dot(centre, centre), 1e-6)


def principal(rows, parts, n, centre, work, x):
    """The first principal directions V of the rows: int8 (bytearray, m x k), squared lengths, the shares g_j / (V_j x)
    of each that are taken back, times its length; and the mean squared length of what is left.

    work: floats, 2 k or more (two classes and more have them); x: floats, k; both are overwritten.
    """
    k, values = rows.k, rows.values
    v, w = memoryview(work)[:k], memoryview(work)[k : 2 * k]
    product = zeros(max(size for _, size in parts))
    found, lengths, variances = bytearray(DIRECTIONS * k), [], []
    for j in range(DIRECTIONS + 1):
        read(rows, parts[0][0] + j % parts[0][1], centre, v)
        variance = 0.0
        for _ in range(POWER_ITERATIONS):
            fill(w, 0.0)
            shift = dot(centre, v)
            total = 0.0
            for first, size in parts:
                matvec(values, v, product, size, k, first * k)
                for i in range(size):
                    product[i] -= shift
                    total += product[i]
                vecmat(product, values, x, size, k, first * k)
                axpy(1 / n, x, w)
            axpy(-total / n, centre, w)
            for p in range(len(lengths)):
                axpy(-dot(found, w, k, p * k) / lengths[p], found, w, k, p * k)
            variance = dot(w, w) ** 0.5
            if variance < 1e-3:
                break
            v[:] = w
            scale(v, 1 / variance)
        variances.append(variance)
        if variance < 1e-3 or j == DIRECTIONS:
            break
        quantize(v, found, j * k)
        lengths.append(dot(found, found, k, j * k, j * k))
    floor = max(variances[-1], variances[0] / CONDITION)
    shares = array("f", (1 - min(1.0, floor / variance) for variance in variances[: len(lengths)]))
    left_over = 0.0
    for first, size in parts:
        for i in range(first, first + size):
            read(rows, i, centre, x)
            left_over += dot(x, x)
            for p in range(len(lengths)):
                left_over -= shares[p] * dot(found, x, k, p * k) ** 2 / lengths[p]
    return found, lengths, shares, max(left_over / n, 1e-6)


def coprime(n):
    """A step near n / 1.618 that visits every index below n before it comes to one again."""
    step = max(1, int(n * 0.618))
    while gcd(step, n) != 1:
        step += 1
    return step


def gcd(a, b):
    """Greatest common divisor."""
    while b:
        a, b = b, a % b
    return a


def hole(parts, n):
    """Where the rows left out begin, and how many they are."""
    if len(parts) == 2:
        return parts[0][1], parts[1][0] - parts[0][1]
    return (0, parts[0][0]) if parts[0][0] else (n, 0)
