# SPDX-License-Identifier: MIT
"""RP2350's firmware, built here: the image holds what it must, and its very kernels are bit-exact on a Cortex-M33.

RPI_PICO, the same on a core that runs Armv6-M code only, belongs to the slow tests. Both skip without SDK or tools.
"""

import dataclasses
import re
import struct
import subprocess
import sys

import pytest

from microt.boards import Board, firmware, image, rp2
from microt.boards.board import ROOT

sys.path[:0] = [str(ROOT / "tests" / "engine" / folder) for folder in ("dsp", "m0")]

import dsp_cases as cases  # noqa: E402
import dsp_machine as machine  # noqa: E402
import m0_cases  # noqa: E402

SEED = 20261120
FAMILIES = {"RPI_PICO": 0xE48BFF56, "RPI_PICO2": 0xE48BFF59}
BOARDS = [pytest.param("RPI_PICO", marks=pytest.mark.slow), "RPI_PICO2"]


def build(name):
    """The board's firmware.elf; skips where this machine cannot get what a build needs."""
    board = Board.load(name)
    try:
        rp2.check(board)
        firmware.micropython(log=lambda line: None)
        rp2.pico_sdk(log=lambda line: None)
    except RuntimeError as error:
        pytest.skip(str(error).splitlines()[-1])
    return board, firmware.build(board, log=lambda line: None)


@pytest.fixture(scope="module", params=BOARDS)
def built(request):
    return build(request.param)


def blocks(uf2):
    """(address, payload, index, count, family) of each block of a UF2 file."""
    for start in range(0, len(uf2), 512):
        block = uf2[start : start + 512]
        magic, second, flags, address, size, index, count, family = struct.unpack_from("<8I", block)
        assert (magic, second, flags & 0x2000) == (0x0A324655, 0x9E5D5157, 0x2000)
        assert struct.unpack_from("<I", block, 508) == (0x0AB16F30,)
        yield address, block[32 : 32 + size], index, count, family


def test_the_flashable_file_is_the_image(built):
    board, elf = built
    uf2 = list(blocks(firmware.flashable(board, elf).read_bytes()))
    assert {block[4] for block in uf2} == {FAMILIES[board.name]}
    assert [block[2] for block in uf2] == list(range(uf2[0][3])) == list(range(len(uf2)))
    assert [block[0] for block in uf2] == [0x10000000 + 256 * i for i in range(len(uf2))]
    binary = elf.with_suffix(".bin").read_bytes()
    assert b"".join(block[1] for block in uf2).rstrip(b"\0") == binary.rstrip(b"\0")


def test_memory_adds_up(built):
    board, elf = built
    memory = firmware.memory(board, elf)
    flash = ("flash_bytes", "flash_left_bytes", "romfs_bytes", "storage_bytes")
    assert sum(memory[name] for name in flash) == board.flash_bytes
    assert memory["ram_bytes"] + memory["heap_bytes"] == board.ram_bytes
    assert memory["heap_bytes"] >= board.heap_bytes > 0.9 * memory["heap_bytes"]
    # where the linker left off, to the byte
    end = image.symbols(elf, rp2.PREFIX, "__flash_binary_end")["__flash_binary_end"]
    assert abs(end - 0x10000000 - elf.with_suffix(".bin").stat().st_size) <= 256


def test_check_names_what_an_image_lacks(built, monkeypatch, tmp_path):
    board, elf = built
    image.check(board, elf, rp2)
    smaller = dataclasses.replace(board, romfs_bytes=4096)
    with pytest.raises(RuntimeError, match=f"ROMFS partition of 4096 bytes, the image has {board.romfs_bytes}"):
        image.check(smaller, elf, rp2)
    with pytest.raises(RuntimeError, match="lacks the module, its mve kernels or ROMFS: .*microt_mve_conv_2d"):
        image.check(dataclasses.replace(board, target="mve"), elf, rp2)
    with pytest.raises(RuntimeError, match="heap of 9000000 bytes or more, the image leaves"):
        image.check(dataclasses.replace(board, heap_bytes=9_000_000), elf, rp2)
    memory = rp2.memory(board, elf) | {"flash_left_bytes": -5}
    monkeypatch.setattr(rp2, "memory", lambda *_: memory)
    with pytest.raises(RuntimeError, match="5 more than there are before the next partition"):
        image.check(board, elf, rp2)
    monkeypatch.undo()
    other = tmp_path / "firmware.elf"
    other.write_bytes(elf.read_bytes().replace(b"microt/__init__.py", b"macrot/__init__.py"))
    with pytest.raises(RuntimeError, match="the package microt is not frozen"):
        image.check(board, other, rp2)


def test_partitions_are_those_of_the_board_files(built):
    board, elf = built
    config = (board.path / "mpconfigboard.h").read_text()
    sizes = dict(re.findall(r"#define MICROPY_HW_(\w+)_BYTES \((\d+) \* 1024\)", config))
    memory = firmware.memory(board, elf)
    assert memory["romfs_bytes"] == board.romfs_bytes == int(sizes["ROMFS"]) * 1024
    assert memory["storage_bytes"] == int(sizes["FLASH_STORAGE"]) * 1024


def test_cmake_optimises_the_engine_as_make_does(built):
    _, elf = built
    flags = (elf.parent / "CMakeFiles" / "firmware.dir" / "flags.make").read_text()
    options = dict(re.findall(r"engine/(\S+)\.c\.o_OPTIONS = (-O\w)", flags))
    module = ROOT / "device" / "cmodules" / "microt"
    makefile = f"USERMOD_DIR = {module}\ninclude {module}/micropython.mk\n$(info $(MICROT_FAST))\nall:\n"
    fast = subprocess.run(
        ["make", "-s", "-f", "-", "all"], input=makefile, capture_output=True, text=True
    ).stdout.split()
    assert {name for name, option in options.items() if option == "-O2"} == set(fast)
    assert set(options.values()) == {"-O2", "-Os"}


needs_machine = pytest.mark.skipif(not machine.available(), reason="arm-none-eabi-gcc or qemu-system-arm is missing")


# The emulated core, and the flags that the board's objects and the core's runner must share.
NEAREST = {
    "RPI_PICO": ("m0", "-mcpu=cortex-m0plus", m0_cases),
    "RPI_PICO2": ("m33", machine.M33, cases),
}


@pytest.fixture(scope="module")
def kernels(built):
    """(core, objects, cases): the kernels of the firmware as they were linked, and layers laid out for them."""
    board, elf = built
    core, wanted, made = NEAREST[board.name]
    flags = (elf.parent / "CMakeFiles" / "firmware.dir" / "flags.make").read_text()
    used = re.search(r"^C_FLAGS = (.*)$", flags, re.M)[1].split()
    assert set(wanted.split()) <= set(used), used
    assert set(wanted.split()) <= set(machine.CORES[core].flags.split())
    found = [path for path in elf.parent.rglob("*.o") if path.parent.name in (board.target, "ref")]
    assert len(found) >= 20
    return core, sorted(found), made


@needs_machine
@pytest.mark.parametrize("operator", cases.MAKERS)
def test_kernels_are_bit_exact_on_the_nearest_core(operator, kernels, tmp_path):
    core, objects, made = kernels
    assert machine.run(made.make(operator, 30, SEED), tmp_path, core, objects=objects) == []


@needs_machine
def test_a_wrong_byte_is_found(kernels, tmp_path):
    core, objects, made = kernels
    layers = made.make("pointwise", 3, SEED)
    for each in layers:
        each.expected = each.expected.copy()
        each.expected.reshape(-1)[-1] ^= 1
    assert len(machine.run(layers, tmp_path, core, objects=objects)) == 3


@needs_machine
def test_reading_past_the_end_is_found(kernels, tmp_path):
    core, objects, made = kernels
    (each,) = made.make("fully_connected", 1, SEED)
    each.at_end, each.inputs[0] = 1, each.inputs[0][..., :-1]
    (line,) = machine.run([each], tmp_path, core, objects=objects)
    assert "faults" in line
