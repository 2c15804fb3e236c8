# SPDX-License-Identifier: MIT
"""For all tests: pytest-embedded, which every test meets, keeps to folders of this run."""

import pytest

# MicroPython scripts: tests/host runs them on the unix build, tests/hw on a board
collect_ignore = ["device"]


@pytest.fixture(scope="session")
def session_root_logdir(tmp_path_factory):
    """pytest-embedded's logs; by default they go to a folder in /tmp that only the user who made it may write to."""
    return str(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    """pytest-embedded's cache, likewise."""
    return str(tmp_path_factory.mktemp("cache"))
