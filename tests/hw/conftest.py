# SPDX-License-Identifier: MIT
"""Tests of a running board. Emulated unless a port is given:

    pytest tests/hw                            the default board under QEMU
    pytest tests/hw --board=MPS3_AN547         another emulated board
    pytest tests/hw --port=/dev/ttyACM0        a real board, or an emulator that runs already

`dut` is pytest-embedded's (services: serial), `link` is microt's. One test uses one of them: the line has one owner.
"""

import pytest

from microt.boards import Board, Emulator, Link, firmware


def pytest_addoption(parser):
    parser.addoption("--board", default="MPS2_AN386", help="the board to emulate")


@pytest.fixture(scope="session")
def board(request):
    return Board.load(request.config.getoption("--board"))


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
def embedded_services():
    """What pytest-embedded is to load; overrides its option."""
    return "serial"


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
