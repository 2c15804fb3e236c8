# SPDX-License-Identifier: MIT
"""Every emulated board: starts, has its FPU (and vector unit), the modules that microt needs, files and a clock."""

import shutil

import pytest

from microt.boards import Board, Emulator, Link, LinkError, firmware

EMULATED = [name for name in Board.names() if Board.load(name).qemu]


@pytest.fixture(scope="module", params=EMULATED)
def running(request, tmp_path_factory):
    if request.config.getoption("port"):
        pytest.skip("emulates its own boards")
    board = Board.load(request.param)
    for tool in (board.qemu.program, *firmware.TOOLS[board.port]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    elf = firmware.build(board)
    with Emulator(board, elf, storage=tmp_path_factory.mktemp(request.param) / "storage.bin") as emulator:
        with Link(emulator.port) as link:
            yield board, link


def test_starts(running):
    board, link = running
    link.exec("import gc, os, sys\ngc.collect()")
    assert board.name in link.eval("os.uname().machine")
    assert board.heap_bytes * 0.95 < link.eval("gc.mem_free() + gc.mem_alloc()") <= board.heap_bytes
    assert link.eval("1.5 * 3.0 / 7.0") == pytest.approx(4.5 / 7, rel=1e-6)


def test_modules(running):
    _, link = running
    for (
        name
    ) in "array asyncio binascii gc hashlib io json machine micropython os random select struct time vfs".split():
        link.exec(f"import {name}")
    assert link.eval("__import__('binascii').crc32(b'microt')") == 1516342917


def test_files(running):
    _, link = running
    link.put(b"abc", "/x")
    assert link.get("/x") == b"abc"


def test_clock(running):
    _, link = running
    link.exec("import time")
    start, end = link.eval("[time.ticks_us(), time.sleep_ms(20), time.ticks_us()][::2]")
    assert 20_000 <= end - start < 70_000  # a busy host wakes QEMU late, and a sleeping board's time then goes on


def test_native_code(running):
    _, link = running
    script = (
        "@micropython.viper\ndef f(n: int) -> int:\n s = 0\n for i in range(n):\n  s += i\n return s\nprint(f(1000))"
    )
    assert link.exec(script) == "499500\n"


def test_helium(running):
    """The M55's vector unit is on: an MVE instruction does not fault."""
    board, link = running
    if board.target != "mve":
        pytest.skip(f"{board.core} has no vector unit")
    # vdup.32 q0, r0; MicroPython's inline assembler does not know its name
    script = "@micropython.asm_thumb\ndef f(r0):\n data(2, 0xEEA0, 0x0B10)\nprint(f(7))"
    assert link.exec(script) == "7\n"


def test_user_module(running):
    _, link = running
    assert "reference" in link.eval("__import__('_microt').kernels()")
    link.exec("import microt")


def test_fault_is_reported(start, board):
    """A fault stops the firmware and names its registers, instead of hanging silently."""
    registers = "r0 .* pc [0-9a-f]{8} .* cfsr" if board.port == "mps" else "pc [0-9a-f]{8} mtval fffffff0"
    with start() as emulator, Link(emulator.port) as link:
        with pytest.raises(LinkError, match=f"FAULT exception 0000000[35] {registers}"):
            link.exec("import machine\nmachine.mem32[0xfffffff0]", timeout=10)
