# SPDX-License-Identifier: MIT
"""Joules, measured: an INA226 or INA219 on I2C, around a stage of the program or of another board's.

    sensor = INA226(I2C(0), shunt=0.1)
    meter = Meter(sensor)
    m = meter.measure(lambda: net.run(x, 0))     this board's own stage, called again and again
    m = meter.watch(Pin(2, Pin.IN))              another board's, for as long as it holds a line high (`Marker`)
    m.joules, m.watts, m.seconds                 of one call or pulse, median of five windows

The median of five windows is the way of MLPerf Tiny's energy runs (Banbury et al., 2021, section 4). The shunt
lies in the supply of the whole board or of its microcontroller alone: what else it feeds is in the figure.

`measure` needs no second board: the sensor averages by itself while the stage runs, over at least one call's time, and
is read between calls. `watch` sees each pulse on its own, but must not run on the board that does the work.
"""

import time
from collections import namedtuple

import machine

Measurement = namedtuple("Measurement", ("joules", "watts", "seconds", "calls", "windows"))
"""Of one call or pulse, from the window with the median of joules; calls in all; each window's joules."""

WINDOWS = 5


class Sensor:
    """What both sensors share: registers of 16 bits, and TIMES, how long a measurement takes by configuration."""

    def __init__(self, i2c, address, shunt):
        if not shunt > 0:
            raise ValueError("shunt: expected ohms above 0, got %r" % (shunt,))
        self._i2c = i2c
        self._address = address
        self._shunt = shunt
        self._word = bytearray(2)

    def _read(self, register):
        self._transfer(self._i2c.readfrom_mem_into, register)
        return self._word[0] << 8 | self._word[1]

    def _write(self, register, value):
        self._word[0], self._word[1] = value >> 8, value & 255
        self._transfer(self._i2c.writeto_mem, register)

    def _transfer(self, transfer, register):
        try:
            transfer(self._address, register, self._word)
        except OSError as error:
            raise OSError(
                error.errno, "no answer from address 0x%02x: is the meter connected?" % self._address
            ) from None

    def _read_signed(self, register):
        value = self._read(register)
        return value - 65536 if value & 0x8000 else value

    def average(self, seconds):
        """Averages over at least so long, then starts anew; returns over how long, in seconds.

        ValueError when the sensor cannot average for that long.
        """
        for spent, bits in self.TIMES:
            if spent >= seconds:
                self._write(0, bits)
                return spent
        raise ValueError(
            "%s averages over %.1f s at most, a call takes %.1f s: let another board watch it"
            % (type(self).__name__, self.TIMES[-1][0], seconds)
        )


class INA226(Sensor):
    """TI's INA226 (datasheet SBOS547): shunt voltage in steps of 2.5 uV to +-81.9 mV, bus voltage in steps of 1.25 mV.

    i2c: a machine.I2C; address: 0x40 to 0x4f by the pins A0 and A1; shunt: ohms. OSError when no such chip answers.
    """

    # Configuration register: AVG in bits 11-9, conversion times in 8-6 and 5-3, mode 7: both, continuously. A
    # measurement takes averages x (bus + shunt conversion); conversions of 140 us, and of 1.1 ms from 1024 averages on.
    TIMES = tuple(
        [(n * 280e-6, 0x4000 | i << 9 | 7) for i, n in enumerate((1, 4, 16, 64, 128, 256, 512, 1024))]
        + [
            (1024 * 2 * t, 0x4000 | 7 << 9 | i << 6 | i << 3 | 7)
            for i, t in ((4, 1.1e-3), (6, 4.156e-3), (7, 8.244e-3))
        ]
    )

    def __init__(self, i2c, address=0x40, shunt=0.1):
        super().__init__(i2c, address, shunt)
        maker, die = self._read(0xFE), self._read(0xFF)
        if maker != 0x5449 or die & 0xFFF0 != 0x2260:
            raise OSError("address 0x%02x: expected an INA226 (5449 226x), got %04x %04x" % (address, maker, die))
        self.average(0)

    def ready(self):
        """Whether a measurement was finished since the last time it was asked."""
        return bool(self._read(6) & 8)

    def read(self):
        """(volts, amperes) of the last measurement; OSError when the current is out of the shunt's range."""
        raw = self._read_signed(1)
        if raw in (32767, -32768):
            raise OSError("the current is over %.3f A: use a smaller shunt" % (0.08192 / self._shunt))
        return self._read(2) * 1.25e-3, raw * 2.5e-6 / self._shunt


class INA219(Sensor):
    """TI's INA219 (datasheet SBOS448): shunt voltage in steps of 10 uV to +-320 mV, bus voltage in steps of 4 mV.

    i2c, address, shunt: as INA226's. The chip has no number of its own: OSError when nothing answers at the address.
    """

    # Configuration register: 32 V, gain /8, then both converters' settings; 12 bits and 2^n averages of 532 us each.
    TIMES = tuple(
        (2 * t, 0x2000 | 3 << 11 | bits << 7 | bits << 3 | 7)
        for t, bits in (
            (84e-6, 0),
            (532e-6, 3),
            (1.06e-3, 9),
            (2.13e-3, 10),
            (4.26e-3, 11),
            (8.51e-3, 12),
            (17.02e-3, 13),
            (34.05e-3, 14),
            (68.1e-3, 15),
        )
    )

    def __init__(self, i2c, address=0x40, shunt=0.1):
        super().__init__(i2c, address, shunt)
        self._read(0)
        self.average(0)

    def ready(self):
        """Whether a measurement was finished since the last time it was asked."""
        if not self._read(2) & 2:
            return False
        self._read(3)  # reading the power register clears the flag
        return True

    def read(self):
        """(volts, amperes) of the last measurement; OSError when the current is out of the shunt's range."""
        raw = self._read_signed(1)
        if not -32000 < raw < 32000:
            raise OSError("the current is over %.3f A: use a smaller shunt" % (0.32 / self._shunt))
        return (self._read(2) >> 3) * 4e-3, raw * 1e-5 / self._shunt


class Meter:
    """Windows of energy over a `Sensor`. clock: ticks_us and ticks_diff, `time` unless a test has its own."""

    def __init__(self, sensor, clock=time):
        self._sensor = sensor
        self._clock = clock

    def measure(self, stage, seconds=2.0, windows=WINDOWS):
        """Calls `stage()` again and again for `windows` windows of at least `seconds` each; returns a `Measurement`.

        The sensor averages over at least one call, so that calls and measurements need no common clock. Charged to a
        call is all that the board used meanwhile, the reading of the sensor included (below 1 ms a measurement).
        """
        check(seconds, windows)
        clock = self._clock
        start = clock.ticks_us()
        stage()
        period = self._sensor.average(clock.ticks_diff(clock.ticks_us(), start) * 1e-6)
        found, count = [], 0
        for _ in range(windows):
            joules, elapsed, calls = self._window(stage, max(seconds, 2 * period))
            found.append((joules / calls, elapsed / calls))
            count += calls
        return summary(found, count)

    def _window(self, stage, seconds):
        """(joules, seconds, calls) between the end of two measurements at least `seconds` apart."""
        clock, sensor = self._clock, self._sensor
        sensor.ready()
        while not sensor.ready():  # the first whole measurement with the stage running; not counted
            stage()
        before = clock.ticks_us()
        joules = elapsed = 0.0
        calls = 0
        while True:
            stage()
            calls += 1
            if sensor.ready():
                volts, amperes = sensor.read()
                now = clock.ticks_us()
                passed = clock.ticks_diff(now, before) * 1e-6
                before = now
                joules += volts * amperes * passed
                elapsed += passed
                if elapsed >= seconds:
                    return joules, elapsed, calls

    def watch(self, pin, pulses=WINDOWS, timeout=60.0):
        """Charges each pulse of another board's `Marker` on `pin` with its own energy; returns a `Measurement`.

        OSError when a pulse has not come, or not ended, after `timeout` seconds, or was too short to be measured.
        """
        check(timeout, pulses)
        clock, sensor = self._clock, self._sensor
        period = sensor.average(0)
        found = []
        for _ in range(pulses):
            self._wait(pin, 0, timeout)
            self._wait(pin, 1, timeout)
            start = before = clock.ticks_us()
            sensor.ready()
            joules, watts = 0.0, None
            while pin():
                if sensor.ready():
                    volts, amperes = sensor.read()
                    watts = volts * amperes
                    now = clock.ticks_us()
                    joules += watts * clock.ticks_diff(now, before) * 1e-6
                    before = now
                if clock.ticks_diff(clock.ticks_us(), start) > timeout * 1e6:
                    raise OSError("the pulse did not end within %g s" % timeout)
            end = clock.ticks_us()
            passed = clock.ticks_diff(end, start) * 1e-6
            if watts is None:
                raise OSError("the pulse lasted %.6f s, one measurement takes %.6f s" % (passed, period))
            found.append((joules + watts * clock.ticks_diff(end, before) * 1e-6, passed))
        return summary(found, pulses)

    def _wait(self, pin, level, timeout):
        start = self._clock.ticks_us()
        while pin() != level:
            if self._clock.ticks_diff(self._clock.ticks_us(), start) > timeout * 1e6:
                raise OSError("the line stayed %s for %g s" % ("low" if level else "high", timeout))


class Marker:
    """Holds a line high around a stage, for another board's `watch`: `with marker: net.run(x)`."""

    def __init__(self, pin):
        self._pin = pin
        pin(0)

    def __enter__(self):
        self._pin(1)

    def __exit__(self, *_):
        self._pin(0)


class Clock:
    """Runs a stage at another clock: `with Clock(48_000_000): net.run(x)`; the clock before comes back after it.

    freq: machine.freq unless a test has its own.
    """

    def __init__(self, hz, freq=None):
        self._freq = freq or machine.freq
        self._hz = hz

    def __enter__(self):
        before = self._freq()
        # some ports tell the bus clocks too, as a tuple
        self._before = before if isinstance(before, tuple) else (before,)
        self._freq(self._hz)

    def __exit__(self, *_):
        self._freq(*self._before)


def check(seconds, windows):
    if not seconds > 0:
        raise ValueError("seconds: expected more than 0, got %r" % (seconds,))
    if windows < 1:
        raise ValueError("windows: expected 1 or more, got %r" % (windows,))


def summary(found, calls):
    """The `Measurement` of windows' (joules, seconds) a call; of two windows in the middle, the lower."""
    joules, seconds = sorted(found)[(len(found) - 1) // 2]
    return Measurement(joules, joules / seconds, seconds, calls, tuple(window[0] for window in found))
