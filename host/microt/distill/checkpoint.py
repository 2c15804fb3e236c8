# SPDX-License-Identifier: MIT
"""A training that goes on where it was cut short."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from keras import ops

from microt.distill import devices


class Checkpoint:
    """The state of a training in a `.npz` file: weights, optimizer, step and history.

    Of several workers all read it and the first writes it, so they need a folder in common.
    """

    def __init__(
        self, path: str | Path, variables: Sequence, identity: str, log: Callable[[str], None], every: float = 60.0
    ):
        """variables: all that training changes, in a fixed order. identity: of recipe and data; a file of another
        is not gone on from. every: seconds between two writes."""
        self.path, self.variables, self.identity, self.log, self.every = Path(path), variables, identity, log, every
        self.written = time.monotonic()

    def restore(self) -> tuple[int, list[dict]]:
        """(steps done, history); (0, []) when there is no checkpoint of this training."""
        if not self.path.exists():
            return 0, []
        with np.load(self.path, allow_pickle=False) as state:
            if str(state["identity"]) != self.identity:
                self.log(f"{self.path.name}: of another training, starting anew")
                return 0, []
            for i, variable in enumerate(self.variables):
                variable.assign(state[f"variable{i}"])
            done, history = int(state["step"]), json.loads(str(state["history"]))
        self.log(f"{self.path.name}: going on after step {done}")
        return done, history

    def keep(self, step: int, history: list[dict]) -> None:
        """Write the state, if the last time was long enough ago; a power cut leaves the old or the new."""
        if time.monotonic() - self.written < self.every or devices.worker()[0]:
            return
        arrays = {f"variable{i}": ops.convert_to_numpy(v) for i, v in enumerate(self.variables)}
        unfinished = self.path.with_name(f"{self.path.stem}.part.npz")
        np.savez(unfinished, identity=self.identity, step=step, history=json.dumps(history), **arrays)
        unfinished.replace(self.path)
        self.written = time.monotonic()

    def remove(self) -> None:
        """Of no use once the training has ended."""
        if not devices.worker()[0]:
            self.path.unlink(missing_ok=True)
