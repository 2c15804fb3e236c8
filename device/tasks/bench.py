# SPDX-License-Identifier: MIT
# Prints what runs of /rom/backbone.mtb take on this board: one line, BENCH {json}.
# `microt bench X.mtb --port PORT` puts the file there and makes a table of it.

import gc
import json
import sys
import time
from array import array

import machine

import microt

RUNS = 5
CPUID = 0xE000ED00
DEMCR, DWT_CTRL, DWT_CYCCNT, DWT_LAR = 0xE000EDFC, 0xE0001000, 0xE0001004, 0xE0001FB0
# Part numbers of the cores that may have a cycle counter (Arm's technical reference manuals, CPUID).
COUNTING = {0xC23: "Cortex-M3", 0xC24: "Cortex-M4", 0xC27: "Cortex-M7", 0xD21: "Cortex-M33", 0xD22: "Cortex-M55"}
OTHERS = {0xC20: "Cortex-M0", 0xC60: "Cortex-M0+", 0xD20: "Cortex-M23", 0xD23: "Cortex-M85"}


def is_emulated():
    try:
        import emulator

        return bool(emulator)
    except ImportError:
        return "qemu" in (sys.platform + sys.implementation._machine).lower()


def arm_part():
    # On no other architecture is there a CPUID to read; its numbers in .mpy files are 3 to 8.
    arch = getattr(sys.implementation, "_mpy", 0) >> 10 & 0x0F
    if 3 <= arch <= 8 or "Cortex-M" in sys.implementation._machine:
        return machine.mem32[CPUID] >> 4 & 0xFFF
    return 0


def has_cycle_counter(part):
    if part not in COUNTING:
        return False
    machine.mem32[DEMCR] |= 1 << 24  # TRCENA
    if COUNTING[part] == "Cortex-M7":
        machine.mem32[DWT_LAR] = 0xC5ACCE55
    if machine.mem32[DWT_CTRL] >> 25 & 1:  # NOCYCCNT
        return False
    machine.mem32[DWT_CTRL] |= 1
    first = machine.mem32[DWT_CYCCNT]
    return machine.mem32[DWT_CYCCNT] != first


def clock_hz():
    try:
        found = machine.freq()
    except (AttributeError, NotImplementedError, ValueError):
        return None
    return found[1] if isinstance(found, tuple) else found  # stm32: SYSCLK, HCLK, ...


def nothing():
    pass


def timed(function):
    # (cycles, microseconds); cycles are None without a counter. The counter wraps at 32 bits.
    gc.collect()
    gc.disable()
    start_us = time.ticks_us()
    start = machine.mem32[DWT_CYCCNT] if counts else 0
    function()
    end = machine.mem32[DWT_CYCCNT] if counts else 0
    end_us = time.ticks_us()
    gc.enable()
    return (end - start & 0xFFFFFFFF) if counts else None, time.ticks_diff(end_us, start_us)


part = arm_part()
counts = has_cycle_counter(part)
net = microt.Backbone("/rom/backbone.mtb")
h, w, c = net.input_shape
kind, size = ("h", net.samples) if net.samples else ("b", h * w * c)
# grown in place: there may be no room for it twice
width = 2 if kind == "h" else 1
piece, rest = array(kind, bytes(256 * width)), array(kind, bytes(size % 256 * width))
x = array(kind)
for _ in range(size // 256):
    x.extend(piece)
x.extend(rest)
state = 1
for i in range(len(x)):
    state = (state * 25173 + 13849) & 0xFFFF
    x[i] = (state >> 8) - 128

net.run(x)  # what is loaded once, is
runs = [[timed(lambda exit=exit: net.run(x, exit)) for _ in range(RUNS)] for exit in range(net.exits)]
resumes = []
for _ in range(RUNS):
    net.run(x)
    resumes.append([timed(net.resume) for _ in range(1, net.exits)])
found = {
    "machine": sys.implementation._machine,
    "core": COUNTING.get(part) or OTHERS.get(part),
    "emulated": is_emulated(),
    "cycle_counter": counts,
    "clock_hz": clock_hz(),
    "nothing": [timed(nothing) for _ in range(RUNS)],
    "runs": runs,
    "resumes": [[step[exit] for step in resumes] for exit in range(net.exits - 1)],
}
print("BENCH", json.dumps(found))
