# SPDX-License-Identifier: MIT
"""Board descriptions, builds, the unix build and ROMFS images: what needs no emulator."""

import shutil
import subprocess
from pathlib import Path

import pytest

from microt.boards import Board, Emulator, firmware, romfs_image, unixport
from microt.boards import board as board_module


def test_names():
    emulated = ["MPS2_AN386", "MPS2_AN500", "MPS2_M0PLUS", "MPS3_AN547"]
    real = ["NUCLEO_F767ZI", "NUCLEO_H7A3ZI_Q", "NUCLEO_L4A6ZG", "RPI_PICO", "RPI_PICO2"]
    assert Board.names() == ["ESP32_GENERIC_S3", *emulated, *real, "UNIX", "VIRT_RV32"]


@pytest.mark.parametrize("name", Board.names())
def test_description_is_consistent(name):
    board = Board.load(name)
    assert board.name == name and board.path.name == name
    assert board.target in ("generic", "m0", "dsp", "mve")
    assert (board.power_mw is None) == (board.power_source is None)
    if board.qemu:
        # What MicroPython gets fits the microcontroller that is modelled.
        assert board.heap_bytes + board.stack_bytes < board.ram_bytes
        assert f"CPU_HZ ({board.qemu.clock_hz})" in (board.path / "mpconfigboard.h").read_text()
    if board.flash:
        assert board.qemu is None and board.flash.method in ("uf2", "esptool", "stlink")
        assert board.heap_bytes < board.ram_bytes and board.romfs_bytes < board.flash_bytes


def test_default_board():
    board = Board.load("MPS2_AN386")
    assert (board.core, board.target, board.heap_bytes) == ("Cortex-M4F", "dsp", 512 * 1024)


def test_unknown_board():
    with pytest.raises(ValueError, match="expected one of .*MPS2_AN386, .*, got 'PYBOARD'"):
        Board.load("PYBOARD")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ('name = "X"\n', "build"),
        ('name = "X"\nport = "mps"\ncore = "c"\ntarget = "dsp"\nnonsense = 1\n[build]\nheap_bytes = 1\n', "nonsense"),
    ],
)
def test_bad_description(tmp_path, monkeypatch, text, complaint):
    (tmp_path / "X").mkdir()
    (tmp_path / "X" / "board.toml").write_text(text)
    monkeypatch.setattr(board_module, "BOARDS", tmp_path)
    with pytest.raises(ValueError, match=f"board.toml: .*{complaint}"):
        Board.load("X")


def test_unix_board_is_not_emulated(tmp_path):
    with pytest.raises(ValueError, match="expected an emulated board, got UNIX"):
        Emulator(Board.load("UNIX"), storage=tmp_path / "storage.bin")


def test_build_names_the_missing_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(RuntimeError, match="MPS2_AN386: arm-none-eabi-gcc is not installed; tools/setup.sh"):
        firmware.build(Board.load("MPS2_AN386"))


def test_a_changed_flag_or_make_file_makes_objects_stale(tmp_path):
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed")
    target = tmp_path / "microt" / "engine" / "mtb_error.o"
    command = ["make", "-C", firmware.ROOT / "boards" / "mps", "BOARD=MPS2_AN386", f"BUILD={tmp_path}", target]
    command += [f"MICROPYTHON_DIR={firmware.micropython()}", f"USER_C_MODULES={firmware.MODULES}"]

    def made(*arguments):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return "CC " in done.stdout

    assert made() and not made()
    assert made("MICROT_REFERENCE=1") and not made("MICROT_REFERENCE=1")
    assert made("MICROT_REFERENCE=1", "-W", "Makefile")


def test_build_shows_the_compilers_error(tmp_path, monkeypatch):
    folder = tmp_path / "cmodules" / "broken"
    folder.mkdir(parents=True)
    (folder / "micropython.mk").write_text("SRC_USERMOD_LIB_C += $(USERMOD_DIR)/broken.c\n")
    (folder / "broken.c").write_text("int broken = ;\n")
    monkeypatch.setattr(firmware, "MODULES", tmp_path / "cmodules")
    monkeypatch.setattr(firmware, "BUILD", tmp_path / "build")
    with pytest.raises(RuntimeError, match="broken.c:1:.*expected expression"):
        firmware.build(Board.load("UNIX"), log=lambda line: None)


def test_unix_build_runs_a_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys, _microt, microt\nprint(sys.argv[1:], 1 / 3, _microt.version)\n")
    result = unixport.run(script, args=["a", "b"], cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "['a', 'b'] 0.3333333 0.1.0\n"


def test_unix_build_has_the_boards_heap():
    heap = Board.load("UNIX").heap_bytes
    result = unixport.run("import gc; print(gc.mem_free() + gc.mem_alloc())")
    assert heap * 0.9 < int(result.stdout) <= heap
    assert unixport.run(f"bytearray({heap})").returncode == 1
    assert unixport.run(f"bytearray({heap})", heap_bytes=2 * heap).returncode == 0


def test_unix_build_has_a_size():
    size = firmware.size(firmware.build(Board.load("UNIX")))
    assert size["flash_bytes"] > 200_000 and size["ram_bytes"] > 1000


def test_unix_build_reports_failure():
    result = unixport.run("1 / 0")
    assert result.returncode == 1 and "ZeroDivisionError" in result.stderr + result.stdout
    with pytest.raises(subprocess.TimeoutExpired):
        unixport.run("while True: pass", timeout=0.5)
    with pytest.raises(ValueError, match="args: expected none"):
        unixport.run("pass", args=["x"])


def test_romfs_image_is_what_micropython_mounts(tmp_path):
    (tmp_path / "local.bin").write_bytes(b"from a file")
    files = {
        "b.bin": bytes(range(256)) * 5,
        "a.txt": b"",
        "lib/x/y.py": b"z = 3\n",
        "local.bin": tmp_path / "local.bin",
    }
    (tmp_path / "image").write_bytes(romfs_image(files))
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, vfs\n"
        "vfs.mount(vfs.VfsRom(open('image', 'rb').read()), '/r')\n"
        "sys.path.append('/r/lib')\n"
        "import x.y\n"
        "print(sorted(os.listdir('/r')), x.y.z, open('/r/local.bin').read())\n"
        "print(open('/r/b.bin', 'rb').read() == bytes(range(256)) * 5, open('/r/a.txt', 'rb').read())\n"
    )
    result = unixport.run(script, cwd=tmp_path)
    assert result.stdout == "['a.txt', 'b.bin', 'lib', 'local.bin'] 3 from a file\nTrue b''\n", result.stderr


def test_firmware_and_host_agree_on_the_shared_memory():
    """The layout stands in C and in Python."""
    from microt.boards import emulator

    header = (Path(board_module.BOARDS) / "mps" / "board.h").read_text()
    assert f"0x{emulator._MAGIC_VALUE:08x}u" in header
    assert "#define ROMFS_ADDRESS (SHARED_BASE + (2u << 20))" in header and emulator._ROMFS_OFFSET == 2 << 20
    assert "#define ROMFS_SIZE (14u << 20)" in header and emulator.ROMFS_BYTES == 14 << 20
