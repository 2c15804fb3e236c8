# SPDX-License-Identifier: MIT
"""Teaches a board a task, tests it there, and prints a report.

    mpremote connect PORT run device/tasks/train_task.py

What to teach is read from task.json in the current folder (`mpremote connect PORT mount FOLDER run ...`
makes that FOLDER on the PC), else in /rom. A JSON file: {"backbone": path of the .mtb, "task": folder
that keeps what is taught, "train": {"x": .npy of samples, "labels": one per sample}, "test": the same,
"exit_ratio": share of samples to answer at exit 0, "hold_back": a class that is taught only after
the others were tested (or null), "head": "lda", "logistic", "means" or "ridge", "resume": null or a text
that names the lesson}. The task starts anew, unless this very lesson was cut while it was taught and holds no class
back: then it goes on with the first sample that is not in flash. The last line printed is `REPORT ` and a JSON
object; microt's host side reads it.
"""

import gc
import json
import os
import sys
import time
from binascii import hexlify

from microt.settings import first
from microt.sources import npy
from microt.store.journal import make_folder

import microt

CONFIGS = ("task.json", "/rom/task.json")
GARBAGE = 1 << 16  # bytes to collect: else what stays comes to lie behind it, amid the room that a fit needs
MARK = "/lesson.txt"  # in the task's folder while a lesson is taught: which one


class Clock:
    """Milliseconds by activity: with clock("fit"): ..."""

    def __init__(self):
        self.ms = {}

    def __call__(self, name):
        self._name = name
        return self

    def __enter__(self):
        self._start = time.ticks_ms()

    def __exit__(self, *_):
        spent = time.ticks_diff(time.ticks_ms(), self._start)
        self.ms[self._name] = self.ms.get(self._name, 0) + spent


class Memory:
    """The most heap in use that was seen: after a collection, at the points that call it."""

    def __init__(self):
        self.peak = 0
        self.what = None

    def __call__(self, what=None, done=0, total=0):
        # as a fit's progress: where one activity gives way to the next, memory is at its fullest
        if what is None or what != self.what or done == total:
            self.what = what
            gc.collect()
            self.peak = max(self.peak, gc.mem_alloc())


class Lesson:
    """Labelled samples: for index, sample, label in lesson.of(only=..., without=...)."""

    def __init__(self, entry, name):
        self.samples = npy.open(entry["x"])
        self.labels = entry["labels"]
        if len(self.labels) != len(self.samples):
            raise ValueError(
                "%s: expected %d labels, one per sample of %s, got %d"
                % (name, len(self.samples), entry["x"], len(self.labels))
            )

    def of(self, only=None, without=None):
        for i, label in enumerate(self.labels):
            if (only is None or label == only) and label != without:
                yield i, self.samples[i], label


def start(config, labels):
    """The backbone and a task: empty, or what a lesson that was cut had taught. labels: of the samples to teach."""
    net = microt.Backbone(config["backbone"])
    folder, name = config["task"], None if config.get("hold_back") else config.get("resume")
    if name:
        name = "%s, backbone %s" % (name, str(hexlify(net.sha256), "ascii"))
        if read_text(folder + MARK) == name:
            task = microt.Task(net, folder, head=config.get("head", "lda"))
            taught = labels[: len(task)]
            if len(task) <= len(labels) and task.counts == {label: taught.count(label) for label in taught}:
                print("goes on after %d samples" % len(task))
                return net, task
    forget(folder)
    task = microt.Task(net, folder, head=config.get("head", "lda"))
    if name:
        make_folder(folder + MARK)
        with open(folder + MARK, "w") as file:
            file.write(name)
    return net, task


def read_text(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


def forget(folder, names=(MARK, "/journal.bin", "/journal2.bin", "/heads.bin", "/heads2.bin")):
    for name in names:
        try:
            os.remove(folder + name)
        except OSError:
            pass


def teach(task, lesson, clock, skip=0, **choice):
    """Teaches the chosen samples but the first `skip`."""
    total = sum(1 for _ in lesson.of(**choice))
    done = 0
    for _, x, label in lesson.of(**choice):
        done += 1
        if done <= skip:
            continue
        with clock("learn"):
            task.learn(x, label)
        if done % 10 == 0 or done == total:
            print("learn: %d of %d samples, %d classes" % (done, total, len(task.classes)))


def fit(task, exit_ratio, clock, memory):
    with clock("fit"):
        task.fit(progress=memory)
    with clock("calibrate"):
        task.calibrate(exit_ratio, progress=memory)
    print(
        "fit: %d classes, %d samples; exit 0 answers from exit score %.3f on"
        % (len(task.classes), len(task), task.threshold)
    )


def test(task, lesson, names, clock, **choice):
    """Rows [true, exit-0 label, confidence, exit-1 label, confidence, staged exit, exit score]."""
    rows = []
    total = sum(1 for _ in lesson.of(**choice))
    for _, x, label in lesson.of(**choice):
        with clock("test"):
            first, last = task.answers(x)
        score = task.exit_score(first)
        rows.append(
            (
                names.index(label),
                names.index(first.label),
                round(first.confidence, 6),
                names.index(last.label),
                round(last.confidence, 6),
                0 if score >= task.threshold else 1,
                round(score, 6),
            )
        )
        if len(rows) % 20 == 0 or len(rows) == total:
            print("test: %d of %d samples" % (len(rows), total))
    return rows


def figures(rows):
    """Accuracy at exit 0, at exit 1, staged; and the share that was answered at exit 0."""
    exit0 = exit1 = staged = early = 0
    for true, label0, _, label1, _, exit, _ in rows:
        exit0 += label0 == true
        exit1 += label1 == true
        staged += (label1 if exit else label0) == true
        early += exit == 0
    n = max(len(rows), 1)
    return {"exit0": exit0 / n, "exit1": exit1 / n, "staged": staged / n}, early / n


def table(rows, names):
    """Prints accuracy by class and over all."""
    width = max(len(name) for name in names + ["all classes"])
    print("%-*s  tested  exit 0  exit 1  staged  answered at exit 0" % (width, "class"))
    for i, name in enumerate(names + ["all classes"]):
        chosen = rows if i == len(names) else [row for row in rows if row[0] == i]
        if chosen:
            accuracy, early = figures(chosen)
            print(
                "%-*s  %6d  %5.1f%%  %5.1f%%  %5.1f%%  %5.1f%%"
                % (
                    width,
                    name,
                    len(chosen),
                    100 * accuracy["exit0"],
                    100 * accuracy["exit1"],
                    100 * accuracy["staged"],
                    100 * early,
                )
            )


def report(values, rows):
    """The line that the host reads; rows go out one by one, their text would fill the heap."""
    sys.stdout.write("REPORT {")
    for name, value in values.items():
        sys.stdout.write('"%s": %s, ' % (name, json.dumps(value)))
    sys.stdout.write('"samples": [')
    for i, row in enumerate(rows):
        sys.stdout.write((", " if i else "") + json.dumps(list(row)))
    sys.stdout.write("]}\n")


def main():
    # scripts have arguments on the unix build alone
    _, config = first(getattr(sys, "argv", ())[1:2] or CONFIGS)
    train = Lesson(config["train"], "train")
    unseen = Lesson(config["test"], "test")
    ratio = config.get("exit_ratio", 0.5)
    held_back = config.get("hold_back")
    names = []
    for label in train.labels:
        if label not in names:
            names.append(label)
    gc.threshold(GARBAGE)
    clock, memory = Clock(), Memory()
    net, task = start(config, train.labels)
    print("backbone %s, arena %d bytes" % (config["backbone"], net.arena_size))

    before = None
    if held_back:
        teach(task, train, clock, without=held_back)
        fit(task, ratio, clock, memory)
        rows = test(task, unseen, names, clock, without=held_back)
        accuracy, got = figures(rows)
        before = {
            "accuracy": accuracy,
            "exit_ratio_got": got,
            "test_samples": len(rows),
            "classes": len(task.classes),
        }
        table(rows, names)
        print("now one class more: %s" % held_back)
        del rows
        teach(task, train, clock, only=held_back)
    else:
        teach(task, train, clock, skip=len(task))
    fit(task, ratio, clock, memory)
    rows = test(task, unseen, names, clock)
    with clock("save"):
        task.save()
    forget(config["task"], (MARK,))
    memory()
    accuracy, got = figures(rows)
    table(rows, names)
    heap = gc.mem_alloc() + gc.mem_free()
    print("answered at exit 0: asked %.0f%%, got %.1f%%" % (100 * ratio, 100 * got))
    print("heap: %d of %d bytes at the fullest, arena of %d included" % (memory.peak, heap, net.arena_size))
    print("milliseconds: %s" % ", ".join("%s %d" % item for item in sorted(clock.ms.items())))
    report(
        {
            "accuracy": accuracy,
            "exit_ratio_asked": ratio,
            "exit_ratio_got": got,
            "threshold": task.threshold,
            "test_samples": len(rows),
            "classes": len(task.classes),
            "shots": max(task.counts.values()),
            "train_samples": len(task),
            "before": before,
            "ram_bytes": memory.peak,
            "heap_bytes": heap,
            "arena_bytes": net.arena_size,
            "labels": names,
            "time_ms": clock.ms,
        },
        rows,
    )


main()
