# SPDX-License-Identifier: MIT
"""A task's journal with NumPy, against what the device's own code writes and opens (unix build)."""

import json

import numpy as np
import pytest

from microt.boards import unixport
from microt.learning import task_file

SHA = bytes(range(32))
WRITE = """
import sys
from microt.store.journal import Journal
j = Journal(sys.argv[1], bytes(range(32)), 5)
for i in range(6):
    j.buffer[:] = bytes((i, 255 - i, 0, 128, 7))
    j.append("ab\\u00e4"[i % 3])
j.drop(1)
j.forget("\\u00e4")
if len(sys.argv) > 2:
    j.compact()
"""
READ = """
import json, sys
from microt.store.journal import Journal
j = Journal(sys.argv[1], bytes(range(32)), 5)
b = bytearray(5)
print(json.dumps([[j.labels[row], list(b)] for _, row in j.embeddings(b)]))
"""
KEPT = [0, 3, 4]


def run(tmp_path, source, *args):
    script = tmp_path / "script.py"
    script.write_text(source)
    done = unixport.run(script, args=[str(a) for a in args], timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("compacted", [[], ["yes"]])
def test_reads_what_the_device_writes(tmp_path, compacted):
    run(tmp_path, WRITE, tmp_path / "journal.bin", *compacted)
    (path,) = tmp_path.glob("*.bin")
    assert path.name == task_file.FILES[len(compacted)]
    task = task_file.parse(path.read_bytes())
    assert task.labels.tolist() == ["a", "a", "b"] and task.counts == {"a": 2, "b": 1}
    assert task.embeddings.tolist() == [[i, -1 - i, 0, -128, 7] for i in KEPT]
    assert task.sha256 == SHA and task.notes == [] and (task.times > 0).all()


def test_of_two_files_the_one_the_device_takes(tmp_path):
    # power went during a compaction, at each length that the new file may have
    path, second = tmp_path / "journal.bin", tmp_path / "journal2.bin"
    run(tmp_path, WRITE, path)
    old = path.read_bytes()
    script = WRITE.split("for i")[0] + "j.compact()\n"
    run(tmp_path, script, path)
    new = second.read_bytes()
    for length in (0, 63, 64, len(new) - 1, len(new)):
        files = {"journal.bin": old, "journal2.bin": new[:length]}
        taken = task_file.newest(files)
        assert taken == ("journal2.bin" if length == len(new) else "journal.bin")
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        found = json.loads(run(tmp_path, READ, path))
        assert [row[0] for row in found] == task_file.parse(files[taken]).labels.tolist()
        assert [p.name for p in tmp_path.glob("*.bin")] == [taken], "the other one is removed"


def test_the_device_opens_what_was_packed(tmp_path):
    rng = np.random.default_rng(0)
    task = task_file.TaskFile(
        rng.integers(-128, 128, (4, 5)).astype(np.int8), np.array(["x", "yö", "x", "z"]), np.arange(4), SHA
    )
    task_file.save(task, tmp_path / "task.npz")
    path = tmp_path / "journal.bin"
    path.write_bytes(task_file.pack(task_file.load(tmp_path / "task.npz")))
    found = json.loads(run(tmp_path, READ, path))
    assert found == [
        [str(label), row.view(np.uint8).tolist()] for label, row in zip(task.labels, task.embeddings, strict=True)
    ]


def test_damage_costs_the_records_it_lies_in(tmp_path):
    path = tmp_path / "journal.bin"
    run(tmp_path, WRITE, path)
    data = path.read_bytes()
    whole = task_file.parse(data)
    for at in range(64, len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x10
        task = task_file.parse(bytes(broken))
        # a damaged record that takes back leaves what it took: at most the two of a class more
        assert task.notes and len(whole.labels) - 1 <= len(task.labels) <= len(whole.labels) + 2
    for length in range(64, len(data)):
        assert len(task_file.parse(data[:length]).labels) <= 6
    for at in range(64):
        broken = bytearray(data)
        broken[at] ^= 0x10
        with pytest.raises(ValueError, match="damaged|expected version"):
            task_file.parse(bytes(broken))
    with pytest.raises(ValueError, match="expected at least 64"):
        task_file.parse(data[:63])


def test_wrong_arrays():
    good = np.zeros((1, 5), np.int8)
    for embeddings, labels in ((good.astype(float), ["a"]), (good, []), (good, [""]), (good, ["x" * 65])):
        with pytest.raises(ValueError, match="expected"):
            task_file.pack(task_file.TaskFile(embeddings, np.array(labels, str), np.zeros(len(labels)), SHA))
