# SPDX-License-Identifier: MIT
"""Few-shot episodes with the device's learning code, from embeddings that the host made.

    micropython evaluate.py FOLDER                                      on the unix build, as microt.evaluate does
    mpremote connect PORT mount FOLDER run device/tasks/evaluate.py     on a board

FOLDER/job.json: {"backbone": path of the .mtb, "head": its kind, "exit_ratio": share to answer at exit 0,
"ratios": shares to give thresholds for, "task": a folder to keep what is taught, "episodes": names of
files}. FOLDER/embeddings.bin: the int8 embeddings of all samples, each that of exit 0 first. An episode's
file: {"support": rows of embeddings.bin, "labels": a str for each, "query": rows, "strangers": rows of classes that
are not taught}.

Prints one line an episode, `EPISODE ` and a JSON object: {"thresholds": one a ratio, "threshold": for
exit_ratio, "labels", "answers": [index of exit 0's label, its exit score, index of the last exit's
label, its confidence, its familiarity] for each query, "strangers": familiarities, "ms": {"learn",
"fit", "calibrate", "predict"}}.
"""

import gc
import json
import os
import sys
import time

import microt


class Replay:
    """A backbone that answers from embeddings made before: a sample is its row in the file."""

    def __init__(self, net, path):
        self._net = net
        self._file = open(path, "rb")
        self._size = sum(net.dims)
        self._row = memoryview(bytearray(self._size))
        self._exit = 0

    def __getattr__(self, name):
        return getattr(self._net, name)

    def run(self, x, exit=0):
        """The embedding of an exit of sample x."""
        self._file.seek(x * self._size)
        if self._file.readinto(self._row) != self._size:
            raise OSError("sample %d cannot be read" % x)
        self._exit = exit
        return self.embedding(exit)

    def resume(self):
        """The next exit's embedding."""
        self._exit += 1
        return self.embedding(self._exit)

    def embedding(self, exit):
        """The embedding of an exit of the sample that ran last."""
        start = sum(self._net.dims[:exit])
        return self._row[start : start + self._net.dims[exit]]


def empty(folder):
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        os.remove(folder + "/" + name)


def episode(net, job, lesson):
    """One episode, from nothing taught to every query answered."""
    empty(job["task"])
    ms = {}
    task = microt.Task(net, job["task"], head=job["head"])

    def timed(name, call, *args):
        start = time.ticks_us()
        found = call(*args)
        ms[name] = ms.get(name, 0) + time.ticks_diff(time.ticks_us(), start) / 1000
        return found

    for i, row in enumerate(lesson["support"]):
        timed("learn", task.learn, row, lesson["labels"][i])
    timed("fit", task.fit)
    timed("calibrate", task.calibrate, job["exit_ratio"])
    threshold = task.threshold
    thresholds = []
    for ratio in job["ratios"]:
        task.exit_ratio = ratio
        thresholds.append(task.threshold)
    names = task.classes
    answers = []
    for row in lesson["query"]:
        first, last = timed("predict", task.answers, row)
        answers.append(
            (
                names.index(first.label),
                task.exit_score(first),
                names.index(last.label),
                last.confidence,
                last.familiarity,
            )
        )
    strangers = [task.answers(row)[1].familiarity for row in lesson["strangers"]]
    return {
        "threshold": threshold,
        "thresholds": thresholds,
        "labels": names,
        "answers": answers,
        "strangers": strangers,
        "ms": ms,
    }


def read(path):
    with open(path) as file:
        return json.load(file)


def main(folder):
    job = read(folder + "/job.json")
    net = Replay(microt.Backbone(job["backbone"]), folder + "/embeddings.bin")
    for name in job["episodes"]:
        found = episode(net, job, read(folder + "/" + name))
        sys.stdout.write("EPISODE ")
        json.dump(found, sys.stdout)
        sys.stdout.write("\n")
        gc.collect()


# scripts have arguments on the unix build alone
arguments = getattr(sys, "argv", ())
main(arguments[1] if len(arguments) > 1 else ".")
