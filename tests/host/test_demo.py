# SPDX-License-Identifier: MIT
"""What the demo concludes from a board's reports."""

from microt import demo


def test_a_lost_sample_is_noticed():
    taught = {"labels": ["a", "b"], "samples": [[0, 0, 0.9, 0, 0.9, 0]], "train_samples": 2}
    same = {"classes": ["b", "a"], "samples": 2, "predictions": [["a", 0]]}
    assert demo.same_answers(taught, same)
    assert not demo.same_answers(taught, {**same, "samples": 1})
    assert not demo.same_answers(taught, {**same, "predictions": [["a", 1]]})
    assert not demo.same_answers(taught, {**same, "predictions": []})
