# SPDX-License-Identifier: MIT
"""Energy modelled from cycles: cycles / clock x power.

The power of a microcontroller that computes without pause hardly depends on what it computes, so
for back-to-back inference energy is time times a constant. The constant and its source stand in
the board's ``board.toml``. ``PUBLISHED`` holds the rows from which the figure of the default
board, which models an STM32L4R5ZI at 120 MHz and 1.8 V, is taken: energy and latency of one
inference, both measured by the submitter, from the MLPerf Tiny results (closed division).
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One inference on a NUCLEO-L4R5ZI: microjoules and milliseconds."""

    system: str
    model: str
    microjoules: float
    milliseconds: float

    @property
    def milliwatts(self) -> float:
        return self.microjoules / self.milliseconds


PUBLISHED = [
    Published("X-CUBE-AI 9.0, MLPerf Tiny v1.2", "visual wake words", 3895, 88.9),
    Published("X-CUBE-AI 9.0, MLPerf Tiny v1.2", "keyword spotting", 1821, 43.2),
    Published("X-CUBE-AI 9.0, MLPerf Tiny v1.2", "image classification", 6919, 165),
    Published("X-CUBE-AI 9.0, MLPerf Tiny v1.2", "anomaly detection", 203, 5.26),
    Published("TFLM reference, MLPerf Tiny v0.5", "visual wake words", 24313, 601),
    Published("TFLM reference, MLPerf Tiny v0.5", "keyword spotting", 7374, 182),
    Published("TFLM reference, MLPerf Tiny v0.5", "image classification", 29207, 704),
    Published("TFLM reference, MLPerf Tiny v0.5", "anomaly detection", 416, 10.1),
]


def microjoules(cycles: float, *, clock_hz: float, milliwatts: float) -> float:
    """Energy of ``cycles`` at a clock and a power, in microjoules; modelled, not measured.

    Raises:
        ValueError: the clock or the power is not positive.
    """
    if clock_hz <= 0 or milliwatts <= 0:
        raise ValueError(f"expected a positive clock and power in board.toml, got {clock_hz} Hz and {milliwatts} mW")
    return cycles / clock_hz * milliwatts * 1000
