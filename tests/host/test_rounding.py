# SPDX-License-Identifier: MIT
"""What int8 costs in few-shot accuracy, and bias correction where it costs too much."""

import numpy as np
import pytest

from microt import head
from microt.distill import rounding

DIMS = (12, 16)


def embeddings(noise=0.7):
    """Twelve classes, 30 samples each; at both exits float vectors."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(12), 30)
    return [np.abs(rng.normal(0, 1, (12, d))[y] + rng.normal(0, noise, (360, d))).astype(np.float32) for d in DIMS], y


def transform():
    parts = ([(0, 0, 12)], [(0, 0, 12), (1, 0, 16)])
    return [
        head.ExitFeatures(tuple(p), True, np.zeros(d, np.float32), np.eye(d, dtype=np.int8), np.ones(d), 0.5, 1.0)
        for p, d in zip(parts, (12, 28), strict=True)
    ]


def rounded(exact, steps):
    quantization = [(float(v.max()) / steps, -128) for v in exact]
    whole = [np.round(v / s - 128).astype(np.int8) for v, (s, _) in zip(exact, quantization, strict=True)]
    return whole, quantization


def test_fine_steps_cost_nothing_and_coarse_ones_do():
    exact, y = embeddings()
    fine, coarse = (rounding.measure(exact, *rounded(exact, steps), transform(), y) for steps in (255, 2))
    assert min(fine["cosine"]) > 0.999 and min(fine["float"]) > 0.5
    assert abs(np.array(fine["points_lost"])).max() < 1
    assert max(coarse["cosine"]) < 0.98 and min(coarse["points_lost"]) > 1
    for exit in (0, 1):
        assert coarse["points_lost"][exit] == pytest.approx(100 * (coarse["float"][exit] - coarse["int8"][exit]))
    assert coarse["float"] == fine["float"], "the same episodes"
    assert "few-shot accuracy" in rounding.describe(coarse)[1]


def test_too_few_samples_leave_the_cosine():
    exact, y = embeddings()
    few = [v[:3] for v in exact]
    found = rounding.measure(few, *rounded(few, 255), transform(), np.arange(3))
    assert found["points_lost"] is None and len(found["cosine"]) == 2 and rounding.most_lost(found) == 0
    assert "few-shot" not in rounding.describe(found)[0]


def test_samples_are_enough_for_an_episode_of_each_class():
    y = np.repeat(np.arange(50), 40)
    rows = rounding.samples(y, np.random.default_rng(0))
    assert np.bincount(np.bincount(y[rows], minlength=50)).tolist() == [20] + [0] * 29 + [30]


def test_directions_astray_are_seen_where_the_cosine_sees_nothing():
    exact, y = embeddings()
    near = [100 + v for v in exact]
    found = rounding.measure(near, *rounded(near, 100), transform(), y)
    assert min(found["cosine"]) > 0.9999 and max(found["centred"]) < 0.98


@pytest.mark.parametrize("lost, corrected, tried, taken", [
    ({False: (0.4, 0.9)}, False, [False], False),
    ({False: (0.9, 0.9), True: (0.2, 0.9)}, False, [False, True], True),
    ({False: (0.9, 0.9), True: (1.2, 0.95)}, False, [False, True], False),
    ({False: (0.0, 0.6), True: (0.3, 0.7)}, False, [False, True], True),
    ({False: (0.0, 0.7), True: (0.9, 0.9)}, False, [False, True], False),
    ({True: (0.1, 0.9)}, True, [True], True),
])  # fmt: skip
def test_bias_is_corrected_where_int8_costs_too_much(lost, corrected, tried, taken):
    seen, said = [], []

    def convert(correction):
        seen.append(correction)
        figures, (points, centred) = [0.8, 0.8], lost[correction]
        found = {"cosine": figures, "centred": [0.99, centred], "float": figures, "int8": figures}
        return found | {"points_lost": [0.0, points]}, correction

    cost, (_, made) = rounding.least(convert, corrected, said.append)
    assert seen == tried and cost["bias_correction"] == made == taken
    assert any("once more with bias correction" in line for line in said) == (len(tried) == 2)
    assert any("train for longer" in line for line in said) == (lost[taken][0] > 0.5)
