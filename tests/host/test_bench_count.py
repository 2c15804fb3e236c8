# SPDX-License-Identifier: MIT
"""``microt bench``: counts of an inference on an emulated board, by layer and by exit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from microt.bench import count as bench
from microt.bench import energy, plugin
from microt.bench.cycles import Count
from microt.bench.plugin import Segment
from microt.compiler import read_info
from microt.compiler.mtb import NONE, ExitRecord, OpRecord, Program, TensorRecord, write

MODELS = Path(__file__).parents[2] / "models"
SHARED = Path(__file__).parents[3] / "shared" / "models"

needs_board = pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-arm", "arm-none-eabi-gcc", "gcc", "make"))),
    reason="qemu-system-arm, arm-none-eabi-gcc, gcc or make is missing",
)


# ---- a backbone of two exits, small enough to run in a moment


def small_backbone():
    """(8, 8, 4) -> conv -> [exit 0's own: conv, mean] -> depthwise -> conv -> mean, exit 1."""
    random = np.random.default_rng(7)
    shapes = {
        "input": (8, 8, 4),
        "stem": (4, 4, 8),
        "adapter": (4, 4, 8),
        "exit0": (1, 1, 8),
        "spread": (4, 4, 8),
        "wide": (4, 4, 16),
        "exit1": (1, 1, 16),
    }
    names = list(shapes)
    lives = {"input": (NONE, 0), "stem": (0, 3), "adapter": (1, 2), "exit0": (2, NONE)}
    lives |= {"spread": (3, 4), "wide": (4, 5), "exit1": (5, NONE)}
    tensors = []
    at = 0
    for name, hwc in shapes.items():
        tensors.append(TensorRecord(name, hwc, 0.05, -3, at, *lives[name]))
        at += -(-int(np.prod(hwc)) // 16) * 16

    def op(kind, source, target, branch, *, args, weights=(), macs=0):
        channels = shapes[target][2] if macs else 0
        requant = np.tile(np.array([1 << 30, -6], "<i4"), channels)
        return OpRecord(
            kind=kind,
            name=target,
            inputs=[names.index(source)],
            output=names.index(target),
            branch=branch,
            macs=macs,
            layout=0,
            args=np.array(args, "<i4").tobytes(),
            weights=random.integers(-127, 128, weights, np.int8).tobytes() if macs else b"",
            bias=random.integers(-500, 500, channels).astype("<i4").tobytes() if macs else b"",
            requant=requant.tobytes(),
        )

    def window(stride, pad, kernel):
        return [stride, stride, 1, 1, pad, pad, pad, pad, -128, 127, kernel, kernel]

    # the mean of 16 equal-scale values: 1/16 = 2^30 / 2^31 * 2^-3
    mean = [1 << 30, -3]
    ops = [
        op("CONV_2D", "input", "stem", NONE, args=window(2, 1, 3), weights=(8, 36), macs=4608),
        op("CONV_2D", "stem", "adapter", 0, args=window(1, 0, 1), weights=(8, 8), macs=1024),
        op("MEAN", "adapter", "exit0", 0, args=mean),
        op(
            "DEPTHWISE_CONV_2D",
            "stem",
            "spread",
            NONE,
            args=[*window(1, 1, 3), 1],
            weights=(9, 8),
            macs=1152,
        ),
        op("CONV_2D", "spread", "wide", NONE, args=window(1, 0, 1), weights=(16, 8), macs=2048),
        op("MEAN", "wide", "exit1", NONE, args=mean),
    ]
    exits = [ExitRecord(3, 3, 4608 + 1024), ExitRecord(6, 6, 4608 + 1152 + 2048)]
    return write(Program(0, at, 0, tensors, ops, exits, [], None))


def test_which_layers_a_run_and_a_resume_execute():
    info = read_info(small_backbone())
    assert [layer["index"] for layer in bench.run_layers(info, 0)] == [0, 1, 2]
    assert [layer["index"] for layer in bench.run_layers(info, 1)] == [0, 3, 4, 5]
    assert [layer["index"] for layer in bench.resume_layers(info, 1)] == [3, 4, 5]


# ---- segments to regions


def segment(region, first, last, address, executed, device=0):
    return Segment(region, first, last, 1, device, {address: Count(executed)})


def test_segments_become_regions_with_ops():
    notes = []
    (region,) = bench.regions_of(
        [
            segment(1, "begin", "kernel", 0x10, 5),
            segment(1, "kernel", "after", 0x20, 100),
            segment(1, "after", "kernel", 0x10, 7),
            segment(1, "kernel", "kernel", 0x30, 3),  # a kernel that calls another
            segment(1, "kernel", "after", 0x20, 50),
            segment(1, "after", "end", 0x10, 2),
        ],
        [2],
        notes,
    )
    assert region.instructions == 5 + 100 + 7 + 3 + 50 + 2
    assert region.ops == [{0x20: Count(100)}, {0x30: Count(3), 0x20: Count(50)}]
    assert region.total[0x20] == Count(150)
    assert notes == []


def test_a_missing_op_or_region_is_an_error():
    parts = [segment(1, "begin", "kernel", 0, 1), segment(1, "kernel", "after", 0, 1)]
    with pytest.raises(RuntimeError, match="expected 2 ops in a run, the board ran 1"):
        bench.regions_of(parts, [2], [])
    with pytest.raises(RuntimeError, match="expected 2 counted regions, got 1"):
        bench.regions_of(parts, [1, 1], [])


def test_device_accesses_leave_a_note():
    notes = []
    bench.regions_of([segment(1, "begin", "end", 0, 1, device=3)], [0], notes)
    assert len(notes) == 1 and "3 accesses to device registers" in notes[0]


# ---- energy


def test_energy_is_time_times_power():
    assert energy.microjoules(120e6, clock_hz=120e6, milliwatts=44) == pytest.approx(44000)
    with pytest.raises(ValueError, match="positive clock and power"):
        energy.microjoules(1, clock_hz=0, milliwatts=44)


def test_the_default_boards_power_is_a_published_one():
    board = pytest.importorskip("microt.boards").Board.load("MPS2_AN386")
    published = [row.milliwatts for row in energy.PUBLISHED]
    assert min(published) - 0.05 <= board.power_mw <= max(published) + 0.05
    assert board.power_mw == pytest.approx(energy.PUBLISHED[0].milliwatts, abs=0.05)
    assert "MLPerf Tiny" in board.power_source


# ---- on the emulated board


@pytest.fixture(scope="module")
def board():
    boards = pytest.importorskip("microt.boards")
    return boards.Board.load("MPS2_AN386")


@pytest.fixture(scope="module")
def small(board):
    return bench.count(board, small_backbone(), log=lambda line: None)


@needs_board
def test_the_result_has_the_promised_fields(small):
    keys = "board core instructions cycles_modelled energy_uj_modelled arena_bytes flash_bytes"
    assert set(f"{keys} macs layers exits".split()) <= set(small)
    assert set("index op macs instructions cycles_modelled".split()) <= set(small["layers"][0])
    assert set("exit instructions cycles_modelled energy_uj_modelled macs".split()) <= set(small["exits"][0])
    assert small["counted_by"] == "plugin" and small["notes"] == []
    assert small["macs"] == 4608 + 1152 + 2048
    assert [layer["index"] for layer in small["layers"]] == [0, 1, 2, 3, 4, 5]
    assert json.loads(json.dumps(small)) == small


@needs_board
def test_layers_and_dispatch_add_up_to_the_run(small):
    for key in ("instructions", "cycles_modelled"):
        layers = [layer[key] for layer in small["layers"] if layer["branch"] is None]
        difference = sum(layers) + small["dispatch"][key] - small[key]
        # loads pipeline over the border of a layer in one cycle model and not in the other
        assert difference == 0 if key == "instructions" else abs(difference) <= len(layers)


@needs_board
def test_exits_cost_what_their_layers_cost(small):
    first, last = small["exits"]
    layers = {layer["index"]: layer["instructions"] for layer in small["layers"]}
    assert 0 < first["instructions"] < last["instructions"] == small["instructions"]
    assert last["staged"]["instructions"] == (first["instructions"] + last["resume"]["instructions"])
    # staged, exit 0's branch ran too, and there are two calls in place of one
    branch = layers[1] + layers[2]
    extra = last["staged"]["instructions"] - last["instructions"] - branch
    assert 0 < extra < 2 * small["dispatch"]["instructions"]


@needs_board
def test_an_instruction_costs_one_to_three_cycles(small):
    for layer in small["layers"]:
        low, high = layer["cycles_modelled_low"], layer["cycles_modelled_high"]
        assert layer["instructions"] < low < layer["cycles_modelled"] < high
        assert high < 4 * layer["instructions"]


@needs_board
def test_energy_follows_cycles(small, board):
    seconds = small["cycles_modelled"] / board.clock_hz
    assert small["energy_uj_modelled"] == pytest.approx(seconds * board.power_mw * 1000)


@needs_board
def test_two_runs_count_the_same(small, board):
    assert bench.count(board, small_backbone(), log=lambda line: None) == small


@needs_board
def test_the_instruction_clock_agrees_and_says_so(small, board, monkeypatch):
    def refuse(**_):
        raise plugin.PluginUnavailable("this is a test")

    monkeypatch.setattr(plugin, "build", refuse)
    lines = []
    result = bench.count(board, small_backbone(), log=lines.append)
    assert result["counted_by"] == "icount"
    assert any("this is a test" in line for line in lines)
    assert "this is a test" in result["notes"][0]
    assert result["instructions"] == pytest.approx(small["instructions"], abs=6000)
    assert result["layers"][0]["instructions"] is None
    assert result["cycles_modelled"] is None and result["energy_uj_modelled"] is None
    assert "instruction clock, to the nearest thousand" in bench.describe(result)


@needs_board
def test_a_broken_backbone_is_refused(board):
    damaged = bytearray(small_backbone())
    damaged[200] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        bench.count(board, bytes(damaged), log=lambda line: None)


@needs_board
@pytest.mark.parametrize("name", ["MPS2_AN500", "MPS2_M0PLUS", "MPS3_AN547"])
@pytest.mark.slow
def test_other_cores_have_counts_but_no_cycles(name, small):
    other = pytest.importorskip("microt.boards").Board.load(name)
    result = bench.count(other, small_backbone(), log=lambda line: None)
    assert result["counted_by"] == "plugin"
    assert result["cycles_modelled"] is None and result["energy_uj_modelled"] is None
    assert all(layer["instructions"] > layer["macs"] / 16 for layer in result["layers"])
    if other.core.startswith("Cortex-M55"):
        assert result["instructions"] < result["cycles_modelled_low"] < result["cycles_modelled_high"]
        assert f"between {result['cycles_modelled_low']:,} and" in bench.describe(result)
    else:
        assert f"no model for {other.core}" in bench.describe(result)


@needs_board
@pytest.mark.slow
def test_the_shipped_backbone(board):
    path = MODELS / "objects.mtb"
    if not path.is_file():
        pytest.skip("models/objects.mtb is not there")
    result = bench.count(board, path.read_bytes(), log=lambda line: None)
    first, last = result["exits"][0], result["exits"][-1]
    assert 0.2 < first["instructions"] / last["instructions"] < 0.8
    assert result["dispatch"]["instructions"] < 0.02 * result["instructions"]
    assert result["instructions"] > result["macs"] / 2


@needs_board
@pytest.mark.slow
def test_a_tflite_file_is_compiled_first(board):
    path = SHARED / "vww_96_int8.tflite"
    if not path.is_file():
        pytest.skip("../shared/models/vww_96_int8.tflite is not there")
    result = bench.count_tflite(board, path, log=lambda line: None)
    assert result["macs"] == pytest.approx(7.49e6, rel=0.01)
    assert len(result["exits"]) == 1 and result["exits"][0]["resume"] is None


# ---- for people


def figures(instructions, cycles):
    return {
        "instructions": instructions,
        "cycles_modelled": cycles,
        "cycles_modelled_low": cycles - 10,
        "cycles_modelled_high": cycles + 10,
        "energy_uj_modelled": cycles / 100,
    }


RESULT = {
    "board": "MPS2_AN386",
    "core": "Cortex-M4F",
    "counted_by": "plugin",
    "kernels": ["reference"],
    **figures(123456, 200000),
    "arena_bytes": 4096,
    "flash_bytes": 2048,
    "macs": 10000,
    "power": {"milliwatts": 43.8, "clock_hz": 120_000_000, "source": "a publication"},
    "layers": [
        {
            "index": 0,
            "op": "CONV_2D",
            "name": "a",
            "branch": None,
            "macs": 10000,
            **figures(120000, 190000),
        },
        {"index": 1, "op": "MEAN", "name": "b", "branch": 0, "macs": 0, **figures(3000, 4000)},
    ],
    "dispatch": figures(456, 600),
    "exits": [
        {
            "exit": 0,
            "macs": 10000,
            **figures(123456, 200000),
            "resume": None,
            "staged": figures(123456, 200000),
        }
    ],
    "histogram": {"load": 1},
    "notes": ["a note"],
}


def test_the_table_says_what_is_counted_and_what_is_modelled():
    text = bench.describe(RESULT)
    for part in (
        "MPS2_AN386 (Cortex-M4F, emulated), kernels: reference",
        "MEAN (exit 0)",
        "120,000    12.00            190,000",
        "run to exit 0",
        "2,000 uJ (modelled)",
        "counted under QEMU, exact",
        "between 199,990 and 200,010; not compared with a board",
        "120 MHz and 43.8 mW (a publication)",
        "note: a note",
    ):
        assert part in text


def test_the_chart_is_drawn(tmp_path):
    path = tmp_path / "bench.png"
    bench.plot(RESULT, path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    no_cycles = {**RESULT, "cycles_modelled": None}
    bench.plot(no_cycles, path)


def test_no_chart_without_layers(tmp_path):
    layer = {**RESULT["layers"][0], "instructions": None}
    with pytest.raises(ValueError, match="counts by layer"):
        bench.plot({**RESULT, "layers": [layer]}, tmp_path / "bench.png")


def test_a_board_that_is_not_emulated_is_refused(monkeypatch):
    boards = pytest.importorskip("microt.boards")
    with pytest.raises(ValueError, match="emulated"):
        bench.count(boards.Board.load("UNIX"), small_backbone(), log=lambda line: None)


# ---- on the emulated RISC-V board


@pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-riscv32", "riscv64-unknown-elf-gcc", "gcc", "make"))),
    reason="qemu-system-riscv32, riscv64-unknown-elf-gcc, gcc or make is missing",
)
def test_tuned_plain_c_on_a_risc_v_core(monkeypatch):
    """Every layer counted, every instruction known; far fewer than the reference kernels need."""
    from microt.bench import network_files
    from microt.boards import Board

    names = ["conv3x3s2_96x96_3-16+relu", "dw3x3s1_48x48_16+relu", "pw_48x48_16-32+relu", "dw3x3s2_48x48_32+relu"]
    names += ["pw_24x24_32-24", "pw_24x24_24-144+relu", "dw5x5s1_24x24_144+relu", "pw_24x24_144-24", "add_24x24_24"]
    content = network_files.network(names)
    tuned = bench.count_tflite(Board.load("VIRT_RV32"), content, log=lambda line: None)
    monkeypatch.setenv("MICROT_REFERENCE", "1")
    reference = bench.count_tflite(Board.load("VIRT_RV32"), content, log=lambda line: None)
    assert tuned["kernels"] == ["c", "reference"] and reference["kernels"] == ["reference"]
    assert tuned["counted_by"] == "plugin" and "unknown" not in tuned["histogram"]
    assert tuned["histogram"]["multiply"] > tuned["macs"]
    assert sum(layer["instructions"] for layer in tuned["layers"]) > 0.99 * tuned["instructions"]
    ratios = {
        mine["op"]: theirs["instructions"] / mine["instructions"]
        for mine, theirs in zip(tuned["layers"], reference["layers"], strict=True)
        if mine["op"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")
    }
    assert min(ratios.values()) > 1.3, ratios
    assert 1.8 < reference["instructions"] / tuned["instructions"]
