# SPDX-License-Identifier: MIT
"""The NumPy twin of the device's head."""

import numpy as np
import pytest

from microt import head


def blobs(classes=5, shots=12, k=24, seed=0, spread=1.0):
    """Gaussian classes with a covariance of their own: u (n, k) float32, y (n,)."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(k, k)) / np.sqrt(k)
    y = np.tile(np.arange(classes), shots)
    centre = 1.5 * rng.normal(size=(classes, k))
    return (centre[y] + spread * rng.normal(size=(len(y), k)) @ mix).astype(np.float32), y


@pytest.mark.parametrize("shrink", [0.1, 0.6, 1.0])
@pytest.mark.parametrize("shots", [2, 12])
def test_conjugate_gradients_reach_the_direct_solve(shots, shrink):
    u, y = blobs(shots=shots)
    w, b = head.lda(u, y, 5, shrink, 1.0, iterations=40)
    exact_w, exact_b = head.lda_direct(u, y, 5, shrink, 1.0)
    assert np.abs(w - exact_w).max() < 1e-3 * np.abs(exact_w).max()
    assert np.abs(b - exact_b).max() < 1e-3 * np.abs(exact_b).max()


def test_few_iterations_already_answer_the_same():
    u, y = blobs(shots=20, k=64)
    few = head.scores(u, head.lda(u, y, 5, 0.6, 1.0)).argmax(1)
    exact = head.scores(u, head.lda_direct(u, y, 5, 0.6, 1.0)).argmax(1)
    assert (few == exact).mean() > 0.99


def test_one_sample_a_class_uses_the_prior_trace():
    u, y = blobs(shots=1)
    w, b = head.lda(u, y, 5, 0.6, prior_trace=2.4)
    ridge = 0.6 * 2.4 / u.shape[1]
    assert np.allclose(w, (u - u.mean(0)) / ridge, rtol=1e-4)
    assert head.scores(u, (w, b)).argmax(1).tolist() == y.tolist()


def test_answers_do_not_depend_on_shift_scale_or_order():
    u, y = blobs()
    plain = head.scores(u, head.lda_direct(u, y, 5, 0.5, 1.0))
    moved = head.scores(3 * u + 7, head.lda_direct(3 * u + 7, y, 5, 0.5, 1.0))
    assert np.allclose(plain, moved, atol=1e-5)
    order = np.random.default_rng(1).permutation(len(y))
    again = head.scores(u, head.lda_direct(u[order], y[order], 5, 0.5, 1.0))
    assert np.allclose(plain, again, atol=1e-6)
    turned, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(24, 24)))
    rotated = head.scores(u @ turned, head.lda_direct(u @ turned, y, 5, 0.5, 1.0))
    assert np.allclose(plain, rotated, atol=1e-4)


def test_projected_head_equals_the_prior_in_full():
    """Whitening by the host's covariance and shrinking to the identity is the prior LDA."""
    rng = np.random.default_rng(3)
    d = 16
    shape = rng.normal(size=(d, d)) / 4
    host_y = np.repeat(np.arange(40), 30)
    host = rng.normal(size=(40, d))[host_y] + rng.normal(size=(1200, d)) @ shape
    z, y = rng.normal(size=(60, d)) @ shape, np.tile(np.arange(5), 12)
    z = z + rng.normal(size=(5, d))[y]
    prior = head.within_class(host, host_y)
    # C = .4 S + tr S (.4 P / tr P + .2 I / d) = .4 S + .6 tr S B, with B of trace 1
    b_whitening = head.fit_projection(host, host_y, d, prior=2 / 3)
    u = z @ b_whitening.T
    s_z, s_u = head.within_class(z, y), head.within_class(u, y)
    tau = np.trace(s_u) / d
    ratio = 0.6 * np.trace(s_z) / 0.4 / tau  # identity share against S in u space
    shrink = ratio / (1 + ratio)
    projected = head.scores(u, head.lda_direct(u, y, 5, shrink, 1.0)).argmax(1)
    full = head.scores(z, head.prior_lda(z, y, 5, prior)).argmax(1)
    assert (projected == full).all()
    w_u = head.lda_direct(u, y, 5, shrink, 1.0)[0] @ b_whitening
    w_z = head.prior_lda(z, y, 5, prior)[0]
    w_u, w_z = w_u - w_u.mean(0), w_z - w_z.mean(0)
    cosine = (w_u * w_z).sum() / np.linalg.norm(w_u) / np.linalg.norm(w_z)
    assert cosine > 0.9999


def test_class_without_sample_is_an_error():
    u, y = blobs()
    with pytest.raises(ValueError, match="expected a sample of each of 6 classes"):
        head.lda(u, y, 6, 0.5, 1.0)


def test_temperature_keeps_answers_and_tames_scores():
    u, y = blobs(shots=3, k=128, spread=3.0)
    features = make_features(k=128)
    plain = head.lda(u, y, 5, features.shrink, 1.0)
    tamed = head.fit(features, u, y)
    assert (head.scores(u, plain).argmax(1) == head.scores(u, tamed).argmax(1)).all()
    assert head.scores(u, tamed).max(1).mean() < head.scores(u, plain).max(1).mean()
    assert head.temperature(10_000, 5, 128) == pytest.approx(1, abs=0.03)


def test_held_out_confidences_are_of_heads_that_did_not_see_the_sample():
    u, y = blobs(classes=3, shots=4)
    seen = []

    def fit(a, b):
        seen.append(len(a))
        return head.lda_direct(a, b, 3, 0.5, 1.0)

    held_out = head.held_out_confidences(u, y, fit, folds=4)
    assert seen == [9] * 4 and held_out.shape == (12,)
    by_hand = head.scores(u[:3], head.lda_direct(u[3:], y[3:], 3, 0.5, 1.0)).max(1)
    assert np.allclose(held_out[:3], by_hand, atol=1e-6)


def test_threshold_is_the_ratio_s_quantile():
    confidences = np.linspace(0, 1, 101)
    assert (confidences >= head.threshold(confidences, 0.3)).mean() == pytest.approx(0.3, abs=0.02)
    assert head.threshold(confidences, 1) == 0
    with pytest.raises(ValueError, match="exit_ratio: expected 0..1, got 1.2"):
        head.threshold(confidences, 1.2)


def make_features(k=6, seed=0):
    rng = np.random.default_rng(seed)
    projection, scale = head.quantize_rows(rng.normal(size=(k, 10)))
    return head.ExitFeatures(
        parts=((0, 2, 6), (1, 0, 4)), root=True, mean=rng.random(10).astype(np.float32),
        projection=projection, row_scale=scale, shrink=0.6, prior_trace=1.5,
    )  # fmt: skip


def test_feature_by_hand():
    features = make_features()
    embeddings = [np.arange(-4, 4, dtype=np.int8)[None], np.array([[-9, 0, 3, 120]], np.int8)]
    quantization = [(0.5, -5), (0.25, -10)]
    z = head.feature(features, embeddings, quantization)
    first = np.sqrt(0.5 * (np.arange(-2, 4) + 5)) - features.mean[:6]
    second = np.sqrt(0.25 * (np.array([-9, 0, 3, 120]) + 10)) - features.mean[6:]
    wanted = [first / np.linalg.norm(first), second / np.linalg.norm(second)]
    assert np.allclose(z, np.concatenate(wanted)[None] / np.sqrt(2), atol=1e-6)
    assert np.linalg.norm(z) == pytest.approx(1, abs=1e-6)
    assert np.allclose(head.project(features, z), z @ features.matrix.T)


def test_part_outside_the_embedding():
    with pytest.raises(ValueError, match=r"part \(0, 2, 6\): exit 0 has 7 values"):
        head.feature(make_features(), [np.zeros((1, 7), np.int8), np.zeros((1, 4), np.int8)],
                     [(1.0, 0)] * 2)  # fmt: skip


def test_quantized_rows_are_close_and_keep_zeros():
    matrix = np.random.default_rng(0).normal(size=(5, 40))
    matrix[2] = 0
    whole, scale = head.quantize_rows(matrix)
    assert whole.dtype == np.int8 and np.abs(whole).max() == 127 and scale[2] == 0
    assert np.abs(whole * scale[:, None] - matrix).max() <= scale.max() / 2 + 1e-6


def test_features_file_round_trip(tmp_path):
    features = [make_features(seed=1), make_features(k=3, seed=2)]
    head.save_features(tmp_path / "f.npz", features)
    for wanted, got in zip(features, head.load_features(tmp_path / "f.npz"), strict=True):
        assert wanted.parts == got.parts and wanted.root == got.root
        assert (wanted.mean == got.mean).all() and (wanted.projection == got.projection).all()
        assert (wanted.row_scale == got.row_scale).all()
        assert got.shrink == pytest.approx(0.6) and got.prior_trace == 1.5
    np.savez(tmp_path / "g.npz", exit0_parts=np.zeros((1, 3), np.int32))
    with pytest.raises(ValueError, match="exit0_mean, .* missing"):
        head.load_features(tmp_path / "g.npz")


def test_projection_puts_varied_directions_first():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(30), 20)
    z = np.concatenate([3 * rng.normal(size=(30, 2))[y], 0.1 * rng.normal(size=(600, 6))], axis=1)
    z += 0.1 * rng.normal(size=z.shape)
    r = head.fit_projection(z, y, 3)
    assert r.shape == (3, 8)
    variance = (z @ r.T).var(axis=0)
    assert variance[0] > variance[1] > 10 * variance[2]
    with pytest.raises(ValueError, match="k: expected 1..8, got 9"):
        head.fit_projection(z, y, 9)
