# SPDX-License-Identifier: MIT
"""_microt.Backbone on the unix build and on emulated boards: the host engine's bits, its errors, the collector."""

import json
import shutil
from pathlib import Path

import mtb_file
import numpy as np
import pytest
import tflite_file as tfl

from microt.boards import Link, firmware, romfs_image, unixport
from microt.boards.board import Board
from microt.boards.emulator import Emulator
from microt.engine import Backbone

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("binding_script.py")


@pytest.fixture(scope="module")
def micropython():
    try:
        firmware.micropython(log=lambda line: None)
    except RuntimeError as error:
        pytest.skip(str(error).splitlines()[0])


@pytest.fixture(scope="module")
def files():
    """file.mtb and expected.json, which binding_script.py reads."""
    data = mtb_file.pack(mtb_file.every_operator(4))
    net = Backbone(data)
    rng = np.random.default_rng(4)
    samples = []
    for _ in range(3):
        x = rng.integers(-128, 128, net.input_shape).astype(np.int8)
        a, b = net.run(x), net.resume()
        stored = [a, np.concatenate([a, b])]
        z = [net.feature(e, stored[e]) for e in range(2)]
        u = [net.project(e, z[e]) for e in range(2)]
        back = [net.project_back(e, u[e]) for e in range(2)]
        sample = {"x": x.reshape(-1).tolist(), "exit0": a.tolist(), "exit1": b.tolist()}
        for name, value in (("z", z), ("u", u), ("back", back)):
            sample[name] = [list(v.tobytes()) for v in value]
        samples.append(sample)
    expected = {"sha256": net.sha256, "macs": [e.macs for e in net.exits], "samples": samples}
    return {"file.mtb": data, "expected.json": json.dumps(expected).encode()}


def test_unix(micropython, files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = unixport.run(SCRIPT, cwd=tmp_path, timeout=120)
    assert done.returncode == 0 and done.stdout.strip().endswith("OK"), done.stdout + done.stderr


REAL = """
import _microt, binascii
from array import array
net = _microt.Backbone(memoryview(open("/rom/backbone.mtb", "rb")))
x = memoryview(open("/rom/x.bin", "rb"))
n = net.input_shape[0] * net.input_shape[1] * net.input_shape[2]
for i in range(0, len(x), n):
    found = [net.run(array("b", x[i : i + n]))]
    while len(found) < net.exits:
        found.append(net.resume())
    print(" ".join(binascii.hexlify(e).decode() for e in found))
"""


@pytest.mark.parametrize("name", ["MPS2_M0PLUS", "MPS2_AN386", "MPS2_AN500", "MPS3_AN547"])
def test_emulated_board(micropython, files, tmp_path, name):
    for tool in ("qemu-system-arm", "arm-none-eabi-gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    contents = dict(files)
    backbones = [p for p in sorted((ROOT / "models").glob("*.mtb")) if p.with_suffix(".tflite").exists()]
    if backbones:
        net = Backbone(backbones[0])
        x = np.random.default_rng(6).integers(-128, 128, (2, *net.input_shape)).astype(np.int8)
        contents |= {"backbone.mtb": backbones[0].read_bytes(), "x.bin": x.tobytes()}
    board = Board.load(name)
    elf = firmware.build(board, log=lambda line: None)
    with Emulator(board, elf, storage=tmp_path / "storage", romfs=romfs_image(contents)) as emulator:
        host = Link(emulator.port)
        host.exec("import os; os.chdir('/rom')")
        assert host.exec(SCRIPT.read_text()).strip().endswith("OK")
        if backbones:
            got = host.exec(REAL).split()
            # board, host engine and TensorFlow Lite's reference kernels: the same bits
            assert got == [e[i].tobytes().hex() for i in range(2) for e in net.embed(x)]
            reference = tfl.Reference(backbones[0].with_suffix(".tflite").read_bytes())
            for i in range(2):
                expected = reference.run(x[i])
                for e, exit in enumerate(net.exits):
                    assert got[i * len(net.exits) + e] == expected[exit.name].tobytes().hex()
