# SPDX-License-Identifier: MIT
"""Collects labelled samples: a folder a class, a .npy file a sample.

    mpremote connect PORT mount FOLDER run device/tasks/collect.py      into FOLDER on the PC
    mpremote connect PORT run device/tasks/collect.py                   into the board's file system

Settings come from collect.json in the current folder, else in /rom, over those in SETTINGS below; "labels" must be
given. One class after the other is collected, `count` samples of each, every `every_ms` or with each press of a button.
What is there is kept: started again, after a power cut or to collect more, the script goes on where it was.
`microt train FOLDER` teaches a board with what was collected.

Prints a line a sample, and at last `REPORT ` and a JSON object: {"folder", "counts": {label: samples}, "new"}.
"""

import json
import os
import time

import machine
from microt.buttons import SHORT, Gestures
from microt.settings import over
from microt.sources import npy, open_source

SETTINGS = {
    "labels": [],
    "count": 20,  # samples a class
    "folder": "collected",
    "source": "stream",  # as field.py's
    "samples": None,  # .npy file that the lines "#17" of a stream name samples of
    "shape": None,  # of a sample, such as [96, 96, 3]; None: as the source says, else one dimension
    "dtype": None,  # of its values: "uint8", "int8" or "int16"; None: as the source says, else its array's, else uint8
    "every_ms": 1000,  # between two samples
    "button": None,  # pin, to ground: a short press takes a sample, and every_ms does not count
    "pause_ms": 3000,  # before each class, to point the camera elsewhere
}
CONFIGS = ("collect.json", "/rom/collect.json")
POLL_MS = 4


def make(folder):
    """The folder, made with those above it; returns the names in it."""
    try:
        return os.listdir(folder)
    except OSError:
        above = folder.rstrip("/").rsplit("/", 1)[0]
        if above and above != folder:
            make(above)
        os.mkdir(folder)
        return []


class Taker:
    """When a sample is due, and the sample then."""

    def __init__(self, settings, source):
        self.source = source
        self.every = settings["every_ms"]
        self.pin = None
        if settings["button"] is not None:
            self.pin = machine.Pin(settings["button"], machine.Pin.IN, machine.Pin.PULL_UP)
        self.gestures = Gestures()
        self.last = time.ticks_ms()
        self.sample = None

    def take(self):
        """Waits until one is due and there is one."""
        while True:
            x = self.source.read()
            now = time.ticks_ms()
            if self.pin:
                if x is not None:
                    self.sample = bytes(x) if isinstance(x, memoryview) else x[:]
                if self.gestures.update(not self.pin(), now) == SHORT and self.sample is not None:
                    return self.sample
            elif x is not None and time.ticks_diff(now, self.last) >= self.every:
                self.last = now
                return x
            problem = getattr(self.source, "problem", None)
            if problem:
                print(problem)
                self.source.problem = None
            time.sleep_ms(POLL_MS)


def collect(label, settings, taker, shape, dtype):
    """Collects what a class lacks; returns how many that were."""
    folder = "%s/%s" % (settings["folder"], label)
    there = make(folder)
    new = 0
    for number in range(settings["count"]):
        name = "%05d.npy" % number
        path = "%s/%s" % (folder, name)
        if name in there and npy.whole(path):  # a power cut may have left it short
            continue
        if not new and settings["pause_ms"]:
            print("%s: %d of %d; now" % (label, number, settings["count"]))
            time.sleep_ms(settings["pause_ms"])
        npy.save(path, taker.take(), shape, dtype)
        new += 1
        print("%s: %d of %d" % (label, number + 1, settings["count"]))
    return new


def main():
    settings = over(SETTINGS, CONFIGS)
    if not settings["labels"]:
        raise ValueError("collect.json: expected labels to collect, got none")
    source = open_source(settings, settings["shape"])
    taker = Taker(settings, source)
    shape = settings["shape"] or getattr(source, "shape", None)
    dtype = settings["dtype"] or getattr(source, "dtype", None)
    new = {label: collect(label, settings, taker, shape, dtype) for label in settings["labels"]}
    counts = {label: len(make("%s/%s" % (settings["folder"], label))) for label in settings["labels"]}
    print("REPORT " + json.dumps({"folder": settings["folder"], "counts": counts, "new": new}))


main()
