# SPDX-License-Identifier: MIT
"""How well a score separates two kinds."""

from __future__ import annotations

import numpy as np


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive scores higher than a negative, ties counted half; 0.5 is chance.

    score: (n,). positive: (n,) bool. NaN unless there are both. Fawcett, "An introduction to ROC analysis", 2006.
    """
    from scipy.stats import rankdata

    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(score)[positive].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))
