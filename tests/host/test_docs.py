# SPDX-License-Identifier: MIT
"""The documentation: every command block that can run here runs, and every link leads somewhere.

Blocks fenced as `sh` are commands. All of a page run one after the other in one empty folder, with `microt` and
`python` on the PATH. A comment before a block says otherwise:

    <!-- not run: needs a board -->
    <!-- slow: builds the firmware -->      left to `make test-slow`, after the others of the page
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for folder in ("", "docs/", "models/", "boards/*/") for page in ROOT.glob(f"{folder}*.md"))
BLOCK = re.compile(r"(?:<!-- (?P<mark>not run|slow): (?P<reason>[^>]+) -->\n)?```sh\n(?P<text>.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(page):
    return str(page.relative_to(ROOT))


def blocks(page, *marks):
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return "\n".join(block["text"] for block in found if block["mark"] in marks)


def run(commands, folder):
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euxc", commands], cwd=folder, env=env, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


WITH_COMMANDS = [page for page in PAGES if blocks(page, None)]
WITH_SLOW_COMMANDS = [page for page in PAGES if blocks(page, "slow")]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_commands(page, tmp_path):
    run(blocks(page, None), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_SLOW_COMMANDS, ids=name)
def test_slow_commands(page, tmp_path):
    run(blocks(page, None, "slow"), tmp_path)


def test_there_are_commands():
    assert ROOT / "docs" / "own-model.md" in WITH_COMMANDS and ROOT / "docs" / "first-task.md" in WITH_SLOW_COMMANDS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_fenced_command_is_marked_or_run(page):
    text = page.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == len(re.findall(r"^```sh$", text, re.M))
    stray = set(re.findall(r"^```(\w+)", text, re.M)) - {"sh", "python", "toml", "json", "yaml"}
    assert not stray, f"fence commands as sh, not as {stray}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in link and not link.startswith("#"):
            assert (page.parent / link.split("#")[0]).exists(), link


def test_the_site_builds_without_warnings(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "demo.png" in front and (tmp_path / "site" / "demo.png").is_file()


def test_the_wiring_is_drawn_as_it_is_said():
    done = subprocess.run([sys.executable, ROOT / "tools" / "wiring.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
