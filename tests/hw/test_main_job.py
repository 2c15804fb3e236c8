# SPDX-License-Identifier: MIT
"""The main job on a board: the same embeddings as everywhere, a task taught, and still there after a power cut."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from microt import cli, demo, embed, teach
from microt.boards import Link, romfs_image
from microt.data import Dataset
from microt.engine import Backbone
from microt.learning import task_file

MODELS = Path(__file__).resolve().parents[2] / "models"
MTB = MODELS / "objects.mtb"
INPUTS = 3


@pytest.fixture(scope="module")
def inputs():
    """int8 (N, 112, 112, 3): noise, and the two flat extremes."""
    noise = np.random.default_rng(0).integers(-128, 128, (INPUTS, 112, 112, 3), np.int8)
    noise[1], noise[2] = -128, 127
    return noise


def tensorflow_lite(inputs):
    """Outputs of the reference kernels, in the order of the exits: the narrower embedding ends exit 1."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(
        model_path=str(MODELS / "objects.tflite"),
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    net = Backbone(MTB)
    details = {int(np.prod(d["shape"])): d["index"] for d in interpreter.get_output_details()}
    outputs = [[] for _ in net.exits]
    for x in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[None])
        interpreter.invoke()
        for exit_index, item in enumerate(net.exits):
            outputs[exit_index].append(interpreter.get_tensor(details[item.dim]).ravel())
    return [np.stack(rows) for rows in outputs]


def test_embeddings_are_the_same_on_board_host_and_in_tensorflow_lite(start, inputs):
    image = romfs_image({"backbone.mtb": MTB.read_bytes(), "input.npy": teach.npy_bytes(inputs)})
    net = Backbone(MTB)
    with start(romfs=image) as emulator, Link(emulator.port) as link:
        on_board = embed.collect(link, [e.dim for e in net.exits], INPUTS, lambda done, total: None)
    on_host = net.embed(inputs)
    in_tensorflow = tensorflow_lite(inputs)
    for board_rows, host_rows, reference_rows in zip(on_board, on_host, in_tensorflow, strict=True):
        assert np.array_equal(host_rows, reference_rows)
        assert np.array_equal(board_rows, reference_rows)
        assert np.ptp(reference_rows.astype(int)) > 0


def blobs(classes=4, per_class=12):
    """Pictures that are easy to tell apart: each class a colour, with noise."""
    rng = np.random.default_rng(1)
    colours = rng.integers(40, 216, (classes, 1, 1, 3))
    y = np.repeat(np.arange(classes), per_class)
    x = np.clip(colours[y] + rng.normal(0, 12, (len(y), 112, 112, 3)), 0, 255).astype(np.uint8)
    return Dataset(x=x, y=y, class_names=("red", "green", "blue", "grey")[:classes], name="blobs")


@pytest.fixture(scope="module")
def lesson():
    return teach.choose(blobs(), shots=5, tests=16)


def test_a_task_is_taught_and_survives_a_power_cut(start, lesson, tmp_path):
    image = romfs_image({"backbone.mtb": MTB.read_bytes(), **teach.lesson_files(lesson, folder="/rom")})
    lines = []
    with start(romfs=image) as emulator:
        taught = teach.run_task("train_task.py", emulator.port, on_line=lines.append)
        emulator.kill()
    assert any("one class more: grey" in line for line in lines)
    assert taught["train_samples"] == 20 and taught["test_samples"] == 16
    assert sorted(taught["labels"]) == sorted(lesson.names)
    # four flat colours are no hard task; this catches a head that learned nothing
    assert taught["accuracy"]["exit1"] > 0.9 and taught["before"]["classes"] == 3
    assert taught["ram_bytes"] <= taught["heap_bytes"] <= 512 * 1024
    with start() as emulator:
        shown = teach.run_task("show_task.py", emulator.port)
        file = tmp_path / "task.npz"
        pulled = CliRunner().invoke(cli.main, ["pull", "--port", emulator.port, "-o", str(file)])
        assert pulled.exit_code == 0 and "20 samples of 4 classes" in pulled.output, pulled.output
        taken = task_file.load(file)
        pushed = CliRunner().invoke(cli.main, ["push", str(file), "--port", emulator.port])
        assert pushed.exit_code == 0 and "20 samples of 4 classes" in pushed.output, pushed.output
        again = teach.run_task("show_task.py", emulator.port)
    assert demo.same_answers(taught, shown)
    assert len(taken.labels) == 20 and set(taken.labels) == set(lesson.names)
    assert taken.sha256.hex() == Backbone(MTB).sha256 and not taken.notes
    # heads are not part of a journal: the class means answer until the next fit
    assert again["samples"] == 20 and shown["fitted"] and not again["fitted"]


RELIED_UPON = """accuracy exit_ratio_asked exit_ratio_got test_samples instructions cycles_modelled energy_uj_modelled
energy_saving_modelled ram_bytes flash_bytes restored_after_restart board data""".split()


def test_the_demo_ends_with_a_report(request, board, tmp_path):
    """`make demo` with fewer pictures to test, and on other boards than its own to teach."""
    if request.config.getoption("port"):
        pytest.skip("emulates its own board")
    whole = board.name == "MPS2_AN386"
    size = {"shots": 20, "classes": 10} if whole else {"shots": 4, "classes": 4}
    report = demo.teach_and_report("digits", tmp_path, board=board.name, **size, tests=20, log=lambda line: None)
    # both heads of both fits by the dual, which wants a fifth of the heap in one piece; else twice this and more memory
    assert not whole or (report["learning"]["head_instructions"] < 1.2e9 and report["ram_bytes"] < 320 << 10)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    assert set(RELIED_UPON) <= set(report) and set(report["accuracy"]) == {"exit0", "exit1", "staged"}
    assert report["board"] == board.name and report["data"]["source"] == "digits"
    assert report["restored_after_restart"] is True
    assert report["test_samples"] == len(report["samples"]) == 20
    early = [row for row in report["samples"] if row[5] == 0]
    assert report["exit_ratio_got"] == len(early) / 20
    costs = [report["cost"][name]["instructions"] for name in ("exit0", "exit1")]
    assert costs[0] <= report["instructions"] <= costs[1] and costs[0] < 0.7 * costs[1]


def test_a_lesson_goes_on_after_a_power_cut(request, board, tmp_path, monkeypatch):
    """`microt train` again, after the emulator was killed in the middle of the first time."""
    if request.config.getoption("port"):
        pytest.skip("emulates its own board")
    lines, started = [], []

    class Known(demo.Emulator):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(demo, "Emulator", Known)

    def train(progress):
        options = {"board": board.name, "shots": 10, "classes": 3, "tests": 9, "hold_back": False, "restart": False}
        return demo.teach_and_report("digits", tmp_path, **options, log=lines.append, progress=progress)

    with pytest.raises(RuntimeError):
        train(lambda done, total: started[-1].kill())
    steps = []
    report = train(lambda *step: steps.append(step))
    (after,) = (int(line.split()[3]) for line in lines if line.startswith("goes on after"))
    assert 10 <= after < 30 and report["train_samples"] == 30
    assert steps[0][0] > after and steps[-1] == (9, 9)
