# SPDX-License-Identifier: MIT
"""The REPL as a terminal and as a program sees it."""

import os
import signal
import threading
import time

import pytest
import serial

from microt.boards import Link, LinkError


@pytest.fixture
def repl(dut):
    """The board at its prompt, nothing running."""
    dut.write(b"\r\x03\x03\x02")
    dut.expect_exact('Type "help()" for more information.\r\n>>> ')
    return dut


def test_prompt_evaluates(repl):
    repl.write(b"6 * 7\r")
    repl.expect_exact("6 * 7\r\n42\r\n>>> ")


def test_float_arithmetic(repl):
    repl.write(b"import math; print(1 / 3, math.sqrt(2), math.exp(1), 1e30 * 1e30)\r")
    repl.expect_exact("\r\n0.3333333 1.414214 2.718282 inf\r\n>>> ")


def test_raw_repl_runs_a_program(dut):
    dut.write(b"\r\x03\x03\x01")
    dut.expect_exact("raw REPL; CTRL-B to exit\r\n>")
    dut.write(b"print(sum(range(10)))\x04")
    dut.expect_exact("OK45\r\n\x04\x04>")
    dut.write(b"\x02")


@pytest.mark.parametrize("body", ["pass", "time.sleep(10)", "sys.stdin.read(1)"])
def test_ctrl_c_stops(repl, body):
    repl.write(f"import sys, time\r\nwhile True: {body}\r\n\r\n".encode())
    time.sleep(0.5)
    repl.write(b"\x03")
    repl.expect_exact("KeyboardInterrupt:", timeout=5)


def test_soft_reset_clears_memory(repl):
    repl.write(b"kept = 1\r")
    repl.expect_exact(">>> ")
    repl.write(b"\x04")
    repl.expect_exact("MPY: soft reboot\r\n")
    repl.expect_exact(">>> ")
    repl.write(b"kept\r")
    repl.expect_exact("NameError:")


def test_input_typed_ahead_is_not_lost(emulator, repl):
    """More than the receive buffer holds, sent while nothing reads."""
    repl.write(b"import time; time.sleep_ms(1000)\r")
    repl.write(b"print(len('" + b"x" * 3000 + b"'))\r")
    repl.expect_exact("\r\n3000\r\n>>> ", timeout=20)


def test_link_to_a_line_without_a_board():
    """It says so in time, and lets go of the port."""
    ours, theirs = os.openpty()
    port = os.ttyname(theirs)
    with pytest.raises(LinkError, match="no MicroPython board answers"):
        Link(port)
    serial.Serial(port, exclusive=True).close()
    os.close(ours)
    os.close(theirs)
    with pytest.raises(LinkError, match="the port cannot be opened"):
        Link(port)


def test_board_that_pauses_in_a_transfer(emulator, link):
    """As an emulator does on a busy machine."""
    pause = threading.Timer(0.05, os.kill, (emulator.pid, signal.SIGSTOP))
    resume = threading.Timer(2, os.kill, (emulator.pid, signal.SIGCONT))
    pause.start()
    resume.start()
    lines = "".join(f"n += {i}  # {'.' * 60}\n" for i in range(600))
    assert link.exec(f"n = 0\n{lines}print(n)\n") == f"{sum(range(600))}\n"
    resume.join()
