# SPDX-License-Identifier: MIT
"""The field application: a board that is taught with one button. Copy it to the board as main.py, or

    mpremote connect PORT run device/tasks/field.py

The button           short press      teach: the sample at hand is of the current class
                     double press     undo: forget the sample taught last
                     long press       next class (the LED goes out when it is long enough)
                     very long press  new class (the LED comes back)
                     held at start    the application does not start: the way in to a board with a watchdog

Settings come from field.json in the current folder, else in /rom, over those in SETTINGS below. Samples
come from a source, an object with `read() -> buffer or None`: "stream" (`microt.sources.stream`, fed by a
host), the path of a .npy file, read from its first sample to its last and again, or the name of a module on the board
with a function `open(settings, net)` that returns one. What it gives is copied, unless the source says in `coming`
that it is writing over it. Each sample is answered with a line, on the display too where
one is named: a module on the board with a function `show(text)`. Some seconds after the last lesson the heads are
fitted and saved; a sample is in flash as soon as its line says "taught".

Its first line begins with "ready:"; who opens the line later reads it after Enter (of the source "stream").

The watchdog, where the board has one, is fed by the loop and while the heads are fitted. What fails (a full flash, no
memory, a wrong sample) is said in a line that begins with "not", and the board goes on.
"""

import asyncio
import gc
import time

import machine
from microt.buttons import DOUBLE, LONG, SHORT, VERY_LONG, Gestures
from microt.settings import over
from microt.sources import open_source

import microt

SETTINGS = {
    "backbone": "/rom/backbone.mtb",
    "task": "/task",
    "source": "stream",
    "samples": None,  # .npy file that the lines "#17" of a stream name samples of
    "button": 3,  # pin, to ground
    "led": 5,  # pin, lit at high level
    "known_led": 6,  # pin, lit while the answer is a class; None: there is none
    "display": None,  # module with show(text)
    "exit_ratio": 0.5,
    "track": 0.02,  # how fast the threshold follows the stream so that exit_ratio holds, see Task.track; 0: not at all
    "reject_rate": 0.05,
    "limit": None,  # most samples of a class
    "keep": "herding",  # which of them, with a limit: "herding" or "random"
    "fit_after_ms": 1500,  # of rest after a lesson
    "sleep_ms": 20,  # between looking for samples
    "light_sleep": False,  # sleep by machine.lightsleep, where a pin is still read and the line is not the source
    "watchdog_ms": 8000,  # 0: none
}
CONFIGS = ("field.json", "/rom/field.json")
POLL_MS = 4
GARBAGE = 1 << 15  # bytes to collect: else what stays comes to lie behind it, amid the room that a fit needs
ERRORS = (OSError, MemoryError, ValueError, RuntimeError, TypeError)


class Field:
    """The task, the sample at hand, the class at hand."""

    def __init__(self, settings):
        self.settings = settings
        self.net = microt.Backbone(settings["backbone"])
        self.task = microt.Task(self.net, settings["task"], limit=settings["limit"], keep=settings["keep"])
        # a front end takes int16 samples, which a stream brings as bytes
        shape = (2 * self.net.samples,) if self.net.samples else self.net.input_shape
        self.source = open_source(settings, shape, self.net)
        self.button = open_button(settings)
        self.led = machine.Pin(settings["led"], machine.Pin.OUT, value=0)
        known = settings["known_led"]
        self.known = None if known is None else machine.Pin(known, machine.Pin.OUT, value=0)
        self.display = __import__(settings["display"]) if settings["display"] else None
        self.gestures = Gestures()
        self.watchdog = None
        if hasattr(machine, "WDT") and settings["watchdog_ms"]:
            self.watchdog = machine.WDT(timeout=settings["watchdog_ms"])
        self.sample = None  # a copy where the source may use its buffer again without saying so
        self.label = self.task.classes[0] if self.task.classes else "class 1"
        self.stale = 0  # when the heads fell behind the samples, 0: they did not
        if len(self.task.classes) > 1 and not self.task.fitted:
            self.stale = time.ticks_ms() | 1
        self.track()

    def say(self, text):
        print(text)
        if self.display:
            self.display.show(text)

    def ready(self):
        self.say("ready: %d classes, %d samples, class: %s" % (len(self.task.classes), len(self.task), self.label))

    def feed(self, *_):
        if self.watchdog:
            self.watchdog.feed()

    async def watch_button(self):
        # in the order of the rows of the table above
        act = {SHORT: self.teach, DOUBLE: self.undo, LONG: self.next_class, VERY_LONG: self.new_class}
        while True:
            event = self.gestures.update(not self.button(), time.ticks_ms())
            self.led(self.gestures.stage in (1, 3))
            if event:
                self.attempt(act[event])
            self.feed()
            await asyncio.sleep_ms(POLL_MS)

    async def watch_source(self):
        while True:
            self.attempt(self.look)
            problem = getattr(self.source, "problem", None)
            if problem:
                self.say(problem)
                self.source.problem = None
            if getattr(self.source, "entered", False):
                self.source.entered = False
                self.ready()
            if self.settings["light_sleep"] and not self.gestures.busy:
                machine.lightsleep(self.settings["sleep_ms"])
                await asyncio.sleep_ms(0)
            else:
                await asyncio.sleep_ms(self.settings["sleep_ms"])

    def attempt(self, action):
        try:
            action()
        except ERRORS as error:
            self.say("not done: %s" % error)

    def look(self):
        x = self.source.read()
        if x is not None:
            if hasattr(self.source, "coming"):
                self.sample = x  # the heap of a small board has no room for another
            elif self.sample is None or len(self.sample) != len(x):
                self.sample = bytearray(x) if isinstance(x, (bytes, memoryview)) else x[:]
            else:
                self.sample[:] = x
            self.answer()
        elif self.stale and time.ticks_diff(time.ticks_ms(), self.stale) > self.settings["fit_after_ms"]:
            self.fit()

    def answer(self):
        if len(self.task.classes) < 2:
            self.say("answer: - (%d classes taught)" % len(self.task.classes))
            return
        result = self.task.predict(self.sample)
        if self.known:
            self.known(result.label is not None)
        self.say("answer: %s %.3f exit %d" % (result.label or "unknown", result.confidence, result.exit))

    def teach(self):
        if self.sample is None or getattr(self.source, "coming", False):
            self.say("not done: there is no sample yet")
            return
        kept = self.task.learn(self.sample, self.label)
        self.stale = time.ticks_ms() | 1
        self.say("%s: %s, %d samples" % ("taught" if kept else "shown", self.label, self.task.counts[self.label]))

    def undo(self):
        label = self.task.undo()
        self.stale = time.ticks_ms() | 1
        self.say("undone: %s, %d samples" % (label, self.task.counts.get(label, 0)))

    def next_class(self):
        classes = self.task.classes
        if classes:
            self.label = classes[(classes.index(self.label) + 1) % len(classes) if self.label in classes else 0]
        self.say("class: " + self.label)

    def new_class(self):
        number = 1
        while "class %d" % number in self.task.classes:
            number += 1
        self.label = "class %d" % number
        self.say("class: " + self.label)

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
        self.track()
        self.say("fitted: %d classes, %d samples" % (len(self.task.classes), len(self.task)))

    def track(self):
        if self.task.threshold is not None:
            self.task.track(self.settings["track"])


def open_button(settings):
    return machine.Pin(settings["button"], machine.Pin.IN, machine.Pin.PULL_UP)


async def main():
    settings = over(SETTINGS, CONFIGS)
    gc.threshold(GARBAGE)
    if not open_button(settings)():
        print("not started: the button is held")
        return
    if hasattr(machine, "WDT_RESET") and machine.reset_cause() == machine.WDT_RESET:
        print("started again by the watchdog")
    field = Field(settings)
    field.ready()
    await asyncio.gather(field.watch_button(), field.watch_source())


asyncio.run(main())
