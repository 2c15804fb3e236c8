# SPDX-License-Identifier: MIT
"""What survives a power cut and 10,000 rounds: samples of both, and the whole of it in the slow target."""

import pytest

from microt.boards import unixport
from microt.learning import endurance, power

JOURNAL_BYTES = 33_000  # of 3 classes x 4 samples of 1088 bytes, as many dead ones before a compaction, and some


def quiet(line):
    pass


def test_a_killed_board_has_what_it_acknowledged():
    assert power.kills(5, seed=3, log=quiet) == (5, 0)


@pytest.mark.slow
def test_200_killed_boards():
    assert power.kills(200, log=quiet) == (200, 0)


@pytest.mark.slow
def test_every_pair_of_cuts():
    tried, lost = power.cuts(stride=1, log=quiet)
    assert tried > 10_000 and lost == 0


def test_rounds_leave_nothing_on_the_heap():
    found = endurance.rounds(400, log=quiet)
    assert abs(found["leaked_bytes"]) < 400 and found["journal_bytes"] < JOURNAL_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("board", [None, "MPS2_AN386"])
def test_10_000_rounds(board):
    found = endurance.rounds(10_000, board, log=quiet)
    assert abs(found["leaked_bytes"]) < 400 and found["journal_bytes"] < JOURNAL_BYTES


def test_a_leak_is_seen(monkeypatch):
    kept = endurance.ROUNDS.replace("    used, largest = [], 0\n", "    used, largest, kept = [], 0, []\n")
    kept = kept.replace("    for i in range(count):\n", "    for i in range(count):\n        kept.append(bytes(16))\n")
    monkeypatch.setattr(endurance, "ROUNDS", kept)
    assert endurance.rounds(400, log=quiet)["leaked_bytes"] > 200 * 16


def test_a_lost_sample_is_seen(monkeypatch, tmp_path):
    # a journal that acknowledges before it writes
    script = tmp_path / "lazy.py"
    text = power.SCRIPT.read_text()
    broken = text.replace(
        "        call()\n        self.sure = pending\n", "        self.sure = pending\n        call()\n"
    )
    assert broken != text
    script.write_text(broken)
    for name in ("ram_disk.py", "byte_net.py", "fruits.py"):
        (tmp_path / name).write_bytes((power.SCRIPT.parent / name).read_bytes())
    done = unixport.run(script, args=["lfs", "50"], timeout=120)
    assert done.returncode and int(done.stdout.split("CUTS ")[1].split()[1]) > 0


def test_what_explains_a_board():
    crcs = [11, 22, 33]
    state = power.State()
    steps = [("learn", "a", 0), ("learn", "b", 1), ("learn", "a", 2), ("save", "", 0), ("undo", "", 0)]
    for number, step in enumerate(steps):
        state = state.after(number, step, crcs)
    found = {"samples": [["a", 11], ["b", 22]], "fitted": True, "notes": []}
    assert state.explains(found)
    assert not state.explains({**found, "samples": [["a", 11]]})
    assert not state.explains({**found, "fitted": False})
    assert not state.explains({**found, "notes": ["damaged"]})
    again = state.after(6, ("undo", "", 0), crcs).after(7, ("learn", "b", 1), crcs)
    assert not again.fitted, "taught anew after it was gone: the saved heads do not know it"


@pytest.mark.slow
def test_a_board_that_acknowledges_too_early_is_seen(monkeypatch):
    late, early = "    done[i] = 1\n", "in enumerate(steps):\n"
    assert late in power.LIVE and early in power.LIVE
    monkeypatch.setattr(power, "LIVE", power.LIVE.replace(late, "").replace(early, early + late))
    assert power.kills(20, seed=2, log=quiet)[1] > 0
