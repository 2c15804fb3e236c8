# SPDX-License-Identifier: MIT
"""Windows of motion from an accelerometer and gyroscope on I2C, through the sensor's own queue.

    i2c = machine.I2C(0, freq=400_000)
    source = Motion(LSM6DSO(i2c), window=net.samples // 6, hop=25)
    x = source.read()          array("h") of window x 6 values, or None

A row is the accelerometer's x, y, z in 1/500 m/s^2, then the gyroscope's in 1/1000 rad/s, about 50 times a second: what
the shipped backbone of motion takes. The sensor queues rows while the program does something else.
"""

import struct
import time
from array import array

AXES = 6
SHIFT = 14  # of the factors from a sensor's units


class Motion:
    """read() -> array('h') of `window` rows of 6, valid until the next call, or None; `hop` rows after the one before.

    sensor: an LSM6DSO, an MPU6050, or whatever has `rows(out, at, most)`, which puts up to `most` rows into the array
    from value `at` on and returns how many, or -1 when rows were lost before these. After a loss a window starts
    anew; `losses` counts them. shape: (window, 6).
    axes: where the board's x, y and z are among the sensor's, 1 to 3, negative where they point the other way.
    """

    def __init__(self, sensor, window, hop=None, axes=(1, 2, 3)):
        hop = window if hop is None else hop
        if window < 1 or not 1 <= hop <= window:
            raise ValueError("expected a window of 1 or more, a hop of 1 to window, got %r" % ((window, hop),))
        if sorted(abs(a) for a in axes) != [1, 2, 3]:
            raise ValueError("axes: expected 1, 2 and 3 in some order, with signs, got %r" % (axes,))
        self.losses = 0
        self.shape = (window, AXES)
        self._sensor = sensor
        self._out = array("h", bytes(2 * AXES * window))
        self._window = window
        self._hop = hop
        self._axes = None if tuple(axes) == (1, 2, 3) else tuple(axes)
        self._filled = 0

    def read(self):
        out = self._out
        if self._filled == self._window:
            kept = self._window - self._hop
            out[: AXES * kept] = out[AXES * self._hop :]
            self._filled = kept
        while self._filled < self._window:
            at = AXES * self._filled
            rows = self._sensor.rows(out, at, self._window - self._filled)
            if rows == 0:
                return None
            if rows < 0:
                self.losses += 1
                self._filled = 0
                continue
            if self._axes:
                self._turn(at, rows)
            self._filled += rows
        return out

    def _turn(self, at, rows):
        out = self._out
        for start in range(at, at + AXES * rows, 3):
            three = out[start : start + 3]
            for i, axis in enumerate(self._axes):
                out[start + i] = three[axis - 1] if axis > 0 else max(-32767, -three[-axis - 1])


class Sensor:
    """A sensor's registers on an I2C bus."""

    def __init__(self, i2c, address, identity):
        """identity: (register, what it holds). ValueError when something else answers, OSError when nothing does."""
        self._i2c = i2c
        self._address = address
        found = self.get(identity[0])
        if found != identity[1]:
            raise ValueError(
                "%s: expected 0x%02x in register 0x%02x at address 0x%02x, got 0x%02x"
                % (type(self).__name__, identity[1], identity[0], address, found)
            )

    def get(self, register):
        """The byte in a register."""
        return self._i2c.readfrom_mem(self._address, register, 1)[0]

    def put(self, register, value):
        """Sets a register."""
        self._i2c.writeto_mem(self._address, register, bytes((value,)))


def scaled(value, factor):
    """value * factor / 2^SHIFT, rounded and kept inside int16."""
    value = (value * factor + (1 << (SHIFT - 1))) >> SHIFT
    return max(-32768, min(32767, value))


class LSM6DSO(Sensor):
    """ST's LSM6DSO and LSM6DSOX: +-4 g, +-1000 degrees/s, 52 rows a second, queued with a tag on each value of three.

    Registers and sensitivities: datasheet DS12140, section 9 and table 2.
    """

    # 0.122 mg and 35 mdps a step
    _ACCEL = round(0.122e-3 * 9.80665 * 500 * (1 << SHIFT))
    _GYRO = round(35e-3 * 3.14159265 / 180 * 1000 * (1 << SHIFT))
    _TAG_GYRO, _TAG_ACCEL = 1, 2

    def __init__(self, i2c, address=0x6A):
        super().__init__(i2c, address, (0x0F, 0x6C))
        self.put(0x12, 0x01)  # CTRL3_C: reset
        while self.get(0x12) & 0x01:
            time.sleep_ms(1)
        self.put(0x12, 0x44)  # CTRL3_C: whole values only, register numbers go up in a transfer
        self.put(0x0A, 0x00)  # FIFO_CTRL4: empty the queue
        self.put(0x10, 0x38)  # CTRL1_XL: 52 Hz, +-4 g
        self.put(0x11, 0x38)  # CTRL2_G: 52 Hz, +-1000 degrees/s
        self.put(0x09, 0x33)  # FIFO_CTRL3: both into the queue at 52 Hz
        self.put(0x0A, 0x06)  # FIFO_CTRL4: the oldest values go when it is full
        self._gyro = None  # the row's half that came first
        self._word = bytearray(7)

    def rows(self, out, at, most):
        """See `Motion`."""
        low, high = self._i2c.readfrom_mem(self._address, 0x3A, 2)  # FIFO_STATUS1, 2
        if high & 0x40:  # rows were written over: what is queued does not follow what was read
            self.put(0x0A, 0x00)
            self.put(0x0A, 0x06)
            self._gyro = None
            return -1
        queued = low | (high & 3) << 8
        found = 0
        while queued and found < most:
            queued -= 1
            self._i2c.readfrom_mem_into(self._address, 0x78, self._word)  # FIFO_DATA_OUT_TAG and six bytes
            tag, x, y, z = struct.unpack("<Bhhh", self._word)
            if tag >> 3 == self._TAG_GYRO:
                self._gyro = (x, y, z)
            elif tag >> 3 == self._TAG_ACCEL and self._gyro:
                start = at + AXES * found
                for i, value in enumerate((x, y, z)):
                    out[start + i] = scaled(value, self._ACCEL)
                    out[start + 3 + i] = scaled(self._gyro[i], self._GYRO)
                self._gyro = None
                found += 1
        return found


class MPU6050(Sensor):
    """InvenSense's MPU-6050: +-4 g, +-1000 degrees/s, 50 rows a second, queued as 12 bytes, high bytes first.

    Registers and sensitivities: register map RM-MPU-6000A-00, product specification PS-MPU-6000A-00.
    """

    # 8192 steps a g, 32.8 a degree/s
    _ACCEL = round(9.80665 / 8192 * 500 * (1 << SHIFT))
    _GYRO = round(3.14159265 / 180 / 32.8 * 1000 * (1 << SHIFT))
    _ROW = 12

    def __init__(self, i2c, address=0x68):
        super().__init__(i2c, address, (0x75, 0x68))
        self.put(0x6B, 0x80)  # PWR_MGMT_1: reset
        while self.get(0x6B) & 0x80:
            time.sleep_ms(1)
        self.put(0x6B, 0x01)  # PWR_MGMT_1: awake, the gyroscope's clock
        self.put(0x1A, 0x03)  # CONFIG: 44 Hz low-pass, 1 kHz inside
        self.put(0x19, 19)  # SMPLRT_DIV: 50 Hz
        self.put(0x1B, 0x10)  # GYRO_CONFIG: +-1000 degrees/s
        self.put(0x1C, 0x08)  # ACCEL_CONFIG: +-4 g
        self.put(0x23, 0x78)  # FIFO_EN: all six axes
        self._restart()
        self._row = bytearray(self._ROW)

    def _restart(self):
        self.put(0x6A, 0x04)  # USER_CTRL: empty the queue
        self.put(0x6A, 0x40)  # USER_CTRL: queue

    def rows(self, out, at, most):
        """See `Motion`."""
        if self.get(0x3A) & 0x10:  # INT_STATUS: the queue ran over, it may start inside a row
            self._restart()
            return -1
        high, low = self._i2c.readfrom_mem(self._address, 0x72, 2)  # FIFO_COUNT
        found = min(most, (high << 8 | low) // self._ROW)
        for row in range(found):
            self._i2c.readfrom_mem_into(self._address, 0x74, self._row)  # FIFO_R_W
            start = at + AXES * row
            for i, value in enumerate(struct.unpack(">6h", self._row)):
                out[start + i] = scaled(value, self._ACCEL if i < 3 else self._GYRO)
        return found
