# SPDX-License-Identifier: MIT
"""microt doctor: programs, ports and the firmware on them, and what to do about what is wrong."""

import json
import os
import shutil
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from microt.boards import Board, Emulator, checkout, doctor, firmware, identify
from microt.boards.link import LinkError
from microt.cli import main


def found(device, vid=None, pid=None, description="a port"):
    return SimpleNamespace(device=device, vid=vid, pid=pid, description=description)


@pytest.fixture
def connected(monkeypatch):
    """connected(port, ...): what pyserial sees."""

    def connected(*ports):
        monkeypatch.setattr(identify.list_ports, "comports", lambda: list(ports))

    connected()
    return connected


def problems(report, port):
    return [(problem["what"], problem["fix"]) for problem in report["problems"] if port in problem["what"]]


def test_an_emulated_board_answers(tmp_path, connected):
    board = Board.load("MPS2_AN386")
    if not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")):
        pytest.skip("arm-none-eabi-gcc or qemu-system-arm is missing")
    elf = firmware.build(board, log=lambda line: None)
    with Emulator(board, elf, storage=tmp_path / "storage.bin") as emulator:
        result = CliRunner().invoke(main, ["doctor", "--json", "--port", emulator.port])
        report = json.loads(result.stdout)
        (port,) = report["ports"]
        assert port["device"] == emulator.port
        assert {**port["firmware"], "rom_bytes": None} == {
            "machine": "MPS2_AN386 (QEMU) with Cortex-M4F",
            "board": "MPS2_AN386",
            "micropython": "1.25.0",
            "module": "0.1.0",
            "kernels": ["dsp", "reference"],
            "rom_bytes": None,
        }
        assert problems(report, emulator.port) == []
        shown = CliRunner().invoke(main, ["doctor", "--port", emulator.port]).stdout
        assert "MPS2_AN386 (QEMU) with Cortex-M4F, MicroPython 1.25.0, microt 0.1.0, kernels dsp, reference" in shown


def test_boards_are_guessed_by_their_usb_numbers(connected, monkeypatch):
    connected(found("/dev/ttyACM0", 0x2E8A, 0x0005), found("/dev/ttyACM1", 0x0483, 0x374E), found("/dev/ttyS0"))
    first, second = identify.ports()
    assert (first.device, first.usb, first.boards) == ("/dev/ttyACM0", "2e8a:0005", ("RPI_PICO", "RPI_PICO2"))
    assert second.boards == ("NUCLEO_F767ZI", "NUCLEO_H7A3ZI_Q", "NUCLEO_L4A6ZG")
    assert [port.device for port in identify.ports_of(Board.load("RPI_PICO2"))] == ["/dev/ttyACM0"]
    asked = []
    monkeypatch.setattr(identify, "firmware", lambda port: asked.append(port) or answer())
    connected(found("/dev/ttyACM0", 0x2E8A, 0x0005), found("/dev/ttyUSB9", 0x1234, 0x5678, "a printer"))
    report = doctor.examine()
    assert asked == ["/dev/ttyACM0"], "a port that no board of ours has is left alone"
    assert "a printer" in doctor.describe(report)


def answer(board="RPI_PICO2", module="0.1.0", kernels=("dsp", "reference")):
    return identify.Firmware(f"{board} with X", board, "1.25.0", module, kernels, None)


@pytest.mark.parametrize(
    "firmware, what, fix",
    [
        (
            answer(module=None, kernels=()),
            "has MicroPython without microt",
            "microt build RPI_PICO2, then microt flash",
        ),
        (
            answer(module="0.0.9"),
            "the firmware's microt is 0.0.9, this checkout's 0.1.0",
            "microt flash RPI_PICO2 --port",
        ),
        (answer(kernels=("reference",)), "runs reference kernels, the core has dsp", "unset MICROT_REFERENCE"),
    ],
)
def test_firmware_that_is_not_right(connected, monkeypatch, firmware, what, fix):
    connected(found("/dev/ttyACM0", 0x2E8A, 0x0005))
    monkeypatch.setattr(identify, "firmware", lambda port: firmware)
    ((said, cure),) = problems(doctor.examine(), "/dev/ttyACM0")
    assert what in said and fix in cure


def test_a_port_where_nothing_answers(connected, monkeypatch, tmp_path):
    connected(found("/dev/ttyACM0", 0x303A, 0x1001))

    def silent(port):
        raise LinkError(f"{port}: no MicroPython board answers: could not enter raw repl")

    monkeypatch.setattr(identify, "firmware", silent)
    report = doctor.examine()
    ((said, cure),) = problems(report, "/dev/ttyACM0")
    assert "no MicroPython board answers" in said
    assert "microt flash ESP32_GENERIC_S3 --port /dev/ttyACM0" in cure
    assert "perhaps ESP32_GENERIC_S3): no MicroPython answers" in doctor.describe(report)


def test_a_port_that_may_not_be_opened(connected, monkeypatch, tmp_path):
    (tmp_path / "ttyACM0").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("ttyACM0"))
    ((said, cure),) = problems(doctor.examine([str(tmp_path / "ttyACM0")]), "ttyACM0")
    assert "you may not open it" in said and "usermod -a -G dialout" in cure


def test_programs_and_source_that_are_missing(connected, monkeypatch, tmp_path):
    (tmp_path / "arm-none-eabi-gcc").write_text("#!/bin/sh\necho 'arm-none-eabi-gcc (x) 12.2.1 20221205'\n")
    (tmp_path / "arm-none-eabi-gcc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MICROPYTHON_DIR", raising=False)
    monkeypatch.setenv("MICROT_CACHE", str(tmp_path))
    report = doctor.examine()
    versions = {program["name"]: program["version"] for program in report["programs"]}
    assert versions["arm-none-eabi-gcc"] == "12.2.1" and versions["qemu-system-arm"] is None
    assert {"what": "make is not installed", "fix": "make setup, or sudo apt-get install make"} in report["problems"]
    assert not any("cmake" in problem["what"] for problem in report["problems"]), "only some boards need it"
    assert report["micropython"] is None and not any("MICROPYTHON" in p["what"] for p in report["problems"])
    monkeypatch.setenv("MICROPYTHON_DIR", str(tmp_path / "none"))
    assert any("which has no py/mpconfig.h" in problem["what"] for problem in doctor.examine()["problems"])
    (tmp_path / "py").mkdir()
    (tmp_path / "py" / "mpconfig.h").write_text(
        "".join(f"#define MICROPY_VERSION_{part} 1\n" for part in ("MAJOR", "MINOR", "MICRO"))
    )
    monkeypatch.setenv("MICROPYTHON_DIR", str(tmp_path))
    report = doctor.examine()
    assert report["micropython"]["version"] == "1.1.1"
    assert any(f"checkout {checkout.TAG}" in problem["fix"] for problem in report["problems"])


def test_the_exit_status_tells(connected, monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda ports: {**REPORT, "problems": []})
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 0
    monkeypatch.setattr(doctor, "examine", lambda ports: REPORT)
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1 and "problems\n  it is broken\n    mend it\n" in result.stdout


REPORT = {
    "programs": [],
    "libraries": {},
    "micropython": None,
    "ports": [],
    "problems": [{"what": "it is broken", "fix": "mend it"}],
}
