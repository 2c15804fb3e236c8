# SPDX-License-Identifier: MIT
"""microt on the device; what the methods do is told in task.py."""

from collections.abc import Callable
from typing import Any, NamedTuple

import _microt

version: str

class Result(NamedTuple):
    """What `Task.predict` and `Task.answers` give."""

    label: str | None
    """The class; None for what was never taught."""
    confidence: float
    """The highest score."""
    exit: int
    """Which exit answered."""
    scores: Any
    """array("f"), in the order of `Task.classes`, summing to 1."""
    familiarity: float
    """How much it looks like what was taught; what `reject_rate` sets a limit to."""

def Backbone(source: Any, *, arena: Any = None) -> _microt.Backbone: ...

class Task:
    net: Any
    path: str
    head: str
    limit: int | None
    keep: str
    notes: list[str]
    exit_ratio: float | None
    @property
    def classes(self) -> list[str]: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def fitted(self) -> bool: ...
    @property
    def threshold(self) -> float | None: ...
    @property
    def reject_rate(self) -> float | None: ...
    def __init__(
        self, net: Any, path: str = "/task", head: str = "lda", limit: int | None = None, keep: str = "herding"
    ) -> None: ...
    def __len__(self) -> int: ...
    def track(self, rate: float = 0.02) -> None: ...
    def learn(self, x: Any, label: str) -> bool: ...
    def undo(self) -> str: ...
    def compact(self) -> None: ...
    def forget(self, label: str) -> None: ...
    def fit(self, progress: Callable[[str, int, int], None] | None = None) -> None: ...
    def calibrate(
        self,
        exit_ratio: float = 0.5,
        progress: Callable[[str, int, int], None] | None = None,
        *,
        max_loss: float | None = None,
        energy_per_sample: float | None = None,
        energies: tuple[float, float] | None = None,
        reject_rate: float | None = None,
        paper: bool = False,
        per_class: bool = False,
    ) -> None: ...
    def predict(self, x: Any) -> Result: ...
    def exit_score(self, result: Result) -> float: ...
    def answers(self, x: Any) -> list[Result]: ...
    def save(self) -> None: ...
