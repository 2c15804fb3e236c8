# SPDX-License-Identifier: MIT
"""STM32 and ESP32 boards: what is said when vendor code is missing, and their folders as far as they can be checked
without it: pins, clocks, partitions, linker scripts, kernels for the core. No image is built: no vendor code is here.
"""

import os
import re
import shutil
import struct
import subprocess
import sys

import pytest

from microt.boards import Board, checkout, esp32, firmware, image, stm32
from microt.boards.board import ROOT

STM32 = ["NUCLEO_F767ZI", "NUCLEO_H7A3ZI_Q", "NUCLEO_L4A6ZG"]
MODULE = ROOT / "device" / "cmodules" / "microt"
needs_compiler = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="arm-none-eabi-gcc is missing")


# --- what is missing ------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """tree(version, *files): a stand-in for a checkout of MicroPython, named by MICROPYTHON_DIR."""

    def tree(version, *files):
        numbers = dict(zip(("MAJOR", "MINOR", "MICRO"), version, strict=True))
        text = "".join(f"#define MICROPY_VERSION_{part} {number}\n" for part, number in numbers.items())
        for name, content in {"py/mpconfig.h": text, **dict.fromkeys(files, "")}.items():
            (tmp_path / "mpy" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mpy" / name).write_text(content)
        monkeypatch.setenv("MICROPYTHON_DIR", str(tmp_path / "mpy"))
        return tmp_path / "mpy"

    monkeypatch.delenv("IDF_PATH", raising=False)
    return tree


def refused(name):
    """The one line that microt build prints."""
    with pytest.raises(RuntimeError) as error:
        firmware.build(Board.load(name), log=lambda line: None)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name, port", [*((name, "stm32") for name in STM32), ("ESP32_GENERIC_S3", "esp32")])
def test_without_a_checkout(name, port, monkeypatch):
    monkeypatch.delenv("MICROPYTHON_DIR", raising=False)
    message = refused(name)
    assert "MICROPYTHON_DIR names no checkout" in message
    assert "git clone --depth 1 -b v1.25.0 https://github.com/micropython/micropython && make -C " in message
    assert f"micropython/ports/{port} BOARD=" in message and message.endswith(
        'export MICROPYTHON_DIR="$PWD/micropython"'
    )


def test_a_folder_that_is_no_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROPYTHON_DIR", str(tmp_path))
    assert refused("NUCLEO_F767ZI") == (
        f"MICROPYTHON_DIR: expected a MicroPython source tree, found no py/mpconfig.h in {tmp_path}"
    )


def test_a_version_that_is_too_old(tree):
    folder = tree((1, 24, 1), "lib/stm32lib/README.md", "lib/libhydrogen/README.md")
    message = refused("NUCLEO_L4A6ZG")
    assert f"expected MicroPython 1.25.0 or later, {folder} is 1.24.1; run: git -C {folder} fetch" in message
    assert f"git -C {folder} checkout v1.25.0 && make -C {folder}/ports/stm32 BOARD=NUCLEO_L4A6ZG submodules" in message


def test_the_tag_of_a_checkout_counts(tree):
    """More than mpconfig.h, which says of every commit after a release what the next one will be."""
    folder = tree((1, 26, 0))
    assert checkout.version(folder) == (1, 26, 0)
    git = ["git", "-C", folder, "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["tag", "v1.24.0"]):
        subprocess.run([*git, *command], check=True, stdout=subprocess.DEVNULL)
    assert checkout.version(folder) == (1, 24, 0)
    assert "is 1.24.0" in refused("NUCLEO_L4A6ZG")


def test_submodules_that_are_missing(tree):
    folder = tree((1, 25, 0), "lib/libhydrogen/README.md")
    assert refused("NUCLEO_H7A3ZI_Q") == (
        f"MICROPYTHON_DIR: {folder} lacks lib/stm32lib/README.md of its submodules; "
        f"run: make -C {folder}/ports/stm32 BOARD=NUCLEO_L4A6ZG submodules"
    )


def test_the_pico_sdk_of_a_checkout_that_lacks_it(tree):
    folder = tree((1, 25, 0))
    environment = {key: value for key, value in os.environ.items() if key != "PICO_SDK_PATH"}
    script = ROOT / "tools" / "get_pico_sdk.sh"
    done = subprocess.run(["sh", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 3 and done.stdout == ""
    assert f"found no {folder}/lib/pico-sdk/pico_sdk_init.cmake" in done.stderr
    assert f"make -C {folder}/ports/rp2 BOARD=RPI_PICO2 submodules" in done.stderr


@pytest.fixture
def idf(tree, tmp_path, monkeypatch):
    """idf(version): a stand-in for ESP-IDF, named by IDF_PATH, with a checkout that lacks nothing."""

    def idf(major, minor):
        tree((1, 25, 0), "lib/tinyusb/src/tusb.h")
        folder = tmp_path / "idf"
        (folder / "tools" / "cmake").mkdir(parents=True)
        (folder / "export.sh").touch()
        version = f"set(IDF_VERSION_MAJOR {major})\nset(IDF_VERSION_MINOR {minor})\nset(IDF_VERSION_PATCH 1)\n"
        (folder / "tools" / "cmake" / "version.cmake").write_text(version)
        monkeypatch.setenv("IDF_PATH", str(folder))
        return folder

    return idf


def test_esp32_without_its_submodule(tree):
    folder = tree((1, 25, 0))
    assert refused("ESP32_GENERIC_S3").endswith(
        f"lacks lib/tinyusb/src/tusb.h of its submodules; run: make -C {folder}/ports/esp32 BOARD=ESP32_GENERIC_S3 "
        "submodules"
    )


def test_without_esp_idf(tree, monkeypatch, tmp_path):
    tree((1, 25, 0), "lib/tinyusb/src/tusb.h")
    assert "IDF_PATH names no ESP-IDF; run: git clone" in refused("ESP32_GENERIC_S3")
    monkeypatch.setenv("IDF_PATH", str(tmp_path))
    message = refused("ESP32_GENERIC_S3")
    assert f"found no export.sh in {tmp_path}; run: git clone --depth 1 -b v5.4 --recursive" in message
    assert message.endswith("esp-idf/install.sh esp32s3 && . esp-idf/export.sh")


@pytest.mark.parametrize("version", [(5, 1), (5, 5), (4, 4)])
def test_another_version_of_esp_idf(idf, version):
    folder = idf(*version)
    message = refused("ESP32_GENERIC_S3")
    assert f"expected ESP-IDF 5.2 to 5.4, {folder} is {version[0]}.{version[1]}; run: git -C {folder} fetch" in message


def test_esp_idf_that_is_not_exported_and_its_compiler(idf, tmp_path, monkeypatch):
    folder = idf(5, 4)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused("ESP32_GENERIC_S3") == f"ESP32_GENERIC_S3: idf.py is not on PATH; run: . {folder}/export.sh"
    (tmp_path / "idf.py").write_text("#!/bin/sh\n")
    (tmp_path / "idf.py").chmod(0o755)
    assert refused("ESP32_GENERIC_S3") == (
        "ESP32_GENERIC_S3: xtensa-esp32s3-elf-gcc is not installed; "
        f"run: {folder}/install.sh esp32s3 && . {folder}/export.sh"
    )


# --- the folders ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source():
    try:
        return firmware.micropython(log=lambda line: None)
    except RuntimeError as error:
        pytest.skip(str(error).splitlines()[-1])


@pytest.fixture(params=STM32)
def board(request):
    return Board.load(request.param)


def made(board, source, *names):
    """Variables of the port's and the board's make files."""
    port = source / "ports" / "stm32"
    text = "".join(f"$(info {name}=$({name}))\n" for name in names)
    makefile = f"BOARD_DIR = {board.path}\ninclude {board.path}/mpconfigboard.mk\ninclude stm32.mk\n{text}all:\n"
    done = subprocess.run(["make", "-s", "-f", "-", "all"], input=makefile, cwd=port, capture_output=True, text=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def test_files_are_upstreams(board):
    series = {"NUCLEO_F767ZI": "f7", "NUCLEO_H7A3ZI_Q": "h7", "NUCLEO_L4A6ZG": "l4"}[board.name]
    wanted = ["mpconfigboard.h", "mpconfigboard.mk", "pins.csv", "board.json", "manifest.py", "deploy.md"]
    for name in [*wanted, f"stm32{series}xx_hal_conf.h"]:
        assert (board.path / name).is_file(), name


def test_pins_are_made_and_named_as_used(board, source, tmp_path):
    port = source / "ports" / "stm32"
    af = made(board, source, "AF_FILE")["AF_FILE"]
    header = tmp_path / "pins.h"
    outputs = {
        "header": header, "af-const": tmp_path / "af_const.h", "af-defs": tmp_path / "af_defs.h",
        "source": tmp_path / "pins.c",
    }  # fmt: skip
    command = [sys.executable, port / "boards" / "make-pins.py", "--board-csv", board.path / "pins.csv"]
    command += ["--af-csv", port / af, "--prefix", port / "boards" / "stm32f4xx_prefix.c"]
    command += [word for name, path in outputs.items() for word in (f"--output-{name}", path)]
    subprocess.run(command, check=True, capture_output=True, cwd=port)
    known = set(re.findall(r"#define (pin_\w+)", header.read_text()))
    used = set(re.findall(r"\((pin_\w+)\)", (board.path / "mpconfigboard.h").read_text()))
    assert len(used) >= 10 and used <= known, used - known


@needs_compiler
def test_clocks_are_what_the_board_says(board):
    command = ["arm-none-eabi-gcc", "-E", "-dM", "-x", "c", board.path / "mpconfigboard.h"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    value = dict(re.findall(r"#define MICROPY_HW_CLK_(\w+) \((\w+)\)", text))
    divider = value["PLLR" if board.name == "NUCLEO_L4A6ZG" else "PLLP"].removeprefix("RCC_")
    divider = int(re.sub(r"\D", "", divider))
    oscillator = 4_000_000 if board.name == "NUCLEO_L4A6ZG" else 8_000_000
    assert oscillator // int(value["PLLM"]) * int(value["PLLN"]) // divider == board.clock_hz


@pytest.fixture
def linked(board, source, tmp_path):
    """An ELF file that the board's linker scripts place: a little code and data."""
    port = source / "ports" / "stm32"
    program = tmp_path / "program.c"
    program.write_text(
        "void Reset_Handler(void) { for (;;) { } }\n"
        '__attribute__((section(".isr_vector"), used)) void *const vectors[] = {(void *)0x20000000, Reset_Handler};\n'
        "int data = 7; int bss[1000];\n"
        "__attribute__((used)) int touch(int i) { return data + bss[i]; }\n"
    )
    elf = tmp_path / "firmware.elf"
    scripts = [f"-T{script}" for script in made(board, source, "LD_FILES")["LD_FILES"].split()]
    flags = [*made(board, source, f"CFLAGS_MCU_{series(board)}").popitem()[1].split(), "-nostdlib"]
    command = ["arm-none-eabi-gcc", *flags, "-Lboards", "-Lboards/common_isr_rom", *scripts]
    command += ["-Wl,--defsym=_estack_reserve=8", "-o", elf, program]
    subprocess.run(command, check=True, cwd=port)
    return elf


def series(board):
    return re.search(r"MCU_SERIES = (\w+)", (board.path / "mpconfigboard.mk").read_text())[1]


@needs_compiler
def test_partitions_do_not_overlap(board, linked):
    memory = firmware.memory(board, linked)
    start, size = stm32.romfs(linked)
    assert size == board.romfs_bytes == memory["romfs_bytes"]
    names = ("_micropy_hw_internal_flash_storage_start", "_micropy_hw_internal_flash_storage_end")
    storage = tuple(image.symbols(linked, stm32.PREFIX, *names).values())
    program = tuple(image.symbols(linked, stm32.PREFIX, "_microt_flash_start", "_microt_flash_end").values())
    parts = sorted([(start, start + size), storage, program])
    assert all(first[1] <= second[0] for first, second in zip(parts, parts[1:], strict=False)), parts
    assert parts[-1][1] == 0x08000000 + board.flash_bytes
    assert memory["flash_left_bytes"] > 400_000
    assert memory["heap_bytes"] >= board.heap_bytes > 0.7 * memory["heap_bytes"]


@needs_compiler
def test_what_is_written_spares_the_file_system(board, linked):
    (first, *others) = image.segments(linked)
    assert first[0] == 0x08000000 and struct.unpack_from("<I", first[1])[0] == 0x20000000
    names = ("_micropy_hw_internal_flash_storage_start", "_micropy_hw_internal_flash_storage_end")
    start, end = image.symbols(linked, stm32.PREFIX, *names).values()
    for address, data in [first, *others]:
        assert address + len(data) <= start or address >= end
    assert (7).to_bytes(4, "little") in b"".join(data for _, data in [first, *others])


@needs_compiler
def test_the_cores_kernels_are_compiled(board, source, tmp_path):
    flags = made(board, source, f"CFLAGS_MCU_{series(board)}").popitem()[1].split()
    kernels = MODULE / "engine" / "kernels" / board.target
    for name in ("conv_2d.c", "pointwise.S"):
        output = tmp_path / f"{name}.o"
        command = ["arm-none-eabi-gcc", *flags, "-std=gnu99", "-Wall", "-Werror", "-Os", f"-I{MODULE}", "-c"]
        subprocess.run([*command, kernels / name, "-o", output], check=True)
        assert f"microt_{board.target}_" in subprocess.check_output(["arm-none-eabi-nm", output], text=True)


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is missing")
def test_sectors_of_the_h7a3(tmp_path):
    """flash_sectors.c on this machine, with the names of ST's HAL standing for a flash that notes what is erased."""
    (tmp_path / "py").mkdir()
    (tmp_path / "py" / "mphal.h").write_text("")
    (tmp_path / "flash.h").write_text(HAL)
    source = tmp_path / "test.c"
    source.write_text(f'#include "{Board.load("NUCLEO_H7A3ZI_Q").path}/flash_sectors.c"\n{SECTORS}')
    program = tmp_path / "test"
    subprocess.run(["gcc", "-Wall", "-Werror", f"-I{tmp_path}", source, "-o", program], check=True)
    lines = subprocess.check_output([program], text=True).splitlines()
    assert lines == [
        "08000000 0 08000000 8192", "08001fff 0 08000000 8192", "08002000 1 08002000 8192",
        "080c0000 96 080c0000 8192", "081fffff 255 081fe000 8192", "08200000 -1", "07ffffff -1",
        "erase 080c0000: 0, bank 1 sector 96", "erase 08100000: 0, bank 2 sector 0",
        "erase 081fe000: 0, bank 2 sector 127", "erase 08200000: -22", "swapped 08100000: 0, bank 1 sector 0",
    ]  # fmt: skip


HAL = """
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#define MP_EINVAL 22
#define FLASH_BASE 0x08000000u
#define FLASH_OPTCR_SWAP_BANK 1
#define FLASH_TYPEERASE_SECTORS 0
#define FLASH_BANK_1 1
#define FLASH_BANK_2 2
#define FLASH_FLAG_ALL_ERRORS_BANK1 1
#define FLASH_FLAG_ALL_ERRORS_BANK2 2
#define READ_BIT(reg, bit) ((reg) & (bit))
#define __HAL_FLASH_CLEAR_FLAG(flags) ((void)(flags))
typedef enum { HAL_OK } HAL_StatusTypeDef;
typedef struct { uint32_t TypeErase, Banks, Sector, NbSectors; } FLASH_EraseInitTypeDef;
static struct { uint32_t OPTCR; } registers, *FLASH = &registers;
static FLASH_EraseInitTypeDef erased;
static inline void HAL_FLASH_Unlock(void) { }
static inline void HAL_FLASH_Lock(void) { }
static inline int mp_hal_status_to_neg_errno(HAL_StatusTypeDef status) { return -(int)status; }
static inline HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *erase, uint32_t *failed) {
    erased = *erase;
    *failed = 0xFFFFFFFFu;
    return HAL_OK;
}
"""
SECTORS = """
int main(void) {
    const uint32_t asked[] = {0x08000000, 0x08001fff, 0x08002000, 0x080c0000, 0x081fffff, 0x08200000, 0x07ffffff};
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        uint32_t start, size;
        int sector = __wrap_flash_get_sector_info(asked[i], &start, &size);
        printf(sector < 0 ? "%08x %d\\n" : "%08x %d %08x %u\\n", asked[i], sector, start, size);
    }
    const uint32_t erase[] = {0x080c0000, 0x08100000, 0x081fe000, 0x08200000};
    for (size_t i = 0; i < 4; i++) {
        int status = __wrap_flash_erase(erase[i]);
        printf(status ? "erase %08x: %d\\n" : "erase %08x: %d, bank %u sector %u\\n", erase[i], status, erased.Banks,
            erased.Sector);
    }
    registers.OPTCR = 1;
    int status = __wrap_flash_erase(0x08100000);
    printf("swapped 08100000: %d, bank %u sector %u\\n", status, erased.Banks, erased.Sector);
    return 0;
}
"""


# --- ESP32 ----------------------------------------------------------------------------------------------------------


def test_esp32_kernels_compile(tmp_path):
    """The engine for Xtensa, with ESP-IDF's compiler or that of Debian's package gcc-xtensa-lx106."""
    compilers = {"xtensa-esp32s3-elf-gcc": [], "xtensa-lx106-elf-gcc": ["--specs=picolibc.specs"]}
    found = [(name, options) for name, options in compilers.items() if shutil.which(name)]
    if not found:
        pytest.skip("needs xtensa-esp32s3-elf-gcc, or Debian's gcc-xtensa-lx106 and picolibc-xtensa-lx106-elf")
    (compiler, options), *_ = found
    flags = ["-std=gnu99", "-Wall", "-Werror", "-Wdouble-promotion", "-O2", "-mlongcalls", f"-I{MODULE}", "-c"]
    engine = MODULE / "engine"
    for source in [*engine.glob("*.c"), *engine.glob("kernels/*/*.c")]:
        subprocess.run([compiler, *options, *flags, source, "-o", tmp_path / "file.o"], check=True)


def partitions(board):
    rows = [line.split(",") for line in (board.path / "partitions.csv").read_text().splitlines() if line[:1] != "#"]
    return {row[0].strip(): (int(row[3], 16), int(row[4], 16)) for row in rows}


def test_esp32_partitions():
    board = Board.load("ESP32_GENERIC_S3")
    found = partitions(board)
    parts = sorted(found.values())
    assert parts[0][0] == 0x9000 and parts[-1][0] + parts[-1][1] == board.flash_bytes
    assert all(a + size <= b for (a, size), (b, _) in zip(parts, parts[1:], strict=False))
    assert found["romfs"][1] == board.romfs_bytes
    assert found["factory"][0] % 0x10000 == 0, "a program must begin at a multiple of 64 KB"


def test_esp32_partition_table_is_read(tmp_path):
    board = Board.load("ESP32_GENERIC_S3")
    entries = b"".join(
        struct.pack("<2sBBII16sI", b"\xaa\x50", 1, 2, offset, size, name.encode(), 0)
        for name, (offset, size) in partitions(board).items()
    )
    table = (entries + b"\xeb\xeb" + b"\xff" * 30).ljust(0xC00, b"\xff")
    assert esp32.read_partitions(table) == partitions(board)
    (tmp_path / "partition_table").mkdir()
    (tmp_path / "partition_table" / "partition-table.bin").write_bytes(table)
    assert esp32.romfs(tmp_path / "firmware.elf") == (0x300000, board.romfs_bytes)
    (tmp_path / "partition_table" / "partition-table.bin").write_bytes(entries[:32] + b"\xff" * 64)
    with pytest.raises(ValueError, match="expected a partition romfs, got nvs"):
        esp32.romfs(tmp_path / "firmware.elf")


@pytest.mark.skipif(not shutil.which("cmake"), reason="cmake is missing")
def test_esp32_configuration(source, tmp_path):
    board = Board.load("ESP32_GENERIC_S3")
    script = tmp_path / "print.cmake"
    script.write_text(
        f'include({board.path}/mpconfigboard.cmake)\nmessage("${{IDF_TARGET}};${{SDKCONFIG_DEFAULTS}}")\n'
    )
    command = ["cmake", f"-DMICROPY_BOARD_DIR={board.path}", "-P", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    target, *files = done.stderr.strip().split(";")
    assert target == "esp32s3"
    port = source / "ports" / "esp32"
    settings = "".join((port / file).read_text() for file in files)
    assert f'CONFIG_PARTITION_TABLE_CUSTOM_FILENAME="{board.path}/partitions.csv"' in settings
    assert "CONFIG_ESPTOOLPY_FLASHSIZE_8MB=y" in settings
    assert "#define MICROPY_VFS_ROM (1)" in (board.path / "mpconfigboard.h").read_text()
