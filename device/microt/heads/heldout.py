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
SURE = 80.0  # the exit score of what is beyond doubt
NEVER = 1.8e-35  # exp(-SURE), which float32 still holds


class HeldOut:
    """By sample, in the journal's order: score (the `exit_score`) and familiarity (array("f")), right (bytes, 1: the
    label was), best (array("H"): the class answered).

    A sample that was not held out, the only one of its class, has score -1.

    Logits are kept until `settle`, n x (classes + 1) float32. familiar: the `microt.heads.familiar.Familiar` that
    familiarities are taken by from then on; None: held-out samples say too little.
    """

    def __init__(self, n, classes):
        self.score = zeros(n)
        fill(self.score, -1.0)
        self.familiarity = zeros(n)
        self.right = bytearray(n)
        self.best = array("H", bytes(2 * n))
        self.familiar = familiar.Familiar(classes)
        self._classes = classes
        self._logits = zeros(n * (classes + 1))

    def take(self, i, logits, background, label):
        """Takes in what a head without sample i says about it."""
        best, doubt, energy = look(logits)
        self.score[i] = exit_score(doubt)
        self.familiarity[i] = energy + background
        self.right[i] = best == label
        self.best[i] = best
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
        return [i for i, score in enumerate(self.score) if score >= 0]


def look(logits):
    """Index of the largest logit, the softmax of all others together, logsumexp of all."""
    top = max(logits)
    best = 0
    while logits[best] != top:
        best += 1
    # not 1 - 1 / (1 + others), which is 0 long before they are
    others = sum(exp(v - top) for c, v in enumerate(logits) if c != best)
    return best, others / (1 + others), top + log(1 + others)


def exit_score(doubt):
    """-log of the doubt, the probability of all classes but the one answered; 0 to SURE.

    It orders samples as the confidence 1 - doubt does, also where float32 has only ones left for that.
    """
    return -log(doubt) if doubt > NEVER else SURE
