# SPDX-License-Identifier: MIT
"""`pytest tests/hw --port`: what it runs, skips and reports, with an emulated board as the one at the port."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

from microt.boards import Board, Emulator, firmware
from microt.boards.board import ROOT

pytestmark = pytest.mark.skipif(
    not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")),
    reason="arm-none-eabi-gcc or qemu-system-arm is missing",
)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    board = Board.load("MPS2_AN386")
    elf = firmware.build(board, log=lambda line: None)
    with Emulator(board, elf, storage=tmp_path_factory.mktemp("board") / "storage.bin") as emulator:
        yield emulator.port


def run_hw(port, *arguments):
    command = [sys.executable, "-m", "pytest", "-q", "tests/hw", f"--port={port}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


def test_report(port, tmp_path):
    selected = "test_board_at_port or test_exec or test_led or test_memoryview"
    done = run_hw(port, "-k", selected, f"--junitxml={tmp_path}/r.xml", f"--html={tmp_path}/r.html", "--write-rom")
    assert done.returncode == 0, done.stdout
    (suite,) = xml.parse(tmp_path / "r.xml").getroot().iter("testsuite")
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["machine"] == "MPS2_AN386 (QEMU) with Cortex-M4F" and "dsp" in properties["kernels"]
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert cases["test_embeddings_are_the_hosts"].find("skipped") is None
    assert cases["test_exec"].find("skipped") is None
    reasons = [skipped.get("message") for skipped in suite.iter("skipped")]
    assert len(reasons) == 2 and all(reason.startswith("needs ") for reason in reasons)
    assert "test_embeddings_are_the_hosts" in (tmp_path / "r.html").read_text()


def test_the_report_has_a_place_of_its_own(port):
    folder = ROOT / "build" / "hw"
    for path in (folder / "MPS2_AN386.xml", folder / "MPS2_AN386.html"):
        path.unlink(missing_ok=True)
    done = run_hw(port, "--board=MPS2_AN386", "-k", "test_the_firmware_has")
    assert re.search("1 passed", done.stdout), done.stdout
    assert (folder / "MPS2_AN386.xml").is_file() and (folder / "MPS2_AN386.html").is_file()


def test_another_board_ends_the_run(port, tmp_path):
    reports = [f"--junitxml={tmp_path}/r.xml", f"--html={tmp_path}/r.html"]
    done = run_hw(port, "--board=RPI_PICO2", "-k", "test_exec", *reports)
    assert done.returncode == 4
    assert "expected RPI_PICO2, MPS2_AN386 (QEMU) with Cortex-M4F answers" in done.stdout + done.stderr
