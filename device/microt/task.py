# SPDX-License-Identifier: MIT
"""A task: classes taught to a backbone, kept in flash."""

import errno
import gc
import os
from collections import namedtuple

from microt import threshold
from microt.arrays import zeros
from microt.heads import Head, fit, means, solver
from microt.heads.feature import Feature
from microt.heads.rows import Rows
from microt.store import snapshot
from microt.store.journal import ENOSPC, EROFS, LABEL_BYTES, Journal

RECORD_BYTES = 80  # at most, around the embeddings of a sample
REASONS = {errno.ENOENT: "no such folder", ENOSPC: "no space left", EROFS: "read-only"}

Result = namedtuple("Result", ("label", "confidence", "exit", "scores"))


class Task:
    """Classes taught with labelled samples, on top of a backbone's first and last exit.

    net: a `microt.Backbone`. path: the folder of its journal and snapshot; what was taught before
    is opened, else the task starts empty (the folder is made at the first `learn`). head: how
    `fit` makes the heads: "lda", "logistic" or "means". ValueError when the journal is damaged at
    its head or was made with another backbone; nothing is overwritten.

    Until `fit`, and again once a class is taught that the heads do not know, the last exit answers
    by the nearest class mean. Until `calibrate` no sample is answered at exit 0.

    notes: sentences about what was found on opening that is not as it should be; also printed.
    """

    def __init__(self, net, path="/task", head="lda"):
        solver(head)
        self.net = net
        self.path = path.rstrip("/")
        self.head = head
        self.notes = []
        self._last = net.exits - 1
        self._journal = Journal(self.path + "/journal.bin", net.sha256, sum(net.dims))
        self._starts = [0]  # of each exit's embedding in the journal's buffer, and the end
        for dim in net.dims:
            self._starts.append(self._starts[-1] + dim)
        self._features = (Feature(net, 0), Feature(net, self._last))
        self._z = zeros(max(f.d for f in self._features))
        self._means = None  # a head of the last exit that follows each sample
        self._heads = None  # of exit 0 and of the last exit
        self._covered = 0  # number of the first journal record that the heads do not know
        self._uncalibrate()
        self._open()

    def __len__(self):
        """Samples taught."""
        return len(self._journal)

    @property
    def classes(self):
        """The labels taught, in the order of a result's scores."""
        return list(self._journal.labels)

    @property
    def counts(self):
        """{label: samples taught}."""
        return {label: self._journal.count(row) for row, label in enumerate(self._journal.labels)}

    @property
    def fitted(self):
        """Whether fitted heads answer, rather than the nearest class mean."""
        return self._heads is not None

    @property
    def threshold(self):
        """The confidence from which on exit 0 answers; None before `calibrate`."""
        return self._threshold if self._quantiles else None

    @property
    def exit_ratio(self):
        """The share of samples to answer at exit 0; None before `calibrate`. Can be set."""
        return self._exit_ratio

    @exit_ratio.setter
    def exit_ratio(self, ratio):
        if not self._quantiles:
            raise RuntimeError("exit_ratio: not calibrated yet; call calibrate() first")
        self._threshold = threshold.threshold(self._quantiles, ratio)
        self._exit_ratio = ratio

    def learn(self, x, label):
        """Teaches one sample: runs the backbone once and keeps the embeddings in flash.

        x: what `net.run` takes. label: a str of 1 to 64 bytes. Returns when the sample is in
        flash. Raises with everything as before: TypeError and ValueError for a wrong x or label,
        OSError when flash is full, MemoryError when there is no room for one more class.
        """
        check_label(label)
        journal = self._journal
        new = label not in journal.labels
        row = len(journal.labels) if new else journal.labels.index(label)
        count = 0 if new else journal.count(row)
        # a new class makes fitted heads step back for class means, which then must be there
        following = new or not self._heads
        running, done = None, False
        try:
            running = self._running_means() if following else None
            self._run(x)
            self._resume()
            if new:
                running.add()
            journal.append(label)
            done = True
        except MemoryError:
            raise self._no_memory("learn", 4 * self._features[-1].d * (row + 1)) from None
        except OSError as error:
            raise self._not_written("learn", error) from None
        finally:
            if not done and new and running and len(running) > row:
                running.remove(row)
        if following:
            self._means = running
            self._heads = None
            self._uncalibrate()
            means.follow(running, row, count, self._feature(self._last))

    def forget(self, label):
        """Forgets a class and its samples. ValueError: no such class; OSError: flash is full."""
        journal = self._journal
        if label not in journal.labels:
            raise ValueError("forget: expected one of %s, got %r" % (journal.labels, label))
        row = journal.labels.index(label)
        try:
            journal.forget(label)
        except OSError as error:
            raise self._not_written("forget", error) from None
        for head in self._heads or ():
            head.remove(row)
        if self._means:
            self._means.remove(row)

    def fit(self, progress=None):
        """Fits the heads of both exits to all samples; then `calibrate` again.

        progress(what, done, total) is called now and then. RuntimeError: fewer than two classes.
        MemoryError: the heads are as before.
        """
        self._expect_classes("fit")
        solve = solver(self.head)
        journal = self._journal
        heads = []
        try:
            for exit in self._exits():
                gc.collect()
                heads.append(fit(self.net, exit, journal, solve, progress))
        except MemoryError:
            heads = None
            d, k = self._features[-1].d, self._features[-1].k
            need = len(journal) * (k or d) + 4 * len(journal.labels) * (2 * d + 2 * (k or d))
            raise self._no_memory("fit", need) from None
        self._heads = tuple(heads)
        self._means = None
        self._covered = journal.next
        self._uncalibrate()

    def calibrate(self, exit_ratio=0.5, progress=None):
        """Sets the threshold with which exit 0 answers a share `exit_ratio` of samples.

        It holds for samples like those taught, see `microt.threshold`. The quantiles stay, so
        `exit_ratio` can be set at any time afterwards. RuntimeError: not fitted. ValueError: the
        ratio is not within 0 to 1, no class has two samples, or the backbone has one exit.
        """
        if not self._heads:
            raise RuntimeError("calibrate: the heads are not fitted; call fit() first")
        if not self._last:
            raise ValueError("calibrate: expected a backbone with 2 exits or more, got 1")
        threshold.threshold((0.0, 1.0), exit_ratio)
        gc.collect()
        try:
            rows = Rows(self.net, 0, self._journal, threshold.folds(self._journal), progress)
            confidences = threshold.held_out(rows, solver(self.head), progress)
        except MemoryError:
            k = self._features[0].k or self._features[0].d
            raise self._no_memory("calibrate", (len(self) + 8 * len(self.classes)) * k) from None
        if not len(confidences):
            raise ValueError("calibrate: expected a class of 2 samples or more, got none")
        self._quantiles = threshold.table(confidences)
        self.exit_ratio = exit_ratio

    def predict(self, x):
        """Result(label, confidence, exit, scores) of a sample; scores as `classes`, summing to 1.

        RuntimeError: fewer than two classes were taught.
        """
        self._expect_classes("predict")
        self._run(x)
        if self._threshold <= 1:
            result = self._answer(0)
            if result.confidence >= self._threshold:
                return result
        self._resume()
        return self._answer(self._last)

    def answers(self, x):
        """The Results of exit 0 and of the last exit, from one run; of the last alone until `fit`.

        `predict` gives the first when its confidence reaches `threshold`, else the second.
        """
        self._expect_classes("answers")
        self._run(x)
        first = [self._answer(0)] if self._heads and self._last else []
        self._resume()
        return first + [self._answer(self._last)]

    def save(self):
        """Writes heads and threshold to flash, for the next start; samples are there already.

        RuntimeError: not fitted. OSError: what was saved before is still there.
        """
        if not self._heads:
            raise RuntimeError("save: the heads are not fitted; call fit() first")
        shot = snapshot.Snapshot(
            self.head,
            self._journal.labels,
            self._heads,
            self._covered,
            self._exit_ratio,
            self._quantiles,
        )
        path = self.path + "/heads.bin"
        try:
            snapshot.save(path, shot, self.net.sha256)
        except OSError as error:
            raise self._not_written("save", error, path) from None

    def _open(self):
        journal = self._journal
        for start, end in journal.damage:
            self._note("%s: bytes %d to %d are damaged and stepped over" % (journal.path, start, end))
        if journal.tail:
            self._note("%s: %d bytes at its end make no whole sample and are cut off" % (journal.path, journal.tail))
        try:
            shot = snapshot.load(self.path + "/heads.bin", self.net.sha256)
        except ValueError as error:
            if len(journal.labels) < 2:
                self._note("%s; nothing to fit" % error)
                return
            self._note("%s; fitting again, calibrate() and save() are left to do" % error)
            self.fit()
            return
        if shot is None or shot.covered > journal.next:
            return
        for row in range(len(shot.labels) - 1, -1, -1):
            label = shot.labels[row]
            if journal.born(label, shot.covered) >= shot.covered:
                for head in shot.heads:
                    head.remove(row)
                shot.labels.pop(row)
        if shot.labels != journal.labels:
            return
        self._heads = tuple(shot.heads)
        self._covered = shot.covered
        self._quantiles = shot.quantiles
        if shot.quantiles:
            self.exit_ratio = shot.exit_ratio

    def _exits(self):
        return (0, self._last) if self._last else (0,)

    def _run(self, x):
        self._journal.buffer[: self._starts[1]] = self.net.run(x, 0)

    def _resume(self):
        for exit in range(1, self._last + 1):
            start, end = self._starts[exit], self._starts[exit + 1]
            self._journal.buffer[start:end] = self.net.resume()

    def _feature(self, exit, buffer=None):
        if buffer is None:
            buffer = self._journal.buffer
        feature = self._features[-1 if exit else 0]
        z = memoryview(self._z)[: feature.d]
        feature.of(buffer, z)
        return z

    def _answer(self, exit):
        if self._heads:
            head = self._heads[-1 if exit else 0]
        else:
            self._means = head = self._running_means()
        scores = zeros(len(head))
        best = head.scores(self._feature(exit), scores)
        return Result(self._journal.labels[best], scores[best], exit, scores)

    def _running_means(self):
        if self._means:
            return self._means
        journal = self._journal
        head = Head(self._last, self._features[-1].d, len(journal.labels))
        seen = [0] * len(head)
        buffer = memoryview(bytearray(journal.size))
        for _, row in journal.embeddings(buffer):
            means.follow(head, row, seen[row], self._feature(self._last, buffer))
            seen[row] += 1
        return head

    def _uncalibrate(self):
        self._quantiles = None
        self._exit_ratio = None
        self._threshold = threshold.ABOVE

    def _expect_classes(self, verb):
        labels = self._journal.labels
        if len(labels) < 2:
            raise RuntimeError(
                "%s: expected at least 2 classes taught, got %d%s; call learn(x, label) first"
                % (verb, len(labels), " (%s)" % labels[0] if labels else "")
            )

    def _kept(self):
        return "%d classes and %d samples are kept" % (len(self._journal.labels), len(self))

    def _no_memory(self, verb, need):
        gc.collect()
        return MemoryError("%s: about %d bytes needed, %d free; %s" % (verb, need, gc.mem_free(), self._kept()))

    def _not_written(self, verb, error, path=None):
        need = self._journal.size + RECORD_BYTES
        if path:
            need = sum(4 * (len(h.weights) + len(h.bias)) for h in self._heads) + RECORD_BYTES
        path = path or self._journal.path
        why = REASONS.get(error.errno) or errno.errorcode.get(error.errno, "error %s" % error.errno)
        return OSError(
            error.errno,
            "%s: %s cannot be written (%s): %d bytes needed, %s free; %s"
            % (verb, path, why, need, free_bytes(path), self._kept()),
        )

    def _note(self, text):
        self.notes.append(text)
        print("microt:", text)


def check_label(label):
    """TypeError or ValueError unless `label` is a str of 1 to 64 bytes."""
    if not isinstance(label, str):
        raise TypeError("label: expected str, got %s %r" % (type(label).__name__, label))
    size = len(label.encode())
    if not 1 <= size <= LABEL_BYTES:
        raise ValueError("label: expected 1 to %d bytes, got %d" % (LABEL_BYTES, size))


def free_bytes(path):
    """Free bytes of the file system of a file, or "unknown" where it does not say."""
    try:
        stat = os.statvfs(path.rsplit("/", 1)[0] or "/")
    except (OSError, AttributeError):
        return "unknown"
    # LittleFS may count more blocks as used than there are
    return stat[0] * max(stat[3], 0)
