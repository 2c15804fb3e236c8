# SPDX-License-Identifier: MIT
"""The counting plugin and the cycle model, on a program whose figures are known by hand."""

import shutil
import subprocess
from pathlib import Path

import pytest

from microt.bench import plugin
from microt.bench.cycles import Program
from microt.bench.elf import Elf

PROGRAM = Path(__file__).parent / "bench_program"

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-arm", "arm-none-eabi-gcc", "gcc"))),
    reason="qemu-system-arm, arm-none-eabi-gcc or gcc is missing",
)
pytestmark = needs_tools


@pytest.fixture(scope="module")
def elf(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "program.elf"
    flags = "-nostdlib -nostartfiles -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard"
    command = ["arm-none-eabi-gcc", *flags.split(), "-T", PROGRAM / "program.ld"]
    subprocess.run([*command, "-o", path, PROGRAM / "program.S"], check=True)
    return Elf(path)


def count(elf, out, *, ignored):
    names = {"begin": "microt_mark_begin", "end": "microt_mark_end", "layer": "layer"}
    marks = {mark: [elf.symbol(name).address] for mark, name in names.items()}
    machine = "-M mps2-an386 -display none -monitor none -serial none -semihosting -icount shift=0"
    argument = plugin.arguments(plugin.build(), out, marks, ignored)
    subprocess.run(
        ["qemu-system-arm", *machine.split(), "-kernel", elf.path, "-plugin", argument],
        check=True,
        timeout=60,
    )
    return plugin.parse(out.read_text())


@pytest.fixture(scope="module")
def segments(elf, tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "counts"
    return count(elf, out, ignored=plugin.interrupt_ranges(elf))


# Instructions, and cycles for P = 1, 2, 3 and D = 2, 7, 12 (cycles.py). Every region holds two
# instructions more than its lines in program.S: the return from microt_mark_begin and the call of
# microt_mark_end, 2 + 2P cycles; a loop region also the load of its counter.
@pytest.mark.parametrize(
    "region, instructions, cycles",
    [
        (1, 2 * 1000 + 3, (3004, 4005, 5006)),
        (2, 2 * 100000 + 3, (300005, 400006, 500007)),
        (3, 17, (40 + 2, 40 + 4, 40 + 6)),
        (4, 20, (45 + 2 + 2, 45 + 4 + 7, 45 + 6 + 12)),
        (5, 11, (12 + 5, 12 + 10, 12 + 15)),
    ],
)
def test_counts_and_cycles_are_those_worked_out_by_hand(elf, segments, region, instructions, cycles):
    (segment,) = [segment for segment in segments if segment.region == region]
    assert segment.instructions == instructions
    modelled = Program.from_elf(elf.path).cycles(segment.counts)
    assert (modelled.low, modelled.mid, modelled.high) == cycles


def test_the_slope_is_two_instructions_a_loop(segments):
    short, long = segments[0].instructions, segments[1].instructions
    assert long - short == 2 * (100000 - 1000)


def test_unaligned_accesses_and_taken_branches_are_found(elf, segments):
    program = Program.from_elf(elf.path)
    unaligned = [program.at(a).mnemonic for a, c in segments[2].counts.items() if c.unaligned]
    assert unaligned == ["ldr.w", "strh.w"]
    taken = [program.at(a).mnemonic for a, c in segments[4].counts.items() if c.taken]
    assert taken == ["bx", "cbz", "tbb", "b.n", "bl"]


def test_a_mark_cuts_a_region_into_segments(segments):
    cut = [segment for segment in segments if segment.region == 6]
    assert [(s.first, s.last, s.instructions) for s in cut] == [
        ("begin", "layer", 2),
        ("layer", "layer", 5),
        ("layer", "layer", 5),
        ("layer", "end", 5),
    ]


def test_interrupts_are_left_out(elf, segments, tmp_path):
    (quiet,) = [segment for segment in segments if segment.region == 7]
    assert quiet.instructions == 2 * 30000 + 3
    assert sum(c.taken for c in quiet.counts.values()) == 30001
    everything = count(elf, tmp_path / "noisy", ignored=[])
    (noisy,) = [segment for segment in everything if segment.region == 7]
    ticks = (noisy.instructions - quiet.instructions) / 3
    assert ticks == int(ticks) and ticks >= 20


def test_counts_repeat_exactly(elf, segments, tmp_path):
    again = count(elf, tmp_path / "again", ignored=plugin.interrupt_ranges(elf))
    assert again == segments


def test_accesses_to_device_registers_are_told(segments):
    device = {segment.region: segment.device_accesses for segment in segments}
    assert device.pop(8) >= 1
    assert set(device.values()) == {0}
    # with an instruction clock QEMU leaves the block there and comes back: a few are counted twice
    (segment,) = [segment for segment in segments if segment.region == 8]
    assert 7 <= segment.instructions <= 7 + 4


def test_straight_code_over_a_page_is_no_branch(elf, segments):
    assert elf.symbol("crossing").address % 4096 == 4096 - 8
    program = Program.from_elf(elf.path)
    taken = [program.at(a).mnemonic for a, c in segments[-1].counts.items() if c.taken]
    assert segments[-1].region == 9
    assert sorted(taken) == ["bl", "bl", "bx", "bx"]


def test_the_compiler_is_not_asked_twice(monkeypatch):
    first = plugin.build()
    monkeypatch.setattr(plugin, "_compile", lambda *args: pytest.fail("compiled again"))
    assert plugin.build() == first


def test_an_unknown_api_version_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(plugin, "KNOWN_API_VERSIONS", range(99, 100))
    monkeypatch.setattr(plugin, "BUILD", tmp_path)
    with pytest.raises(plugin.PluginUnavailable, match="API version 99"):
        plugin.build()


def test_a_missing_qemu_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(plugin, "BUILD", tmp_path)
    with pytest.raises(plugin.PluginUnavailable, match="no-such-qemu"):
        plugin.build(qemu="no-such-qemu")


def test_wrong_arguments_are_refused_by_the_plugin(elf):
    argument = f"{plugin.build()},out=/dev/null,mark=begin"
    command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-plugin", argument]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "expected out=FILE, mark=NAME@HEX or ignore=HEX-HEX, got mark=begin" in done.stderr
