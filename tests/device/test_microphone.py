# SPDX-License-Identifier: MIT
# ruff: noqa: B904
# Windows of sound from something that receives as machine.I2S does: with a call back when a buffer is full.

try:
    from array import array

    from microt.sources.microphone import Microphone
except ImportError:
    print("SKIP needs microt")
    raise SystemExit


class I2s:
    """machine.I2S receiving: readinto returns at once, hear() fills the buffer and calls back each time it is full."""

    def __init__(self):
        self.handler = self.buffer = None
        self.at = 0
        self.closed = False

    def irq(self, handler):
        self.handler = handler

    def readinto(self, buffer):
        assert self.handler, "this would wait"
        self.buffer, self.at = memoryview(buffer), 0
        return len(buffer) * 2

    def hear(self, samples):
        for sample in samples:
            self.buffer[self.at] = sample
            self.at += 1
            if self.at == len(self.buffer):
                self.handler(self)

    def deinit(self):
        self.closed = True


i2s = I2s()
source = Microphone(i2s, 12, hop=4)
assert source.read() is None
i2s.hear(range(11))
assert source.read() is None
i2s.hear(range(11, 13))
window = source.read()
assert isinstance(window, array)
assert list(window) == list(range(12)) and source.read() is None
i2s.hear(range(13, 16))
assert list(source.read()) == list(range(4, 16)) and source.lost == 0
i2s.hear(range(16, 24))  # two parts at once: one window begins in what is written over
assert list(source.read()) == list(range(12, 24)) and source.lost == 4
assert source.read() is None
# nobody reads for long: the newest whole window, and how many were lost before it
i2s.hear(range(24, 60))
assert list(source.read()) == list(range(48, 60)) and source.lost == 4 + 32
assert source.read() is None
i2s.hear(range(60, 64))
assert list(source.read()) == list(range(52, 64))
source.close()
assert i2s.closed
print("windows")

# only what is loud, and when it is in the middle
i2s = I2s()
source = Microphone(i2s, 20, hop=4, level=1000)
seen = []
sound = [0] * 30 + [20, -900, 500] + [0] * 27 + [40, -1500, 900, 100] + [0] * 40 + [1000] + [3] * 30
for i in range(0, len(sound), 3):
    i2s.hear(sound[i : i + 3])
    window = source.read()
    if window is not None:
        seen.append(list(window))
assert len(seen) == 2 and -1500 in seen[0][8:12] and 1000 in seen[1][8:12], seen
assert source.lost == 0
print("level")

assert Microphone(I2s(), 7920)._hop == 990
assert Microphone(I2s(), 7)._hop == 1
for wrong in ((0, None), (12, 5), (12, 13), (12, 0)):
    try:
        Microphone(I2s(), *wrong)
    except (ValueError, StopIteration) as error:
        assert "hop" in str(error), error
    else:
        raise AssertionError(wrong)
print("OK")
