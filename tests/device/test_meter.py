# SPDX-License-Identifier: MIT
# ruff: noqa: B023, B904, B905
# The meter over models of the INA226's and INA219's registers, with a load whose energy is known.

try:
    from microt.meter import INA219, INA226, Clock, Marker, Meter
except ImportError:
    print("SKIP needs microt")
    raise SystemExit


class Bench:
    """A clock, a load that changes with it, and the I2C bus with the sensor between the two."""

    def __init__(self, shunt=0.1, volts=3.3, address=0x40):
        self.us = 2**30 - 500_000  # about to wrap, as ticks do
        self.total = 0
        self.shunt, self.volts, self.address = shunt, volts, address
        self.loads = [(0.0, 0.01)]  # (since when in seconds, amperes)
        self.registers = {}
        self.started = 0.0
        self.done = self.told = 0  # measurements finished, and those asked about
        self.amperes = 0.0  # mean over the last one
        self.present = True

    def ticks_us(self):
        self.spend(10e-6)
        return self.us

    def ticks_diff(self, a, b):
        return ((a - b + 2**29) & (2**30 - 1)) - 2**29

    def spend(self, seconds, amperes=None):
        before = self.loads[-1][1]
        if amperes is not None:
            self.loads.append((self.total, amperes))
        self.total += seconds
        self.us = (self.us + round(seconds * 1e6)) & (2**30 - 1)
        if amperes is not None:
            self.loads.append((self.total, before))

    def mean(self, start, end):
        charge = 0.0
        for i, (since, amperes) in enumerate(self.loads):
            until = self.loads[i + 1][0] if i + 1 < len(self.loads) else end
            charge += amperes * max(0.0, min(until, end) - max(since, start))
        if len(self.loads) > 50:
            del self.loads[:-50]
        return charge / (end - start)

    # --- the bus ---

    def readfrom_mem_into(self, address, register, buffer):
        if not self.present or address != self.address:
            raise OSError(19)
        self.spend(60e-6)  # at 400 kHz
        self.measure()
        value = self.read(register) & 0xFFFF
        buffer[0], buffer[1] = value >> 8, value & 255

    def writeto_mem(self, address, register, buffer):
        if not self.present or address != self.address:
            raise OSError(19)
        self.registers[register] = buffer[0] << 8 | buffer[1]
        if register == 0:
            self.started, self.done, self.told = self.total, 0, 0

    def measure(self):
        period = self.period()
        done = int((self.total - self.started) / period)
        if done > self.done:
            end = self.started + done * period
            self.done, self.amperes = done, self.mean(end - period, end)


class Bench226(Bench):
    def period(self):
        word = self.registers.get(0, 0x4127)
        times = (140e-6, 204e-6, 332e-6, 588e-6, 1.1e-3, 2.116e-3, 4.156e-3, 8.244e-3)
        averages = (1, 4, 16, 64, 128, 256, 512, 1024)[word >> 9 & 7]
        assert word & 7 == 7, "both voltages, continuously"
        return averages * (times[word >> 6 & 7] + times[word >> 3 & 7])

    def read(self, register):
        if register == 1:
            return max(-32768, min(32767, round(self.amperes * self.shunt / 2.5e-6)))
        if register == 2:
            return round(self.volts / 1.25e-3)
        if register == 6:
            fresh = self.done > self.told
            self.told = self.done
            return 8 if fresh else 0
        return {0xFE: 0x5449, 0xFF: 0x2260}[register]


class Bench219(Bench226):
    def period(self):
        word = self.registers.get(0, 0x399F)
        assert word & 7 == 7 and word >> 11 & 3 == 3 and word >> 13 & 1
        times = {0: 84e-6, 3: 532e-6}
        for n in range(1, 8):
            times[8 + n] = 532e-6 * 2**n
        return times[word >> 7 & 15] + times[word >> 3 & 15]

    def read(self, register):
        if register == 1:
            return max(-32000, min(32000, round(self.amperes * self.shunt / 10e-6)))
        if register == 2:
            return round(self.volts / 4e-3) << 3 | (2 if self.done > self.told else 0)
        if register == 3:
            self.told = self.done
        return 0


def near(got, wanted, share):
    assert abs(got - wanted) <= share * wanted, (got, wanted)


# a stage of 30 ms, 10 of them at 90 mA and 20 at 40: 3.3 V x (0.9 + 0.8) mC = 5.61 mJ
for bench, sensor in ((Bench226(), INA226), (Bench219(), INA219)):

    def stage():
        bench.spend(0.010, 0.090)
        bench.spend(0.020, 0.040)

    meter = Meter(sensor(bench, shunt=0.1), clock=bench)
    m = meter.measure(stage, seconds=1.0)
    near(m.joules, 5.61e-3, 0.02)
    near(m.seconds, 0.030, 0.02)
    near(m.watts, 5.61e-3 / 0.030, 0.02)
    assert len(m.windows) == 5 and m.calls >= 5 * 30
    # half the current, half the energy: what is measured is the load, not a constant
    near(meter.measure(lambda: bench.spend(0.030, 0.0283333), seconds=0.5).joules, 2.805e-3, 0.02)
    # a call shorter than a measurement
    near(meter.measure(lambda: bench.spend(0.0002, 0.05), seconds=0.5).joules, 0.0002 * 0.05 * 3.3, 0.5)
print("own stages")

# one slow window of five does not move the median
bench = Bench226()
calls = [0]


def disturbed():
    calls[0] += 1
    bench.spend(0.010, 0.2 if 140 <= calls[0] < 180 else 0.05)


near(Meter(INA226(bench), clock=bench).measure(disturbed, seconds=1.0).joules, 0.010 * 0.05 * 3.3, 0.02)
print("median")


# another board's pulses: 50 ms at 60 mA, 10 mA between them
class Line:
    """What a Marker on the other board does to the pin, and its load, as time goes by."""

    def __init__(self, bench, high, low):
        self.bench, self.high, self.low = bench, high, low
        self.level = 0
        self.since = bench.total

    def __call__(self):
        self.bench.spend(5e-6)
        if self.bench.total - self.since >= (self.high if self.level else self.low):
            self.level = 1 - self.level
            self.since = self.bench.total
            self.bench.loads.append((self.since, 0.06 if self.level else 0.01))
        return self.level


for bench, sensor, within in ((Bench226(), INA226, 0.01), (Bench219(), INA219, 0.01)):
    m = Meter(sensor(bench), clock=bench).watch(Line(bench, 0.050, 0.020), pulses=5)
    near(m.joules, 0.050 * 0.06 * 3.3, within)
    near(m.seconds, 0.050, 0.01)
print("another board's pulses")


def refused(what, kind, words):
    try:
        what()
    except kind as error:
        assert words in str(error), error
        return
    raise AssertionError("not refused: " + words)


bench = Bench226()
meter = Meter(INA226(bench), clock=bench)
refused(lambda: meter.watch(lambda: bench.spend(0.01) or 0, timeout=1.0), OSError, "stayed low for 1 s")
refused(lambda: meter.watch(lambda: bench.spend(0.01) or 1, timeout=1.0), OSError, "stayed high for 1 s")
refused(lambda: meter.watch(Line(bench, 50e-6, 0.01)), OSError, "one measurement takes 0.000280 s")
refused(lambda: meter.measure(lambda: bench.spend(0.01, 1.5)), OSError, "over 0.819 A")
refused(lambda: meter.measure(lambda: bench.spend(20.0, 0.05)), ValueError, "averages over 16.9 s at most")
refused(lambda: meter.measure(lambda: None, seconds=0), ValueError, "more than 0")
refused(lambda: meter.measure(lambda: None, windows=0), ValueError, "1 or more")
refused(lambda: INA226(bench, address=0x41), OSError, "0x41: is the meter connected?")
refused(lambda: INA226(bench, shunt=0), ValueError, "ohms")
refused(lambda: INA226(Bench219()), OSError, "expected an INA226")
bench.present = False
refused(lambda: meter.measure(lambda: None), OSError, "is the meter connected?")
bench = Bench219()
refused(
    lambda: Meter(INA219(bench), clock=bench).measure(lambda: bench.spend(0.01, 3.5), seconds=0.2),
    OSError,
    "over 3.200 A",
)
print("refused")

levels = []
with Marker(levels.append):
    assert levels == [0, 1]
assert levels == [0, 1, 0]
try:
    with Marker(levels.append):
        raise KeyError
except KeyError:
    assert levels[-1] == 0, "the line goes down also when the stage fails"

for now in (120_000_000, (168_000_000, 168_000_000, 42_000_000, 84_000_000)):
    asked = []

    def freq(*hz):
        if hz:
            asked.append(hz)
        return now

    with Clock(48_000_000, freq):
        assert asked == [(48_000_000,)]
    assert asked[1] == (now if isinstance(now, tuple) else (now,))
print("OK")
