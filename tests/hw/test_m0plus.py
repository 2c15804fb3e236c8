# SPDX-License-Identifier: MIT
"""MPS2_M0PLUS emulates on a larger core: its image must be what a Cortex-M0+ can run, and fault where that one does."""

import re
import subprocess

import pytest

from microt.boards import Board, Emulator, Link, LinkError, firmware

# The instructions of 32 bits that Armv6-M has.
WIDE = {"bl", "dmb", "dsb", "isb", "mrs", "msr"}


@pytest.fixture(scope="module")
def elf():
    return firmware.build(Board.load("MPS2_M0PLUS"))


def test_image_is_armv6m(elf):
    shown = subprocess.run(["arm-none-eabi-objdump", "-d", elf], capture_output=True, text=True, check=True).stdout
    code = re.findall(r"^ *[0-9a-f]+:\t([0-9a-f]{4}(?: [0-9a-f]{4})?) *\t([a-z0-9.]+)", shown, re.MULTILINE)
    assert len(code) > 50_000
    wide = {name for encoding, name in code if " " in encoding}
    assert wide <= WIDE | {".word"}, wide - WIDE
    attributes = subprocess.run(["arm-none-eabi-readelf", "-A", elf], capture_output=True, text=True, check=True).stdout
    assert "Tag_THUMB_ISA_use: Thumb-1" in attributes and "Tag_FP_arch" not in attributes


def test_unaligned_access_faults(elf, tmp_path):
    script = "@micropython.asm_thumb\ndef f(r0):\n ldr(r0, [r0, 0])\nf(0x20000000)\nf({})"
    with Emulator(Board.load("MPS2_M0PLUS"), elf, storage=tmp_path / "storage.bin") as emulator:
        with Link(emulator.port) as link:
            link.exec(script.format("0x20000004"))
            with pytest.raises(LinkError, match="FAULT .* cfsr 01000000"):  # UNALIGNED
                link.exec(script.format("0x20000002"), timeout=10)
