# SPDX-License-Identifier: MIT
"""The device's heads, on the unix build, against the NumPy twin and scikit-learn, from the same embeddings."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from microt import engine, head
from microt.boards import unixport

ROOT = Path(__file__).parents[2]
BACKBONE = ROOT / "models" / "objects.mtb"
FEATURES = ROOT / "models" / "objects_features.npz"
CLASSES, SHOTS, TESTED = 6, 12, 120

SCRIPT = """
import json, sys
from array import array
import microt
from microt import threshold
from microt.heads import Rows, dual, fit, solver
from microt.heads.feature import Feature

job = json.loads(open(sys.argv[1] + "/job.json").read())
net = microt.Backbone(job["backbone"])
size = sum(net.dims)


class Samples:
    size = size

    def __init__(self, name, rows):
        self.path = sys.argv[1] + "/" + name
        self.rows = rows
        self.labels = list(range(max(rows) + 1))

    def __len__(self):
        return len(self.rows)

    def count(self, row):
        return self.rows.count(row)

    def embeddings(self, buffer):
        with open(self.path, "rb") as file:
            for i, row in enumerate(self.rows):
                file.readinto(buffer)
                yield i, row


train = Samples("train.bin", job["train"])
tested = Samples("test.bin", job["test"])
embedding = bytearray(size)
for kind in ("lda", "logistic", "means", "ridge"):
    for exit in range(net.exits):
        one = fit(net, exit, train, solver(kind))
        feature = Feature(net, exit)
        z = array("f", bytes(4 * feature.d))
        out = array("f", bytes(4 * len(one)))
        found = []
        for _ in tested.embeddings(embedding):
            feature.of(embedding, z)
            one.scores(z, out)
            found.append(list(out))
        print(json.dumps([kind, exit, found]))
rows = Rows(net, 0, train, 10)
print(json.dumps(["held out", 0, list(threshold.held_out(rows, solver("lda")).score)]))
for exit in range(net.exits):
    one, held = dual.fit(net, exit, train)
    feature = Feature(net, exit)
    z = array("f", bytes(4 * feature.d))
    out = array("f", bytes(4 * len(one)))
    found = []
    for _ in tested.embeddings(embedding):
        feature.of(embedding, z)
        _, familiarity = one.answer(z, out)
        found.append(list(out) + [familiarity])
    print(json.dumps(["dual", exit, found]))
    print(json.dumps(["biases", exit, list(one.bias)]))
    print(json.dumps(["left out", exit, [list(held.score), list(held.familiarity), list(held.right)]]))
"""


@pytest.fixture(scope="module")
def lesson():
    """Embeddings like those of a real lesson: those of noisy coloured patterns, one pattern a class."""
    if not BACKBONE.is_file():
        pytest.skip("models/objects.mtb is not there")
    rng = np.random.default_rng(7)
    patterns = rng.integers(0, 256, (CLASSES, 7, 7, 3))
    labels = np.concatenate([np.tile(np.arange(CLASSES), SHOTS), np.arange(TESTED) % CLASSES])
    pictures = np.kron(patterns[labels], np.ones((1, 16, 16, 1)))
    coarse = rng.normal(0, 40, (len(labels), 14, 14, 3))
    pictures = np.clip(pictures * 0.5 + 60 + np.kron(coarse, np.ones((1, 8, 8, 1))), 0, 255).astype(np.uint8)
    net = engine.Backbone(BACKBONE)
    return net, net.embed(pictures), labels


@pytest.fixture(scope="module")
def device(lesson, tmp_path_factory):
    """{(kind, exit): what the device found}"""
    folder = tmp_path_factory.mktemp("lesson")
    _, embeddings, labels = lesson
    joined = np.concatenate(embeddings, axis=1)
    taught = CLASSES * SHOTS
    (folder / "train.bin").write_bytes(joined[:taught].tobytes())
    (folder / "test.bin").write_bytes(joined[taught:].tobytes())
    job = {"backbone": str(BACKBONE), "train": labels[:taught].tolist(), "test": labels[taught:].tolist()}
    (folder / "job.json").write_text(json.dumps(job))
    script = folder / "script.py"
    script.write_text(SCRIPT)
    done = unixport.run(script, args=[str(folder)], heap_bytes=4 << 20, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {(kind, exit): np.array(found, np.float32) for kind, exit, found in lines}


def projected(lesson, exit):
    net, embeddings, labels = lesson
    features = head.load_features(FEATURES)[exit]
    quantization = [(e.scale, e.zero_point) for e in net.exits]
    u = head.project(features, head.feature(features, embeddings, quantization))
    taught = CLASSES * SHOTS
    return features, u[:taught], labels[:taught], u[taught:], labels[taught:]


@pytest.mark.parametrize("exit", [0, 1])
def test_discriminants_equal_the_twin(lesson, device, exit):
    # one int8 scale for all samples, where the twin has one a sample: the same accuracy, scores nearly the same
    features, u, y, tested, true = projected(lesson, exit)
    expected = head.scores(tested, head.fit(features, head.quantized_rows(u), y))
    got = device["lda", exit]
    assert np.abs(got - expected).max() < 0.08
    assert np.abs(got - expected).mean() < 0.005
    assert (got.argmax(1) == expected.argmax(1)).mean() >= 0.95
    accuracy = (got.argmax(1) == true).mean()
    assert 0.4 < accuracy < 1, "a lesson that tells heads apart"


def direct(u, y, tested, features, n, ridge=None):
    """Scores, familiarity, ridge, logits and biases by the textbook, in float64.

    n: samples that the temperature is of. ridge: rho, None: u's own.
    """
    k = u.shape[1]
    means = np.stack([u[y == c].mean(0) for c in range(CLASSES)])
    scatter = head.within_class(u, y)
    rho = features.shrink * np.trace(scatter) / k if ridge is None else ridge * (n + 1) / n
    sigma = (1 - features.shrink) * scatter + rho * np.eye(k)
    middle = means.mean(0)
    w = np.linalg.solve(sigma, np.vstack([means - middle, middle]).T).T
    b = -0.5 * np.array([*((means + middle) * w[:-1]).sum(1), middle @ w[-1]])
    counts, distances = np.bincount(y), ((means - middle) * w[:-1]).sum(1)
    b[:-1] += 0.5 * 2 / (counts + 2) * (distances - distances.mean())
    logits = (tested @ w.T + b) * head.temperature(n, CLASSES, k)
    energy = np.log(np.exp(logits[:, :-1]).sum(1))
    scores = np.exp(logits[:, :-1] - energy[:, None])
    logits[:, -1] *= 0.4
    return scores, energy + logits[:, -1], rho, logits, b[:-1] * head.temperature(n, CLASSES, k)


def familiar(logits, y, shots):
    """What `microt.heads.familiar` says of held-out samples (logits, n x d), by the textbook: each without itself."""
    (n, d), best = logits.shape, logits[:, :-1].argmax(1)
    centre = np.stack([logits[y == c].mean(0) for c in range(CLASSES)])
    within = head.within_class(logits, y)
    shrunk = 0.1 * np.trace(within) / d * np.eye(d)
    apart = np.zeros(n)
    for i, b in enumerate(best):
        r, own = logits - centre[y], logits[i] - centre[b]
        scatter = r.T @ r
        if b == y[i]:
            own = own * shots / (shots - 1)
            scatter -= np.outer(r[i], r[i]) * shots / (shots - 1)
        apart[i] = own @ np.linalg.solve(0.9 * scatter / n + shrunk, own)
    energy = np.log(np.exp(logits[:, :-1]).sum(1))
    a = 0.8 * energy.std() / logits[:, -1].std()
    return energy + a * logits[:, -1] - 0.6 * shots / (shots + 7) * energy.std() / apart.std() * apart


@pytest.mark.parametrize("exit", [0, 1])
def test_dual_equals_the_textbook(lesson, device, exit):
    features, u, y, tested, true = projected(lesson, exit)
    scores, familiarity, _, _, biases = direct(head.quantized_rows(u).astype(float), y, tested, features, len(u))
    assert np.abs(device["biases", exit] - biases).max() < 0.07
    got = device["dual", exit]
    # the textbook's weights are sums of the int8 samples, the device's of the samples as they were
    assert np.abs(got[:, :-1] - scores).mean() < 0.012 and np.abs(got[:, :-1] - scores).max() < 0.2
    assert np.abs(got[:, -1] - familiarity).mean() < 0.03 * np.abs(familiarity).max()
    assert abs((got[:, :-1].argmax(1) == true).mean() - (device["lda", exit].argmax(1) == true).mean()) < 0.02


@pytest.mark.parametrize("exit", [0, 1])
def test_leave_one_out_is_exact(lesson, device, exit):
    features, u, y, _, _ = projected(lesson, exit)
    u = head.quantized_rows(u).astype(float)
    _, _, rho, *_ = direct(u, y, u, features, len(u))
    score, familiarity, right = device["left out", exit]
    confidence = 1 - np.exp(-np.array(score))
    logits = np.zeros((len(u), CLASSES + 1))
    for i in range(len(u)):
        rest = np.arange(len(u)) != i
        # the whole covariance there is (n - 1) / n of the one that is divided by n - 1
        scores, _, _, logits[i], _ = direct(u[rest], y[rest], u[i : i + 1], features, len(u) - 1, rho)
        assert abs(confidence[i] - scores.max()) < 0.02
        assert right[i] == (scores[0].argmax() == y[i]) or scores.max() < 0.5
    expected = familiar(logits, y, SHOTS)
    assert np.abs(familiarity - expected).max() < 0.03 * np.abs(expected).max()


def test_held_out_confidences_equal_the_twin(lesson, device):
    features, u, y, _, _ = projected(lesson, 0)
    u = head.quantized_rows(u)
    expected = head.held_out_confidences(u, y, lambda u, y: head.fit(features, u, y), folds=10)
    got = 1 - np.exp(-np.array(device["held out", 0]))
    assert len(got) == len(expected)
    # the folds are not the same ones: compared as distributions
    assert np.abs(np.sort(got) - np.sort(expected)).max() < 0.15
    assert np.abs(np.quantile(got, [0.25, 0.5, 0.75]) - np.quantile(expected, [0.25, 0.5, 0.75])).max() < 0.05


@pytest.mark.parametrize("exit", [0, 1])
def test_logistic_regression_is_as_good_as_scikit_learn(lesson, device, exit):
    _, u, y, tested, true = projected(lesson, exit)
    centre, spread = u.mean(0), u.std()
    found = LogisticRegression(C=1, max_iter=1000).fit((u - centre) / spread, y)
    expected = found.predict((tested - centre) / spread)
    got = device["logistic", exit].argmax(1)
    assert (got == expected).mean() > 0.85
    assert (got == true).mean() >= (expected == true).mean() - 0.04


@pytest.mark.parametrize("exit", [0, 1])
def test_ridge_equals_a_direct_solve(lesson, device, exit):
    _, u, y, tested, _ = projected(lesson, exit)
    u = head.quantized_rows(u).astype(float)
    x, targets = u - u.mean(0), np.eye(CLASSES)[y]
    penalty = (x * x).sum() / len(u)
    w = np.linalg.solve(x.T @ x + penalty * np.eye(u.shape[1]), x.T @ targets)
    logits = 12 * (tested - u.mean(0)) @ w
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    # one int8 scale for all samples, where the direct solve has one a sample
    assert np.abs(device["ridge", exit] - expected).max() < 0.04
    assert (device["ridge", exit].argmax(1) == expected.argmax(1)).mean() >= 0.95


@pytest.mark.parametrize("exit", [0, 1])
def test_nearest_mean_equals_the_twin(lesson, device, exit):
    features, u, y, tested, _ = projected(lesson, exit)
    means = np.stack([u[y == c].mean(0) for c in range(CLASSES)])
    distance = ((tested[:, None] - means) ** 2).sum(2)
    got = device["means", exit]
    assert (got.argmax(1) == distance.argmin(1)).mean() >= 0.95
    logits = -0.5 * distance * u.shape[1] / features.prior_trace
    expected = np.exp(logits - logits.max(1, keepdims=True))
    assert np.abs(got - expected / expected.sum(1, keepdims=True)).max() < 0.1
