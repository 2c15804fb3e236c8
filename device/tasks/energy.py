# SPDX-License-Identifier: MIT
"""Measures joules with an INA226 or INA219: each exit, one lesson, one fit.

    mpremote connect PORT mount FOLDER run device/tasks/energy.py

Settings come from energy.json in the current folder, else in /rom, over those in SETTINGS below. "role" says who
measures:

    "self"     this board, with the sensor on its own I2C bus and the shunt in its own supply
    "work"     another board: this one holds the pin "mark" high around each of five runs of each stage
    "watch"    this board measures what another one marks on the pin "mark"; start it first

Prints a line a stage, and at last `REPORT ` and a JSON object: {"unit": "joules", "how": "measured, INA226", "stages":
[{"stage", "joules", "watts", "seconds", "calls", "windows", "clock_hz"}]}. Nothing is printed that was not measured.
The lessons go into a folder of their own, which is emptied.
"""

import json
import os
import time

import machine
from microt.meter import INA219, INA226, WINDOWS, Clock, Marker, Meter
from microt.settings import over
from microt.sources import npy

import microt

SETTINGS = {
    "role": "self",
    "backbone": "/rom/backbone.mtb",
    "samples": "/rom/train.npy",  # the first `classes` x `shots` are taught, in turn to each class
    "classes": 4,
    "shots": 5,
    "task": "/energy",  # emptied
    "sensor": "INA226",
    "address": 0x40,
    "shunt_ohms": 0.1,
    "i2c": 0,  # the bus, and its pins when they are not the bus's own: [scl, sda]
    "pins": None,
    "mark": 2,  # pin
    "window_s": 2.0,
    "clock_hz": {},  # stage: machine.freq while it runs, for those that are to run at another
}
CONFIGS = ("energy.json", "/rom/energy.json")
SENSORS = {"INA226": INA226, "INA219": INA219}
ROLES = ("self", "work", "watch")
PAUSE_MS = 100  # between two marks


def read_settings():
    settings = over(SETTINGS, CONFIGS)
    for name, known in (("role", ROLES), ("sensor", sorted(SENSORS))):
        if settings[name] not in known:
            raise ValueError("%s: expected one of %s, got %r" % (name, known, settings[name]))
    return settings


def open_meter(settings):
    if not hasattr(machine, "I2C"):
        raise OSError("this board has no machine.I2C to read a meter with")
    where = {}
    if settings["pins"]:
        where = {"scl": machine.Pin(settings["pins"][0]), "sda": machine.Pin(settings["pins"][1])}
    bus = machine.I2C(settings["i2c"], freq=400_000, **where)
    return Meter(SENSORS[settings["sensor"]](bus, settings["address"], settings["shunt_ohms"]))


def exit_names(net):
    return ["exit %d" % e for e in range(net.exits)]


def stages(settings):
    """(name, what to call) of everything that is measured."""
    net = microt.Backbone(settings["backbone"])
    samples = npy.open(settings["samples"])
    classes, shots = settings["classes"], settings["shots"]
    if len(samples) < classes * shots:
        raise ValueError("%s: expected %d samples, got %d" % (settings["samples"], classes * shots, len(samples)))
    empty(settings["task"])
    task = microt.Task(net, settings["task"], limit=shots)
    for i in range(classes * shots):
        task.learn(samples[i], "class %d" % (i % classes))
    for e, name in enumerate(exit_names(net)):
        yield name, lambda e=e: net.run(samples[0], e)
    yield "learn", lambda: task.learn(samples[0], "class 0")
    yield "fit", task.fit


def empty(folder):
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        os.remove(folder + "/" + name)


class Here:
    """The clock as it is."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def at_clock(settings, name):
    hz = settings["clock_hz"].get(name)
    return Clock(hz) if hz else Here()


def work(settings):
    marker = Marker(machine.Pin(settings["mark"], machine.Pin.OUT))
    for name, stage in stages(settings):
        print("marking", name)
        with at_clock(settings, name):
            for _ in range(WINDOWS):
                time.sleep_ms(PAUSE_MS)
                with marker:
                    stage()
    print("done")


def measured(settings):
    """(name, Measurement) of each stage."""
    meter = open_meter(settings)
    if settings["role"] == "self":
        for name, stage in stages(settings):
            with at_clock(settings, name):
                yield name, meter.measure(stage, settings["window_s"])
        return
    pin = machine.Pin(settings["mark"], machine.Pin.IN)
    for name in exit_names(microt.Backbone(settings["backbone"])) + ["learn", "fit"]:
        yield name, meter.watch(pin)


def measure(settings):
    how = "measured, " + settings["sensor"]
    rows = []
    for name, m in measured(settings):
        print("%-8s %12.6f J  %8.4f W  %10.6f s  x %d" % (name, m.joules, m.watts, m.seconds, m.calls))
        row = {"stage": name, "joules": m.joules, "watts": m.watts, "seconds": m.seconds, "calls": m.calls}
        row["windows"] = list(m.windows)
        row["clock_hz"] = settings["clock_hz"].get(name)
        rows.append(row)
    print("REPORT " + json.dumps({"unit": "joules", "how": how, "stages": rows}))


settings = read_settings()
if settings["role"] == "work":
    work(settings)
else:
    measure(settings)
