# SPDX-License-Identifier: MIT
"""When to answer None: levels of familiarity, from a share of known samples that may be lost.

With levels (clear, first, last), all quantiles of held-out familiarities (`microt.heads.heldout`):

    at exit 0      below `clear`: None, without the rest of the backbone; below `first`: no answer
                   here, however confident, the last exit decides
    at the last    below `last`: None

They are set together, so that on held-out samples this rule rejects the share asked for.
"""

from microt.threshold import quantile

CLEAR = 0.25  # of the share that `first` and `last` are set by
STEPS = 12


def levels(first, last, threshold, rate, scores=None):
    """(rate, clear, first, last) from the HeldOut of exit 0 and of the last exit.

    threshold: of the exit score; scores: of the samples, by default those of `first`. rate: share of known
    samples to reject at most, 0 to 1; ValueError.
    """
    check(rate)
    known = first.known()
    scores = scores or first.score
    near = sorted(first.familiarity[i] for i in known)
    far = sorted(last.familiarity[i] for i in known)
    low, high = 0.0, 1.0
    found = (rate, near[0] - 1.0, near[0] - 1.0, far[0] - 1.0)
    for _ in range(STEPS):
        share = (low + high) / 2
        tried = (rate, quantile(near, share * CLEAR), quantile(near, share), quantile(far, share))
        lost = sum(1 for i in known if rejects(tried, threshold, scores[i], first.familiarity[i], last.familiarity[i]))
        if lost <= rate * len(known):
            low, found = share, tried
        else:
            high = share
    return found


def rejects(levels, threshold, score, near, far):
    """Whether the rule answers None; score: at exit 0; near, far: familiarity there and at the last exit."""
    _, clear, first, last = levels
    if near < clear:
        return True
    return not (score >= threshold and near >= first) and far < last


def check(rate):
    """ValueError unless `rate` is a number from 0 to below 1."""
    if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ValueError("reject_rate: expected a number from 0 to below 1, got %r" % (rate,))
