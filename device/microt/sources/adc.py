# SPDX-License-Identifier: MIT
"""Windows of an analogue signal: a microphone's, a strain gauge's, a current clamp's.

source = Adc(machine.ADC(0), rate=1000, window=256, hop=128)
x = source.read()          array("h") of 256 values, or None until they are there
"""

from array import array

import machine


class Adc:
    """read() -> array('h') of `window` values, valid until the next call, or None; `hop` values after the one before.

    adc: has `read_u16()`; 0 to 65535 become -32768 to 32767. rate: samples a second, taken by `timer`, a machine.Timer
    (a virtual one when None). What is not read in time is lost, whole hops at a time; `lost` counts the samples.
    """

    def __init__(self, adc, rate, window, hop=None, timer=None):
        hop = window if hop is None else hop
        if rate < 1 or window < 1 or not 1 <= hop <= window:
            raise ValueError(
                "expected rate and window of 1 or more, hop of 1 to window, got %r" % ((rate, window, hop),)
            )
        self.lost = 0
        self._adc = adc
        self._out = array("h", bytes(2 * window))
        self._ring = array("h", bytes(2 * (window + hop)))  # a window stays whole while the next hop comes in
        self._hop = hop
        self._at = 0  # samples taken, and where the next window starts
        self._next = 0
        self._timer = timer or machine.Timer(-1)
        self._timer.init(freq=rate, mode=machine.Timer.PERIODIC, callback=self.sample)

    def sample(self, _=None):
        """One sample more; the timer calls it."""
        self._ring[self._at % len(self._ring)] = self._adc.read_u16() - 32768
        self._at += 1

    def read(self):
        window, ring = len(self._out), self._ring
        while self._at - self._next > len(ring):  # the start was written over
            self._next += self._hop
            self.lost += self._hop
        if self._at - self._next < window:
            return None
        start = self._next % len(ring)
        first = min(window, len(ring) - start)
        self._out[:first] = ring[start : start + first]
        self._out[first:] = ring[: window - first]
        self._next += self._hop
        return self._out

    def close(self):
        """Stops the timer."""
        self._timer.deinit()
