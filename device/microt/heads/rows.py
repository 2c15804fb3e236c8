# SPDX-License-Identifier: MIT
"""The samples of a task as int8 rows, which heads are fitted to."""

import gc
from array import array

from microt.arrays import zeros
from microt.heads.feature import Feature
from microt.vector import axpy, fill, quantize


class Rows:
    """Every sample of a journal in the working space of an exit: u = projection . z, or z itself.

    Where the file has no feature transform, u is z less the samples' mean, which would take most of an int8's range.

    values: int8 in a bytearray, n x k; a sample is u = scale * values. labels: n, the index of
    each row's label. Rows are sorted by fold: fold f is rows bounds[f] to bounds[f + 1]. The i-th
    sample of a class is in fold i % folds; a class with one sample is in no fold (its row lies
    behind the last), since a head without it could not know the class.

    place: array("H"), the row of each of the journal's samples; None without folds.
    centre: the mean that was taken off, int8 in a bytearray of k times centre_scale; None where there is a transform.
    flat: a `microt.heads.flat.Flat` once a solver has flattened the values; None.
    feature: the exit's `Feature`. Memory: n * (k + 8) bytes. progress(what, done, total) is called
    after each sample.
    """

    def __init__(self, net, exit, journal, folds=1, progress=None):
        self.feature = Feature(net, exit)
        self.projected = self.feature.k > 0
        self.k = k = self.feature.k or self.feature.d
        self.n = n = len(journal)
        self.classes = len(journal.labels)
        place = self._place(journal.rows, folds)
        self.place = place if folds > 1 else None
        gc.collect()
        self.centre, self.centre_scale = None, 0.0
        if self.feature.own:
            self._middle(journal)
        self.flat = None
        self.values = bytearray(n * k)
        self.scale = self._fill(net, journal, place, progress)

    def parts(self, hold=None):
        """The stretches (first row, rows) that fold `hold` leaves, all of them when None."""
        if hold is None:
            return ((0, self.n),)
        first, end = self.bounds[hold], self.bounds[hold + 1]
        return tuple(p for p in ((0, first), (end, self.n - end)) if p[1])

    def counts(self, hold=None):
        """Samples of each class outside of fold `hold`."""
        counts = [0] * self.classes
        for first, rows in self.parts(hold):
            for i in range(first, first + rows):
                counts[self.labels[i]] += 1
        return counts

    def means(self, out, hold=None):
        """Class means into out (array("f"), classes x k), in units of `values`; the counts."""
        counts = self.counts(hold)
        k = self.k
        fill(out, 0.0)
        for first, rows in self.parts(hold):
            for i in range(first, first + rows):
                c = self.labels[i]
                axpy(1 / counts[c], self.values, out, k, i * k, c * k)
        return counts

    def sample(self, i, out):
        """u of row i into out (array("f"), k)."""
        fill(out, 0.0)
        axpy(self.scale, self.values, out, self.k, i * self.k)
        if self.flat:
            self.flat.restore(out)

    def _place(self, labels, folds):
        # the row of each sample
        counts = [0] * self.classes
        for c in labels:
            counts[c] += 1
        seen = [0] * self.classes
        sizes = [0] * (folds + 1)
        place = array("H", bytes(2 * self.n))
        for i in range(self.n):
            c = labels[i]
            # first the fold; classes start at different folds, so that folds are equally large
            place[i] = (seen[c] + c) % folds if counts[c] > 1 else folds
            seen[c] += 1
            sizes[place[i]] += 1
        self.bounds = [0]
        for size in sizes[:folds]:
            self.bounds.append(self.bounds[-1] + size)
        free = list(self.bounds)
        self.labels = bytearray(self.n) if self.classes <= 256 else array("H", bytes(2 * self.n))
        for i in range(self.n):
            fold = place[i]
            place[i] = free[fold]
            free[fold] += 1
            self.labels[place[i]] = labels[i]
        return place

    def _middle(self, journal):
        z, mean = zeros(self.k), zeros(self.k)
        embeddings = bytearray(journal.size)
        for _ in journal.embeddings(embeddings):
            self.feature.of(embeddings, z)
            axpy(1 / self.n, z, mean)
        self.centre = bytearray(self.k)
        self.centre_scale = quantize(mean, self.centre)

    def _fill(self, net, journal, place, progress):
        n, k, feature = self.n, self.k, self.feature
        z = zeros(feature.d)
        u = zeros(k) if self.projected else z
        embeddings = bytearray(journal.size)
        values = memoryview(self.values)
        scales = zeros(n)
        for i, _ in journal.embeddings(embeddings):
            feature.of(embeddings, z)
            if self.projected:
                net.project(feature.exit, z, u)
            if self.centre:
                axpy(-self.centre_scale, self.centre, u)
            at = place[i]
            scales[at] = quantize(u, values[at * k : (at + 1) * k])
            if progress:
                progress("features of exit %d" % feature.exit, i + 1, n)
        # one scale for all: each row anew beside a value that is the largest there may be
        scale = max(scales) or 1.0  # all zero: any will do
        u = zeros(k + 1)
        row = bytearray(k + 1)
        whole = memoryview(row)[:k]
        for i in range(n):
            if scales[i] < scale:
                fill(u, 0.0)
                axpy(scales[i] / scale, self.values, u, k, i * k)
                u[k] = 127.0
                quantize(u, row)
                values[i * k : (i + 1) * k] = whole
        return scale
