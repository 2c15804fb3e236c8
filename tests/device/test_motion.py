# SPDX-License-Identifier: MIT
# ruff: noqa: B007, B904
# Windows of motion, over models of the registers and queues of an LSM6DSO and an MPU-6050.

try:
    import struct
    from array import array

    from i2c_model import Bus, Device
    from microt.sources.motion import LSM6DSO, MPU6050, Motion
except ImportError:
    print("SKIP needs microt")
    raise SystemExit

G = 9.80665
DEGREE = 3.14159265 / 180


class Lsm6dsoModel(Device):
    """What DS12140 says of the registers that matter here; move() is one turn of the sensor's 52 Hz clock."""

    def __init__(self):
        super().__init__({0x0F: 0x6C})
        self.queue = []
        self.word = bytes(7)
        self.resets = 0
        self.over = False

    def write(self, register, value):
        if register == 0x12 and value & 1:
            self.resets += 1
            self.__init__()
            self.resets, value = 1, 2  # still busy when it is asked the first two times
        if register == 0x0A and value & 7 == 0:
            self.queue, self.over = [], False
        super().write(register, value)

    def read(self, register):
        if register == 0x12 and self.registers[0x12] in (1, 2):
            self.registers[0x12] -= 1
            return 1
        if register == 0x3A:
            return len(self.queue) & 255
        if register == 0x3B:
            return len(self.queue) >> 8 | (0x40 if self.over else 0)
        if register == 0x78:
            self.word = self.queue.pop(0) if self.queue else bytes(7)
        if 0x78 <= register <= 0x7E:
            return self.word[register - 0x78]
        return super().read(register)

    def after(self, register):
        assert self.registers[0x12] & 4 or self.registers[0x12] < 4
        return 0x78 if register == 0x7E else register + 1

    def move(self, acceleration, rotation, gap=False):
        """m/s^2 and rad/s."""
        r = self.registers
        assert r[0x10] == 0x38 and r[0x11] == 0x38 and r[0x09] == 0x33 and r[0x0A] & 7 == 6, "not set up"
        a = [round(v / G / 0.122e-3) for v in acceleration]
        w = [round(v / DEGREE / 35e-3) for v in rotation]
        words = [struct.pack("<Bhhh", 1 << 3, *w), struct.pack("<Bhhh", 2 << 3, *a)]
        for word in words[:1] if gap else words:
            if len(self.queue) == 512:
                self.queue.pop(0)
                self.over = True
            self.queue.append(word)
            if len(self.queue) % 50 == 7:
                self.queue.append(struct.pack("<Bhhh", 4 << 3, 1, 2, 3))  # a time stamp


class Mpu6050Model(Device):
    def __init__(self):
        super().__init__({0x75: 0x68, 0x6B: 0x40})
        self.queue = bytearray()
        self.over = False

    def write(self, register, value):
        if register == 0x6B and value & 0x80:
            self.__init__()
            value = 0x40
        if register == 0x6A and value & 4:
            self.queue, self.over = bytearray(), False
        super().write(register, value)

    def read(self, register):
        if register == 0x3A:
            return 0x10 if self.over else 1
        if register in (0x72, 0x73):
            return len(self.queue) >> 8 if register == 0x72 else len(self.queue) & 255
        if register == 0x74:
            value, self.queue = self.queue[0], self.queue[1:]
            return value
        return super().read(register)

    def after(self, register):
        return register if register == 0x74 else register + 1

    def move(self, acceleration, rotation):
        r = self.registers
        assert r[0x6B] == 1 and r[0x19] == 19 and r[0x1A] == 3 and r[0x1B] == 0x10 and r[0x1C] == 8, "not set up"
        assert r[0x23] == 0x78 and r[0x6A] == 0x40, "not queued"
        values = [round(v / G * 8192) for v in acceleration] + [round(v / DEGREE * 32.8) for v in rotation]
        self.queue += struct.pack(">6h", *[max(-32768, min(32767, v)) for v in values])
        if len(self.queue) > 1024:
            self.queue, self.over = self.queue[-1024:], True


def row(i):
    """A row of motion and the values it should become."""
    a, w = (0.5 * i - 3.0, 9.81, -0.25 * i), (0.01 * i, -1.5, 2.0 - 0.02 * i)
    return a, w, [500 * v for v in a] + [1000 * v for v in w]


def near(window, rows, off=2):
    assert len(window) == 6 * len(rows), (len(window), len(rows))
    for i, expected in enumerate(rows):
        for j in range(6):
            assert abs(window[6 * i + j] - expected[j]) <= off, (i, j, window[6 * i + j], expected[j])


for Driver, Model, address in ((LSM6DSO, Lsm6dsoModel, 0x6A), (MPU6050, Mpu6050Model, 0x68)):
    model = Model()
    bus = Bus({address: model})
    source = Motion(Driver(bus), window=20, hop=8)
    assert source.read() is None
    for i in range(19):
        model.move(*row(i)[:2])
        if i % 5 == 0:
            assert source.read() is None
    assert source.read() is None
    for i in range(19, 30):
        model.move(*row(i)[:2])
    window = source.read()
    assert isinstance(window, array)
    near(window, [row(i)[2] for i in range(20)])
    near(source.read(), [row(i)[2] for i in range(8, 28)])
    assert source.read() is None and source.losses == 0
    for i in range(30, 36):
        model.move(*row(i)[:2])
    near(source.read(), [row(i)[2] for i in range(16, 36)])

    # the queue runs over: no window has rows from before and after
    for i in range(300):
        model.move(*row(i % 50)[:2])
    assert source.read() is None and source.losses == 1
    for i in range(20):
        model.move(*row(i + 3)[:2])
    near(source.read(), [row(i + 3)[2] for i in range(20)])

    # more than the values can say
    for i in range(8):
        model.move((40.0, -40.0, 0.0) if Model is Mpu6050Model else (39.0, -39.0, 0.0), (0.0, 0.0, 17.0))
    window = source.read()
    assert 19400 < window[-6] < 20100 and -20100 < window[-5] < -19400 and 16900 < window[-1] < 17600

    # mounted otherwise: x is the sensor's -y, y its x
    source = Motion(Driver(bus), window=2, axes=(-2, 1, 3))
    for i in (4, 5):
        model.move(*row(i)[:2])
    turned = [row(i)[2] for i in (4, 5)]
    near(source.read(), [[-r[1], r[0], r[2], -r[4], r[3], r[5]] for r in turned])
    print(Driver.__name__)

# a gyroscope's value whose accelerometer's comes later
model = Lsm6dsoModel()
source = Motion(LSM6DSO(Bus({0x6A: model})), window=1)
model.move(*row(3)[:2], gap=True)
assert source.read() is None
model.queue.append(struct.pack("<Bhhh", 2 << 3, 0, 100, 0))
near(source.read(), [[0, 100 * 0.122e-3 * G * 500, 0] + row(3)[2][3:]])

for wrong, words in (
    (lambda: MPU6050(Bus({0x68: Lsm6dsoModel()})), ("MPU6050", "0x68", "got 0x00")),
    (lambda: LSM6DSO(Bus({0x6B: model})), ()),
    (lambda: Motion(None, 0), ("window of 1 or more",)),
    (lambda: Motion(None, 5, 6), ("hop of 1 to window",)),
    (lambda: Motion(None, 5, axes=(1, 2, 2)), ("axes",)),
):
    try:
        wrong()
    except (ValueError, OSError) as error:
        for word in words:
            assert word in str(error), (word, error)
    else:
        raise AssertionError(words)
print("OK")
