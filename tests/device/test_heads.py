# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# Heads: conjugate gradients against a direct solve, what each kind learns, classes in and out.

try:
    from array import array
    from math import log
    from random import random, seed

    from microt.heads import Head, Rows, familiar, fit, heldout, lda, logistic, means, solver
    from microt.heads.flat import Flat

    from microt import threshold
except ImportError:
    print("SKIP needs microt")
    raise SystemExit

DIM = 12
CLASSES = 4
SHOTS = 8


class Net:
    # as much of a backbone as heads look at; no feature transform, so z is the embedding of length 1
    dims = (DIM,)
    output_scale = (0.1,)
    output_zero_point = (3,)

    def feature_size(self, exit):
        return (0, 0)

    def feature_defaults(self, exit):
        return None


class Samples:
    # as much of a journal
    size = DIM

    def __init__(self, rows, embeddings):
        self.rows = rows
        self.labels = ["abcdefgh"[i] for i in range(max(rows) + 1)]
        self._embeddings = embeddings

    def __len__(self):
        return len(self.rows)

    def count(self, row):
        return self.rows.count(row)

    def embeddings(self, buffer):
        for i, row in enumerate(self.rows):
            for j in range(DIM):
                buffer[j] = self._embeddings[i][j] & 0xFF
            yield i, row


def normal():
    return sum(random() for _ in range(12)) - 6


def samples(count, spread, centres):
    rows = [i % len(centres) for i in range(count)]
    found = []
    for row in rows:
        # the first two values are noisier and go together: a covariance worth knowing
        common = normal()
        noise = [normal() + (3 * common if j < 2 else 0) for j in range(DIM)]
        found.append([max(-128, min(127, round(c + spread * e))) for c, e in zip(centres[row], noise)])
    return Samples(rows, found)


def solve_direct(matrix, right):
    # Gaussian elimination with pivoting
    n = len(right)
    a = [list(matrix[i]) + [right[i]] for i in range(n)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(a[r][i]))
        a[i], a[p] = a[p], a[i]
        for r in range(i + 1, n):
            f = a[r][i] / a[i][i]
            for c in range(i, n + 1):
                a[r][c] -= f * a[i][c]
    x = [0.0] * n
    for i in range(n - 1, -1, -1):
        x[i] = (a[i][n] - sum(a[i][c] * x[c] for c in range(i + 1, n))) / a[i][i]
    return x


def scores_direct(rows, shrink, u):
    # the discriminants of one sample u by the formulas, without softmax, up to a common constant
    k, n = rows.k, rows.n
    samples = []
    out = array("f", bytes(4 * k))
    for i in range(n):
        rows.sample(i, out)
        samples.append(list(out))
    mean = []
    for c in range(rows.classes):
        own = [s for s, label in zip(samples, rows.labels) if label == c]
        mean.append([sum(s[j] for s in own) / len(own) for j in range(k)])
    S = [[0.0] * k for _ in range(k)]
    for s, c in zip(samples, rows.labels):
        r = [s[j] - mean[c][j] for j in range(k)]
        for i in range(k):
            for j in range(k):
                S[i][j] += r[i] * r[j] / n
    tau = sum(S[i][i] for i in range(k)) / k
    sigma = [[(1 - shrink) * S[i][j] + (shrink * tau if i == j else 0) for j in range(k)] for i in range(k)]
    heat = 1 / (1 + lda.HEAT * k * rows.classes / n)
    middle = [sum(m[j] for m in mean) / rows.classes for j in range(k)]
    found, far = [], []
    for m in mean:
        w = solve_direct(sigma, m)
        found.append(sum(w[j] * (u[j] - 0.5 * m[j]) for j in range(k)))
        off = [m[j] - middle[j] for j in range(k)]
        w = solve_direct(sigma, off)
        far.append(sum(w[j] * off[j] for j in range(k)))
    # of what the distances differ by SHOTS / (SHOTS + EVEN) is left
    taken = lda.EVEN / (SHOTS + lda.EVEN)
    return [heat * (f + 0.5 * taken * (d - sum(far) / rows.classes)) for f, d in zip(found, far)]


def accuracy(head, tested):
    net = Net()
    z = array("f", bytes(4 * DIM))
    out = array("f", bytes(4 * len(head)))
    embedding = bytearray(DIM)
    right = 0
    from microt.heads.feature import Feature

    feature = Feature(net, 0)
    for _, row in tested.embeddings(embedding):
        feature.of(embedding, z)
        right += head.scores(z, out) == row
        assert abs(sum(out) - 1) < 1e-4
    return right / len(tested)


seed(8)
centres = [[60 * (random() - 0.5) + 3 for _ in range(DIM)] for _ in range(CLASSES)]
train = samples(CLASSES * SHOTS, 6, centres)
test = samples(80, 6, centres)
net = Net()
rows = Rows(net, 0, train)
assert (rows.n, rows.k, rows.classes) == (CLASSES * SHOTS, DIM, CLASSES)

weights = array("f", bytes(4 * CLASSES * DIM))
bias = array("f", bytes(4 * CLASSES))
lda.solve(rows, weights, bias, iterations=30)
u = array("f", bytes(4 * DIM))
for i in (0, 9, 31):
    rows.sample(i, u)
    expected = scores_direct(rows, rows.feature.shrink, u)
    got = [bias[c] + sum(weights[c * DIM + j] * u[j] for j in range(DIM)) for c in range(CLASSES)]
    for c in range(1, CLASSES):
        a, b = got[c] - got[0], expected[c] - expected[0]
        assert abs(a - b) < 2e-2 * max(1, abs(b)), (i, c, a, b)
print("conjugate gradients equal a direct solve")

# a fold left out: the same as if its samples had never been there
folded = Rows(net, 0, train, 4)
assert folded.bounds == [0, 8, 16, 24, 32]
for f in range(4):
    held = folded.labels[folded.bounds[f] : folded.bounds[f + 1]]
    assert sorted(held) == sorted(list(range(CLASSES)) * 2), "folds are stratified"
lda.solve(folded, weights, bias, hold=1)
kept = [i for i in range(32) if (i // CLASSES + i % CLASSES) % 4 != 1]
without = Samples([train.rows[i] for i in kept], [train._embeddings[i] for i in kept])
other = array("f", bytes(4 * CLASSES * DIM))
other_bias = array("f", bytes(4 * CLASSES))
lda.solve(Rows(net, 0, without), other, other_bias)
for a, b in zip(weights, other):
    assert abs(a - b) < 2e-2 * max(abs(x) for x in other), (a, b)
scores = threshold.held_out(folded, lda.solve).score
assert len(scores) == 32 and -log(1 - 0.2) < min(scores) <= max(scores) <= heldout.SURE
print("folds")


# flattened: samples are what they were, weights answer the same in both spaces, no direction stands out any more
def variance(rows, along):
    products = [sum(a * b for a, b in zip(row, along)) for row in rows]
    mean = sum(products) / len(products)
    return sum((p - mean) ** 2 for p in products) / len(products)


for own in (True, False):
    whole = Rows(net, 0, train)
    if not own:
        # as projected rows are: the mean is left in them
        whole.centre = None
        for i, v in enumerate(whole.values):
            whole.values[i] = ((v - 256 if v > 127 else v) // 2 + 30) & 0xFF
    before = []
    for i in range(whole.n):
        whole.sample(i, u)
        before.append(list(u))
    work = array("f", bytes(4 * CLASSES * DIM))
    flat = Flat(whole, work)
    whole.flat = flat
    weights = array("f", [random() - 0.5 for _ in range(CLASSES * DIM)])
    back, bias, back_bias = array("f", weights), array("f", bytes(4 * CLASSES)), array("f", bytes(4 * CLASSES))
    flat.back(back, back_bias)
    values = [v - 256 if v > 127 else v for v in whole.values]
    most = max(max(abs(v) for v in row) for row in before)
    for i in range(whole.n):
        whole.sample(i, u)
        assert max(abs(a - b) for a, b in zip(u, before[i])) < 0.05 * most, (i, list(u), before[i])
        for c in range(CLASSES):
            said = sum(whole.scale * values[i * DIM + j] * weights[c * DIM + j] for j in range(DIM))
            was = back_bias[c] + sum(u[j] * back[c * DIM + j] for j in range(DIM))
            assert abs(said - was) < 0.01 * most * DIM, (i, c, said, was)
    assert max(abs(v) for v in values) == 127 and flat.stretch > 1.3, flat.stretch
    now = [values[i * DIM : (i + 1) * DIM] for i in range(whole.n)]
    wide, narrow = [1] * 2 + [0] * (DIM - 2), [0] * (DIM - 1) + [1]
    assert variance(before, wide) / variance(before, narrow) > 2 * variance(now, wide) / variance(now, narrow)
    assert abs(flat.square - sum(v * v for v in values) / whole.n) < 1e-3 * flat.square
print("flat rows")

for kind, least in (("lda", 0.95), ("logistic", 0.95), ("means", 0.75), ("ridge", 0.95)):
    head = fit(net, 0, train, solver(kind))
    got = accuracy(head, test)
    print(kind, got)
    assert got >= least, (kind, got)
easy = samples(CLASSES * SHOTS, 1, centres)
for kind in ("lda", "logistic", "means", "ridge"):
    assert accuracy(fit(net, 0, easy, solver(kind)), easy) == 1, kind
# samples that are all the same, and nothing at all: no class is likelier, and nothing fails
for value in (40, 3):
    same = Samples([0, 1, 0, 1], [[value] * DIM] * 4)
    for kind in ("lda", "logistic", "means", "ridge"):
        head = fit(net, 0, same, solver(kind))
        out = array("f", [0.0, 0.0])
        head.scores(array("f", [0.1] * DIM), out)
        assert abs(out[0] - 0.5) < 0.02, (kind, list(out))
# one sample a class, and a class of one sample among larger ones
assert accuracy(fit(net, 0, samples(CLASSES, 1, centres), solver("lda")), easy) == 1
odd = Samples(easy.rows[:9] + [CLASSES], easy._embeddings[:9] + [[100] * DIM])
alone = Rows(net, 0, odd, 3)
assert alone.labels[-1] == CLASSES and alone.bounds[-1] == 9, "a class of one sample is in no fold"
assert threshold.held_out(alone, lda.solve).known() == list(range(9))

head = fit(net, 0, train, solver("lda"))
z = array("f", [0.001 * j for j in range(DIM)])
out = array("f", bytes(4 * CLASSES))
head.scores(z, out)
ratio = out[2] / out[0]
head.remove(1)
out = array("f", bytes(12))
head.scores(z, out)
assert len(head) == 3 and abs(out[1] / out[0] - ratio) < 1e-3 * ratio
head.add()
assert len(head) == 4 and len(head.weights) == 4 * DIM and head.bias[3] == 0

# familiarity without a class: the distance among the logits and the background that are left
ways = familiar.Familiar(3)
ways.terms[0], ways.terms[1] = 2.0, 0.5
S = [[4.0, 1.0, 0.5, 0.2], [1.0, 3.0, 0.3, 0.1], [0.5, 0.3, 2.0, -0.4], [0.2, 0.1, -0.4, 1.0]]
for i in range(12):
    ways.centres[i] = i * i % 7
for i in range(4):
    for j in range(i + 1):
        ways.scatter[i * (i + 1) // 2 + j] = S[i][j]


def apart_direct(logits, ground, centre, S):
    r = [a - b for a, b in zip(logits + [ground], centre)]
    return sum(a * b for a, b in zip(r, solve_direct(S, r)))


ways.decompose()
got, expected = ways.apart(array("f", [1, 5, 2]), 3.0, 1), apart_direct([1, 5, 2], 3.0, list(ways.centres)[4:8], S)
assert abs(got - expected) < 1e-4 * expected, (got, expected)
assert ways.of(7.0, 3.0, 10.0) == 7 + 2 * 3 - 0.5 * 10
centres = list(ways.centres)
ways.remove(1)
left = [[S[i][j] for j in (0, 2, 3)] for i in (0, 2, 3)]
for row, was in ((0, 0), (1, 2)):
    centre = [centres[was * 4 + j] for j in (0, 2, 3)]
    got, expected = ways.apart(array("f", [1, 5]), 3.0, row), apart_direct([1, 5], 3.0, centre, left)
    assert abs(got - expected) < 1e-4 * expected, (got, expected)
print("familiarity")

running = Head(0, DIM, 0)
seen = [0] * CLASSES
from microt.heads.feature import Feature

embedding = bytearray(DIM)
for _, row in easy.embeddings(embedding):
    if row == len(running):
        running.add()
    Feature(net, 0).of(embedding, z)
    means.follow(running, row, seen[row], z)
    seen[row] += 1
assert accuracy(running, easy) == 1
mean = array("f", bytes(4 * DIM))
for _, row in easy.embeddings(embedding):
    if row == 2:
        Feature(net, 0).of(embedding, z)
        for j in range(DIM):
            mean[j] += z[j] / easy.count(2)
for j in range(DIM):
    assert abs(running.weights[2 * DIM + j] / means.SHARPNESS - mean[j]) < 1e-5
assert abs(running.bias[2] + 0.5 * means.SHARPNESS * sum(m * m for m in mean)) < 1e-3
try:
    solver("forest")
    raise AssertionError
except ValueError as error:
    assert "lda, logistic, means or ridge" in str(error) and "forest" in str(error)
assert logistic.coprime(1) == 1 and [logistic.gcd(logistic.coprime(n), n) for n in range(1, 40)] == [1] * 39
print("OK")
