# SPDX-License-Identifier: MIT
"""machine.Pin on the device page: the test's finger on the button, its eye on the LED."""

import threading

import pytest

from microt.boards import LinkError

BUTTON, LED = 3, 5


def test_button_with_pull_up_is_active_low(emulator, link):
    link.exec(f"from machine import Pin\nb = Pin({BUTTON}, Pin.IN, Pin.PULL_UP)")
    assert link.eval("b.value(), b()") == (1, 1)
    emulator.press(BUTTON)
    assert link.eval("b.value(), b()") == (0, 0)
    emulator.release(BUTTON)
    assert link.eval("b()") == 1


def test_button_without_pull_up_is_active_high(emulator, link):
    link.exec(f"from machine import Pin\nb = Pin({BUTTON}, Pin.IN)")
    assert link.eval("b()") == 0
    emulator.press(BUTTON)
    assert link.eval("b()") == 1
    assert link.eval(f"Pin({BUTTON + 1}, Pin.IN)()") == 0
    emulator.release(BUTTON)


def test_led(emulator, link):
    link.exec(f"from machine import Pin\np = Pin({LED}, Pin.OUT, value=0)")
    assert not emulator.led(LED)
    before = emulator.changes
    for change, lit in (
        ("p.on()", 1),
        ("p.off()", 0),
        ("p.value(1)", 1),
        ("p(0)", 0),
        ("p.toggle()", 1),
        ("p.on()", 1),
    ):
        link.exec(change)
        assert emulator.led(LED) == lit
        assert link.eval("p.value()") == lit
    assert emulator.changes - before == 5
    assert emulator.outputs == 1 << LED


def test_click_while_the_board_waits(emulator, link):
    script = f"""
import time
from machine import Pin
button, led = Pin({BUTTON}, Pin.IN, Pin.PULL_UP), Pin({LED}, Pin.OUT, value=0)
for _ in range(1000):
    if not button():
        led.on()
        print("pressed")
        break
    time.sleep_ms(10)
"""
    finger = threading.Timer(0.5, emulator.click, (BUTTON, 0.3))
    finger.start()
    assert link.run(script, soft_reset=False, timeout=20) == "pressed\n"
    finger.join()
    assert emulator.led(LED)


@pytest.mark.parametrize(
    "code, message",
    [
        ("Pin(32)", "ValueError: id: expected 0 to 31, got 32"),
        ("Pin(0, 7)", "ValueError: mode: expected Pin.IN or Pin.OUT, got 7"),
        ("Pin(0, Pin.IN, 9)", "ValueError: pull: expected None, Pin.PULL_UP or Pin.PULL_DOWN, got 9"),
    ],
)
def test_wrong_pin(emulator, link, code, message):
    with pytest.raises(LinkError) as raised:
        link.exec(f"from machine import Pin\n{code}")
    assert raised.value.traceback.endswith(message)
