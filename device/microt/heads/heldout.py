# SPDX-License-Identifier: MIT
"""What heads say about taught samples when fitted without them: what thresholds are set by.

familiarity, the score that tells what was taught from what was not: logsumexp(logits) + background. The
logits of linear discriminants are log-ratios of a class's density to that of the mean of all classes;
the background term adds BACKGROUND of the ratio of the latter to the mean of the host's pictures. Other
heads have no background. docs/learning.md says how it compares with others.
"""

from array import array
from math import exp, log

from microt.arrays import zeros
from microt.vector import fill

BACKGROUND = 0.4  # best mean AUROC of unseen classes over six sets at 5 and 20 shots; flat from .3 to .5


class HeldOut:
    """By sample, in the journal's order: confidence and familiarity (array("f")), right (bytes, 1: the label was), best
    (array("H"): the class answered).

    A sample that was not held out, the only one of its class, has confidence -1.
    """

    def __init__(self, n):
        self.confidence = zeros(n)
        fill(self.confidence, -1.0)
        self.familiarity = zeros(n)
        self.right = bytearray(n)
        self.best = array("H", bytes(2 * n))

    def take(self, i, logits, background, label):
        """Takes in what a head without sample i says about it."""
        best, confidence, energy = look(logits)
        self.confidence[i] = confidence
        self.familiarity[i] = energy + background
        self.right[i] = best == label
        self.best[i] = best

    def known(self):
        """Indexes of the samples that were held out."""
        return [i for i, c in enumerate(self.confidence) if c >= 0]


def look(logits):
    """Index of the largest logit, its softmax, logsumexp of all."""
    top = max(logits)
    best = 0
    while logits[best] != top:
        best += 1
    total = sum(exp(v - top) for v in logits)
    return best, 1 / total, top + log(total)
