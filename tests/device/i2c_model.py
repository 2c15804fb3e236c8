# SPDX-License-Identifier: MIT
"""An I2C bus with models of devices on it, at the level of their registers, as `machine.I2C` shows them.

bus = Bus({0x6A: device}); a device has read(register) -> int, write(register, value) and after(register), the next
register of a transfer, all called for every byte.
"""


class Bus:
    def __init__(self, devices):
        self.devices = devices
        self.transfers = 0

    def _device(self, address):
        self.transfers += 1
        if address not in self.devices:
            raise OSError(19, "ENODEV")
        return self.devices[address]

    def readfrom_mem_into(self, address, register, buffer):
        device = self._device(address)
        for i in range(len(buffer)):
            buffer[i] = device.read(register)
            register = device.after(register)

    def readfrom_mem(self, address, register, count):
        buffer = bytearray(count)
        self.readfrom_mem_into(address, register, buffer)
        return bytes(buffer)

    def writeto_mem(self, address, register, data):
        device = self._device(address)
        for value in data:
            device.write(register, value)
            register = device.after(register)


class Device:
    """256 registers of a byte; subclasses give some of them a meaning."""

    def __init__(self, values):
        self.registers = bytearray(256)
        for register, value in values.items():
            self.registers[register] = value

    def read(self, register):
        return self.registers[register]

    def write(self, register, value):
        self.registers[register] = value

    def after(self, register):
        """The register of a transfer's next byte."""
        return (register + 1) & 255
