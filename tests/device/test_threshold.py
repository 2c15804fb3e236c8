# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# The threshold for a ratio: what it means, ties, and the ratio got on confidences not seen before.

try:
    from array import array
    from math import log
    from random import random, seed

    from microt.heads.heldout import SURE, HeldOut, exit_score, look

    from microt import threshold as t
except ImportError:
    print("SKIP needs microt")
    raise SystemExit

seed(3)


def share(confidences, at):
    return sum(1 for c in confidences if c >= at) / len(confidences)


def draw(n):
    # like those of a head: many near 1
    return array("f", [1 - random() ** 3 for _ in range(n)])


taught = draw(200)
table = t.table(taught)
assert len(table) == t.POINTS and list(table) == sorted(table)
for ratio in (0.1, 0.25, 0.5, 0.75, 0.9):
    at = t.threshold(table, ratio)
    assert abs(share(taught, at) - ratio) < 0.03, (ratio, share(taught, at))
    got = share(draw(2000), at)
    assert abs(got - ratio) < 0.1, (ratio, got)
assert [t.threshold(table, r / 20) for r in range(21)] == sorted([t.threshold(table, r / 20) for r in range(21)])[::-1]
print("ratio got")

assert t.threshold(table, 1) == 0 and t.threshold(table, 0) == t.ABOVE > SURE
assert share([0.3, 1.0], t.threshold(table, 1)) == 1 and share([1.0], t.threshold(table, 0)) == 0
same = t.table(array("f", [0.5] * 10))
assert t.threshold(same, 0.5) == 0.5 and share([0.5] * 4, 0.5) == 1, "a tie answers at exit 0"
assert t.threshold(t.table(array("f", [0.25])), 0.7) == 0.25
# where confidences are all 1 in float32 their scores still tell them apart
logits = [array("f", [30 + i, 0, 0]) for i in range(10)]
doubts = [look(values)[1] for values in logits]
assert all(array("f", [1 - doubt])[0] == 1 for doubt in doubts)
certain = [exit_score(doubt) for doubt in doubts]
assert share(certain, t.threshold(t.table(certain), 0.5)) == 0.5
assert exit_score(0.0) == SURE and exit_score(look([200.0, 0.0])[1]) == SURE and exit_score(1.0) == 0
even = look([3.0, 3.0, -1e9])
assert even[0] == 0 and abs(even[1] - 0.5) < 1e-6
two = t.table(array("f", [0.2, 0.8]))
assert share([0.2, 0.8], t.threshold(two, 0.5)) == 0.5

# class 0 is right less often than it says, class 1 more often: held to what they are worth, few samples to little
held = HeldOut(201, 3)
for i in range(200):
    held.score[i] = exit_score(0.3)
    held.best[i] = i % 2
    held.right[i] = i % 2 or i % 8 == 0
by = t.shifts(held, 3)
assert abs(by[0] - log((30 + t.ERRORS) / (75 + t.ERRORS))) < 1e-4
assert abs(by[1] - log((30 + t.ERRORS) / t.ERRORS)) < 1e-4
assert by[2] == 0, "a class that was never answered"
moved = [t.shifted(held.score[i], by[held.best[i]]) for i in range(201)]
assert abs(moved[1] - held.score[1] - by[1]) < 1e-6 and t.shifted(0.1, by[0]) == 0
assert t.ratio_for_loss(held, held, 0.0, moved) == 1
print("per class")
for wrong in (-0.1, 1.1, "half", None, float("nan")):
    try:
        t.threshold(table, wrong)
        raise AssertionError(wrong)
    except ValueError as error:
        assert "0 to 1" in str(error)
print("OK")
