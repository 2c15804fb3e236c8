# SPDX-License-Identifier: MIT
"""How familiar a sample is, from how known samples lie among the logits.

For a sample with logits l (classes), E = logsumexp(l) and background g (`microt.heads.heldout`):

    familiarity = E + a g - b (v - c)^T S^-1 (v - c),  v = (l, g)

c is the mean of v over the held-out samples of the class answered, S their covariance about the classes' means, a share
SHRINK of it replaced by its mean variance. a and b set the deviations of g and of the distance over held-out samples to
GROUND and DISTANCE of E's; with few samples a class S says little, and the distance counts for less.
"""

from array import array

from microt.arrays import zeros
from microt.vector import axpy, cholesky, cholesky_solve, dot, fill, symmetric_rank2

# best mean AUROC of unseen classes over nine sets at 20 shots, on samples of the train split, and no harm at 5
GROUND = 0.8
DISTANCE = 0.6  # times shots / (shots + FEW)
FEW = 7
SHRINK = 0.1
LEAST = 0.05
NOTHING = 1e-6


class Familiar:
    """For a head of so many classes, d = classes + 1.

    centres: array("f"), classes x d. scatter: array("f"), the lower triangle of S by rows. terms: array("f"), a and b.
    All of it is made at once, so that no part of it comes to lie where room for a large array was.
    """

    def __init__(self, classes):
        self.centres = zeros(classes * (classes + 1))
        self.scatter = zeros((classes + 1) * (classes + 2) // 2)
        self.terms = zeros(2)
        self._r, self._x = zeros(classes + 1), zeros(classes + 1)
        self._root = array("f", self.scatter)

    def of(self, energy, ground, apart):
        """The familiarity; apart: what the method of that name says of the class answered."""
        return energy + self.terms[0] * ground - self.terms[1] * apart

    def apart(self, logits, ground, best):
        """The squared distance to the centre of a class."""
        classes, r, x = len(logits), self._r, self._x
        fill(r, 0.0)
        axpy(1.0, logits, r, classes)
        r[classes] = ground
        axpy(-1.0, self.centres, r, classes + 1, best * (classes + 1))
        x[:] = r
        cholesky_solve(self._root, x, classes + 1)
        return dot(r, x)

    def decompose(self):
        """To be called once the scatter is there or another."""
        self._root[:] = self.scatter
        cholesky(self._root, 0.0, len(self._r))

    def fit(self, logits, energies, known, labels):
        """Takes in held-out samples: the distance of each known one by the others; None: they do not say enough.

        Where t is the squared distance of a sample of a class of n_c, that by the others is
        (n_c / (n_c - 1))^2 t / (1 - f t), f = (1 - SHRINK) n_c / (n (n_c - 1)); what is shrunk is left as it is.

        logits: array("f"), samples x d, the background last. energies, labels: of each sample. known: indexes of
        those that were held out.
        """
        d, n = len(self._r), len(known)
        classes = d - 1
        if n < 2:
            return None
        counts = [0] * classes
        for i in known:
            counts[labels[i]] += 1
        for i in known:
            axpy(1 / counts[labels[i]], logits, self.centres, d, i * d, labels[i] * d)
        r = zeros(d)
        trace = 0.0
        for i in known:
            fill(r, 0.0)
            axpy(1.0, logits, r, d, i * d)
            axpy(-1.0, self.centres, r, d, labels[i] * d)
            symmetric_rank2(self.scatter, 0.5 * (1 - SHRINK) / n, r, r, d)
            trace += dot(r, r) / n
        if trace < NOTHING:
            return None
        at = 0
        for j in range(d):
            at += j + 1
            self.scatter[at - 1] += SHRINK * trace / d
        self.decompose()
        apart, view = [], memoryview(logits)
        for i in known:
            own = view[i * d : (i + 1) * d - 1]
            best = largest(own)
            t = self.apart(own, logits[(i + 1) * d - 1], best)
            if best == labels[i]:
                more = counts[best] / (counts[best] - 1)
                t *= more * more / max(1 - (1 - SHRINK) * more / n * t, LEAST)
            apart.append(t)
        spread = deviation([energies[i] for i in known])
        ground = deviation([logits[(i + 1) * d - 1] for i in known])
        distance = deviation(apart)
        if ground < NOTHING or distance < NOTHING:
            return None
        self.terms[0] = GROUND * spread / ground
        self.terms[1] = DISTANCE * n / (n + FEW * classes) * spread / distance
        return apart

    def remove(self, row):
        """Takes a class out. Needs no memory."""
        d = len(self._r)
        kept = 0
        for i in range(len(self.centres)):
            if i // d != row and i % d != row:
                self.centres[kept] = self.centres[i]
                kept += 1
        self.centres[kept:] = self.centres[:0]
        at = kept = 0
        for i in range(d):
            for j in range(i + 1):
                if i != row and j != row:
                    self.scatter[kept] = self.scatter[at]
                    kept += 1
                at += 1
        for values in (self.scatter, self._root):
            values[kept:] = values[:0]
        for values in (self._r, self._x):
            values[d - 1 :] = values[:0]
        self.decompose()


def largest(values):
    """Index of the largest."""
    best = 0
    for i in range(1, len(values)):
        if values[i] > values[best]:
            best = i
    return best


def deviation(values):
    """Standard deviation."""
    mean = sum(values) / len(values)
    return (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
