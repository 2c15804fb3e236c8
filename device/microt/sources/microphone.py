# SPDX-License-Identifier: MIT
"""Windows of sound from a microphone on I2S.

    i2s = machine.I2S(0, sck=machine.Pin(14), ws=machine.Pin(15), sd=machine.Pin(16), mode=machine.I2S.RX,
                      bits=16, format=machine.I2S.MONO, rate=net.rate, ibuf=net.samples)
    source = Microphone(i2s, net.samples, level=1000)
    x = source.read()          array("h") of net.samples values, or None

Whatever has `irq` and `readinto` as `machine.I2S` has will do, a driver of a PDM microphone for example.
"""

from array import array


class Microphone:
    """read() -> array('h') of `window` values, valid until the next call, or None; `hop` values after the one before.

    i2s: receives 16-bit samples of one channel; it must hold what comes in while the program is elsewhere. hop: values
    at a time, the window is some of them (None: an eighth or so).
    level: 0 for every window. Else only those with a sound of this peak or more (of 32767) whose loudest part is in
    the middle of the window, as it is in the windows that the host cuts from recordings.
    Samples that came while nobody read for more than a window are lost; `lost` counts them.
    """

    def __init__(self, i2s, window, hop=None, level=0):
        if hop is None:
            hop = next((n for n in range(window // 8 or 1, window + 1) if window % n == 0), 0)
        if window < 1 or not 1 <= hop <= window or window % hop:
            raise ValueError("expected a hop of 1 to window that divides it, got %r" % ((window, hop),))
        self.lost = 0
        self._hop = hop
        self._level = level
        self._out = array("h", bytes(2 * window))
        # a window stays whole while the part after it comes in
        self._parts = [array("h", bytes(2 * hop)) for _ in range(window // hop + 1)]
        self._at = 0  # parts received, and where the next window starts
        self._next = 0
        self._i2s = i2s
        i2s.irq(self._received)  # from now on readinto returns at once
        i2s.readinto(self._parts[0])

    def _received(self, _):
        """A part is full: on with the next. Runs between two instructions of the program."""
        self._at += 1
        self._i2s.readinto(self._parts[self._at % len(self._parts)])

    def read(self):
        count = len(self._parts) - 1  # of a window; one more is being filled
        while True:
            late = self._at - self._next - count
            if late < 0:
                return None
            if late > 0:
                self._next += late
                self.lost += late * self._hop
            for i in range(count):
                self._out[i * self._hop : (i + 1) * self._hop] = self._parts[(self._next + i) % len(self._parts)]
            if self._at - self._next > count:  # overtaken meanwhile
                continue
            self._next += 1
            if not self._level or self._in_the_middle(count):
                return self._out

    def _in_the_middle(self, count):
        """Whether the window's loudest part is one in its middle and loud enough."""
        hop, out = self._hop, self._out
        loudest, where = 0, 0
        for i in range(count):
            part = out[i * hop : (i + 1) * hop]
            peak = max(max(part), -min(part))
            if peak > loudest:
                loudest, where = peak, i
        return loudest >= self._level and where == count // 2

    def close(self):
        """Stops receiving."""
        self._i2s.deinit()
