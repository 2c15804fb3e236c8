# SPDX-License-Identifier: MIT
"""Multinomial logistic regression, the head of MicroT (scikit-learn's, C = 1).

Minimises mean cross-entropy + |W|^2 / (2 C n) over standardised features (each of zero mean, all
scaled by their mean standard deviation), by gradient descent with momentum over mini-batches in a fixed order.
"""

from _microt import axpy, dot, fill, matvec, rank1, scale, softmax

from microt.arrays import zeros

EPOCHS = 17
BATCH = 16
RATE = 4.0  # divided by k, the squared length of a standardised sample
MOMENTUM = 0.9
C = 1.0


def solve(rows, weights, bias, hold=None, progress=None, epochs=EPOCHS):
    """Fills weights (classes x k) and bias (classes) from the samples outside of fold `hold`; no background."""
    k, classes = rows.k, rows.classes
    parts = rows.parts(hold)
    n = sum(size for _, size in parts)
    centre, spread = standard(rows, parts, n)
    decay = 1 / (C * n)
    x = zeros(k)
    error = zeros(classes)
    velocity = zeros(classes * k)
    bias_velocity = zeros(classes)
    fill(weights, 0.0)
    fill(bias, 0.0)
    stride = coprime(n)
    skip_from, skip = hole(parts, n)
    at = 0
    for epoch in range(epochs):
        # the rate falls in a straight line to a tenth
        rate = RATE * (1 - 0.9 * epoch / epochs) / k
        left = n
        while left:
            batch = min(BATCH, left)
            left -= batch
            scale(velocity, MOMENTUM)
            scale(bias_velocity, MOMENTUM)
            axpy(-rate * decay, weights, velocity)
            for _ in range(batch):
                at = (at + stride) % n
                i = at + skip if at >= skip_from else at
                fill(x, 0.0)
                axpy(1 / spread, rows.values, x, k, i * k)
                axpy(-1 / spread, centre, x)
                matvec(weights, x, error, classes, k)
                axpy(1.0, bias, error)
                softmax(error, error)
                error[rows.labels[i]] -= 1
                rank1(velocity, -rate / batch, error, x, classes, k)
                axpy(-rate / batch, error, bias_velocity)
            axpy(1.0, velocity, weights)
            axpy(1.0, bias_velocity, bias)
        if progress:
            progress("epochs", epoch + 1, epochs)
    scale(weights, 1 / spread)
    for c in range(classes):
        bias[c] -= dot(weights, centre, k, c * k)
    scale(weights, 1 / rows.scale)
    return None


def standard(rows, parts, n):
    """Mean (array("f"), k) and standard deviation, one for all values, of the int8 rows."""
    k, values = rows.k, rows.values
    centre = zeros(k)
    square = 0.0
    for first, size in parts:
        for i in range(first, first + size):
            axpy(1 / n, values, centre, k, i * k)
            square += dot(values, values, k, i * k, i * k)
    variance = (square / n - dot(centre, centre)) / k
    return centre, max(variance, 1e-12) ** 0.5


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
