# SPDX-License-Identifier: MIT
"""Heads: the trainable classifiers on the features of an exit.

Every head is linear once it is fitted: scores = softmax(weights . z + bias), z the feature of its
exit (float32, length d); familiarity = logsumexp(weights . z + bias) + background . z + background bias
(`microt.heads.heldout`), and more once thresholds are set (`microt.heads.familiar`). What differs is
how these are found, one module a kind:

    solve(rows, weights, bias, hold=None, progress=None)

`rows` is a `Rows`: the samples as int8 rows of a working space (the projection, where the backbone
has one). solve fills `weights` (array("f"), classes x rows.k) and `bias` (array("f"), classes),
leaving out the samples of fold `hold`, and returns the background (array("f") of rows.k, bias) or
None. `fit` takes the result back to the space of z. Linear
discriminants of as many samples as memory allows are found by `microt.heads.dual` instead: the same
heads with less work, and with what they would say without each sample.
"""

import gc
from math import log

from microt.arrays import zeros
from microt.heads.familiar import largest
from microt.heads.rows import Rows
from microt.vector import axpy, dot, matvec, softmax


class Head:
    """A linear classifier on the feature of one exit.

    weights: array("f"), classes x d. bias: array("f"), classes. background: None or array("f"), d, with
    background_bias. familiar: None or a `microt.heads.familiar.Familiar`.
    """

    def __init__(self, exit, d, classes):
        self.exit = exit
        self.d = d
        self.weights = zeros(d * classes)
        self.bias = zeros(classes)
        self.background = None
        self.background_bias = 0.0
        self.familiar = None

    def __len__(self):
        return len(self.bias)

    def scores(self, z, out):
        """Scores of a feature z (d) into out (classes), summing to 1; returns the best's index."""
        matvec(self.weights, z, out, len(self.bias), self.d)
        axpy(1.0, self.bias, out)
        return softmax(out, out)

    def answer(self, z, out):
        """As `scores`, and the familiarity of z: (index, familiarity)."""
        matvec(self.weights, z, out, len(self.bias), self.d)
        axpy(1.0, self.bias, out)
        ground = dot(self.background, z) + self.background_bias if self.background else 0.0
        top = max(out)
        apart = self.familiar.apart(out, ground, largest(out)) if self.familiar else 0.0
        best = softmax(out, out)
        energy = top - log(out[best])
        return best, self.familiar.of(energy, ground, apart) if self.familiar else energy + ground

    def add(self):
        """One more class, its weights zero. MemoryError: nothing has changed."""
        self.bias.append(0.0)
        try:
            self.weights.extend(zeros(self.d))
        except MemoryError:
            self.bias[-1:] = self.bias[:0]
            raise

    def remove(self, row):
        """Takes a class out; the rows after it move up. Needs no memory."""
        weights, d = memoryview(self.weights), self.d
        for r in range(row, len(self.bias) - 1):
            weights[r * d : (r + 1) * d] = weights[(r + 1) * d : (r + 2) * d]
            self.bias[r] = self.bias[r + 1]
        count = len(self.bias) - 1
        self.weights[count * d :] = self.weights[:0]
        self.bias[count:] = self.bias[:0]
        if self.familiar:
            self.familiar.remove(row)


def solver(name):
    """The solve function of a kind of head; ValueError lists the kinds."""
    if name == "lda":
        from microt.heads.lda import solve
    elif name == "logistic":
        from microt.heads.logistic import solve
    elif name == "means":
        from microt.heads.means import solve
    elif name == "ridge":
        from microt.heads.ridge import solve
    else:
        raise ValueError("head: expected lda, logistic, means or ridge, got %s" % (name,))
    return solve


def fit(net, exit, journal, solve, progress=None):
    """Fits a head of an exit to every sample of the journal. MemoryError: nothing has changed."""
    rows = Rows(net, exit, journal, progress=progress)
    classes, k, d = rows.classes, rows.k, rows.feature.d
    gc.collect()  # what stays goes to the bottom of the heap
    head = Head(exit, d, classes)
    if not rows.projected:
        background = solve(rows, head.weights, head.bias, progress=progress)
        if background:
            head.background, head.background_bias = background
        if rows.centre:
            for c in range(classes):
                head.bias[c] -= rows.centre_scale * dot(head.weights, rows.centre, k, c * k)
            if background:
                head.background_bias -= rows.centre_scale * dot(head.background, rows.centre)
        return head
    weights = zeros(classes * k)
    background = solve(rows, weights, head.bias, progress=progress)
    del rows
    gc.collect()
    source, target = memoryview(weights), memoryview(head.weights)
    for c in range(classes):
        net.project_back(exit, source[c * k : (c + 1) * k], target[c * d : (c + 1) * d])
    if background:
        head.background = zeros(d)
        net.project_back(exit, background[0], head.background)
        head.background_bias = background[1]
    return head
