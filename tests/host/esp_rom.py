# SPDX-License-Identifier: MIT
"""An ESP32-S3 that waits for firmware, as far as esptool sees it: its ROM loader and stub loader on a TCP port.

The protocol is told in esptool's documentation, "Serial Protocol".
"""

import hashlib
import socket
import struct
import threading
import zlib

SYNC, READ_REG, SECURITY_INFO = 0x08, 0x0A, 0x14
MEM_BEGIN, MEM_END, MEM_DATA = 0x05, 0x06, 0x07
DEFL_BEGIN, DEFL_DATA, DEFL_END, MD5 = 0x10, 0x11, 0x12, 0x13
FLASH_ID_REGISTER, FLASH_ID = 0x60002058, 0x1740C8  # 8 MB
ROM = 0x20120707  # what the ROM answers to SYNC, and the stub does not


class EspRom:
    """Use it in a with statement; `port` is a pyserial URL, `flash` the 8 MB that were written.

    chip_id: what the chip says it is (ESP32-S3: 9). broken: the flash forgets a bit of what it is given.
    """

    def __init__(self, chip_id=9, broken=False):
        self.chip_id, self.broken = chip_id, broken
        self.flash = bytearray(b"\xff" * (8 << 20))
        self.commands = []
        self._stub = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self._talk(connection)

    def _talk(self, connection):
        buffer = b""
        while True:
            try:
                data = connection.recv(65536)
            except OSError:
                return
            if not data:
                return
            *packets, buffer = (buffer + data).split(b"\xc0")
            for packet in filter(None, packets):
                packet = packet.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                for answer in self._answer(packet):
                    answer = answer.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
                    connection.sendall(b"\xc0" + answer + b"\xc0")

    def _answer(self, packet):
        _, command, _, _ = struct.unpack_from("<BBHI", packet)
        data = packet[8:]
        self.commands.append(command)
        value, more = 0, b""
        if command == READ_REG:
            value = FLASH_ID if struct.unpack("<I", data)[0] == FLASH_ID_REGISTER else 0
        elif command == SYNC:
            value = 0 if self._stub else ROM
        elif command == SECURITY_INFO:
            more = struct.pack("<IB7sII", 0, 0, bytes(7), self.chip_id, 0)
        elif command == DEFL_BEGIN:
            self._at = struct.unpack_from("<4I", data)[3]
            self._inflate = zlib.decompressobj()
        elif command == DEFL_DATA:
            written = self._inflate.decompress(data[16:])
            if self.broken and written:
                written = bytes([written[0] ^ 1]) + written[1:]
            self.flash[self._at : self._at + len(written)] = written
            self._at += len(written)
        elif command == MD5:
            address, size = struct.unpack_from("<2I", data)
            digest = hashlib.md5(self.flash[address : address + size])
            more = digest.digest() if self._stub else digest.hexdigest().encode()
        status = bytes(2 if self._stub else 4)
        yield struct.pack("<BBHI", 1, command, len(more) + len(status), value) + more + status
        if command == SYNC:
            for _ in range(7):
                yield struct.pack("<BBHI", 1, command, len(status), value) + status
        if command == MEM_END:
            self._stub = True
            yield b"OHAI"
