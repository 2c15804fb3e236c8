# SPDX-License-Identifier: MIT
"""``microt bench --port``: cycles by the cycle counter or the clock; nothing emulated is called measured."""

import json
import shutil
import types
from pathlib import Path

import pytest
from click.testing import CliRunner

from microt.bench import network_files, port
from microt.cli import main
from microt.compiler import compile_tflite

FOUND = {
    "machine": "A board with STM32F407VG",
    "core": "Cortex-M4",
    "emulated": False,
    "cycle_counter": True,
    "clock_hz": 168_000_000,
    "nothing": [[200, 5], [210, 5], [190, 6]],
    "runs": [[[1_680_200, 10_005], [1_690_200, 10_100], [1_680_000, 10_004]], [[3_360_200, 20_005]] * 3],
    "resumes": [[[1_700_200, 10_125]] * 3],
}


def test_cycles_of_the_counter_without_those_of_reading_it():
    found = port.result(FOUND, "/dev/ttyACM0", [1_000_000, 2_000_000])
    assert found["label"] == "measured" and found["counted_by"] == "DWT_CYCCNT" and found["notes"] == []
    first, last = found["exits"]
    assert (first["cycles"], first["cycles_most"], first["microseconds"]) == (1_680_000, 1_690_000, 10_000)
    assert first["resume"] is None and last["resume"]["cycles"] == 1_700_000
    text = port.describe(found)
    assert "A board with STM32F407VG at /dev/ttyACM0, 168 MHz: measured" in text
    assert "run to exit 0" in text and "1,680,000" in text and "1.68" in text
    assert "measured, by the cycle counter (DWT_CYCCNT)" in text


def test_the_clock_where_there_is_no_counter():
    found = port.result({**FOUND, "cycle_counter": False, "core": "Cortex-M0+"}, "p", [1, 2])
    assert found["label"] == "measured" and found["counted_by"] == "ticks_us"
    assert found["exits"][0]["cycles"] == 10_000 * 168
    assert found["notes"] == ["no cycle counter here (Cortex-M0+): by the clock"]


def test_a_run_longer_than_the_counter_goes_by_the_clock():
    long = {**FOUND, "runs": [[[5, 30_000_005]] * 3], "resumes": []}
    found = port.result(long, "p", [1])
    assert found["counted_by"] == "ticks_us" and found["exits"][0]["cycles"] == 30_000_000 * 168
    assert "longer than the cycle counter counts" in found["notes"][0]


def test_no_clock_no_cycles():
    found = port.result({**FOUND, "cycle_counter": False, "clock_hz": None}, "p", [1, 2])
    assert found["exits"][0]["cycles"] is None and found["exits"][0]["microseconds"] == 10_000
    assert "10.00" in port.describe(found) and "unknown clock" in port.describe(found)


@pytest.mark.parametrize("counter", [True, False])
def test_nothing_emulated_is_called_measured(counter):
    found = port.result({**FOUND, "emulated": True, "cycle_counter": counter}, "p", [1, 2])
    assert found["label"] == "emulated time, not measured"
    text = port.describe(found).replace("not measured", "").replace("no chip was measured", "")
    assert "measured" not in text


# ---- the board's script, with registers that behave as the manuals say

DEMCR, CTRL, CYCCNT, LAR, CPUID = 0xE000EDFC, 0xE0001000, 0xE0001004, 0xE0001FB0, 0xE000ED00


class Registers(dict):
    """DWT_CYCCNT counts once TRCENA and CYCCNTENA are set, on a Cortex-M7 once the unit is unlocked too."""

    def __init__(self, part, *, locked=False, ctrl=0):
        super().__init__({CPUID: 0x410F0000 | part << 4 | 1, DEMCR: 0, CTRL: ctrl, CYCCNT: 0})
        self.locked, self.looked_at = locked, set()

    def __getitem__(self, address):
        self.looked_at.add(address)
        if address == CYCCNT and self[DEMCR] >> 24 & 1 and super().__getitem__(CTRL) & 1:
            self[CYCCNT] = super().__getitem__(CYCCNT) + 7
        return super().__getitem__(address)

    def __setitem__(self, address, value):
        if address == LAR:
            self.locked = self.locked and value != 0xC5ACCE55
        elif address != CTRL or (not self.locked and self[DEMCR] >> 24 & 1):
            super().__setitem__(address, value)


def functions(registers, *, platform="stm32", machine="Board with STM32", arch=7, freq=lambda: 8, emulator=False):
    """What device/tasks/bench.py defines before it runs anything."""
    source = port.TASK.read_text().partition("\npart = arm_part()")[0]
    assert "import microt\n" in source
    implementation = types.SimpleNamespace(_machine=machine, _mpy=arch << 10)
    space = {
        "machine": types.SimpleNamespace(mem32=registers, freq=freq),
        "sys": types.SimpleNamespace(platform=platform, implementation=implementation),
    }
    lines = [line for line in source.splitlines() if line not in ("import machine", "import microt", "import sys")]
    text = "\n".join(lines)
    if emulator:
        text = text.replace("import emulator", "emulator = True")
    exec(compile(text, str(port.TASK), "exec"), space)
    return types.SimpleNamespace(**space)


@pytest.mark.parametrize(
    "registers, expected",
    [
        (Registers(0xC24), True),
        (Registers(0xC27, locked=True), True),
        (Registers(0xD21), True),
        (Registers(0xC24, ctrl=1 << 25), False),  # NOCYCCNT
        (Registers(0xC24, locked=True), False),  # QEMU: what is written stays away
        (Registers(0xC60), False),
    ],
)
def test_a_cycle_counter_is_found_by_its_counting(registers, expected):
    script = functions(registers)
    part = script.arm_part()
    assert script.has_cycle_counter(part) == expected
    if part == 0xC60:
        assert not registers.looked_at & {DEMCR, CTRL, CYCCNT}


def test_registers_of_other_architectures_are_left_alone():
    registers = Registers(0xC24)
    script = functions(registers, platform="esp32", machine="ESP32 module with ESP32", arch=10)
    assert script.arm_part() == 0 and not registers.looked_at
    assert functions(registers, arch=0, machine="X with Cortex-M4F").arm_part() == 0xC24


def test_clocks_and_emulators_are_recognised():
    def none():
        raise AttributeError

    assert functions(Registers(0), freq=lambda: (168, 84, 42, 21)).clock_hz() == 84  # HCLK
    assert functions(Registers(0), freq=lambda: 125).clock_hz() == 125
    assert functions(Registers(0), freq=none).clock_hz() is None
    assert not functions(Registers(0)).is_emulated()
    assert functions(Registers(0), machine="MPS2_AN386 (QEMU) with Cortex-M4F").is_emulated()
    assert functions(Registers(0), platform="qemu").is_emulated()
    assert functions(Registers(0), emulator=True).is_emulated()


# ---- an emulated board at a port


@pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-arm", "arm-none-eabi-gcc", "make"))), reason="no tools for a board"
)
def test_an_emulated_board_at_a_port(tmp_path):
    from microt.boards import Board, Emulator, firmware

    board = Board.load("MPS2_AN386")
    file = tmp_path / "small.mtb"
    compile_tflite(network_files.network(["pw_6x6_8-16", "gap_6x6_16"])).write(file)
    image = firmware.build(board, log=lambda line: None)
    with Emulator(board, image, storage=tmp_path / "storage") as emulator:
        arguments = ["bench", str(file), "--port", emulator.port]
        done = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
        found = json.loads(done.stdout)
        assert found["label"] == "emulated time, not measured" and found["counted_by"] == "ticks_us"
        assert found["notes"][0] == "no cycle counter here (Cortex-M4): by the clock"
        assert found["exits"][0]["macs"] == 36 * 8 * 16 and found["exits"][0]["microseconds"] > 0
        refused = CliRunner().invoke(main, [*arguments, "--compare"])
        assert refused.exit_code == 1


def test_the_script_is_where_the_command_looks_for_it():
    assert port.TASK.is_file() and port.TASK == Path(__file__).parents[2] / "device" / "tasks" / "bench.py"
