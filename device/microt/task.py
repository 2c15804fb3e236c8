# SPDX-License-Identifier: MIT
"""A task: classes taught to a backbone, kept in flash."""

import errno
import gc
import os
from collections import namedtuple
from random import getrandbits

from microt import reject, threshold
from microt.arrays import zeros
from microt.heads import Head, dual, fit, means, solver
from microt.heads.feature import Feature
from microt.heads.heldout import exit_score
from microt.heads.rows import Rows
from microt.store import herding, snapshot
from microt.store.journal import ENOSPC, EROFS, LABEL_BYTES, Journal

RECORD_BYTES = 80  # at most, around the embeddings of a sample
REASONS = {errno.ENOENT: "no such folder", ENOSPC: "no space left", EROFS: "read-only"}

KEEPS = ("herding", "random")

Result = namedtuple("Result", ("label", "confidence", "exit", "scores", "familiarity"))


class Task:
    """Classes taught with labelled samples, on top of a backbone's first and last exit.

    net: a `microt.Backbone`. path: the folder of its journal and snapshot; what was taught before
    is opened, else the task starts empty (the folder is made at the first `learn`). head: how
    `fit` makes the heads: "lda", "logistic", "means" or "ridge". ValueError when the journal is damaged at
    its head or was made with another backbone; nothing is overwritten.

    Until `fit`, and again once a class is taught that the heads do not know, the last exit answers
    by the nearest class mean. Until `calibrate` no sample is answered at exit 0.

    limit: the most samples of a class that are kept, None: all. With a limit the journal is compacted when more than
    half of it is dead. keep: which of all that a class was shown are kept: "herding", those whose mean stays nearest
    to that of all shown (`microt.store.herding`); or "random", each as likely as any other (reservoir sampling), which
    runs the backbone for those alone. It holds from now on and is not in the journal.

    notes: sentences about what was found on opening that is not as it should be; also printed.
    """

    def __init__(self, net, path="/task", head="lda", limit=None, keep="herding"):
        solver(head)
        if keep not in KEEPS:
            raise ValueError("keep: expected one of %s, got %r" % (", ".join(KEEPS), keep))
        if limit is not None and limit < 1:
            raise ValueError("limit: expected 1 sample or more, got %r" % (limit,))
        self.net = net
        self.limit = limit
        self.keep = keep
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
        self._shown_means = {}  # {label: mean of all shown}, of classes that herding has taken a sample from
        self._held = None  # of exit 0 and of the last exit, from a fit to the next sample: HeldOut or None
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
        """The `exit_score` from which on exit 0 answers; None before `calibrate`."""
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
        self._tracker = None

    @property
    def reject_rate(self):
        """The share of known samples that may be answered None; None: every sample gets a label."""
        return self._reject[0] if self._reject else None

    def track(self, rate=0.02):
        """From now on each `predict` moves the threshold so that `exit_ratio` holds when the stream drifts.

        rate: see `microt.threshold.Tracker`; 0 ends it. RuntimeError: not calibrated.
        """
        self.exit_ratio = self.exit_ratio or 0.0
        self._tracker = threshold.Tracker(self._exit_ratio, rate) if rate else None

    def learn(self, x, label):
        """Teaches one sample: runs the backbone once and keeps the embeddings in flash.

        x: what `net.run` takes. label: a str of 1 to 64 bytes. Returns True when the sample is in
        flash; False when its class has `limit` samples and keeps those. With a limit one of those goes
        once the new one is in flash. Raises with everything
        as before: TypeError and ValueError for a wrong x or label,
        OSError when flash is full, MemoryError when there is no room for one more class.
        """
        check_label(label)
        journal = self._journal
        new = label not in journal.labels
        row = len(journal.labels) if new else journal.labels.index(label)
        count = 0 if new else journal.count(row)
        full = self.limit and count >= self.limit
        out = None
        if full and self.keep == "random":
            out = getrandbits(30) % (journal.shown(row) + 1)
            if out >= count:
                journal.passed_over(row)
                return False
        # a new class makes fitted heads step back for class means, which then must be there
        following = new or not self._heads
        running, done, mean = None, False, self._shown_means.get(label)
        try:
            self._run(x)
            self._resume()
            if full and self.keep == "herding":
                out = self._herded(row, label)
                if out == count:
                    done = True
                    journal.passed_over(row)
                    return False
            running = self._running_means() if following else None
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
            if not done and label in self._shown_means:
                if mean:
                    self._shown_means[label] = mean
                else:
                    self._shown_means.pop(label)
        self._held = None
        if following:
            self._means = running
            self._heads = None
            self._uncalibrate()
            means.follow(running, row, count, self._feature(self._last))
        if out is not None:
            self._replaced(row, out)
        if self.limit and journal.dead > (len(self) + self.limit) * journal.size:
            self.compact()
        return True

    def undo(self):
        """Forgets the sample taught last; returns its label. A class without samples goes as well.

        Fitted heads keep what they took from the sample until the next `fit`. ValueError: there is no sample.
        OSError: flash is full, nothing has changed.
        """
        journal = self._journal
        if not len(journal):
            raise ValueError("undo: expected a sample, the task has none")
        label = journal.labels[journal.rows[-1]]
        self._shown_means.pop(label, None)
        self._drop("undo", len(journal) - 1)
        return label

    def compact(self):
        """Writes the journal anew without the samples that no longer count. OSError: it is as before."""
        try:
            self._journal.compact()
        except OSError as error:
            raise self._not_written("compact", error) from None

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
        self._shown_means.pop(label, None)
        self._removed(row)

    def fit(self, progress=None):
        """Fits the heads of both exits to all samples; then `calibrate` again.

        progress(what, done, total) is called now and then. RuntimeError: fewer than two classes.
        MemoryError: the heads are as before; or they are gone and class means answer, where it came while the new
        ones took the place of the old.
        """
        self._expect_classes("fit")
        # collections at an allocation threshold would go over the samples' matrix again and again
        often = gc.threshold()
        gc.threshold(-1)
        try:
            self._fit_all(progress)
        finally:
            gc.threshold(often)

    def calibrate(
        self,
        exit_ratio=0.5,
        progress=None,
        *,
        max_loss=None,
        energy_per_sample=None,
        energies=None,
        reject_rate=None,
        paper=False,
        per_class=False,
    ):
        """Sets the threshold with which exit 0 answers a share `exit_ratio` of samples.

        Instead of a share: max_loss, the accuracy that answering at exit 0 may cost (.01: one point); or
        energy_per_sample, what a sample may cost on average, with energies = (of exit 0, of the last exit) in the
        same unit, by default `net.macs`. It holds for samples like those taught, see `microt.threshold`. The
        quantiles stay, so `exit_ratio` can be set at any time afterwards.

        reject_rate: the share of known samples that may be answered None so that what was never taught is, see
        `microt.reject`; None: every sample gets a label. paper: quantiles as MicroT takes them. per_class: a
        confidence counts for more or less by the class answered, as its held-out answers were right or wrong.

        RuntimeError: not fitted. ValueError: a number is out of range, no class has two samples, or the backbone
        has one exit.
        """
        if not self._heads:
            raise RuntimeError("calibrate: the heads are not fitted; call fit() first")
        if not self._last:
            raise ValueError("calibrate: expected a backbone with 2 exits or more, got 1")
        if energy_per_sample is not None:
            exit_ratio = threshold.ratio_for_energy(
                energy_per_sample, energies or (self.net.macs[0], self.net.macs[-1])
            )
        threshold.threshold((0.0, 1.0), exit_ratio)
        both = max_loss is not None or reject_rate is not None
        if reject_rate is not None:
            reject.check(reject_rate)
        first, last = self._held_out(both, progress)
        known = first.known()
        if not known:
            raise ValueError("calibrate: expected a class of 2 samples or more, got none")
        shifts, scores = None, first.score
        if per_class:
            by = threshold.shifts(first, len(self.classes))
            shifts = {label: by[row] for row, label in enumerate(self.classes)}
            scores = [threshold.shifted(score, by[first.best[i]]) for i, score in enumerate(scores)]
        if max_loss is not None:
            exit_ratio = threshold.ratio_for_loss(first, last, max_loss, scores)
        table = threshold.paper_table if paper else threshold.table
        self._quantiles = table([scores[i] for i in known])
        self._shifts = shifts
        self.exit_ratio = exit_ratio
        for place, held in enumerate((first, last)):
            if held:
                self._heads[place].familiar = held.familiar
        self._reject = None
        if reject_rate is not None:
            self._reject = reject.levels(first, last, self._threshold, reject_rate, scores)

    def predict(self, x):
        """Result(label, confidence, exit, scores, familiarity) of a sample; scores as `classes`, summing to 1.

        The label is None for what was never taught, once `calibrate` got a reject_rate.
        RuntimeError: fewer than two classes were taught.
        """
        self._expect_classes("predict")
        self._run(x)
        levels = self._reject
        if self._threshold < threshold.ABOVE or levels or self._tracker:
            result = self._answer(0)
            early = self.exit_score(result) >= self._threshold and not (levels and result.familiarity < levels[2])
            unknown = bool(levels) and result.familiarity < levels[1]
            if self._tracker:
                place = self._tracker.saw(early or unknown)
                self._threshold = threshold.threshold(self._quantiles, place)
            if unknown:
                return nothing(result)
            if early:
                return result
        self._resume()
        result = self._answer(self._last)
        return nothing(result) if levels and result.familiarity < levels[3] else result

    def exit_score(self, result):
        """What `threshold` is held against: -log(1 - confidence) of exit 0's Result, 0 up.

        Moved by the class answered, where `calibrate` was asked for thresholds per class.
        """
        score = exit_score(sum(sorted(result.scores)[:-1]))
        return threshold.shifted(score, self._shifts.get(result.label, 0.0)) if self._shifts else score

    def answers(self, x):
        """The Results of exit 0 and of the last exit, from one run; of the last alone until `fit`.

        `predict` gives the first when its `exit_score` reaches `threshold`, else the second; or None as the label,
        where `calibrate` got a reject_rate.
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
            self._journal.serial,
            self._reject,
            self._shifts,
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
        if journal.unknown:
            self._note("%s: %d records of a newer version are stepped over" % (journal.path, journal.unknown))
        try:
            shot = snapshot.load(self.path + "/heads.bin", self.net.sha256)
        except ValueError as error:
            if len(journal.labels) < 2:
                self._note("%s; nothing to fit" % error)
                return
            self._note("%s; fitting again, calibrate() and save() are left to do" % error)
            self.fit()
            return
        if shot is None:
            return
        if shot.serial != journal.serial:
            self._note("%s/heads.bin: belongs to another journal and is left aside; fit() and save() again" % self.path)
            return
        if shot.covered > journal.next:
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
            self._reject = shot.reject
            self._shifts = shot.shifts

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
        best, familiarity = head.answer(self._feature(exit), scores)
        return Result(self._journal.labels[best], scores[best], exit, scores, familiarity)

    def _fit_all(self, progress):
        journal = self._journal
        heads, held = [], []
        try:
            for exit in self._exits():
                gc.collect()
                head, out = self._fit(exit, progress)
                heads.append(head)
                held.append(out)
            heads = self._made(heads)
        except MemoryError:
            heads = None
            if self._given_up():
                return self._fit_all(progress)
            d, k = self._features[-1].d, self._features[-1].k
            need = len(journal) * (k or d) + 4 * len(journal.labels) * (2 * d + 2 * (k or d))
            raise self._no_memory("fit", need) from None
        self._heads = heads
        self._means = None
        self._covered = journal.next
        self._uncalibrate()
        self._held = held

    def _fit(self, exit, progress):
        # a Head, or what makes it, and, where it comes with the fit, its HeldOut
        while self.head == "lda":
            try:
                return dual.solve(self.net, exit, self._journal, progress)
            except MemoryError:
                if not self._given_up():
                    break  # the same head by iterations, which need less
        return fit(self.net, exit, self._journal, solver(self.head), progress), None

    def _made(self, heads):
        # the heads that _fit gave, of each exit the Head or what makes it
        try:
            return tuple(head() if callable(head) else head for head in heads)
        except MemoryError:
            if not self._heads or not all(callable(head) for head in heads):
                raise
        # no room for two generations: in place of the old ones, which have as many classes
        gc.collect()
        old, self._heads = self._heads, None
        self._uncalibrate()
        return tuple(head(old[place]) for place, head in enumerate(heads))

    def _held_out(self, both, progress):
        # HeldOut of exit 0 and, if both, of the last exit: what the fit gave, the others by cross-validation
        found = list(self._held or (None, None))
        try:
            for place, exit in enumerate((0, self._last) if both else (0,)):
                if found[place]:
                    continue
                gc.collect()
                rows = Rows(self.net, exit, self._journal, threshold.folds(self._journal), progress)
                found[place] = threshold.held_out(rows, solver(self.head), progress)
        except MemoryError:
            k = self._features[-1].k or self._features[-1].d
            raise self._no_memory("calibrate", (len(self) + 8 * len(self.classes)) * k) from None
        return found

    def _drop(self, verb, i):
        row = self._journal.rows[i]
        count = self._journal.count(row)
        sample = self._read(i) if self._means and count > 1 else None
        try:
            self._journal.drop(i)
        except OSError as error:
            raise self._not_written(verb, error) from None
        self._held = None
        if count == 1:
            self._removed(row)
        elif sample:
            means.leave(self._means, row, count, self._feature(self._last, sample))
        else:
            self._means = None

    def _read(self, i):
        # the embeddings of a sample; None: they cannot be had
        try:
            sample = bytearray(self._journal.size)
            self._journal.embedding(i, sample)
            return sample
        except (MemoryError, OSError):
            return None

    def _removed(self, row):
        # a class is gone
        self._held = None
        for head in self._heads or ():
            head.remove(row)
        if self._means:
            self._means.remove(row)

    def _herded(self, row, label):
        # which sample of the class goes; MemoryError: the means are given up before
        while True:
            try:
                out, mean = herding.goes(self._journal, row, self._starts[self._last], self._shown_means.get(label))
                self._shown_means[label] = mean
                return out
            except MemoryError:
                if not self._given_up():
                    raise

    def _given_up(self):
        # frees what a task can do without: the means begin again as those of the samples kept
        gc.collect()
        had = len(self._shown_means) > 0
        self._shown_means.clear()
        gc.collect()
        return had

    def _replaced(self, row, out):
        # the out-th sample of a class makes room; the new one is the last
        while True:
            members = [i for i, r in enumerate(self._journal.rows) if r == row]
            self._drop("learn", members[out])
            if len(members) <= self.limit + 1:
                break
            # the power went before a drop, or the limit was higher
            out = getrandbits(30) % (len(members) - 2)

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
        self._shifts = None  # {label: what is added to the exit score}, None: thresholds are not per class
        self._exit_ratio = None
        self._threshold = threshold.ABOVE
        self._reject = None
        self._tracker = None

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


def nothing(result):
    """The result, rejected."""
    return Result(None, result.confidence, result.exit, result.scores, result.familiarity)


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
