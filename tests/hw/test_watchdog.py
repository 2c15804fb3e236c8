# SPDX-License-Identifier: MIT
"""machine.WDT and machine.lightsleep of the emulated boards."""

import time

import pytest

from microt.boards import Link, LinkError


def awake(port, seconds=30):
    """A line to a board that is about to reset by itself."""
    end = time.monotonic() + seconds
    while True:
        time.sleep(0.3)
        try:
            link = Link(port)
            if link.eval("machine.reset_cause() if 'machine' in globals() else 0") == 0:
                return link
            link.close()
        except LinkError:
            assert time.monotonic() < end, "the board does not answer"


def test_a_watchdog_that_is_not_fed_resets_the_board(start):
    board = start(icount=False)
    with Link(board.port) as link:
        link.exec("import machine")
        assert link.eval("machine.reset_cause() == machine.PWRON_RESET")
        link.exec("import time\nwdt = machine.WDT(timeout=800)")
        link.exec("for _ in range(30):\n time.sleep_ms(100)\n wdt.feed()")
        assert link.eval("wdt.feed()") is None, "fed for three seconds: the board is the same"
        link._transport.exec_raw_no_follow("while True:\n pass")
        time.sleep(2)
    with awake(board.port) as link:
        link.exec("import machine")
        assert link.eval("machine.reset_cause() == machine.WDT_RESET")
        link.reset()
        link.exec("import machine")
        assert link.eval("machine.reset_cause() == machine.HARD_RESET")


@pytest.mark.parametrize(("arguments", "words"), [("1", "id: expected 0"), ("timeout=0", "expected 1 ms")])
def test_wrong_watchdogs(emulator, link, arguments, words):
    with pytest.raises(LinkError, match=words):
        link.exec(f"import machine\nmachine.WDT({arguments})")


def test_light_sleep_ends_in_time_or_with_a_byte(emulator, link):
    link.exec("import machine, time")
    code = "t = time.ticks_ms()\nmachine.lightsleep(300)\nprint(time.ticks_diff(time.ticks_ms(), t))"
    assert 300 <= int(link.exec(code)) < 400
    link._transport.exec_raw_no_follow("machine.lightsleep()\nprint('awake')")
    time.sleep(0.5)
    link._transport.serial.write(b"x")
    assert b"awake" in link._transport.follow(timeout=10)[0]
