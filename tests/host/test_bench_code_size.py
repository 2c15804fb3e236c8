# SPDX-License-Identifier: MIT
"""tools/code_size.py: every byte of an image in one row."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from microt.bench.bars import module_bytes

ROOT = Path(__file__).parents[2]

spec = importlib.util.spec_from_file_location("code_size", ROOT / "tools" / "code_size.py")
code_size = importlib.util.module_from_spec(spec)
spec.loader.exec_module(code_size)

needs_compiler = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is missing")

SCRIPT = """
MEMORY { CODE : ORIGIN = 0, LENGTH = 64K  RAM : ORIGIN = 0x20000000, LENGTH = 64K }
ENTRY(main)
SECTIONS {
    .text : { *(.text*) *(.rodata*) . = ALIGN(4); } > CODE
    .ARM.exidx : { *(.ARM.exidx*) } > CODE
    .data : { *(.data*) } > RAM AT> CODE
    .bss (NOLOAD) : { *(.bss*) *(COMMON) } > RAM
    .heap (NOLOAD) : { . += 4096; } > RAM
}
"""
MAIN = "int microt_run(int); int x = 1, y[100]; int main(void) { return microt_run(x) + y[0]; }"
RUN = 'const char *name(void) { return "reference"; } int microt_run(int n) { return n * n; }'


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("size")
    (folder / "script.ld").write_text(SCRIPT)
    objects = []
    for name, text in {"py/main": MAIN, "microt/engine/run": RUN}.items():
        source = folder / f"{name}.c"
        source.parent.mkdir(parents=True)
        source.write_text(text)
        objects.append(source.with_suffix(".o"))
        flags = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-ffunction-sections", "-fdata-sections"]
        command = ["arm-none-eabi-gcc", *flags, "-c", source, "-o", objects[-1]]
        subprocess.run(command, check=True)
    elf = folder / "firmware.elf"
    link = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-nostdlib", "-nostartfiles"]
    link += ["-T", folder / "script.ld", f"-Wl,-Map={folder / 'firmware.map'}", "-o", elf]
    subprocess.run([*link, *objects], check=True)
    return elf


def sizes_of(image):
    printed = subprocess.run(["arm-none-eabi-size", image], capture_output=True, text=True, check=True).stdout
    return [int(field) for field in printed.splitlines()[1].split()[:3]]


@needs_compiler
def test_parts_add_up_to_the_image(image):
    sizes = code_size.measure(image)
    text, data, bss = sizes_of(image)
    assert sizes["flash_bytes"] == text + data
    assert sizes["ram_bytes"] == data + bss
    assert sizes["heap_and_stack_bytes"] == 4096
    for kind, total in {"code": text, "data": data, "zeroed": bss - 4096}.items():
        assert sum(row[kind] for row in sizes["parts"].values()) == total
    assert sizes["parts"]["MicroPython core"]["data"] == 4
    assert sizes["parts"]["MicroPython core"]["zeroed"] == 400


@needs_compiler
def test_the_engine_is_told_apart(image):
    sizes = code_size.measure(image)
    assert sizes["parts"]["microt engine"]["code"] >= len("reference") + 1
    assert sizes["microt_files"]["engine/run"] == sizes["parts"]["microt engine"]
    assert "engine/run" in code_size.describe(sizes)


@needs_compiler
def test_another_images_map_is_refused(image, tmp_path):
    elf = tmp_path / "firmware.elf"
    elf.write_bytes(image.read_bytes())
    with pytest.raises(ValueError, match="expected the linker's map"):
        code_size.measure(elf)
    placed = image.with_suffix(".map").read_text()
    larger = placed.replace(" .text.main", " .text.extra\n                0x00008000 0x4000 a.o\n .text.main", 1)
    elf.with_suffix(".map").write_text(larger)
    with pytest.raises(ValueError, match="another image's"):
        code_size.measure(elf)


@pytest.mark.parametrize("board", ["MPS2_AN386", "MPS2_AN500", "MPS2_M0PLUS", "MPS3_AN547"])
@needs_compiler
def test_the_firmwares_parts_add_up(board):
    image = ROOT / "build" / board / "firmware.elf"
    if not image.is_file():
        pytest.skip(f"the firmware of {board} is not built")
    sizes = code_size.measure(image)
    text, data, bss = sizes_of(image)
    assert sizes["flash_bytes"] == text + data
    assert sizes["ram_bytes"] == data + bss
    assert sum(row["code"] for row in sizes["parts"].values()) == text
    assert sizes["parts"]["alignment"]["code"] < text / 50
    assert sizes["parts"]["MicroPython core"]["code"] > 50_000


@needs_compiler
def test_the_module_with_all_dsp_kernels_fits_48_kb():
    image = ROOT / "build" / "MPS2_AN386" / "firmware.elf"
    if not image.is_file():
        pytest.skip("the firmware of MPS2_AN386 is not built")
    parts = code_size.measure(image)["parts"]
    assert module_bytes({"parts": parts}) <= 48 * 1024
    assert parts["microt sensor input"]["code"] <= 5 * 1024


@pytest.mark.parametrize(
    "path, part",
    [
        ("/b/microt/engine/kernels/ref/add.o", "microt engine"),
        ("/b/microt/engine/mtb_ops.o", "microt engine"),
        ("/b/microt/engine/mtb_input.o", "microt sensor input"),
        ("/b/microt/modmicrot_picture.o", "microt sensor input"),
        ("/b/cmodules/microt/modmicrot.o", "microt module"),
        ("/b/py/vm.o", "MicroPython core"),
        ("/b/extmod/vfs.o", "MicroPython modules"),
        ("/b/shared/readline/readline.o", "MicroPython modules"),
        ("/b/lib/littlefs/lfs2.o", "LittleFS"),
        ("/b/frozen_content.o", "frozen Python"),
        ("/b/uart.o", "board"),
        ("/usr/lib/libc_nano.a(lib_a-memcpy.o)", "compiler and C library"),
    ],
)
def test_parts_by_path(path, part):
    assert code_size.part_of(path) == part


def test_a_missing_firmware_is_an_error_of_one_line(capsys):
    assert code_size.main(["NO_SUCH_BOARD"]) == 1
    assert "microt build NO_SUCH_BOARD" in capsys.readouterr().err
