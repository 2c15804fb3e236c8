# SPDX-License-Identifier: MIT
"""The file system: what is in it survives, whatever happens."""

import os

import pytest

from microt.boards import EmulatorError, Link, LinkError


def test_put_and_get(link):
    data = os.urandom(3000)
    link.put(data, "/microt_test.bin")
    try:
        assert link.get("/microt_test.bin") == data
    finally:
        link.exec("import os\nos.remove('/microt_test.bin')")


def test_get_names_the_missing_file(link):
    with pytest.raises(LinkError, match="/microt_none"):
        link.get("/microt_none")


def test_files_survive_a_power_cut(start):
    data = os.urandom(20_000)
    emulator = start()
    with Link(emulator.port) as link:
        link.put(data, "/kept.bin")
    emulator.kill()
    with start() as again, Link(again.port) as link:
        assert link.get("/kept.bin") == data


def test_power_cut_while_writing_leaves_the_rest(start):
    emulator = start()
    with Link(emulator.port) as link:
        link.put(b"old" * 1000, "/old.bin")
        # Writes until the power goes; nothing is left half-mounted.
        link._transport.exec_raw_no_follow(
            "n = 0\nwhile True:\n f = open('/new.bin', 'wb')\n f.write(bytes(20000))\n f.close()\n n += 1\n print(n)"
        )
        link._transport.read_until(1, b"5\r\n", timeout=20)
        emulator.kill()
    with start() as again, Link(again.port) as link:
        assert link.get("/old.bin") == b"old" * 1000
        assert link.eval("len(open('/new.bin', 'rb').read()) in (0, 20000)")


def test_flash_ends_where_romfs_begins(emulator, link):
    link.exec("import emulator, os\nflash = emulator.Flash()\nblock = bytearray(4096)")
    size, _, blocks = link.eval("os.statvfs('/')[:3]")
    assert size * blocks == 1 << 20
    for code in (
        "flash.readblocks(256, block)",
        "flash.readblocks(255, block, 1)",
        "flash.readblocks(-1, block)",
        "flash.readblocks(0, block, -1)",
        "flash.writeblocks(256, block)",
        "flash.readblocks(0, bytearray(1), 1 << 20)",
    ):
        with pytest.raises(LinkError, match="EINVAL"):
            link.exec(code)


def test_storage_has_one_owner(start):
    start()
    with pytest.raises(EmulatorError, match="another emulator uses this storage"):
        start()


def test_hard_reset_keeps_files(link):
    link.put(b"1", "/microt_test.txt")
    link.reset()
    assert link.get("/microt_test.txt") == b"1"
    link.exec("import os\nos.remove('/microt_test.txt')")


def test_boot_and_main_run_at_start(start):
    emulator = start()
    with Link(emulator.port) as link:
        link.put(b"import os\nopen('/boot.txt', 'w').close()\n", "/boot.py")
        link.put(b"import os\nos.rename('/boot.txt', '/main.txt')\n", "/main.py")
    emulator.kill()
    with start() as again, Link(again.port) as link:
        link.exec("import os")
        assert sorted(link.eval("os.listdir('/')")) == ["boot.py", "main.py", "main.txt"]


def test_full_flash(start):
    """A full flash raises ENOSPC; the files written before still read, after a restart too."""
    script = """
import errno, os
count = 0
try:
    while True:
        with open("/fill%d.bin" % count, "wb") as f:
            f.write(bytes((count,)) * 30000)
        count += 1
except OSError as e:
    print(e.errno == errno.ENOSPC, count)
"""
    emulator = start()
    with Link(emulator.port) as link:
        link.put(b"taught before", "/task.bin")
        full, count = link.run(script).split()
        assert full == "True" and int(count) > 20
        assert link.get("/task.bin") == b"taught before"
    emulator.kill()
    with start() as again, Link(again.port) as link:
        assert link.get("/task.bin") == b"taught before"
        assert link.eval("open('/fill7.bin', 'rb').read() == bytes((7,)) * 30000")
