# SPDX-License-Identifier: MIT
"""Every script of tests/device on the board. On the unix build the same scripts run with the host's tests."""

from pathlib import Path

import pytest

from microt.boards import Link

FOLDER = Path(__file__).parents[1] / "device"
SCRIPTS = sorted(FOLDER.glob("test_*.py"))
HELPERS = ("byte_net.py", "fruits.py", "i2c_model.py", "ram_disk.py")


@pytest.fixture(scope="module", autouse=True)
def helpers(port):
    """The modules that the scripts share, in the board's /lib for as long as they run."""
    with Link(port) as link:
        link.exec("import os\nif 'lib' not in os.listdir('/'):\n    os.mkdir('/lib')")
        for name in HELPERS:
            link.put(FOLDER / name, f"/lib/{name}")
    yield
    with Link(port) as link:
        link.exec("import os")
        for name in HELPERS:
            link.exec(f"os.remove('/lib/{name}')")


@pytest.mark.parametrize("script", [pytest.param(path, id=path.stem) for path in SCRIPTS])
def test_script(link, script):
    lines = link.run(script, timeout=120).splitlines()
    skipped = [line for line in lines if line.startswith("SKIP")]
    if skipped:
        pytest.skip(skipped[0][4:].strip(" :") or "the script says so")
    assert lines and lines[-1] == "OK"
