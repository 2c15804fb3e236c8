# SPDX-License-Identifier: MIT
"""Time on the emulated board: proportional to executed instructions, the same each time; and sleeping."""

import time

import pytest

LOOP = """
import time
{spin}
def cycles(n):
    start = time.ticks_cpu()
    spin(n)
    return time.ticks_diff(time.ticks_cpu(), start)
"""


# Two instructions a turn.
SPIN = {
    "mps": """
@micropython.asm_thumb
def spin(r0):
    label(again)
    sub(r0, 1)
    bne(again)
""",
    "virt": """
@micropython.asm_rv32
def spin(a0):
    label(again)
    addi(a0, a0, -1)
    bne(a0, zero, again)
""",
}


@pytest.fixture
def spinning(emulator, link, board):
    link.exec(LOOP.format(spin=SPIN[board.port]))
    return link


def test_time_is_proportional_to_instructions(spinning, board):
    instructions_per_tick = 1e9 / board.qemu.clock_hz
    spinning.exec("cycles(10)")  # what is done once is done
    few, many = spinning.eval("cycles(100_000), cycles(1_000_000)")
    assert many - few == pytest.approx(2 * 900_000 / instructions_per_tick, abs=10)


def test_time_is_repeatable(spinning):
    runs = spinning.eval("[cycles(200_000) for _ in range(12)]")[2:]  # the first ones fill the interpreter's caches
    assert max(runs) - min(runs) <= 2


def test_sleep(emulator, link):
    link.exec("import time")
    for ms in (1, 10, 700, 1500):  # longer than a wrap of the counter and than an alarm
        start = time.monotonic()
        slept = link.eval(f"[time.ticks_ms(), time.sleep_ms({ms}), time.ticks_ms()]")
        # a busy host wakes QEMU late, and a sleeping board's time then goes on
        assert ms <= slept[2] - slept[0] <= 1.1 * ms + 50
        assert time.monotonic() - start < 5 + ms / 1000


def test_sleeping_costs_the_host_nothing(emulator, link):
    def cpu_seconds():
        fields = open(f"/proc/{emulator.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    before = cpu_seconds()
    link.exec("import time\ntime.sleep(3)")
    assert cpu_seconds() - before < 1


def test_asyncio(link):
    script = """
import asyncio, time
async def work(n):
    await asyncio.sleep_ms(20 * n)
    return n
async def main():
    return await asyncio.gather(*[work(n) for n in range(4)])
print(asyncio.run(main()))
"""
    assert link.exec(script) == "[0, 1, 2, 3]\n"
