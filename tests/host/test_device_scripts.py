# SPDX-License-Identifier: MIT
"""Every script of tests/device on the unix build of the firmware. tests/hw runs the same scripts on a board."""

from pathlib import Path

import pytest
import tiny_backbone

from microt.boards import unixport

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "tests" / "device").glob("test_*.py"))


@pytest.mark.parametrize("script", [pytest.param(path, id=path.stem) for path in SCRIPTS])
def test_script(script):
    done = unixport.run(script, cwd=ROOT, timeout=120)
    lines = done.stdout.splitlines()
    skipped = [line for line in lines if line.startswith("SKIP")]
    if skipped and done.returncode == 0:
        pytest.skip(skipped[0][4:].strip(" :"))
    assert done.returncode == 0, done.stderr
    assert lines[-1] == "OK"


def test_tiny_backbone_is_the_one_in_the_script():
    text = (ROOT / "tests" / "device" / "test_task.py").read_text()
    wrong = [line for line in tiny_backbone.base64_lines() if line not in text]
    assert not wrong, "put what `python tests/host/tiny_backbone.py` prints into tests/device/test_task.py"
