# SPDX-License-Identifier: MIT
"""Writing firmware to a real board and asking whether it runs."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import serial

from microt.boards import identify, image, uf2
from microt.boards.board import Board
from microt.boards.link import Link, LinkError

_DRIVE_SECONDS = 15  # from machine.bootloader() to a mounted drive
_START_SECONDS = 20  # from the reset to a prompt; the first start formats the flash


def flash(
    board: Board,
    elf: Path,
    *,
    port: str | None = None,
    drive: Path | None = None,
    log: Callable[[str], object] = print,
) -> identify.Firmware | None:
    """Writes a board's firmware, waits for its prompt and returns what answers; None for a drive given by the caller
    without a port, where nobody can be asked.

    elf: as firmware.build returns it. port: where the board is, if more than one may be; for an RP2 board where it
    runs MicroPython now. drive: the folder of an RP2 board's drive. RuntimeError says what is missing or went wrong.
    """
    if board.flash is None:
        raise ValueError(f"board: expected a board that can be flashed, got {board.name}; it is emulated")
    file = elf.with_name(board.flash.file)
    if not file.is_file():
        raise RuntimeError(f"{board.name}: expected {file}; run microt build {board.name}")
    if board.flash.method == "uf2":
        _copy(board, file, port, drive, log)
        if drive is not None and port is None:
            return None
        return _answer(board, port, log)
    port = port or _only_port(board)
    if board.flash.method == "esptool":
        _write_esp(board, file, port, log)
    else:
        _write_stlink(board, elf, log)
    return _answer(board, port, log)


def _only_port(board: Board) -> str:
    found = identify.ports_of(board)
    if len(found) != 1:
        shown = ", ".join(f"{port.device} ({port.description})" for port in found) or "none"
        raise RuntimeError(f"{board.name}: expected one port that may be the board's, got {shown}; name it with --port")
    return found[0].device


def _copy(board: Board, file: Path, port: str | None, drive: Path | None, log: Callable[[str], object]) -> None:
    if uf2.family(file.read_bytes(), str(file)) != board.mcu:
        raise RuntimeError(f"{file}: expected a UF2 file for {board.mcu}")
    if drive is None and not uf2.drives():
        running = [port] if port else [found.device for found in identify.ports_of(board)]
        if len(running) == 1:
            log(f"{running[0]}: asking the board to wait for firmware")
            _enter_bootloader(running[0])
    chip = board.flash.chip
    try:
        seconds = _DRIVE_SECONDS if drive is None else 0
        target = uf2.wait(lambda: uf2.find(chip, uf2.drives() if drive is None else [drive]), seconds)
    except uf2.DriveError:
        if drive is None and uf2.load_with_picotool(file):
            log("written and verified by picotool")
            return
        raise
    log(f"{target}: {uf2.board_id(target)}, writing {file.stat().st_size:,} bytes")
    uf2.copy(file, target)


def _enter_bootloader(port: str) -> None:
    """Asks a running MicroPython to restart as a drive; whoever does not answer may wait already."""
    try:
        with Link(port) as link:
            link.exec("import machine\nmachine.bootloader()", timeout=2)
    except LinkError:
        pass  # it goes in the middle of its answer


def _write_esp(board: Board, file: Path, port: str, log: Callable[[str], object]) -> None:
    import esptool

    try:
        # esptool tells its progress on standard output, which belongs to the caller
        with contextlib.redirect_stdout(sys.stderr):
            esp = esptool.detect_chip(port)
            try:
                if esp.CHIP_NAME != board.flash.chip:
                    chip = board.flash.chip
                    raise RuntimeError(f"{port}: expected an {chip} for {board.name}, got an {esp.CHIP_NAME}")
                log(f"{port}: {esp.CHIP_NAME}, writing {file.stat().st_size:,} bytes")
                esp = esptool.run_stub(esp)
                esptool.attach_flash(esp)
                data = file.read_bytes()
                esptool.write_flash(esp, [(0, data)])
                esptool.verify_flash(esp, [(0, data)])
                esptool.reset_chip(esp, "hard-reset")
            finally:
                esp._port.close()
    except (esptool.FatalError, serial.SerialException, OSError) as error:
        raise RuntimeError(f"{port}: {error}") from error


def _write_stlink(board: Board, elf: Path, log: Callable[[str], object]) -> None:
    """Each part of the program by itself: what lies between them, the file system, is kept."""
    if shutil.which("st-flash") is None:
        raise RuntimeError(
            f"{board.name}: st-flash is not installed; run: sudo apt-get install stlink-tools\n"
            f"or write {elf} with STM32CubeProgrammer"
        )
    parts = image.segments(elf)
    for index, (address, data) in enumerate(parts):
        part = elf.with_name(f"firmware{index}.bin")
        part.write_bytes(data)
        log(f"ST-LINK: writing {len(data):,} bytes to {address:#x}")
        reset = ["--reset"] if index == len(parts) - 1 else []
        done = subprocess.run(["st-flash", *reset, "write", part, f"{address:#x}"], capture_output=True, text=True)
        if done.returncode or "verified" not in (done.stdout + done.stderr).lower():
            text = (done.stderr or done.stdout).strip().splitlines()
            raise RuntimeError(f"{board.name}: st-flash did not verify what it wrote: {text[-1] if text else ''}")


def _answer(board: Board, port: str | None, log: Callable[[str], object]) -> identify.Firmware:
    """What answers on the port (or on one that may be the board's) before the time is up, if it is the board's."""
    end = time.monotonic() + _START_SECONDS
    error = LinkError(f"{board.name}: no port appeared that may be the board's")
    while time.monotonic() < end:
        for candidate in [port] if port else [found.device for found in identify.ports_of(board)]:
            try:
                found = identify.firmware(candidate)
            except LinkError as failed:
                error = failed
                continue
            log(f"{candidate}: {found.machine}, MicroPython {found.micropython}")
            _judge(board, found)
            return found
        time.sleep(0.5)
    raise RuntimeError(f"{board.name}: written, but after {_START_SECONDS} seconds nothing answers: {error}")


def _judge(board: Board, found: identify.Firmware) -> None:
    if found.board != board.name:
        raise RuntimeError(f"{board.name}: written, but {found.machine} answers")
    if found.module is None:
        raise RuntimeError(f"{board.name}: written, but the firmware that answers has no module _microt")
