# SPDX-License-Identifier: MIT
"""Files for every target: on boards the host engine's bits, and a clear refusal where kernels are missing."""

import json
import shutil
from pathlib import Path

import dsp_file
import numpy as np
import pytest

from microt.boards import Link, firmware, romfs_image, unixport
from microt.boards.board import Board
from microt.boards.emulator import Emulator
from microt.compiler import compile_tflite
from microt.engine import Backbone

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("targets_script.py")
PUBLIC = ["vww_96_int8", "kws_ref_model", "pretrainedResnet_quant"]
SHIPPED = ROOT / "models" / "objects.tflite"

NO_DSP = "file: compiled for target dsp, whose kernels are not in this build: compile it for generic"
UNALIGNED = "file: compiled for target dsp, it must lie at a multiple of 4 in memory: use microt push"


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
    """{name: (generic file, dsp file, input)} of the networks that are here."""
    sources = [ROOT.parent / "shared" / "models" / f"{name}.tflite" for name in PUBLIC] + [SHIPPED]
    found = {}
    for path in filter(Path.is_file, sources):
        files = [compile_tflite(path, target=target).data for target in ("generic", "dsp")]
        x = np.random.default_rng(len(found)).integers(-128, 128, Backbone(files[0]).input_shape).astype(np.int8)
        found[path.stem] = (*files, x)
    return found


@pytest.fixture(scope="module")
def tools():
    for tool in ("qemu-system-arm", "arm-none-eabi-gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
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


@pytest.mark.parametrize("name", ["MPS2_AN386", "MPS2_AN500", "MPS3_AN547"])
def test_networks_on_a_board_with_dsp_kernels(tools, compiled, tmp_path, name):
    assert Board.load(name).target == "dsp"
    cases = Cases()
    for model, (generic, dsp, x) in compiled.items():
        cases.add(f"{model}_dsp", dsp, x, answers(generic, x))
        cases.add(model, generic, x, answers(generic, x))
    for seed in range(12):
        generic, dsp = (dsp_file.every_layout(target, seed) for target in ("generic", "dsp"))
        x = np.random.default_rng(seed).integers(-128, 128, dsp_file.INPUT).astype(np.int8)
        right = answers(generic, x)
        own = {**right, "sha256": dsp[16:48].hex()}  # the compiler's files have the generic one's
        cases.add(f"layouts_dsp{seed}", dsp, x, own)
        cases.add(f"layouts{seed}", generic, x, right, shift=seed % 4)
        cases.add(f"moved{seed}", dsp, x, own if seed % 4 == 0 else UNALIGNED, shift=seed % 4)
    assert on_board(name, cases, tmp_path) == ["dsp", "reference"]


def test_firmware_of_the_reference_kernels_alone(tools, tmp_path, monkeypatch):
    monkeypatch.setenv("MICROT_REFERENCE", "1")
    assert Board.load("MPS2_AN386").target == "generic"
    cases = Cases()
    x = np.random.default_rng(1).integers(-128, 128, dsp_file.INPUT).astype(np.int8)
    generic, dsp = (dsp_file.every_layout(target) for target in ("generic", "dsp"))
    cases.add("generic", generic, x, answers(generic, x))
    cases.add("dsp", dsp, x, NO_DSP)
    assert on_board("MPS2_AN386", cases, tmp_path) == ["reference"]


def test_unix_refuses_other_targets(tools, tmp_path):
    cases = Cases()
    x = np.zeros(dsp_file.INPUT, np.int8)
    cases.add("generic", dsp_file.every_layout("generic"), x, answers(dsp_file.every_layout("generic"), x))
    cases.add("dsp", dsp_file.every_layout("dsp"), x, NO_DSP)
    for file, data in cases.romfs().items():
        (tmp_path / file).write_bytes(data)
    done = unixport.run(SCRIPT, cwd=tmp_path, timeout=120)
    *said, kernels = map(json.loads, done.stdout.splitlines())
    assert (said, kernels) == (cases.expected, ["reference"]), done.stderr


def test_host_refuses_other_targets(compiled):
    with pytest.raises(ValueError) as error:
        Backbone(compiled["objects"][1])
    assert str(error.value) == NO_DSP


def test_targets_share_an_identity(compiled):
    for generic, dsp, _ in compiled.values():
        assert generic[16:48] == dsp[16:48] and generic != dsp
