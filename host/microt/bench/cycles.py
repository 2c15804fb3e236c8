# SPDX-License-Identifier: MIT
"""Cortex-M4 cycles modelled from counted instructions.

The model takes how often each instruction ran, how often it was a taken branch and how many of its
accesses were unaligned (the emulator's counting plugin), and the disassembly of the same image.

Timings are those of the *Arm Cortex-M4 Processor Technical Reference Manual* (100166), section
3.3, table 3-1 (processor instructions) with the load and store timings that follow it, and the
table of the FPU's instructions, for memory without wait states:

    data processing, multiply, multiply-accumulate (also long, dual and saturating)     1
    single load          2, or 1 right after a load (not VLDR) whose result is not its address
    single store         1, or 2 with a register offset
    LDRD 3, STRD 2       LDM, STM, PUSH, POP 1 + number of registers
    branch               1, and P more when taken; the same P for every other write to the PC
    TBB, TBH             2 + P
    SDIV, UDIV           D
    FP add, multiply, compare, convert, move 1 (two registers: 2), multiply-accumulate 3,
    FP divide, square root 14
    VLDR 2 (doubleword 3), VSTR 2 (doubleword 3), VLDM, VSTM 1 + number of words
    each unaligned access 1 more

P, the pipeline refill, "ranges from 1 to 3 depending on the alignment and width of the target
instruction, and whether the processor manages to speculate the address early"; D is 2 to 12, by
operands. Neither is known from counts, so there are three figures: low (1, 2), mid (2, 7), high
(3, 12).

Not modelled: flash wait states, bus contention, stalls on a floating-point result, the cheaper
cost of an instruction skipped by an IT block, and which stores the write buffer hides. It has not
been compared with a board: use it for ratios. Other cores have no such table: there is no figure.
"""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

OBJDUMP = "arm-none-eabi-objdump"
RISCV_OBJDUMP = "riscv64-unknown-elf-objdump"

# Cores whose newer instructions objdump decodes only when told so.
ARMV81M = ("Cortex-M52", "Cortex-M55", "Cortex-M85")


class Count(NamedTuple):
    """What happened at one address: executions, taken branches, unaligned accesses."""

    executed: int
    taken: int = 0
    unaligned: int = 0


class Bound(NamedTuple):
    """The two timings that counts do not tell."""

    refill: int
    divide: int


LOW = Bound(refill=1, divide=2)
MID = Bound(refill=2, divide=7)
HIGH = Bound(refill=3, divide=12)


@dataclass(frozen=True)
class Cycles:
    """Modelled cycles; ``mid`` is the figure to quote."""

    low: int
    mid: int
    high: int

    def __add__(self, other: Cycles) -> Cycles:
        return Cycles(self.low + other.low, self.mid + other.mid, self.high + other.high)


@dataclass(frozen=True)
class Instruction:
    """One line of a disassembly: ``mnemonic`` in UAL, ``operands`` without comments."""

    address: int
    mnemonic: str
    operands: str
    function: str

    @property
    def base(self) -> str:
        """The mnemonic without width and type: ``vadd`` for ``vadd.f32``."""
        return self.mnemonic.split(".")[0]


# ---- classes: the first pattern that matches the whole base mnemonic decides

_CONDITION = "(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al)?"

_CLASSES = [
    ("branch", "b|bl|bx|blx|cbz|cbnz"),
    ("branch table", "tbb|tbh"),
    ("load double", "ldrd"),
    ("load", "ldr|ldrb|ldrh|ldrsb|ldrsh|ldrt|ldrbt|ldrht|ldrsbt|ldrsht"),
    ("load exclusive", "ldrex|ldrexb|ldrexh"),
    ("load multiple", "ldm|ldmia|ldmfd|ldmdb|ldmea|pop"),
    ("store double", "strd"),
    ("store", "str|strb|strh|strt|strbt|strht"),
    ("store exclusive", "strex|strexb|strexh"),
    ("store multiple", "stm|stmia|stmea|stmdb|stmfd|push"),
    ("divide", "sdiv|udiv"),
    ("dual multiply", "sm(?:la|us|ls|ua)dx?|smlaldx?|smlsldx?"),
    (
        "multiply",
        "muls?|mla|mls|[us]mull|[us]mlal|umaal|smul(?:[bt][bt]|w[bt])|smla(?:[bt][bt]|w[bt])"
        "|smlal[bt][bt]|smm(?:ul|la|ls)r?",
    ),
    (
        "saturate",
        "[su]sat(?:16)?|q(?:d?add|d?sub|add8|add16|sub8|sub16|asx|sax)|uq(?:add|sub)(?:8|16)",
    ),
    ("extend", "[su]xt(?:b16|b|h|ab16|ab|ah)|pkh(?:bt|tb)"),
    (
        "arithmetic",
        "(?:add|adc|sub|sbc|rsb|and|orr|orn|eor|bic|mvn|mov|lsl|lsr|asr|ror|rrx|neg)s?"
        "|addw|subw|adr|movw|movt|cmp|cmn|tst|teq|clz|rev|rev16|revsh|rbit|bfc|bfi|sbfx|ubfx"
        "|[su](?:h)?(?:add|sub)(?:8|16)|[su]h?(?:asx|sax)|usada?8|sel|nop|it[te]{0,3}"
        "|mrs|msr|cps|cpsie|cpsid|dmb|dsb|isb|clrex|pld|sev|yield|wfi|wfe|svc|bkpt",
    ),
    ("FP load", "vldr"),
    ("FP store", "vstr"),
    ("FP load multiple", "vldm|vldmia|vldmdb|vpop"),
    ("FP store multiple", "vstm|vstmia|vstmdb|vpush"),
    ("FP divide", "vdiv|vsqrt"),
    ("FP multiply-accumulate", "vn?ml[as]|vfn?m[as]"),
    ("FP", "vadd|vsub|vn?mul|vabs|vneg|vcmpe?|vcvt[rbt]?|vmov|vmrs|vmsr"),
]
_PATTERNS = [(name, re.compile(f"(?:{bases}){_CONDITION}")) for name, bases in _CLASSES]

# Of Armv8.1-M; the Cortex-M4's model refuses them.
_ARMV81M_CLASSES = [
    ("vector memory", r"v(?:ld|st)(?:r[bhwd]|[24]\d)[te]?"),
    ("vector multiply", r"v(?:r?ml[as]l?d?av|ml[as]v|q?r?d?ml[as][dl]|q?r?dmul|mul|ml[as]|q?dmull|r?mulh)\w*|vfm[as]"),
    ("vector", r"v\w+"),
    ("loop", r"dls(?:tp)?|wls(?:tp)?|le(?:tp)?|lctp"),
    ("arithmetic", r"csel|cset|csetm|csinc|csinv|csneg|cinc|cinv|cneg|asrl|lsll|lsrl|u?[su]?q?r?sh[lr]l?|bf\w*"),
]
_ARMV81M_PATTERNS = [(name, re.compile(bases)) for name, bases in _ARMV81M_CLASSES]
_VECTOR_BASES = re.compile(r"vctp|vpst\w*|vpt\w*|vpnot|vpsel")
_NOT_OF_A_CORTEX_M4 = ("vector memory", "vector multiply", "vector", "loop")

# Of RV32IMAC with control and status registers, as objdump names them, aliases included.
_RISCV_CLASSES = [
    ("branch", "b(?:eq|ne|lt|ge|gt|le)u?|b(?:eq|ne|lt|ge|gt|le)z|j|jal|jr|jalr|ret|tail|call"),
    ("load", "l[bhw]u?"),
    ("store", "s[bhw]"),
    ("load exclusive", "lr"),
    ("store exclusive", r"sc|amo\w+"),
    ("multiply", "mul|mulh|mulhu|mulhsu"),
    ("divide", "(?:div|rem)u?"),
    (
        "arithmetic",
        "(?:add|and|or|xor|sll|srl|sra|slt)i?|slti?u|sub|neg|not|mv|li|lui|auipc|la|seqz|snez|sltz|sgtz|zext|sext|nop"
        "|unimp|ecall|ebreak|wfi|mret|fence|csr[a-z]*|rdtime|rdcycle|rdinstret",
    ),
]
_RISCV_PATTERNS = [(name, re.compile(bases)) for name, bases in _RISCV_CLASSES]

UNKNOWN = "unknown"

_LOADS = ("load", "FP load")
_REGISTER = r"(?:r\d+|sl|fp|ip|sp|lr|pc)"
_VECTOR_REGISTER = re.compile(r"\bq\d+\b")


@cache
def classify(instruction: Instruction) -> str:
    """Name of the instruction's class, ``"unknown"`` for one that none of the cores has."""
    patterns = [*_PATTERNS, *_ARMV81M_PATTERNS[3:]]
    if _VECTOR_REGISTER.search(instruction.operands) or _VECTOR_BASES.fullmatch(instruction.base):
        patterns = _ARMV81M_PATTERNS
    for name, pattern in patterns:
        if pattern.fullmatch(instruction.base):
            return name
    return UNKNOWN


@cache
def classify_riscv(instruction: Instruction) -> str:
    """As ``classify``, of a RISC-V core's instruction."""
    for name, pattern in _RISCV_PATTERNS:
        if pattern.fullmatch(instruction.base):
            return name
    return UNKNOWN


class Bracket(NamedTuple):
    """Bounds between which modelled cycles lie."""

    low: int
    high: int


def m55_bracket(histogram: Mapping[str, int]) -> Bracket:
    """Cortex-M55 cycles of executed instructions, by class, for memory without wait states.

    A vector instruction takes two cycles (two beats of 32 bits each). low: vector memory and vector arithmetic overlap
    wholly, all others take one cycle; high: nothing overlaps and a branch costs one more. The end of a hardware loop is
    free. A bracket, not a pipeline model.
    """
    memory = histogram.get("vector memory", 0)
    arithmetic = histogram.get("vector multiply", 0) + histogram.get("vector", 0)
    scalar = sum(histogram.values()) - memory - arithmetic - histogram.get("loop", 0)
    branches = histogram.get("branch", 0) + histogram.get("branch table", 0)
    return Bracket(2 * max(memory, arithmetic) + scalar, 2 * (memory + arithmetic) + scalar + branches)


def register_count(operands: str) -> int:
    """Number of words in a register list: ``{r4-r6, pc}`` is 4, ``{d8-d9}`` is 4.

    Raises:
        ValueError: there is no list.
    """
    found = re.search(r"\{(.*)\}", operands)
    if found is None:
        raise ValueError(f"expected a register list such as {{r4, lr}}, got {operands!r}")
    names = {"sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}
    words = 0
    for part in found.group(1).split(","):
        first, _, last = part.strip().partition("-")
        registers = 1
        if last:
            number = [names.get(name) or int(name.lstrip("rsdq")) for name in (first, last)]
            registers = number[1] - number[0] + 1
        words += registers * (2 if first.startswith("d") and first[1:].isdigit() else 1)
    return words


class Program:
    """The instructions of an image, by address."""

    def __init__(self, instructions: Iterable[Instruction], riscv: bool = False):
        self.instructions = {i.address: i for i in instructions}
        self._addresses = sorted(self.instructions)
        self._classify = classify_riscv if riscv else classify
        self._indirect_call = "jalr" if riscv else "blx"

    @classmethod
    def from_elf(cls, path: str | Path, *, core: str = "", objdump: str | None = None) -> Program:
        """Disassembles an ELF file, of an Arm core unless `core` is one that begins with RV.

        Args:
            core: the name of the CPU, where objdump has to be told what it may decode.

        Raises:
            RuntimeError: objdump is not there or fails.
        """
        riscv = core.startswith("RV")
        objdump = objdump or (RISCV_OBJDUMP if riscv else OBJDUMP)
        command = [objdump, "-d", "--no-show-raw-insn"]
        if core.startswith(ARMV81M):
            command += ["-m", "armv8.1-m.main"]
        command.append(str(path))
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            package = "binutils-riscv64-unknown-elf" if riscv else "binutils-arm-none-eabi"
            raise RuntimeError(f"{objdump} not found: install the Debian package {package}") from None
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
        return cls.from_text(done.stdout, riscv)

    @classmethod
    def from_text(cls, text: str, riscv: bool = False) -> Program:
        """Reads what ``objdump -d --no-show-raw-insn`` printed."""
        instructions = []
        function = ""
        for line in text.splitlines():
            label = re.match(r"[0-9a-f]+ <(.+)>:$", line)
            if label:
                function = label.group(1)
                continue
            found = re.match(r"\s*([0-9a-f]+):\t(.*)$", line)
            if found is None:
                continue
            mnemonic, operands = _read_instruction(found.group(2))
            if not mnemonic.startswith("."):
                instructions.append(Instruction(int(found.group(1), 16), mnemonic, operands, function))
        return cls(instructions, riscv)

    def before(self, address: int) -> Instruction | None:
        """The instruction in front of the one at ``address``, or None at the start."""
        i = bisect_right(self._addresses, address - 1) - 1
        return self.instructions[self._addresses[i]] if i >= 0 else None

    def after_indirect_calls(self, function: str) -> list[int]:
        """Where the calls through a pointer in a function come back to."""
        return [
            following
            for address, following in zip(self._addresses, self._addresses[1:], strict=False)
            if self.instructions[address].function == function
            and self.instructions[address].base == self._indirect_call
        ]

    def at(self, address: int) -> Instruction:
        """The instruction at ``address``.

        Raises:
            ValueError: there is none: the counts are those of another image.
        """
        try:
            return self.instructions[address]
        except KeyError:
            raise ValueError(
                f"an instruction was counted at {address:#x}, where the disassembly has none: "
                "are the counts those of another image?"
            ) from None

    def histogram(self, counts: Mapping[int, Count]) -> dict[str, int]:
        """Executed instructions by class, most frequent first."""
        classes = Counter()
        for address, count in counts.items():
            classes[self._classify(self.at(address))] += count.executed
        return dict(classes.most_common())

    def cycles(self, counts: Mapping[int, Count]) -> Cycles:
        """Modelled Cortex-M4 cycles of all that was counted.

        Raises:
            ValueError: an executed instruction is none of the Cortex-M4's.
        """
        return Cycles(*(self._cycles(counts, bound) for bound in (LOW, MID, HIGH)))

    def _cycles(self, counts: Mapping[int, Count], bound: Bound) -> int:
        total = 0
        for address, count in counts.items():
            instruction = self.at(address)
            total += count.executed * self._cost(instruction, bound)
            total += count.taken * bound.refill + count.unaligned
            total -= self._pipelined(instruction, counts)
        return total

    def _pipelined(self, instruction: Instruction, counts: Mapping[int, Count]) -> int:
        """Executions of a load that directly followed another load, one cycle cheaper each."""
        if classify(instruction) not in _LOADS or _is_double(instruction):
            return 0
        previous = self.before(instruction.address)
        if previous is None or previous.address not in counts:
            return 0
        if previous.function != instruction.function or classify(previous) != "load":
            return 0
        if _destination(previous) in _address_registers(instruction):
            return 0
        return min(counts[instruction.address].executed, counts[previous.address].executed)

    def _cost(self, instruction: Instruction, bound: Bound) -> int:
        """Cycles of one execution, without refill, unaligned accesses and pipelining."""
        kind = classify(instruction)
        if kind == UNKNOWN or kind in _NOT_OF_A_CORTEX_M4:
            raise ValueError(
                f"no Cortex-M4 timing for {instruction.mnemonic} {instruction.operands} "
                f"at {instruction.address:#x} in {instruction.function}"
            )
        if kind in ("load", "FP load"):
            return 3 if _is_double(instruction) else 2
        if kind == "FP store":
            return 3 if _is_double(instruction) else 2
        if kind == "store":
            return 2 if _has_register_offset(instruction.operands) else 1
        if kind in ("store double", "load exclusive", "store exclusive", "branch table"):
            return 2
        if kind in ("load double", "FP multiply-accumulate"):
            return 3
        if kind.endswith("multiple"):
            return 1 + register_count(instruction.operands)
        if kind == "divide":
            return bound.divide
        if kind == "FP divide":
            return 14
        if kind == "FP" and instruction.base.startswith("vmov"):
            return 2 if instruction.operands.count(",") >= 2 else 1
        return 1


def _read_instruction(text: str) -> tuple[str, str]:
    """Mnemonic and operands; what objdump does not know gets the mnemonic ``<undefined>``."""
    if "<UNDEFINED>" in text:
        return "<undefined>", ""
    mnemonic, _, operands = text.strip().partition("\t")
    return mnemonic, re.split(r"\s*[;@]", operands)[0].strip()


def _is_double(instruction: Instruction) -> bool:
    return instruction.base.startswith("v") and re.match(r"d\d", instruction.operands) is not None


def _destination(instruction: Instruction) -> str:
    return instruction.operands.split(",")[0].strip()


def _address_registers(instruction: Instruction) -> list[str]:
    brackets = re.search(r"\[(.*?)\]", instruction.operands)
    return re.findall(rf"\b{_REGISTER}\b", brackets.group(1)) if brackets else []


def _has_register_offset(operands: str) -> bool:
    return re.search(rf"\[[^\],]+,\s*{_REGISTER}", operands) is not None
