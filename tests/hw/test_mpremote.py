# SPDX-License-Identifier: MIT
"""The mpremote command, as a user types it."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def mpremote(port):
    def mpremote(*args, status=0):
        result = subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", port, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout

    return mpremote


def test_exec(mpremote):
    assert mpremote("exec", "print(1 + 1)") == "2\n"


def test_exec_error(mpremote):
    assert "ZeroDivisionError" in mpremote("exec", "1 / 0", status=1)


def test_run(mpremote, tmp_path):
    (tmp_path / "script.py").write_text("for i in range(3):\n    print(i)\n")
    assert mpremote("run", tmp_path / "script.py") == "0\n1\n2\n"


def test_copy(mpremote, tmp_path):
    data = os.urandom(2000)
    (tmp_path / "a.bin").write_bytes(data)
    mpremote("fs", "cp", tmp_path / "a.bin", ":microt_a.bin")
    assert "microt_a.bin" in mpremote("fs", "ls")
    mpremote("fs", "cp", ":microt_a.bin", tmp_path / "b.bin", "+", "fs", "rm", ":microt_a.bin")
    assert (tmp_path / "b.bin").read_bytes() == data


def test_mount(mpremote, tmp_path):
    (tmp_path / "mounted.py").write_text("answer = 42\n")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 20)
    output = mpremote(
        "mount",
        tmp_path,
        "exec",
        "import mounted\nprint(mounted.answer, sum(open('data.bin', 'rb').read()))",
    )
    # mpremote's own line comes before or after, as its output is buffered
    assert f"42 {sum(range(256)) * 20}" in output.splitlines()


def test_df(mpremote):
    assert "mount" in mpremote("df").splitlines()[0]


def test_romfs(mpremote, emulator, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "note.txt").write_text("deployed")
    assert "size" in mpremote("romfs", "query")
    mpremote("romfs", "--no-mpy", "deploy", tmp_path / "files")
    mpremote("reset")
    assert mpremote("exec", "print(open('/rom/note.txt').read())") == "deployed\n"


def test_reset(mpremote):
    mpremote("exec", "kept = 1")
    mpremote("reset")
    assert mpremote("resume", "exec", "print('kept' in globals())") == "False\n"
