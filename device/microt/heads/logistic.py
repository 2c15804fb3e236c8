# SPDX-License-Identifier: MIT
"""Multinomial logistic regression, the head of MicroT (scikit-learn's, C = 1).

Minimises mean cross-entropy + |W|^2 / (2 C n) over samples less their mean, divided by their mean standard deviation,
by stochastic gradient descent over flattened rows (`microt.heads.flat`), one sample a step, in a fixed order; a sample
that is answered right with a score above 1 - SETTLED is stepped over. Nothing but the int8 rows and the weights is as
large as either.
"""

from microt.arrays import zeros
from microt.heads.flat import Flat
from microt.vector import axpy, fill, matvec, rank1, scale, softmax

EPOCHS = 12
RATE = 2.0  # falls in a straight line to END of it; divided by the rows' mean squared length
END = 0.05
SETTLED = 0.05
C = 1.0


def solve(rows, weights, bias, hold=None, progress=None, epochs=EPOCHS):
    """Fills weights (classes x k) and bias (classes) from the samples outside of fold `hold`; no background.

    The rows are flat afterwards, `rows.sample` gives what it gave.
    """
    k, classes, labels, values = rows.k, rows.classes, rows.labels, rows.values
    rows.flat = flat = rows.flat or Flat(rows, weights, progress)
    parts = rows.parts(hold)
    n = sum(size for _, size in parts)
    fill(weights, 0.0)
    fill(bias, 0.0)
    x = zeros(k)
    errors = zeros(classes)  # logits before
    step = coprime(n)
    skip_from, skip = hole(parts, n)
    at = 0
    for epoch in range(epochs):
        rate = RATE * (1 - (1 - END) * epoch / (epochs - 1)) if epochs > 1 else RATE
        for _ in range(n):
            at = (at + step) % n
            i = at + skip if at >= skip_from else at
            fill(x, 0.0)
            axpy(1.0, values, x, k, i * k)
            matvec(weights, x, errors, classes, k)
            axpy(1.0, bias, errors)
            softmax(errors, errors)
            label = labels[i]
            if errors[label] > 1 - SETTLED:
                continue
            errors[label] -= 1
            rank1(weights, -rate / flat.square, errors, x, classes, k)
            axpy(-rate / k, errors, bias)
        flat.shrink(weights, rate * flat.stretch / (k * C))
        if progress:
            progress("epochs", epoch + 1, epochs)
    scale(weights, 1 / rows.scale)
    flat.back(weights, bias)
    return None


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
