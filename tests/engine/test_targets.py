# SPDX-License-Identifier: MIT
"""Files for every target: on boards the host engine's bits, and a clear refusal where kernels are missing."""

import json
import shutil
from pathlib import Path

import layouts_file
import numpy as np
import pytest
import random_layers
import test_strips
import tflite_file

from microt.boards import Link, firmware, romfs_image, unixport
from microt.boards.board import Board
from microt.boards.emulator import Emulator
from microt.compiler import compile_tflite
from microt.engine import Backbone

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("targets_script.py")
PUBLIC = ["vww_96_int8", "kws_ref_model", "pretrainedResnet_quant"]
SHIPPED = ROOT / "models" / "objects.tflite"

BOARDS = {"MPS2_M0PLUS": "m0", "MPS2_AN386": "dsp", "MPS2_AN500": "dsp", "MPS3_AN547": "mve"}
TARGETS = ("m0", "dsp", "mve")


def refusal(target, here="generic"):
    return f"file: compiled for target {target}, whose kernels are not in this build: compile it for {here}"


def unaligned(target):
    return f"file: compiled for target {target}, it must lie at a multiple of 4 in memory: use microt push"


def wide_depthwise() -> bytes:
    """A .tflite file whose largest layer is a depthwise convolution of (40, 37, 40): in the place of its input it
    halves the arena."""
    rng = np.random.default_rng(8)
    file = tflite_file.File()

    def constants(count, shape, axis):
        weights = rng.integers(-127, 128, shape).astype(np.int8)
        return file.int8(shape, 0.02, 0, weights, axis=axis), file.int32(rng.integers(-500, 500, count), 0.002)

    x = file.int8((1, 40, 37, 4), 0.1, 3)
    wide, deep, y = (file.int8((1, 40, 37, c), scale, -5) for c, scale in ((40, 0.2), (40, 0.6), (4, 2.0)))
    file.add("CONV_2D", [x, *constants(40, (40, 1, 1, 4), 0)], wide, strideH=1, strideW=1)
    file.add(
        "DEPTHWISE_CONV_2D", [wide, *constants(40, (1, 5, 5, 40), 3)], deep, strideH=1, strideW=1, depthMultiplier=1
    )
    file.add("CONV_2D", [deep, *constants(4, (4, 1, 1, 40), 0)], y, strideH=1, strideW=1)
    return random_layers.finish(file, x, y, rng)


class Cases:
    """Files for a board, inputs, and what `targets_script.py` is expected to print of them."""

    def __init__(self):
        self.files, self.asked, self.expected = {}, [], []

    def add(self, name, data, x, expected, *, shift=0):
        self.files |= {f"{name}.mtb": data, f"{name}.bin": x.tobytes()}
        self.asked.append({"file": f"{name}.mtb", "x": f"{name}.bin", "shift": shift})
        self.expected.append(expected)

    def romfs(self):
        return {**self.files, "cases.json": json.dumps(self.asked).encode()}


def answers(generic, x):
    """What the host engine says of the generic file."""
    net = Backbone(generic)
    straight = [net.run(x, exit).tobytes().hex() for exit in range(len(net.exits))]
    staged = [net.run(x).tobytes().hex(), *(net.resume().tobytes().hex() for _ in net.exits[1:])]
    return {"staged": staged, "straight": straight, "sha256": net.sha256}


@pytest.fixture(scope="module")
def compiled():
    """{name: ({target: file}, input)} of the networks that are here."""
    paths = [ROOT.parent / "shared" / "models" / f"{name}.tflite" for name in PUBLIC] + [SHIPPED]
    sources = {path.stem: path for path in filter(Path.is_file, paths)} | {"wide": wide_depthwise()}
    sources["strips"] = test_strips.network(1)
    found = {}
    for name, source in sources.items():
        strips = 3 if name == "strips" else 0
        files = {t: compile_tflite(source, target=t, strips=strips).data for t in ("generic", *TARGETS)}
        shape = Backbone(files["generic"]).input_shape
        found[name] = (files, np.random.default_rng(len(found)).integers(-128, 128, shape).astype(np.int8))
    return found


def skip_without(*names):
    for tool in names:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@pytest.fixture(scope="module")
def tools():
    skip_without("qemu-system-arm", "arm-none-eabi-gcc")
    try:
        firmware.micropython(log=lambda line: None)
    except RuntimeError as error:
        pytest.skip(str(error).splitlines()[0])


def on_board(name, cases, tmp_path):
    """The kernels of the firmware; what it prints of the cases is compared."""
    elf = firmware.build(Board.load(name), log=lambda line: None)
    with Emulator(Board.load(name), elf, storage=tmp_path / "storage", romfs=romfs_image(cases.romfs())) as emulator:
        link = Link(emulator.port)
        link.exec("import os; os.chdir('/rom')")
        *said, kernels = map(json.loads, link.exec(SCRIPT.read_text()).splitlines())
    for asked, got, expected in zip(cases.asked, said, cases.expected, strict=True):
        assert got == expected, asked
    return kernels


@pytest.mark.parametrize("name", BOARDS)
def test_networks_on_a_board_with_kernels_of_its_own(tools, compiled, tmp_path, name):
    target = BOARDS[name]
    assert Board.load(name).target == target
    cases = Cases()
    for model, (files, x) in compiled.items():
        cases.add(f"{model}_{target}", files[target], x, answers(files["generic"], x))
        cases.add(model, files["generic"], x, answers(files["generic"], x))
    for seed in range(12):
        generic, own = (layouts_file.every_layout(each, seed) for each in ("generic", target))
        x = np.random.default_rng(seed).integers(-128, 128, layouts_file.INPUT).astype(np.int8)
        right = answers(generic, x)
        same = {**right, "sha256": own[16:48].hex()}  # the compiler's files have the generic one's
        cases.add(f"layouts_{target}{seed}", own, x, same)
        cases.add(f"layouts{seed}", generic, x, right, shift=seed % 4)
        cases.add(f"moved{seed}", own, x, same if seed % 4 == 0 else unaligned(target), shift=seed % 4)
    for other in set(TARGETS) - {target}:
        refused = refusal(other, f"generic or {target}")
        cases.add(f"other_{other}", layouts_file.every_layout(other), x, refused)
    assert on_board(name, cases, tmp_path) == [target, "reference"]


@pytest.mark.parametrize("reference", [False, True])
def test_networks_on_a_risc_v_board(tools, compiled, tmp_path, monkeypatch, reference):
    """Tuned plain C, or by choice the reference kernels, run generic files wherever these lie, and no others."""
    skip_without("qemu-system-riscv32", "riscv64-unknown-elf-gcc")
    if reference:
        monkeypatch.setenv("MICROT_REFERENCE", "1")
    cases = refusing()
    for model, (files, x) in compiled.items():
        cases.add(model, files["generic"], x, answers(files["generic"], x))
    for seed in range(8):
        generic = layouts_file.every_layout("generic", seed)
        x = np.random.default_rng(seed).integers(-128, 128, layouts_file.INPUT).astype(np.int8)
        cases.add(f"layouts{seed}", generic, x, answers(generic, x), shift=seed % 4)
    kernels = ["reference"] if reference else ["c", "reference"]
    assert on_board("VIRT_RV32", cases, tmp_path) == kernels
    assert Board.load("VIRT_RV32").kernels == kernels[0]


@pytest.mark.parametrize("name", ["MPS2_M0PLUS", "MPS2_AN386", "MPS3_AN547"])
def test_firmware_of_the_reference_kernels_alone(tools, tmp_path, monkeypatch, name):
    monkeypatch.setenv("MICROT_REFERENCE", "1")
    assert Board.load(name).target == "generic"
    assert on_board(name, refusing(), tmp_path) == ["reference"]


def refusing():
    """Cases of a build that runs generic files alone."""
    cases = Cases()
    x = np.random.default_rng(1).integers(-128, 128, layouts_file.INPUT).astype(np.int8)
    generic = layouts_file.every_layout("generic")
    cases.add("generic", generic, x, answers(generic, x))
    for target in TARGETS:
        cases.add(target, layouts_file.every_layout(target), x, refusal(target))
    return cases


@pytest.mark.parametrize(("reference", "kernels_here"), [("0", ["c", "reference"]), ("1", ["reference"])])
def test_unix_refuses_other_targets(tools, tmp_path, monkeypatch, reference, kernels_here):
    """And runs generic ones wherever they lie in memory."""
    monkeypatch.setenv("MICROT_REFERENCE", reference)
    cases = refusing()
    x, generic = np.random.default_rng(1).integers(-128, 128, layouts_file.INPUT), layouts_file.every_layout("generic")
    for shift in range(4):
        cases.add(f"shift{shift}", generic, x.astype(np.int8), answers(generic, x.astype(np.int8)), shift=shift)
    for file, data in cases.romfs().items():
        (tmp_path / file).write_bytes(data)
    done = unixport.run(SCRIPT, cwd=tmp_path, timeout=120)
    *said, kernels = map(json.loads, done.stdout.splitlines())
    assert (said, kernels) == (cases.expected, kernels_here), done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_host_refuses_other_targets(compiled, target):
    with pytest.raises(ValueError) as error:
        Backbone(compiled["objects"][0][target])
    assert str(error.value) == refusal(target)


def test_targets_share_an_identity(compiled):
    for files, _ in compiled.values():
        for target in TARGETS:
            assert files["generic"][16:48] == files[target][16:48] and files["generic"] != files[target]


@pytest.mark.parametrize(("target", "layout"), [("generic", "in place"), ("dsp", "in place"), ("mve", "planes")])
def test_depthwise_in_place_saves_memory(target, layout):
    """So the network "wide" above runs in the place of its input."""
    apart = compile_tflite(wide_depthwise(), target=target, in_place=False).report["arena_bytes"]
    report = compile_tflite(wide_depthwise(), target=target).report
    assert layout in report["layers"][1]["layout"]
    assert report["arena_bytes"] < 0.65 * apart


def test_wide_layers_do_with_less_scratch_where_it_counts():
    """A tile at a time, 8 bytes an input of a pixel, where a block of them would raise the arena by more than 2 %."""
    rng = np.random.default_rng(3)
    file = tflite_file.File()
    x, y = (file.int8((1, 20, 20, c), 0.1, 3) for c in (120, 40))
    weights = rng.integers(-127, 128, (40, 1, 1, 120)).astype(np.int8)
    constants = file.int8(weights.shape, 0.02, 0, weights, axis=0), file.int32(np.arange(40), 0.002)
    file.add("CONV_2D", [x, *constants], y, strideH=1, strideW=1)
    content = random_layers.finish(file, x, y, rng)
    assert compile_tflite(content).report["arena_bytes"] == 400 * 160
    assert compile_tflite(content, target="dsp").report["arena_bytes"] == 400 * 160 + 8 * 120
