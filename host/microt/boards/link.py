# SPDX-License-Identifier: MIT
"""The line to a running board: mpremote's transport as a library."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from pathlib import Path

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

# How long one read may block. Time limits are looked at between reads, so not for ever; but mpremote takes a read that
# ends with nothing in the middle of a transfer for a broken line, so longer than a busy host may stop an emulator.
_READ_SECONDS = 5
_FAULT = b"\r\nFAULT "
_RESET_SECONDS = 10
_CHUNK = 1024


class LinkError(RuntimeError):
    """The board's traceback, or why the board could not be reached. `traceback`: the board's, "" if it sent none."""

    def __init__(self, message: str, traceback: str = ""):
        super().__init__(message)
        self.traceback = traceback


class Link:
    """A board's raw REPL on a serial port or pty; use it in a with statement. Every method may raise LinkError.

    The line has one owner: close the Link before mpremote or another Link opens the port.
    """

    def __init__(self, port: str, *, baudrate: int = 115200):
        self.port = str(port)
        self._baudrate = baudrate
        self._open()

    def _open(self) -> None:
        try:
            self._transport = SerialTransport(self.port, baudrate=self._baudrate, timeout=_READ_SECONDS)
        except (TransportError, OSError) as error:
            raise LinkError(f"{self.port}: the port cannot be opened: {error}") from error
        try:
            self._transport.enter_raw_repl(soft_reset=False)
        except (TransportError, OSError) as error:
            self._transport.close()
            raise LinkError(f"{self.port}: no MicroPython board answers: {error}") from error

    def exec(self, code: str, *, timeout: float | None = 60) -> str:
        """Runs statements and returns what they printed. timeout: seconds without a character, None for any."""
        return self._run(code, None, timeout)

    def eval(self, expression: str, *, timeout: float | None = 60):
        """The value of an expression; its repr must be a literal (numbers, str, bytes, tuples, ...)."""
        text = self.exec(f"print(repr(({expression})))", timeout=timeout).strip()
        try:
            return ast.literal_eval(text)
        except (SyntaxError, ValueError):
            raise LinkError(f"{expression}: expected a literal, got {text}") from None

    def run(
        self,
        script: Path | str,
        on_line: Callable[[str], object] | None = None,
        *,
        soft_reset: bool = True,
        timeout: float | None = None,
    ) -> str:
        """Runs a script (a Path, or its source as str) and returns all it printed.

        on_line gets each line as it arrives, without its end. soft_reset: with a fresh interpreter, as `mpremote run`.
        timeout: seconds without a character, None for any.
        """
        source = script.read_text() if isinstance(script, Path) else script
        if soft_reset:
            self.soft_reset()
        return self._run(source, on_line, timeout)

    def put(self, local: Path | bytes, remote: str) -> None:
        """Writes a file (or bytes) of the host to the board's file system, at 10 to 20 kB/s under QEMU."""
        data = local if isinstance(local, bytes) else Path(local).read_bytes()
        self._guard(lambda: self._transport.fs_writefile(remote, data, chunk_size=_CHUNK), remote)

    def get(self, remote: str, local: Path | None = None) -> bytes:
        """Reads a file of the board, into the file `local` too if given."""
        data = bytes(self._guard(lambda: self._transport.fs_readfile(remote, chunk_size=_CHUNK), remote))
        if local is not None:
            Path(local).write_bytes(data)
        return data

    def soft_reset(self) -> None:
        """A fresh interpreter: runs boot.py, not main.py; what was in memory is gone."""
        self._guard(lambda: self._transport.enter_raw_repl(soft_reset=True), "soft reset")

    def reset(self) -> None:
        """Resets the board as its reset button would and waits until it answers again; boot.py and main.py run."""
        self._guard(lambda: self._transport.exec_raw_no_follow("import machine\nmachine.reset()"), "reset")
        self._transport.close()
        end = time.monotonic() + _RESET_SECONDS
        while True:
            time.sleep(0.2)
            try:
                self._open()
                return
            except LinkError:
                if time.monotonic() > end:
                    raise

    def close(self) -> None:
        """Leaves the raw REPL, so that the port is as a terminal expects it."""
        try:
            self._transport.exit_raw_repl()
            self._transport.close()
        except (TransportError, OSError):
            pass  # the board is gone, and so is the line

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _run(self, code: str, on_line: Callable[[str], object] | None, timeout: float | None) -> str:
        output = bytearray()
        reported = 0

        def receive(data: bytes) -> None:
            nonlocal reported
            output.extend(data.replace(b"\x04", b""))
            while (end := output.find(b"\n", reported)) >= 0:
                line = bytes(output[reported:end]).rstrip(b"\r")
                reported = end + 1
                if line.startswith(_FAULT.lstrip()):
                    raise LinkError(f"{self.port}: the firmware stopped: {line.decode()}")
                if on_line is not None:
                    on_line(line.decode(errors="replace"))

        def execute():
            self._transport.exec_raw_no_follow(code)
            return self._transport.follow(timeout=timeout, data_consumer=receive)

        _, error = self._guard(execute, "exec")
        if error:
            traceback = error.decode(errors="replace").replace("\r\n", "\n").rstrip()
            raise LinkError(f"{self.port}: {traceback.splitlines()[-1]}\n{traceback}", traceback)
        if on_line is not None and reported < len(output):
            on_line(bytes(output[reported:]).decode(errors="replace"))
        return output.decode(errors="replace").replace("\r\n", "\n")

    def _guard(self, action: Callable, what: str):
        try:
            return action()
        except TransportExecError as error:
            traceback = error.error_output.replace("\r\n", "\n").rstrip()
            raise LinkError(f"{self.port}: {what}: {traceback.splitlines()[-1]}", traceback) from error
        except (TransportError, serial.SerialException, OSError) as error:
            raise LinkError(f"{self.port}: {what}: {error}") from error
