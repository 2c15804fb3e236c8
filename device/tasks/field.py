# SPDX-License-Identifier: MIT
"""The field application: a board that is taught with one button. Copy it to the board as main.py, or

    mpremote connect PORT run device/tasks/field.py

The button           short press      teach: the sample at hand is of the current class
                     double press     undo: forget the sample taught last
                     long press       next class (the LED goes out when it is long enough)
                     very long press  new class (the LED comes back)

Settings come from field.json in the current folder, else in /rom, over those in SETTINGS below. Samples
come from a source, an object with `read() -> buffer or None`: "stream" (`microt.sources.stream`, fed by a
host), or the path of a .npy file, read from its first sample to its last and again. Each sample is
answered with a line. Some seconds after the last lesson the heads are fitted and saved; a sample is in flash
as soon as its line says "taught". The watchdog, where the board has one, is fed by the loop.
"""

import asyncio
import gc
import json
import time

import machine
from microt.buttons import DOUBLE, LONG, SHORT, VERY_LONG, Gestures
from microt.sources import npy, stream

import microt

SETTINGS = {
    "backbone": "/rom/backbone.mtb",
    "task": "/task",
    "source": "stream",
    "samples": None,  # .npy file that the lines "#17" of a stream name samples of
    "button": 3,  # pin, to ground
    "led": 5,  # pin, lit at high level
    "known_led": 6,  # pin, lit while the answer is a class; None: there is none
    "exit_ratio": 0.5,
    "reject_rate": 0.05,
    "limit": None,  # most samples of a class
    "fit_after_ms": 1500,  # of rest after a lesson
    "sleep_ms": 20,  # between looking for samples
    "watchdog_ms": 8000,
}
CONFIGS = ("field.json", "/rom/field.json")
POLL_MS = 4


class Field:
    """The task, the sample at hand, the class at hand."""

    def __init__(self, settings):
        self.settings = settings
        self.net = microt.Backbone(settings["backbone"])
        self.task = microt.Task(self.net, settings["task"], limit=settings["limit"])
        self.source = open_source(settings, self.net)
        self.button = machine.Pin(settings["button"], machine.Pin.IN, machine.Pin.PULL_UP)
        self.led = machine.Pin(settings["led"], machine.Pin.OUT, value=0)
        known = settings["known_led"]
        self.known = None if known is None else machine.Pin(known, machine.Pin.OUT, value=0)
        self.watchdog = None
        if hasattr(machine, "WDT") and settings["watchdog_ms"]:
            self.watchdog = machine.WDT(timeout=settings["watchdog_ms"])
        self.sample = None  # a copy: the source may use its buffer again
        self.label = self.task.classes[0] if self.task.classes else "class 1"
        self.stale = 0  # when the heads fell behind the samples, 0: they did not
        if len(self.task.classes) > 1 and not self.task.fitted:
            self.stale = time.ticks_ms() | 1

    def feed(self, *_):
        if self.watchdog:
            self.watchdog.feed()

    async def watch_button(self):
        gestures = Gestures()
        # in the order of the rows of the table above
        act = {SHORT: self.teach, DOUBLE: self.undo, LONG: self.next_class, VERY_LONG: self.new_class}
        while True:
            event = gestures.update(not self.button(), time.ticks_ms())
            self.led(gestures.stage in (1, 3))
            if event:
                try:
                    act[event]()
                except (OSError, MemoryError, ValueError) as error:
                    print("not done:", error)
            self.feed()
            await asyncio.sleep_ms(POLL_MS)

    async def watch_source(self):
        while True:
            x = self.source.read()
            if x is not None:
                self.sample = bytes(x)
                self.answer()
            elif self.stale and time.ticks_diff(time.ticks_ms(), self.stale) > self.settings["fit_after_ms"]:
                self.fit()
            problem = getattr(self.source, "problem", None)
            if problem:
                print(problem)
                self.source.problem = None
            await asyncio.sleep_ms(self.settings["sleep_ms"])

    def answer(self):
        if len(self.task.classes) < 2:
            print("answer: - (%d classes taught)" % len(self.task.classes))
            return
        result = self.task.predict(self.sample)
        if self.known:
            self.known(result.label is not None)
        print("answer: %s %.3f exit %d" % (result.label or "unknown", result.confidence, result.exit))

    def teach(self):
        if self.sample is None:
            print("not done: there is no sample yet")
            return
        kept = self.task.learn(self.sample, self.label)
        self.stale = time.ticks_ms() | 1
        print("%s: %s, %d samples" % ("taught" if kept else "shown", self.label, self.task.counts[self.label]))

    def undo(self):
        label = self.task.undo()
        self.stale = time.ticks_ms() | 1
        print("undone: %s, %d samples" % (label, self.task.counts.get(label, 0)))

    def next_class(self):
        classes = self.task.classes
        if classes:
            self.label = classes[(classes.index(self.label) + 1) % len(classes) if self.label in classes else 0]
        print("class:", self.label)

    def new_class(self):
        number = 1
        while "class %d" % number in self.task.classes:
            number += 1
        self.label = "class %d" % number
        print("class:", self.label)

    def fit(self):
        self.stale = 0
        if len(self.task.classes) < 2:
            return
        gc.collect()
        self.task.fit(progress=self.feed)
        if max(self.task.counts.values()) > 1:
            ratio, reject = self.settings["exit_ratio"], self.settings["reject_rate"]
            self.task.calibrate(ratio, progress=self.feed, reject_rate=reject)
        self.task.save()
        print("fitted: %d classes, %d samples" % (len(self.task.classes), len(self.task)))


class Cycle:
    """A file's samples, from the first to the last and again."""

    def __init__(self, path):
        self._samples = npy.open(path)
        self._next = 0

    def read(self):
        sample = self._samples[self._next]
        self._next = (self._next + 1) % len(self._samples)
        return sample


def open_source(settings, net):
    if settings["source"] != "stream":
        return Cycle(settings["source"])
    h, w, c = net.input_shape
    return stream.Stream(npy.open(settings["samples"]) if settings["samples"] else None, h * w * c)


def read_settings():
    settings = dict(SETTINGS)
    for path in CONFIGS:
        try:
            file = open(path)
        except OSError:
            continue
        with file:
            given = json.load(file)
        unknown = [name for name in given if name not in SETTINGS]
        if unknown:
            raise ValueError("%s: expected some of %s, got %s" % (path, sorted(SETTINGS), unknown))
        settings.update(given)
        break
    return settings


async def main():
    field = Field(read_settings())
    print("ready: %d classes, %d samples, class: %s" % (len(field.task.classes), len(field.task), field.label))
    await asyncio.gather(field.watch_button(), field.watch_source())


asyncio.run(main())
