# SPDX-License-Identifier: MIT
"""Reading disassembly, classes of instructions, and the cycle model on counts written by hand."""

import pytest

from microt.bench.cycles import (
    Count,
    Cycles,
    Instruction,
    Program,
    classify,
    classify_riscv,
    m55_bracket,
    register_count,
)
from microt.bench.elf import Elf
from microt.bench.plugin import Segment, add_counts, arguments, parse


def instruction(text):
    mnemonic, _, operands = text.partition(" ")
    return Instruction(0, mnemonic, operands, "f")


@pytest.mark.parametrize(
    "text, kind",
    [
        ("b.n 10 <f>", "branch"),
        ("bls.n 10 <f>", "branch"),
        ("blt.w 10 <f>", "branch"),
        ("bl 10 <f>", "branch"),
        ("blx r3", "branch"),
        ("bxeq lr", "branch"),
        ("cbnz r0, 10 <f>", "branch"),
        ("tbh [pc, r0, lsl #1]", "branch table"),
        ("bic.w r0, r1, r2", "arithmetic"),
        ("ldrsb.w r0, [r1, #1]!", "load"),
        ("ldrne r0, [r1]", "load"),
        ("ldrd r0, r1, [r2], #8", "load double"),
        ("ldmia.w sp!, {r4, pc}", "load multiple"),
        ("pop {r4, pc}", "load multiple"),
        ("strb r0, [r1, r2]", "store"),
        ("stmdb sp!, {r4-r11, lr}", "store multiple"),
        ("sdiv r0, r1, r2", "divide"),
        ("smlad r0, r1, r2, r3", "dual multiply"),
        ("smuadx r0, r1, r2", "dual multiply"),
        ("smlabt r0, r1, r2, r3", "multiply"),
        ("smull r0, r1, r2, r3", "multiply"),
        ("smmulr r0, r1, r2", "multiply"),
        ("mulne r0, r1", "multiply"),
        ("ssat r0, #8, r1, asr #3", "saturate"),
        ("qadd16 r0, r1, r2", "saturate"),
        ("sxtb16 r0, r1, ror #8", "extend"),
        ("pkhbt r0, r1, r2, lsl #16", "extend"),
        ("uadd8 r0, r1, r2", "arithmetic"),
        ("itte gt", "arithmetic"),
        ("lsls r0, r1, #2", "arithmetic"),
        ("rsbs r0, r1, #0", "arithmetic"),
        ("vldr s0, [r0]", "FP load"),
        ("vldmia r0!, {s0-s3}", "FP load multiple"),
        ("vfma.f32 s0, s1, s2", "FP multiply-accumulate"),
        ("vnmls.f32 s0, s1, s2", "FP multiply-accumulate"),
        ("vnmul.f32 s0, s1, s2", "FP"),
        ("vsqrt.f32 s0, s1", "FP divide"),
        ("vmrs APSR_nzcv, fpscr", "FP"),
        ("vldrb.u8 q0, [r0]", "vector memory"),
        ("vadd.i32 q0, q1, q2", "vector"),
        ("vmladava.s8 r0, q1, q2", "vector multiply"),
        ("vpstt", "vector"),
        ("vldr d0, [r0]", "FP load"),
        ("csel r0, r1, r2, eq", "arithmetic"),
        ("udf #0", "unknown"),
        ("le lr, 10 <f>", "loop"),
    ],
)
def test_classes(text, kind):
    assert classify(instruction(text)) == kind


@pytest.mark.parametrize(
    "operands, words",
    [
        ("{r4, lr}", 2),
        ("sp!, {r4-r11, lr}", 9),
        ("{r4, r5, r6, r7, r8, r9, sl, fp, pc}", 9),
        ("{r8-sl}", 3),
        ("{s16-s31}", 16),
        ("{d8-d9}", 4),
        ("r0!, {d8}", 2),
    ],
)
def test_register_lists(operands, words):
    assert register_count(operands) == words


def test_a_missing_register_list_is_an_error():
    with pytest.raises(ValueError, match="expected a register list"):
        register_count("r0, [r1]")


DOT = """
00000100 <dot>:
     100:\tpush\t{r4, lr}
     102:\tldr\tr3, [pc, #12]\t@ (110 <dot+0x10>)
     104:\tldrb\tr4, [r3, #0]
     106:\tldrb\tr0, [r1, #0]\t; a comment
     108:\tsmlabb\tr0, r4, r0, r2
     10c:\tbne.n\t104 <dot+0x4>
     10e:\tpop\t{r4, pc}
     110:\t.word\t0x20000000

00000114 <other>:
     114:\tldr\tr0, [r1, #0]
     116:\tbx\tlr
     118:\tnop
"""


def test_a_listing_is_read():
    program = Program.from_text(DOT)
    assert program.at(0x102) == Instruction(0x102, "ldr", "r3, [pc, #12]", "dot")
    assert program.at(0x106).operands == "r0, [r1, #0]"
    assert program.at(0x118) == Instruction(0x118, "nop", "", "other")
    assert program.before(0x104).address == 0x102
    assert program.before(0x100) is None
    with pytest.raises(ValueError, match="0x110"):
        program.at(0x110)


def test_an_instruction_that_objdump_does_not_know_keeps_its_place():
    program = Program.from_text("   104:\t\t\t@ <UNDEFINED> instruction: 0xea5292d2\n   108:\tnop\n")
    assert classify(program.at(0x104)) == "unknown"
    assert program.before(0x108) == program.at(0x104)


def test_a_load_is_cheaper_after_a_load_that_does_not_make_its_address():
    program = Program.from_text(DOT)
    counts = {0x102: Count(1), 0x104: Count(10), 0x106: Count(10)}
    # r3 of the first is the address of the second: 2 each; the third follows the second: 1
    assert program.cycles(counts).mid == 2 + 10 * 2 + 10 * 1


def test_loads_pipeline_only_as_often_as_the_first_of_them_ran():
    program = Program.from_text(DOT)
    assert program.cycles({0x104: Count(3), 0x106: Count(10)}).mid == 3 * 2 + 10 * 2 - 3
    assert program.cycles({0x106: Count(10)}).mid == 20


def test_loads_of_two_functions_do_not_pipeline():
    program = Program.from_text(DOT.replace("10e:\tpop\t{r4, pc}", "10e:\tldr\tr4, [r2]"))
    assert program.cycles({0x10E: Count(1), 0x114: Count(1)}).mid == 4


def test_bounds_differ_by_refill_and_division():
    program = Program.from_text(DOT)
    assert program.cycles({0x10C: Count(10, taken=9)}) == Cycles(19, 28, 37)
    assert program.cycles({0x10E: Count(1, taken=1)}) == Cycles(4, 5, 6)
    divide = Program([Instruction(0, "udiv", "r0, r1, r2", "f")])
    assert divide.cycles({0: Count(2)}) == Cycles(4, 14, 24)
    assert Cycles(1, 2, 3) + Cycles(10, 20, 30) == Cycles(11, 22, 33)


@pytest.mark.parametrize(
    "text, cycles",
    [
        ("str r0, [r1, #4]", 1),
        ("str r0, [r1], #4", 1),
        ("str.w r0, [r1, r2, lsl #2]", 2),
        ("strd r0, r1, [r2]", 2),
        ("ldrd r0, r1, [r2]", 3),
        ("vmov s0, r0", 1),
        ("vmov r0, r1, s0, s1", 2),
        ("vldr d0, [r0]", 3),
        ("vstr s0, [r0]", 2),
        ("vpush {d8-d9}", 5),
        ("vmla.f32 s0, s1, s2", 3),
        ("vdiv.f32 s0, s1, s2", 14),
        ("smlad r0, r1, r2, r3", 1),
        ("tbb [pc, r0]", 2),
    ],
)
def test_timings(text, cycles):
    assert Program([instruction(text)]).cycles({0: Count(1)}).mid == cycles


def test_an_executed_instruction_without_timing_is_an_error():
    with pytest.raises(ValueError, match="no Cortex-M4 timing for vadd.i32 q0, q1, q2 at 0x0 in f"):
        Program([instruction("vadd.i32 q0, q1, q2")]).cycles({0: Count(1)})


def test_histogram():
    program = Program.from_text(DOT)
    counts = {0x104: Count(3), 0x106: Count(4), 0x116: Count(2)}
    assert program.histogram(counts) == {"load": 7, "branch": 2}


def test_the_plugins_output_is_read():
    text = "segment 1 begin layer 7 0\n100 5 1 0\n10c 4 3 2\nend\nsegment 1 layer end 1 2\nend\n"
    first, second = parse(text)
    assert first == Segment(1, "begin", "layer", 7, 0, {0x100: Count(5, 1), 0x10C: Count(4, 3, 2)})
    assert first.instructions == 9
    assert second == Segment(1, "layer", "end", 1, 2, {})


@pytest.mark.parametrize("text", ["segment 1 begin end 1 0\n100 1 0 0\n", "100 1 0 0\n", "hello\n"])
def test_cut_or_foreign_output_is_an_error(text):
    with pytest.raises(ValueError, match="counts"):
        parse(text)


def test_counts_add_up_by_address():
    total = add_counts([{1: Count(1, 2, 3)}, {1: Count(10, 20, 30), 2: Count(5)}])
    assert total == {1: Count(11, 22, 33), 2: Count(5)}


def test_a_comma_in_a_path_is_refused(tmp_path):
    with pytest.raises(ValueError, match="comma"):
        arguments(tmp_path / "a,b.so", tmp_path / "out", {})


def test_a_file_that_is_no_elf_is_refused(tmp_path):
    path = tmp_path / "firmware.elf"
    path.write_bytes(b"MTB\0")
    with pytest.raises(ValueError, match="expected a 32-bit little-endian ELF file"):
        Elf(path)


def test_the_m55_s_bracket_is_that_of_the_published_baseline():
    """The classes and cycles of one layer as ../shared/design/kernels.md defines and gives them."""
    histogram = {
        "arithmetic": 451840 + 8 + 9325 + 626 + 3, "load": 250407, "store": 98709, "FP load": 1152, "branch": 101974,
        "load multiple": 579, "store multiple": 579, "vector memory": 161569, "vector multiply": 119808,
        "vector": 84383, "loop": 69120,
    }  # fmt: skip
    assert sum(histogram.values()) == 1350082
    assert m55_bracket(histogram) == (1323584, 1748696)


@pytest.mark.parametrize(
    "mnemonic, kind",
    [("lb", "load"), ("lhu", "load"), ("sw", "store"), ("mulhsu", "multiply"), ("mul", "multiply"), ("remu", "divide")]
    + [(name, "branch") for name in ("bgeu", "bnez", "blt", "j", "jalr", "ret")]
    + [(name, "arithmetic") for name in ("add", "addi", "sra", "sltiu", "not", "lui", "snez", "csrrc", "sext.b")]
    + [("lr.w.aq", "load exclusive"), ("amoswap.w", "store exclusive"), ("smlad", "unknown"), ("vadd", "unknown")],
)
def test_classes_of_risc_v(mnemonic, kind):
    assert classify_riscv(Instruction(0, mnemonic, "a0,a1", "f")) == kind
