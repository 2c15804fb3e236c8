# SPDX-License-Identifier: MIT
"""A board under QEMU: its line, its buttons and LEDs, and the memory that survives it."""

from __future__ import annotations

import fcntl
import mmap
import re
import shutil
import struct
import subprocess
import threading
import time
import weakref
from pathlib import Path

from microt.boards import firmware as firmware_build
from microt.boards.board import Board

# The shared memory; boards/mps/board.h has the same layout.
_DEVICE_PAGE_BYTES = 4096
_MAGIC, _INPUTS, _OUTPUTS, _CHANGES = 0, 4, 8, 12
_MAGIC_VALUE = 0x3154504D
_ROMFS_OFFSET = 2 << 20
ROMFS_BYTES = 14 << 20
PINS = 32

_START_SECONDS = 20


class EmulatorError(RuntimeError):
    """The emulator could not be started, or stopped by itself."""


class Emulator:
    """A running emulated board; use it in a with statement.

    board: an emulated Board. firmware: its firmware.elf, built first if not given.
    storage: the file behind the board's memory: flash (LittleFS at /, 1 MB), ROMFS (/rom, 14 MB) and the device page.
        Made if it is not there; kept afterwards, so the next start finds the files. One emulator a file at a time.
    romfs: a ROMFS image, or the file that holds one, put into place before the start.
    icount: time follows the count of executed instructions (1 ns each), so that it is repeatable; without, it is the
        host's and the emulator runs about three times as fast.
    plugin: an argument of QEMU's -plugin, such as "libcount.so,begin=0x1234".

    ValueError for a board, pin or image that does not fit, EmulatorError when QEMU does not start.
    """

    def __init__(
        self,
        board: Board,
        firmware: Path | None = None,
        *,
        storage: Path | str,
        romfs: Path | bytes | None = None,
        icount: bool = True,
        plugin: str | None = None,
    ):
        if board.qemu is None:
            raise ValueError(f"board: expected an emulated board, got {board.name}")
        self.board = board
        self.firmware = Path(firmware) if firmware else firmware_build.build(board)
        self.storage = Path(storage)
        self._open_storage(romfs)
        self._process = self._start(icount, plugin)
        weakref.finalize(self, self._process.kill)  # no emulator outlives its owner, with statement or not
        self.messages: list[str] = []
        self.port = self._read_port()
        threading.Thread(target=self._drain, daemon=True).start()
        self._wait_for_firmware()

    def _open_storage(self, romfs: Path | bytes | None) -> None:
        self.storage.parent.mkdir(parents=True, exist_ok=True)
        image = romfs if isinstance(romfs, bytes) or romfs is None else Path(romfs).read_bytes()
        if image is not None and len(image) > ROMFS_BYTES:
            raise ValueError(f"romfs: expected at most {ROMFS_BYTES} bytes, got {len(image)}")
        self.storage.touch()
        self._file = open(self.storage, "r+b")  # and held: with it goes the lock
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise EmulatorError(f"{self.storage}: another emulator uses this storage") from None
        self._file.truncate(self.board.qemu.shared_bytes)
        if image is not None:
            self._file.seek(self.board.qemu.shared_offset + _ROMFS_OFFSET)
            self._file.write(image)
            self._file.flush()
        # mmap keeps a copy of its descriptor, and with it a lock: give it one of its own
        with open(self.storage, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), _DEVICE_PAGE_BYTES, offset=self.board.qemu.shared_offset)
        for word in (_MAGIC, _INPUTS, _OUTPUTS, _CHANGES):
            self._write(word, 0)

    def _start(self, icount: bool, plugin: str | None) -> subprocess.Popen:
        qemu = self.board.qemu
        program = shutil.which(qemu.program)
        if program is None:
            raise EmulatorError(f"{qemu.program} is not installed; tools/setup.sh {self.board.name} installs it")
        path = str(self.storage.resolve()).replace(",", ",,")  # a comma ends a value for QEMU
        command = [program, "-M", f"{qemu.machine},{qemu.memory}=shared", *qemu.options.split()]
        command += ["-object", f"memory-backend-file,id=shared,size={qemu.shared_bytes},mem-path={path},share=on"]
        command += ["-display", "none", "-monitor", "none", "-serial", "pty", "-kernel", str(self.firmware)]
        if icount:
            command += ["-icount", "shift=0"]
        if plugin is not None:
            command += ["-plugin", plugin]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def _read_port(self) -> str:
        lines = []
        for line in self._process.stdout:
            found = re.search(r"/dev/pts/\d+", line)
            if found:
                return found[0]
            lines.append(line.rstrip())
        self.close()
        raise EmulatorError(f"QEMU did not start {self.board.name}: {' '.join(lines) or 'it said nothing'}")

    def _drain(self) -> None:
        for line in self._process.stdout:
            self.messages.append(line.rstrip())

    def _wait_for_firmware(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while self._read(_MAGIC) != _MAGIC_VALUE:
            if self._process.poll() is not None or time.monotonic() > end:
                self.close()
                raise EmulatorError(f"{self.board.name}: {self.firmware} did not start: {' '.join(self.messages)}")
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        """Process id of QEMU."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether QEMU is still there."""
        return self._process.poll() is None

    def press(self, pin: int) -> None:
        """Holds the button on a pin (0..31) down; what the board reads is told in boards/mps/pin.c."""
        self._write(_INPUTS, self._read(_INPUTS) | _mask(pin))

    def release(self, pin: int) -> None:
        """Lets the button on a pin go."""
        self._write(_INPUTS, self._read(_INPUTS) & ~_mask(pin))

    def click(self, pin: int, seconds: float = 0.1) -> None:
        """Presses the button for so many seconds of the host's time."""
        self.press(pin)
        time.sleep(seconds)
        self.release(pin)

    def led(self, pin: int) -> bool:
        """Whether the output pin's level is high."""
        return bool(self.outputs & _mask(pin))

    @property
    def outputs(self) -> int:
        """Levels of all output pins, bit n for pin n."""
        return self._read(_OUTPUTS)

    @property
    def changes(self) -> int:
        """How often an output pin changed its level since the board's start-up."""
        return self._read(_CHANGES)

    def wait(self) -> None:
        """Returns when QEMU has ended."""
        self._process.wait()

    def kill(self) -> None:
        """Cuts the power: QEMU ends at once, in the middle of whatever it does. The storage is as it is then."""
        self._process.kill()
        self._process.wait()
        self._file.close()

    def close(self) -> None:
        """Ends QEMU if it still runs. May be called more than once."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._file.close()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _read(self, offset: int) -> int:
        return struct.unpack_from("<I", self._page, offset)[0]

    def _write(self, offset: int, value: int) -> None:
        struct.pack_into("<I", self._page, offset, value)


def _mask(pin: int) -> int:
    if not 0 <= pin < PINS:
        raise ValueError(f"pin: expected 0 to {PINS - 1}, got {pin}")
    return 1 << pin
