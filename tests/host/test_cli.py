# SPDX-License-Identifier: MIT
"""The command line: what it prints, the JSON others rely on, and errors in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from microt.cli import main

MODELS = Path(__file__).resolve().parents[2] / "models"
MTB = MODELS / "objects.mtb"


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exit_code and result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def test_every_verb_has_help_with_an_example():
    for name, command in main.commands.items():
        text = invoke(name, "--help").output
        assert f"    microt {name}" in text or f"  microt {name}" in text, f"{name}: no example in {text}"
        assert command.help


def test_compile_prints_the_relied_upon_fields(tmp_path):
    out = tmp_path / "out.mtb"
    report = json.loads(invoke("compile", MODELS / "objects.tflite", "-o", out, "--json").stdout)
    assert report["flash_bytes"] == out.stat().st_size
    assert report["macs"] == report["exits"][-1]["macs"] > report["exits"][0]["macs"] > 0
    assert [item["dim"] for item in report["exits"]] == [576, 512]
    for item in report["exits"]:
        assert set(item) >= {"tensor", "macs", "dim", "scale", "zero_point"}
    assert sum(layer["macs"] for layer in report["layers"]) >= report["macs"]
    assert report["arena_bytes"] <= 1.05 * report["arena_lower_bound_bytes"]


def test_compile_says_how_good_the_memory_plan_is(tmp_path):
    text = invoke("compile", MODELS / "objects.tflite", "-o", tmp_path / "out.mtb").output
    assert "lower bound" in text and "arena" in text


def test_info_prints_the_same_as_compile(tmp_path):
    out = tmp_path / "out.mtb"
    compiled = json.loads(invoke("compile", MODELS / "objects.tflite", "-o", out, "--json").stdout)
    read = json.loads(invoke("info", out, "--json").stdout)
    for field in ("flash_bytes", "arena_bytes", "macs"):
        assert read[field] == compiled[field]


def test_run_takes_pixels_int8_and_float32_alike(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    as_int8 = (pixels.astype(int) - 128).astype(np.int8)
    info = json.loads(invoke("info", MTB, "--json").stdout)
    scale, zero_point = info["input"]["scale"], info["input"]["zero_point"]
    nearly = as_int8 + np.random.default_rng(1).choice([-0.4, 0.4], as_int8.shape)  # rounded, not cut off
    as_float = ((nearly - zero_point) * scale).astype(np.float32)
    outputs = []
    for name, array in {"u8": pixels, "i8": as_int8, "f32": as_float}.items():
        np.save(tmp_path / f"{name}.npy", array)
        invoke("run", MTB, "--input", tmp_path / f"{name}.npy", "-o", tmp_path / f"{name}.npz")
        with np.load(tmp_path / f"{name}.npz") as archive:
            outputs.append((archive["exit0"], archive["exit1"]))
    assert outputs[0][0].shape == (2, 576) and outputs[0][1].dtype == np.int8
    for other in outputs[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(outputs[0], other, strict=True))


@pytest.mark.parametrize("wrong", [np.zeros((2, 112, 111, 3), np.int8), np.zeros((2, 112, 112, 3), np.float64)])
def test_run_names_expected_and_given_input(tmp_path, wrong):
    np.save(tmp_path / "x.npy", wrong)
    result = invoke("run", MTB, "--input", tmp_path / "x.npy", "-o", tmp_path / "y.npz", status=1)
    assert len(result.stderr.strip().splitlines()) == 1
    assert "expected ('N', 112, 112, 3)" in result.stderr and str(wrong.dtype) in result.stderr


class FakeEmulator:
    """Writes down what is done to it; its LED at pin 5 is lit while pin 4 is held."""

    port = "/dev/pts/7"
    did = []

    def __init__(self, board, image, **options):
        self.did.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.did.append("closed")

    def press(self, pin):
        self.did.append(("press", pin))

    def release(self, pin):
        self.did.append(("release", pin))

    def led(self, pin):
        return pin == 5 and self.did[-1] == ("press", 4)

    def wait(self):
        self.did.append("waited")


def test_emulate_obeys_its_standard_input(monkeypatch, tmp_path):
    monkeypatch.setattr("microt.boards.Emulator", FakeEmulator)
    monkeypatch.setattr("microt.boards.firmware.build", lambda board, log: tmp_path / "firmware.elf")

    def typed(text):
        return CliRunner().invoke(main, ["emulate", "MPS2_AN386"], input=text).output.splitlines()

    lines = typed("p4\nl5\nr4\nl5\np32\nx\nq\np4\n")
    assert lines[1:4] == ["mpremote connect /dev/pts/7 repl", "on", "off"]
    assert [line[:8] for line in lines[4:]] == ["expected"] * 2
    assert FakeEmulator.did == [("press", 4), ("release", 4), "closed"]
    typed("p31\n")
    assert FakeEmulator.did == [("press", 31), "waited", "closed"], "the end of the input ends no emulator"


def test_errors_are_one_line(tmp_path):
    (tmp_path / "no.tflite").write_bytes(b"nothing")
    for arguments in (
        ["compile", tmp_path / "no.tflite", "-o", tmp_path / "x.mtb"],
        ["info", tmp_path / "no.tflite"],
        ["build", "NO_SUCH_BOARD"],
        ["report", tmp_path, "-o", tmp_path / "x.png"],
    ):
        result = invoke(*arguments, status=1)
        assert result.stderr.startswith("microt: ") and result.stderr.count("\n") == 1
