# SPDX-License-Identifier: MIT
"""The bars of learning on the device, on samples of what `make bench-learning` measures; counts are exact."""

import numpy as np
import pytest

from microt.learning import accuracy, cost, exits, rejection
from microt.learning.episodes import BACKBONE, Job, draw, mean_over_sets, on_device, shared, shared_folder

pytestmark = pytest.mark.skipif(
    not (shared_folder() / "sign_digits.npz").is_file(), reason="the project's data sets are not beside the checkout"
)
NAMES = ("sign_digits", "clothing")


@pytest.fixture(scope="module")
def sets():
    return shared(shared_folder(), print, NAMES)


@pytest.fixture(scope="module")
def counted():
    return cost.measure(shared_folder(), heads=("lda",))


def test_fit_is_cheap_enough(counted):
    assert counted["fit_instructions"] <= 300e6
    assert counted["fit_heap_bytes"] <= 64 << 10
    assert counted["lda_fit_heap_bytes"] <= 128 << 10


def test_learning_and_answering_are_cheap_enough(counted):
    assert counted["learn_instructions"] <= 3e6
    kept, passed_over = counted["learn_full_instructions"]
    assert 0 < passed_over < kept <= 3e6
    assert counted["predict_overhead"] <= 0.05
    assert counted["training_energy_factor"] >= 50


def test_logistic_regression_is_within_a_point_of_scikit_learn(sets):
    gaps = accuracy.logistic_gaps(list(sets.values()), 8)
    assert set(gaps) == {"exit 0", "exit 1", "128 values", "256 values"}
    assert max(gaps.values()) < 0.01, gaps


def test_ratio_tracker_and_rejection(sets):
    jobs = [Job(draw(samples, 20, (e, 1)), ratios=exits.RATIOS) for samples in sets.values() for e in range(3)]
    streams = [Job(exits.stream(draw(samples, 20, (0, 2))), ratios=(0.8,), track=(0.5,)) for samples in sets.values()]
    halves = [Job(draw(samples, 20, (e, 3), taught=0.5), ratios=(0.5,)) for samples in sets.values() for e in range(3)]
    found = list(on_device([*jobs, *streams, *halves]))
    got = [(j.episode.samples.name, [(f["exit_score"][:, 0] >= t).mean() for t in f["thresholds"]])
           for j, f in zip(jobs, found, strict=False)]  # fmt: skip
    assert np.abs(mean_over_sets(got) - exits.RATIOS).max() <= 0.05
    for said in found[len(jobs) : -len(halves)]:
        # told to answer 80 % at exit 0, then to hold a half
        assert abs(np.equal(said["exits"][0][exits.SETTLE :], 0).mean() - 0.5) <= 0.02
    areas = [(j.episode.samples.name, rejection.by_exit(j.episode, f)) for j, f in zip(halves, found[-len(halves) :],
             strict=True)]  # fmt: skip
    assert mean_over_sets(areas)[1] > 0.68


def test_backbones_that_were_adapted_are_taken(sets, tmp_path):
    own = tmp_path / "clothing" / "backbone.mtb"
    own.parent.mkdir()
    own.write_bytes(BACKBONE.read_bytes())
    found = shared(shared_folder(), print, NAMES, adapted=tmp_path)
    assert (found["clothing"].backbone, found["sign_digits"].backbone) == (own, BACKBONE)
    assert np.array_equal(found["clothing"].embeddings[1], sets["clothing"].embeddings[1])
    result = rejection.measure(shared_folder(), episodes=1, adapted=tmp_path)
    assert 0.6 < result["reject_auroc_by_set"]["clothing"][1] < 0.8
    assert "NumPy" not in rejection.table(result)
