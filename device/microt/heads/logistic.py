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

from microt.arrays import zeros
from microt.vector import axpy, dot, fill, matvec, quantize, rank1, scale, softmax, vecmat

EPOCHS = 12
RATE = 2.0  # falls in a straight line to END of it; divided by the mean squared length of a step's direction
END = 0.05
SETTLED = 0.05
C = 1.0
DIRECTIONS = 6
SPACE = 512  # bytes for them
NOTHING = 1e-3  # less variance is none, in units of the int8 rows
POWER_ITERATIONS = 4
CONDITION = 64  # no direction is taken back by more: with few samples these directions are all there is


def solve(rows, weights, bias, hold=None, progress=None, epochs=EPOCHS):
    """Fills weights (classes x k) and bias (classes) from the samples outside of fold `hold`; no background."""
    k, classes, labels = rows.k, rows.classes, rows.labels
    parts = rows.parts(hold)
    n = sum(size for _, size in parts)
    centre, square = middle(rows, parts, n, weights)
    x = zeros(k)
    directions, diagonal, lengths, shares, left_over = principal(rows, parts, n, centre, square, weights, x)
    m = len(lengths)
    fill(weights, 0.0)
    fill(bias, 0.0)
    along, back = zeros(m), zeros(m)  # V x, and how much of each direction is taken back
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
            matvec(diagonal, along, back, m, m)
            rank1(steps, rate / left_over, ours, back, classes, m)
            axpy(-rate / k, ours, bias)
        shrink(weights, steps, rate * square / (k * C * left_over), directions, lengths, shares, k)
        if progress:
            progress("epochs", epoch + 1, epochs)
    for c in range(classes):
        for j in range(m):
            axpy(steps[c * m + j], directions, weights, k, j * k, c * k)
        if centre:
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
    """Row i less the centre, where there is one, into out (k)."""
    fill(out, 0.0)
    axpy(1.0, rows.values, out, rows.k, i * rows.k)
    if centre:
        axpy(-1.0, centre, out)


def middle(rows, parts, n, work):
    """The rows' mean rounded to int8 (bytearray, k), and the mean squared distance from it. work: k floats.

    None for the mean where it was taken off before.
    """
    k, values = rows.k, rows.values
    mean = memoryview(work)[:k]
    fill(mean, 0.0)
    square = 0.0
    for first, size in parts:
        for i in range(first, first + size):
            axpy(1 / n, values, mean, k, i * k)
            square += dot(values, values, k, i * k, i * k)
    if rows.centre:
        return None, max(square / n, NOTHING)
    centre = bytearray(k)
    for j in range(k):
        centre[j] = round(mean[j]) & 0xFF
    return centre, max(square / n - 2 * dot(centre, mean) + dot(centre, centre), NOTHING)


def principal(rows, parts, n, centre, square, work, x):
    """The first principal directions of the rows, and the mean squared length of a step's direction.

    Returns V (int8 in a bytearray, m x k), diagonal (array("f"), m x m: g_j = diagonal_jj V_j . x is taken back of a
    sample x), lengths (array("f"), m: squared, of V's rows), shares (array("f"), m: of the variance along each that is
    taken back) and the mean squared length. m: DIRECTIONS, or what SPACE holds of them.

    square: mean squared distance of the rows from the centre. work: 2 k floats (two classes and more have them), x: k
    floats; both are overwritten.
    """
    k, values = rows.k, rows.values
    most = max(1, min(DIRECTIONS, SPACE // k))
    v, w = memoryview(work)[:k], memoryview(work)[k : 2 * k]
    product = zeros(max(size for _, size in parts))
    found, lengths, variances = bytearray(most * k), zeros(most), zeros(most + 1)
    m = 0
    while True:
        read(rows, parts[0][0] + m % parts[0][1], centre, v)
        for _ in range(POWER_ITERATIONS):
            # w = S v = sum of q (q . v) / n - centre (centre . v) over the rows q, less what lies along those before
            fill(w, 0.0)
            if centre:
                axpy(-dot(centre, v), centre, w)
            for first, size in parts:
                matvec(values, v, product, size, k, first * k)
                vecmat(product, values, x, size, k, first * k)
                axpy(1 / n, x, w)
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
    floor = max(variances[m], variances[0] / CONDITION)
    diagonal, shares = zeros(m * m), zeros(m)
    for j in range(m):
        shares[j] = max(0.0, 1 - floor / variances[j])
        diagonal[j * m + j] = shares[j] / lengths[j]
        square -= shares[j] * variances[j]
    return found, diagonal, lengths[:m], shares, max(square, floor, NOTHING)


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
