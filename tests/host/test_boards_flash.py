# SPDX-License-Identifier: MIT
"""microt flash: files that are for another chip, drives, esptool against a chip's loader, st-flash. What answers after
it is an emulated board or nobody: no board is connected here.
"""

import struct

import pytest
from esp_rom import EspRom

from microt.boards import Board, flash, identify, uf2

INFO = "UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: {}\n"


def blocks(family, count=4, flags=0x2000):
    """A UF2 file."""
    return b"".join(
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, 0x10000000 + 256 * i, 256, i, count, family)
        + bytes([i]) * 256 + bytes(220) + struct.pack("<I", 0x0AB16F30)
        for i in range(count)
    )  # fmt: skip


@pytest.fixture
def pico(tmp_path):
    """RPI_PICO2, its firmware, and a folder that acts as its drive."""
    (tmp_path / "firmware.uf2").write_bytes(blocks(0xE48BFF59))
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text(INFO.format("RP2350"))
    return Board.load("RPI_PICO2"), tmp_path / "firmware.elf", drive


def say_nothing(line):
    pass


def test_copy_to_a_drive(pico):
    board, elf, drive = pico
    said = []
    assert flash.flash(board, elf, drive=drive, log=said.append) is None
    assert (drive / "firmware.uf2").read_bytes() == blocks(0xE48BFF59)
    assert said == [f"{drive}: RP2350, writing 2,048 bytes"]


def test_the_board_answers_after_the_copy(pico, monkeypatch):
    board, elf, drive = pico
    answer = identify.Firmware("Raspberry Pi Pico2 with RP2350", "RPI_PICO2", "1.25.0", "0.1.0", ("dsp",), None)
    monkeypatch.setattr(identify, "firmware", lambda port: answer)
    assert flash.flash(board, elf, drive=drive, port="/dev/ttyACM7", log=say_nothing) == answer
    other = identify.Firmware("Raspberry Pi Pico with RP2040", "RPI_PICO", "1.25.0", "0.1.0", (), None)
    monkeypatch.setattr(identify, "firmware", lambda port: other)
    with pytest.raises(RuntimeError, match="written, but Raspberry Pi Pico with RP2040 answers"):
        flash.flash(board, elf, drive=drive, port="/dev/ttyACM7", log=say_nothing)
    plain = identify.Firmware("Raspberry Pi Pico2 with RP2350", "RPI_PICO2", "1.25.0", None, (), None)
    monkeypatch.setattr(identify, "firmware", lambda port: plain)
    with pytest.raises(RuntimeError, match="has no module _microt"):
        flash.flash(board, elf, drive=drive, port="/dev/ttyACM7", log=say_nothing)


@pytest.mark.parametrize(
    "info, complaint", [(INFO.format("RPI-RP2"), r"drive \(RPI-RP2\)"), (None, r"no INFO_UF2.TXT"), ("", "no INFO")]
)
def test_another_drive_is_refused(pico, info, complaint):
    board, elf, drive = pico
    (drive / "INFO_UF2.TXT").unlink()
    if info is not None:
        (drive / "INFO_UF2.TXT").write_text(info)
    with pytest.raises(RuntimeError, match=f"expected one drive of an RP2350 board, got .*{complaint}.*hold BOOTSEL"):
        flash.flash(board, elf, drive=drive, log=say_nothing)
    assert not (drive / "firmware.uf2").exists()


@pytest.mark.parametrize(
    "file, complaint",
    [
        (b"", "expected UF2 blocks of 512 bytes, got 0"),
        (blocks(0xE48BFF59)[:-1], "expected UF2 blocks"),
        (blocks(0xE48BFF59)[:-512], "block 0 of 3 is no UF2 block in its place"),
        (bytes(512), "block 0 of 1 is no UF2 block"),
        (blocks(0x12345678), "expected a UF2 file for RP2040 or RP2350, got family 0x12345678"),
        (blocks(0xE48BFF59, flags=0), "got family none"),
        (blocks(0xE48BFF56), "expected a UF2 file for RP2350"),
    ],
)
def test_another_file_is_refused(pico, file, complaint):
    board, elf, drive = pico
    elf.with_name("firmware.uf2").write_bytes(file)
    with pytest.raises((ValueError, RuntimeError), match=complaint):
        flash.flash(board, elf, drive=drive, log=say_nothing)
    assert not (drive / "firmware.uf2").exists()


def test_a_drive_that_cannot_be_written(pico):
    board, elf, drive = pico
    (drive / "firmware.uf2").mkdir()
    with pytest.raises(uf2.DriveError, match="firmware.uf2"):
        flash.flash(board, elf, drive=drive, log=say_nothing)


def test_without_firmware_or_port(pico, monkeypatch):
    board, elf, _ = pico
    with pytest.raises(RuntimeError, match="RPI_PICO: expected .*firmware.uf2; run microt build RPI_PICO"):
        flash.flash(Board.load("RPI_PICO"), elf.parent / "none" / "firmware.elf")
    with pytest.raises(ValueError, match="expected a board that can be flashed, got MPS2_AN386"):
        flash.flash(Board.load("MPS2_AN386"), elf)
    elf.with_name("firmware.bin").write_bytes(b"x")
    monkeypatch.setattr(identify, "ports", list)
    with pytest.raises(RuntimeError, match="expected one port that may be the board's, got none; name it with --port"):
        flash.flash(Board.load("ESP32_GENERIC_S3"), elf)


# --- ESP32 ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def esp(tmp_path, monkeypatch):
    monkeypatch.setattr(flash, "_START_SECONDS", 0)
    data = b"\xe9" + bytes(range(256)) * 300
    (tmp_path / "firmware.bin").write_bytes(data)
    return Board.load("ESP32_GENERIC_S3"), tmp_path / "firmware.elf", data


def test_esptool_writes_and_verifies(esp, monkeypatch):
    board, elf, data = esp
    answer = identify.Firmware("Generic ESP32S3 module with ESP32S3", board.name, "1.25.0", "0.1.0", (), None)
    monkeypatch.setattr(flash, "_START_SECONDS", 5)
    monkeypatch.setattr(identify, "firmware", lambda port: answer)
    with EspRom() as chip:
        assert flash.flash(board, elf, port=chip.port, log=say_nothing) == answer
        assert chip.flash[: len(data)] == data and set(chip.flash[len(data) + 4096 :]) == {0xFF}
        assert chip.commands.count(0x13) == 2, "compared after writing, and verified"


def test_another_chip_is_not_written(esp):
    board, elf, _ = esp
    with EspRom(chip_id=5) as chip:
        with pytest.raises(RuntimeError, match="expected an ESP32-S3 for ESP32_GENERIC_S3, got an ESP32-C3"):
            flash.flash(board, elf, port=chip.port, log=say_nothing)
        assert set(chip.flash) == {0xFF}


def test_a_flash_that_forgets_is_found(esp):
    board, elf, _ = esp
    with EspRom(broken=True) as chip, pytest.raises(RuntimeError, match=r"socket://.*(?i:md5|digest|verif|match)"):
        flash.flash(board, elf, port=chip.port, log=say_nothing)


def test_no_answer_after_flashing(esp, monkeypatch):
    board, elf, _ = esp
    with EspRom() as chip, pytest.raises(RuntimeError, match="written, but after 0 seconds nothing answers"):
        flash.flash(board, elf, port=chip.port, log=say_nothing)


def test_a_port_that_is_not_there(esp, tmp_path):
    board, elf, _ = esp
    with pytest.raises(RuntimeError, match="/nonexistent/tty"):
        flash.flash(board, elf, port="/nonexistent/tty", log=say_nothing)


# --- ST-LINK --------------------------------------------------------------------------------------------------------


def elf_file(*segments):
    """A 32-bit ELF file with these (address, bytes) to load."""
    start = 52 + 32 * len(segments)
    headers, body = b"", b""
    for address, data in segments:
        headers += struct.pack("<8I", 1, start + len(body), address, address, len(data), len(data), 5, 4)
        body += data
    head = b"\x7fELF\1\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIIIIIHHHHHH", 2, 40, 1, 0, 52, 0, 0, 52, 32, len(segments), 0, 0, 0
    )
    return head + headers + body


@pytest.fixture
def nucleo(tmp_path, monkeypatch):
    """NUCLEO_F767ZI, its firmware in two parts, and st-flash in a folder that is PATH."""
    monkeypatch.setattr(flash, "_START_SECONDS", 5)
    board, elf = Board.load("NUCLEO_F767ZI"), tmp_path / "firmware.elf"
    elf.write_bytes(elf_file((0x08000000, b"vectors"), (0x08020000, b"text"), (0x08020010, b"data")))
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    answer = identify.Firmware("NUCLEO-F767ZI with STM32F767", board.name, "1.25.0", "0.1.0", ("dsp",), None)
    monkeypatch.setattr(identify, "firmware", lambda port: answer)

    def st_flash(script):
        (tools / "st-flash").write_text(f"#!/bin/sh\n{script}\n")
        (tools / "st-flash").chmod(0o755)

    return board, elf, st_flash, answer


def test_st_flash_writes_each_part(nucleo, tmp_path):
    board, elf, st_flash, answer = nucleo
    st_flash(f'echo "$*" >> {tmp_path}/log; echo "Flash written and verified! jolly good!" >&2')
    assert flash.flash(board, elf, port="/dev/ttyACM0", log=say_nothing) == answer
    assert (tmp_path / "log").read_text().splitlines() == [
        f"write {tmp_path}/firmware0.bin 0x8000000",
        f"--reset write {tmp_path}/firmware1.bin 0x8020000",
    ]
    assert (tmp_path / "firmware0.bin").read_bytes() == b"vectors"
    assert (tmp_path / "firmware1.bin").read_bytes() == b"text" + bytes(12) + b"data"


def test_st_flash_that_fails_or_is_missing(nucleo):
    board, elf, st_flash, _ = nucleo
    with pytest.raises(RuntimeError, match="st-flash is not installed; run: sudo apt-get install stlink-tools"):
        flash.flash(board, elf, port="/dev/ttyACM0", log=say_nothing)
    for script in ("echo no ST-LINK found >&2; exit 1", "echo no ST-LINK found"):
        st_flash(script)
        with pytest.raises(RuntimeError, match="did not verify what it wrote: no ST-LINK found"):
            flash.flash(board, elf, port="/dev/ttyACM0", log=say_nothing)
