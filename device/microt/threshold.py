# SPDX-License-Identifier: MIT
"""When exit 0 may answer: a threshold on its confidence, from a share of answers asked for.

exit_ratio is the share of samples answered at exit 0: a sample is answered there when its
confidence (the highest score) is greater than or equal to the threshold. The threshold for a
ratio r is the (1 - r) quantile of held-out confidences, those of taught samples under heads fitted
without them, so about a share r of samples like them reaches it; equal confidences go one way
together, so ties can only make the share larger. r = 1 answers all at exit 0 (threshold 0), r = 0 none
(threshold ABOVE, which no confidence reaches).

Of the confidences a table of POINTS quantiles is kept; ratios in between are interpolated.
"""

import gc
from array import array

from _microt import axpy, matvec, softmax

from microt.arrays import zeros

FOLDS = 10
POINTS = 33
ABOVE = 2.0


def folds(journal):
    """Folds for the samples of a journal: as many as the largest class has samples, at most FOLDS."""
    return min(FOLDS, max(journal.count(row) for row in range(len(journal.labels))))


def held_out(rows, solve, progress=None):
    """Confidences (array("f")) of the rows under heads fitted without their fold.

    rows: a `Rows` with folds. A class of one sample has no held-out confidence: samples of such
    classes are left out.
    """
    k, classes = rows.k, rows.classes
    # each fold starts from nothing: from a head of all samples the fold's own would show through
    weights = zeros(classes * k)
    bias = zeros(classes)
    scores = zeros(classes)
    u = zeros(k)
    found = array("f")
    count = len(rows.bounds) - 1
    for fold in range(count):
        gc.collect()
        solve(rows, weights, bias, hold=fold)
        for i in range(rows.bounds[fold], rows.bounds[fold + 1]):
            rows.sample(i, u)
            matvec(weights, u, scores, classes, k)
            axpy(1.0, bias, scores)
            found.append(scores[softmax(scores, scores)])
        if progress:
            progress("cross-validation", fold + 1, count)
    return found


def table(confidences):
    """POINTS quantiles (array("f"), rising) of confidences."""
    ordered = sorted(confidences)
    n = len(ordered)
    quantiles = zeros(POINTS)
    for j in range(POINTS):
        # the middle of the i-th of n values is the (i + 1/2) / n quantile
        at = min(max(n * j / (POINTS - 1) - 0.5, 0.0), n - 1.0)
        i = int(at)
        above = ordered[min(i + 1, n - 1)]
        quantiles[j] = ordered[i] + (at - i) * (above - ordered[i])
    return quantiles


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
