# SPDX-License-Identifier: MIT
"""Every script of tests/device on the board. On the unix build the same scripts run with the host's tests."""

from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "device").glob("*.py"))


@pytest.mark.parametrize("script", [pytest.param(path, id=path.stem) for path in SCRIPTS])
def test_script(link, script):
    lines = link.run(script, timeout=120).splitlines()
    skipped = [line for line in lines if line.startswith("SKIP")]
    if skipped:
        pytest.skip(skipped[0][4:].strip(" :") or "the script says so")
    assert lines and lines[-1] == "OK"
