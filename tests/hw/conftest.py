# SPDX-License-Identifier: MIT
"""Tests of a running board. Emulated unless a port is given:

    pytest tests/hw                                             the default board under QEMU
    pytest tests/hw --board=MPS3_AN547                          another emulated board
    pytest tests/hw --port=/dev/ttyACM0 --board=RPI_PICO2       a real board, or an emulator that runs already
                    [--flash] [--write-rom]                     with new firmware; replacing what is in its /rom

With a port a report goes to build/hw/BOARD.xml (JUnit) and BOARD.html; what the board lacks is skipped with a reason.
`dut` is pytest-embedded's (services: serial, on an ESP32 esp), `link` is microt's. One test uses one of them: the line
has one owner.
"""

import pytest

from microt.boards import Board, Emulator, Link, firmware, identify
from microt.boards import flash as flashing
from microt.boards.board import ROOT

DEFAULT = "MPS2_AN386"


def pytest_addoption(parser):
    parser.addoption("--board", help=f"the board to emulate, or at --port  [default: {DEFAULT}, or what answers]")
    parser.addoption("--flash", action="store_true", help="build firmware for the board at --port and write it first")
    parser.addoption(
        "--write-rom", action="store_true", help="tests may replace what is in /rom of the board at --port"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """A report of a run at a port, unless the caller names another."""
    if not config.getoption("--port"):
        return
    folder = ROOT / "build" / "hw"
    name = config.getoption("--board") or "board"
    if not config.option.xmlpath:
        config.option.xmlpath = str(folder / f"{name}.xml")
    if config.pluginmanager.hasplugin("html") and not config.option.htmlpath:
        config.option.htmlpath = str(folder / f"{name}.html")
        config.option.self_contained_html = True


@pytest.fixture(scope="session")
def board(request):
    """The board that --board names, else the one that answers at --port."""
    name, port = request.config.getoption("--board"), request.config.getoption("port")
    if name is None and port:
        name = identify.firmware(port).board
    return Board.load(name or DEFAULT)


@pytest.fixture(scope="session", autouse=True)
def answering(request, board, record_testsuite_property):
    """With --port: writes firmware if asked for, notes in the report what answers, and ends if it is another board."""
    port = request.config.getoption("port")
    if not port:
        return None
    if request.config.getoption("--flash"):
        flashing.flash(board, request.getfixturevalue("elf"), port=port)
    found = identify.firmware(port)
    for key in ("machine", "micropython", "module", "kernels"):
        record_testsuite_property(key, str(getattr(found, key)))
    if found.board != board.name:
        pytest.exit(f"{port}: expected {board.name}, {found.machine} answers", returncode=4)
    if found.module is None:
        pytest.exit(
            f"{port}: {found.machine} has no microt: pytest --flash, or microt flash {board.name}", returncode=4
        )
    return found


@pytest.fixture(scope="session")
def elf(board):
    """The board's firmware, built once."""
    return firmware.build(board)


@pytest.fixture(scope="session")
def shared_emulator(request, board, tmp_path_factory):
    """The emulator behind `port`, None with --port."""
    if request.config.getoption("port"):
        yield None
        return
    elf = request.getfixturevalue("elf")
    with Emulator(board, elf, storage=tmp_path_factory.mktemp("board") / "storage.bin") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def port(request, shared_emulator):
    """Overrides pytest-embedded's fixture of that name."""
    return shared_emulator.port if shared_emulator else request.config.getoption("port")


@pytest.fixture
def embedded_services(board):
    """What pytest-embedded is to load; overrides its option. `esp` resets the chip as esptool does."""
    return "esp" if board.port == "esp32" else "serial"


@pytest.fixture
def link(port):
    with Link(port) as link:
        yield link


@pytest.fixture
def emulator(shared_emulator):
    """The emulator behind `port`; skips on a real board."""
    if shared_emulator is None:
        pytest.skip("needs the emulator's buttons, LEDs or clock")
    return shared_emulator


@pytest.fixture
def start(request, board, tmp_path):
    """start(**options) -> an Emulator of the test's own, with the same storage each time; skips on a real board."""
    if request.config.getoption("port"):
        pytest.skip("needs an emulator of its own")
    elf = request.getfixturevalue("elf")
    started = []

    def start(**options):
        started.append(Emulator(board, elf, storage=tmp_path / "storage.bin", **options))
        return started[-1]

    yield start
    for emulator in started:
        emulator.close()
