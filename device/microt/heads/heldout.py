# SPDX-License-Identifier: MIT
"""What heads say about taught samples when fitted without them: what thresholds are set by.

familiarity, the score that tells what was taught from what was not: logsumexp(logits) + background, until held-out
samples say more (`microt.heads.familiar`). The logits of linear discriminants are log-ratios of a class's density to
that of the mean of all classes; the background term adds BACKGROUND of the ratio of the latter to the mean of the
host's pictures. Other heads have no background. docs/learning.md says how it compares with others.
"""

from array import array
from math import exp, log

from microt.arrays import zeros
from microt.heads import familiar
from microt.vector import fill

BACKGROUND = 0.4  # best mean AUROC of unseen classes over six sets at 5 and 20 shots, without more; flat from .3 to .5


class HeldOut:
    """By sample, in the journal's order: confidence and familiarity (array("f")), right (bytes, 1: the label was), best
    (array("H"): the class answered).

    A sample that was not held out, the only one of its class, has confidence -1.

    classes: with it logits are kept until `settle`, samples x (classes + 1) float32. familiar: None, or the
    `microt.heads.familiar.Familiar` that familiarities are taken by from then on.
    """

    def __init__(self, n, classes=0):
        self.confidence = zeros(n)
        fill(self.confidence, -1.0)
        self.familiarity = zeros(n)
        self.right = bytearray(n)
        self.best = array("H", bytes(2 * n))
        self.familiar = familiar.Familiar(classes) if classes else None
        self._classes = classes
        self._logits = zeros(n * (classes + 1)) if classes else None

    def take(self, i, logits, background, label):
        """Takes in what a head without sample i says about it."""
        best, confidence, energy = look(logits)
        self.confidence[i] = confidence
        self.familiarity[i] = energy + background
        self.right[i] = best == label
        self.best[i] = best
        if self._logits:
            at = i * (self._classes + 1)
            for c in range(self._classes):
                self._logits[at + c] = logits[c]
            self._logits[at + self._classes] = background

    def settle(self, labels):
        """After the last sample: familiarities by how the logits of all lie. labels: of each sample."""
        d, logits, known = self._classes + 1, self._logits, self.known()
        energies = [f - logits[(i + 1) * d - 1] for i, f in enumerate(self.familiarity)]
        apart = self.familiar.fit(logits, energies, known, labels)
        if apart is None:
            self.familiar = None
        else:
            for place, i in enumerate(known):
                self.familiarity[i] = self.familiar.of(energies[i], logits[(i + 1) * d - 1], apart[place])
        self._logits = None

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
