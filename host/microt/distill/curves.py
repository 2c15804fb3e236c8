# SPDX-License-Identifier: MIT
"""The losses of a training, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def draw_curves(history: list[dict], path: str | Path) -> None:
    """Loss terms over the steps, one small plot a term."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    terms = [k for k in history[0] if k != "step"]
    figure, axes = plt.subplots(1, len(terms), figsize=(2.6 * len(terms), 2.4))
    for axis, term in zip(np.atleast_1d(axes), terms, strict=True):
        axis.plot([h["step"] for h in history], [h[term] for h in history])
        axis.set_title(term.replace("_", ", "))
        axis.set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
