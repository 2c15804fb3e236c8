# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# Windows of an analogue signal, with a timer that the test turns.

try:
    from microt.sources.adc import Adc
except ImportError:
    print("SKIP needs microt")
    raise SystemExit


class Ramp:
    """An ADC that reads 0, 1, 2, ..."""

    def __init__(self):
        self.n = -1

    def read_u16(self):
        self.n += 1
        return self.n


class Timer:
    def init(self, freq, mode, callback):
        self.freq, self.tick = freq, callback

    def deinit(self):
        self.tick = None


import machine

if not hasattr(machine, "Timer"):
    # what is read of it is only how the timer shall go on

    class Periodic:
        PERIODIC = 1

    import microt.sources.adc as module

    class Machine:
        Timer = Periodic

    module.machine = Machine

timer = Timer()
source = Adc(Ramp(), rate=100, window=6, hop=2, timer=timer)
assert timer.freq == 100


def tick(n):
    for _ in range(n):
        timer.tick(timer)


def values(x):
    return [v + 32768 for v in x]


tick(5)
assert source.read() is None
tick(1)
assert values(source.read()) == [0, 1, 2, 3, 4, 5]
assert source.read() is None
tick(2)
assert values(source.read()) == [2, 3, 4, 5, 6, 7]
tick(4)  # two hops at once: the ring holds a window and a hop
assert values(source.read()) == [4, 5, 6, 7, 8, 9] and values(source.read()) == [6, 7, 8, 9, 10, 11]
tick(5)
assert source.lost == 0 and values(source.read()) == [10, 11, 12, 13, 14, 15]
assert source.lost == 2, source.lost
tick(1000)
x = values(source.read())
assert x == list(range(x[0], x[0] + 6)) and x[0] % 2 == 0 and source.lost > 900
source.close()
assert timer.tick is None
for wrong in ((0, 6, 2), (100, 0, None), (100, 6, 7), (100, 6, 0)):
    try:
        Adc(Ramp(), *wrong, timer=timer)
        raise AssertionError(wrong)
    except ValueError as error:
        assert "hop of 1 to window" in str(error)
print("OK")
