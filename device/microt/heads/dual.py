# SPDX-License-Identifier: MIT
"""Linear discriminants from the samples' Gram matrix, with exact leave-one-out answers.

The head of `microt.heads.lda`, solved in as many unknowns as there are samples rather than by
iterations: for n samples q of class y, r = q - m_y, the n x n matrix K = [r_i . r_j] and

    Sigma^-1 = (I - R^T N^-1 R) / rho,  N = K + rho n / (1 - s) I,  rho = s tau

everything a head and its leave-one-out answers need is in the products m_c Sigma^-1 m_c',
r_i Sigma^-1 m_c and r_i Sigma^-1 r_i, and these follow from one Cholesky decomposition. Leaving sample
i out changes its class's mean by r_i / (n_y - 1) and takes n_y / (n_y - 1) r_i r_i^T from the scatter;
tau is left as it is.

The int8 samples and the matrix share one buffer of about n * n / 2 float32; the samples are read
again, as features, when the weights are summed.
"""

import gc
from array import array

from microt.arrays import zeros
from microt.heads import Head
from microt.heads.feature import Feature
from microt.heads.heldout import BACKGROUND, HeldOut
from microt.heads.lda import HEAT, even, evened
from microt.vector import (
    axpy,
    cholesky,
    cholesky_diagonal,
    cholesky_solve,
    dot,
    fill,
    gram,
    gram_size,
    quantize,
    rank1,
    scale,
    symmetric_rank2,
    symmetric_times,
)

ALIKE = 1e-4  # of the squared lengths; what lies closer about its class's mean is rounding


def fit(net, exit, journal, progress=None):
    """A fitted Head and its HeldOut. MemoryError: nothing has changed."""
    head, held = solve(net, exit, journal, progress)
    return head(), held


def solve(net, exit, journal, progress=None):
    """As `fit`, with a function that makes the Head, new or in place of another: it keeps little, so all exits can be
    solved before any is made.
    """
    feature = Feature(net, exit)
    n, classes, k = len(journal), len(journal.labels), feature.k or feature.d
    labels = journal.rows
    counts = [journal.count(c) for c in range(classes)]
    gc.collect()
    matrix = zeros(gram_size(n, k))
    trace = whole = samples(net, feature, journal, matrix, k, progress)

    # about the class means: K = (I - P) G (I - P), P the averages over classes
    member = zeros(n)
    along = [zeros(n) for _ in range(classes)]  # m_c . q_i, later m_c . r_i, later N^-1 of that
    for c in range(classes):
        fill(member, 0.0)
        for i in range(n):
            if labels[i] == c:
                member[i] = 1 / counts[c]
        symmetric_times(matrix, member, along[c], n)
    between = [zeros(classes) for _ in range(classes)]  # m_c . m_c'
    for c in range(classes):
        for i in range(n):
            between[labels[i]][c] += along[c][i] / counts[labels[i]]
    for c in range(classes):
        # of the two corrections of an entry the product of the means is taken back once: half of it each
        shift = array("f", along[c])
        trace -= counts[c] * between[c][c]
        fill(member, 0.0)
        for i in range(n):
            member[i] = 1.0 if labels[i] == c else 0.0
            shift[i] -= 0.5 * between[labels[i]][c]
        symmetric_rank2(matrix, -1.0, member, shift, n)
    for c in range(classes):
        for i in range(n):
            along[c][i] -= between[labels[i]][c]
    del member, shift
    # of samples that are all alike in each class, rounding alone is left
    alike = trace <= ALIKE * whole
    trace /= n
    if n == classes or alike:
        trace = feature.prior_trace or k
    rho = feature.shrink * trace / k
    ridge = rho * n / (1 - feature.shrink)
    cholesky(matrix, ridge, n)
    # from here on in the metric of Sigma^-1
    column = zeros(n)
    for c in range(classes):
        column[:] = along[c]
        cholesky_solve(matrix, column, n)
        for b in range(c, classes):
            between[c][b] = between[b][c] = (between[c][b] - dot(along[b], column)) / rho
        column, along[c] = along[c], column
    solved = along
    diagonal = zeros(n)
    cholesky_diagonal(matrix, diagonal, column, n)
    del matrix
    gc.collect()
    if progress:
        progress("discriminants of exit %d" % exit, classes, classes)
    heat = 1 / (1 + HEAT * k * classes / n)
    held = leave_one_out(labels, counts, between, solved, diagonal, rho, ridge, feature.shrink, k)
    gc.collect()  # what is made now stays, and is not to lie amid the room for the next matrix
    return lambda into=None: weights(net, feature, journal, counts, between, solved, rho, heat, into), held


def samples(net, feature, journal, matrix, k, progress):
    """The Gram matrix of all samples, in place; returns the sum of its diagonal."""
    n = len(journal)
    z = zeros(feature.d)
    u = zeros(k) if feature.k else z
    embeddings = bytearray(journal.size)
    scales = zeros(n)
    for i, _ in journal.embeddings(embeddings):
        feature.of(embeddings, z)
        if feature.k:
            net.project(feature.exit, z, u)
        scales[i] = quantize(u, matrix, i * k)
        if progress:
            progress("features of exit %d" % feature.exit, i + 1, n)
    return gram(matrix, scales, n, k)


def leave_one_out(labels, counts, between, solved, diagonal, rho, ridge, shrink, k):
    """HeldOut of the samples whose class has another one."""
    n, classes = len(labels), len(counts)
    held = HeldOut(n, classes)
    middle = [sum(row) / classes for row in between]  # <m, m_c>
    centre = sum(middle) / classes
    heat = 1 / (1 + HEAT * k * classes / max(n - 1, 1))
    norms = [between[c][c] for c in range(classes)]
    bases = [norms[c] - 2 * middle[c] for c in range(classes)]
    back = [evened(count) for count in counts]
    logits, distances, h = zeros(classes), zeros(classes), zeros(classes)
    factor = ridge / rho
    for i in range(n):
        y = labels[i]
        if counts[y] < 2:
            continue
        for c in range(classes):
            h[c] = factor * solved[c][i]  # <r, m_c>
        t = factor * (1 - ridge * diagonal[i])  # <r, r>
        d = 1 / (counts[y] - 1)
        e = d / classes  # m_y - d r and m - e r are what the class's mean and the centre become
        beta = (1 - shrink) / n * counts[y] * d
        more = beta / max(1 - beta * t, 1e-6)
        q = h[y] + t  # <r, q>
        mean_h = sum(h) / classes
        own, mean_own = h[y] - d * t, mean_h - e * t
        products, with_h, of_h = between[y], 1 + more * q, 2 * (e - more * mean_own)
        for c in range(classes):
            r = h[c]
            square = more * r * r
            logits[c] = products[c] + with_h * r - 0.5 * (norms[c] + square)
            distances[c] = bases[c] + of_h * r + square  # less that of the centre to 0, as for all
        norm = norms[y] - 2 * d * h[y] + d * d * t + more * own * own
        logits[y] = norms[y] + h[y] - d * q + more * own * q - 0.5 * norm
        distances[y] = norm - 2 * (middle[y] - e * h[y] - d * mean_own + more * own * mean_own)
        ground = middle[y] + mean_h - e * q + more * mean_own * q
        ground -= 0.5 * (centre - 2 * e * mean_h + e * e * t + more * mean_own * mean_own)
        average = sum(distances) / classes
        back[y] = evened(counts[y] - 1)
        for c in range(classes):
            logits[c] = heat * (logits[c] + back[c] * (distances[c] - average) - ground)
        back[y] = evened(counts[y])
        held.take(i, logits, BACKGROUND * heat * ground, y)
    held.settle(labels)
    return held


def weights(net, feature, journal, counts, between, solved, rho, heat, into=None):
    """The Head: each row a sum of the samples' features, taken through the projection and back.

    into: a Head of the same exit and classes to make it in, whose memory is used again.
    """
    classes, d = len(counts), feature.d
    gc.collect()  # what stays goes to the bottom of the heap, so that the next matrix finds its room above
    head = into or Head(feature.exit, d, classes)
    head.familiar = None
    fill(head.weights, 0.0)
    if head.background:
        fill(head.background, 0.0)
    else:
        head.background = zeros(d)
    middle = [sum(row) / classes for row in between]  # <m, m_c>
    centre = sum(middle) / classes
    for c in range(classes):
        head.bias[c] = -0.5 * heat * (between[c][c] - centre)
    even(head.bias, [between[c][c] - 2 * middle[c] + centre for c in range(classes)], counts, heat)
    head.background_bias = -0.5 * BACKGROUND * heat * centre
    z = zeros(d)
    share = zeros(classes)
    embeddings = bytearray(journal.size)
    for i, y in journal.embeddings(embeddings):
        feature.of(embeddings, z)
        for c in range(classes):
            share[c] = -heat / rho * solved[c][i]
        share[y] += heat / (rho * counts[y])
        rank1(head.weights, 1.0, share, z, classes, d)
    rows = memoryview(head.weights)
    u = zeros(feature.k)
    for c in range(classes):
        row = rows[c * d : (c + 1) * d]
        if feature.k:
            net.project(feature.exit, row, u)
            net.project_back(feature.exit, u, row)
        axpy(1 / classes, row, head.background)
    for c in range(classes):
        axpy(-1.0, head.background, rows[c * d : (c + 1) * d])
    scale(head.background, BACKGROUND)
    return head
