# SPDX-License-Identifier: MIT
"""When exit 0 may answer: a threshold on its exit score, from a share of answers asked for.

exit_ratio is the share of samples answered at exit 0: a sample is answered there when its exit score is greater than
or equal to the threshold. The exit score is -log(1 - p) of the highest class probability p (`microt.heads.heldout`),
with thresholds per class moved by what the class's held-out answers were worth (`shifts`), so that one threshold does
for all classes.

The threshold for a ratio r is the (1 - r) quantile of held-out exit scores, those of taught samples under heads fitted
without them, so about a share r of samples like them reaches it; equal scores go one way together, so ties can only
make the share larger. r = 1 answers all at exit 0 (threshold 0), r = 0 none (threshold ABOVE, which no score reaches).

Of the scores a table of POINTS quantiles is kept; ratios in between are interpolated.
"""

import gc
from array import array
from math import exp, log

from microt.arrays import zeros
from microt.heads.heldout import SURE, HeldOut, exit_score
from microt.vector import axpy, dot, matvec

FOLDS = 10
POINTS = 33
ERRORS = 4  # that speak for no shift
ABOVE = 2 * SURE


def folds(journal):
    """Folds for the samples of a journal: as many as the largest class has samples, at most FOLDS."""
    return min(FOLDS, max(journal.count(row) for row in range(len(journal.labels))))


def held_out(rows, solve, progress=None):
    """HeldOut of a journal's samples under heads fitted without their fold.

    rows: a `Rows` with folds. The only sample of a class is not held out.
    """
    k, classes = rows.k, rows.classes
    # each fold starts from nothing: from a head of all samples the fold's own would show through
    weights = zeros(classes * k)
    bias = zeros(classes)
    logits = zeros(classes)
    u = zeros(k)
    sample = array("H", range(rows.n))  # of each row
    labels = array("H", range(rows.n))  # of each sample
    for i in range(rows.n):
        sample[rows.place[i]] = i
        labels[i] = rows.labels[rows.place[i]]
    held = HeldOut(rows.n, classes)
    count = len(rows.bounds) - 1
    for fold in range(count):
        gc.collect()
        background = solve(rows, weights, bias, hold=fold)
        for i in range(rows.bounds[fold], rows.bounds[fold + 1]):
            rows.sample(i, u)
            matvec(weights, u, logits, classes, k)
            axpy(1.0, bias, logits)
            ground = dot(background[0], u) + background[1] if background else 0.0
            held.take(sample[i], logits, ground, rows.labels[i])
        if progress:
            progress("cross-validation", fold + 1, count)
    held.settle(labels)
    return held


def shifts(held, classes):
    """By class answered, log(doubts / errors) of its held-out answers (array("f")): what its exit scores are moved by.

    doubts: the sum of their 1 - p, which is how many were to be wrong. errors: how many were. ERRORS are added to each.
    """
    doubts, errors = [ERRORS] * classes, [ERRORS] * classes
    for i in held.known():
        doubts[held.best[i]] += exp(-held.score[i])
        errors[held.best[i]] += 1 - held.right[i]
    return array("f", [log(doubts[c] / errors[c]) for c in range(classes)])


def shifted(score, by):
    """An exit score moved by the shift of the class answered; not below 0."""
    return max(0.0, score + by)


def quantile(ordered, share):
    """The quantile of rising values: the middle of the i-th of n is the (i + 1/2) / n quantile."""
    n = len(ordered)
    at = min(max(n * share - 0.5, 0.0), n - 1.0)
    i = int(at)
    return ordered[i] + (at - i) * (ordered[min(i + 1, n - 1)] - ordered[i])


def table(scores):
    """POINTS quantiles (array("f"), rising) of exit scores."""
    ordered = sorted(scores)
    quantiles = zeros(POINTS)
    for j in range(POINTS):
        quantiles[j] = quantile(ordered, j / (POINTS - 1))
    return quantiles


def paper_table(scores, repeats=200, draw=10):
    """As `table`, MicroT's way: the quantiles of `draw` confidences at a time, averaged over `repeats` draws.

    Draws are pseudo-random and always the same. MicroT draws from test samples; here they are held-out ones.
    """
    values = array("f", [1 - exp(-score) for score in scores])
    n, draw = len(values), min(draw, len(values))
    quantiles = zeros(POINTS)
    state = 1
    for _ in range(repeats):
        for i in range(draw):  # without replacement
            state = (state * 25173 + 13849) & 0xFFFF
            j = i + state * (n - i) // 65536
            values[i], values[j] = values[j], values[i]
        part = table(values[:draw])
        axpy(1 / repeats, part, quantiles)
    for j in range(POINTS):
        quantiles[j] = exit_score(1 - quantiles[j])
    return quantiles


def ratio_for_loss(first, last, max_loss, scores=None):
    """The largest share to answer at exit 0 that costs at most `max_loss` of the last exit's accuracy.

    first, last: HeldOut of exit 0 and of the last exit. scores: of the samples at exit 0, by default of `first`.
    """
    known = first.known()
    scores = scores or first.score
    best = 0
    loss = 0
    for place, i in enumerate(sorted(known, key=lambda i: -scores[i])):
        loss += last.right[i] - first.right[i]
        if loss <= max_loss * len(known):
            best = place + 1
    return best / len(known)


def ratio_for_energy(energy, energies):
    """The smallest share to answer at exit 0 with which a sample costs `energy` on average.

    energies: of a sample answered at exit 0, and of one answered at the last exit. ValueError: below the former.
    """
    first, last = energies
    if energy < first:
        raise ValueError("energy_per_sample: expected at least %s, that of exit 0, got %s" % (first, energy))
    return 0.0 if energy >= last else (last - energy) / (last - first)


class Tracker:
    """Holds the share of answers at exit 0 when the stream drifts, in O(1) memory (Robbins-Monro).

    ratio: the share to hold. rate: how much of one sample's surprise is taken up, .005 to .05. `place` is
    the ratio to look up in the quantile table: it moves by rate * (ratio - answered) a sample.
    """

    def __init__(self, ratio, rate=0.02):
        self.ratio = ratio
        self.rate = rate
        self.place = ratio

    def saw(self, answered):
        """Takes in whether a sample was answered at exit 0; returns the new place."""
        self.place = min(max(self.place + self.rate * (self.ratio - answered), 0.0), 1.0)
        return self.place


def threshold(quantiles, exit_ratio):
    """The threshold for a ratio. ValueError unless it is a number from 0 to 1."""
    if not isinstance(exit_ratio, (int, float)) or not 0 <= exit_ratio <= 1:
        raise ValueError("exit_ratio: expected a number from 0 to 1, got %r" % (exit_ratio,))
    if exit_ratio == 1:
        return 0.0
    if exit_ratio == 0:
        return ABOVE
    at = (1 - exit_ratio) * (len(quantiles) - 1)
    i = min(int(at), len(quantiles) - 2)
    return quantiles[i] + (at - i) * (quantiles[i + 1] - quantiles[i])
