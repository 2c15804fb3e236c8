# SPDX-License-Identifier: MIT
"""How well a backbone learns: few-shot episodes with the code that ships, and their report."""

from microt.evaluate.fewshot import RATIOS, evaluate
from microt.evaluate.report import describe, write

__all__ = ["RATIOS", "describe", "evaluate", "write"]
