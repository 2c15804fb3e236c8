# SPDX-License-Identifier: MIT
"""Random layers of every operator, random networks and whole models on emulated cores, every tensor bit for bit.

The engine is built for each core and runs on the bare machine, its files and arenas in front of forbidden memory. What
must come out is the host engine's, compared here with TensorFlow Lite's reference kernels. The slow tests run at least
300 shapes of each operator.
"""

import sys
from pathlib import Path

import layouts_file
import mtb_file
import numpy as np
import pytest
import random_networks
from random_operators import OPERATORS

from microt.boards import firmware, unixport
from microt.compiler import compile_tflite, read_info
from microt.engine import TARGETS, Backbone

sys.path.insert(0, str(Path(__file__).with_name("emulated")))

import network_machine as machine  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MODELS = [
    ROOT.parent / "shared" / "models" / f"{n}.tflite"
    for n in ("vww_96_int8", "kws_ref_model", "pretrainedResnet_quant")
]
SEED = 20261120

FAMILIES = {"arm": ("m4", "m7", "m55", "m0"), "riscv": ("rv32",)}
slow = pytest.mark.slow


def skip_without(core):
    if not machine.available(core):
        pytest.skip(f"{machine.CORES[core].compiler} or {machine.CORES[core].qemu} is missing")


@pytest.fixture(params=FAMILIES)
def cores(request):
    skip_without(FAMILIES[request.param][0])
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def unix():
    try:
        firmware.micropython(log=lambda line: None)
    except RuntimeError as error:
        pytest.skip(str(error).splitlines()[0])


def layers(kind, seeds):
    for seed in seeds:
        rng = np.random.default_rng([SEED, seed, list(OPERATORS).index(kind)])
        content, shape = OPERATORS[kind](rng)
        kind_of_input = rng.random()
        x = rng.integers(-128, 128, shape) if kind_of_input < 0.9 else rng.choice([-128, 127], shape)
        yield f"{kind} {seed}", random_networks.expected(content, x.astype(np.int8))


def networks(seeds):
    for seed in seeds:
        rng = np.random.default_rng([SEED, seed])
        content, shape, exits = random_networks.network(rng)
        x = rng.integers(-128, 128, shape).astype(np.int8)
        yield f"network {seed}", random_networks.expected(content, x, exits)


def models():
    for path in [*MODELS, *sorted((ROOT / "models").glob("*.tflite"))]:
        if path.is_file():
            content = path.read_bytes()
            shape = Backbone(compile_tflite(content).data).input_shape
            x = np.random.default_rng(SEED).integers(-128, 128, shape).astype(np.int8)
            yield path.stem, random_networks.expected(content, x)


def on_cores(made, tmp_path, cores, generic=True):
    """What is wrong on any core, with files for its target and generic ones; the number of runs."""
    wrong, count = [], 0
    for target in dict.fromkeys(["generic", *(machine.CORES[core].target for core in cores)]):
        if target == "generic" and not generic and all(machine.CORES[core].target != target for core in cores):
            continue
        cases = [machine.Case(f"{name} for {target}", *_file(each, target)) for name, each in made]
        for core in cores:
            if machine.CORES[core].target == target or (target == "generic" and generic):
                wrong += [f"{core}: {line}" for line in machine.wrong(cases, tmp_path, core)]
                count += len(cases)
    return wrong, count


def _file(each, target):
    data, expected = each.file(target)
    return data, each.input, expected


def test_a_sample_of_every_operator(cores, tmp_path):
    made = [case for kind in OPERATORS for case in layers(kind, range(2))]
    wrong, count = on_cores(made, tmp_path, cores)
    assert wrong == []
    targets = [{"generic", machine.CORES[core].target} for core in cores]
    assert count == 2 * len(OPERATORS) * sum(map(len, targets))  # generic files and the core's own


@slow
@pytest.mark.parametrize("kind", OPERATORS)
def test_every_operator(kind, cores, tmp_path):
    assert on_cores(list(layers(kind, range(300))), tmp_path, cores)[0] == []


@slow
@pytest.mark.parametrize("kind", OPERATORS)
def test_every_operator_on_the_unix_build(kind, unix, tmp_path):
    assert on_unix(list(layers(kind, range(300))), tmp_path) == []


def test_a_sample_of_networks(cores, tmp_path):
    made = list(networks(range(25)))
    assert any(len(each.embeddings) > 2 for _, each in made)
    assert on_cores(made, tmp_path, cores)[0] == []


@slow
def test_random_networks(cores, tmp_path):
    assert on_cores(list(networks(range(600))), tmp_path, cores)[0] == []


@slow
def test_random_networks_on_the_unix_build(unix, tmp_path):
    assert on_unix(list(networks(range(600))), tmp_path) == []


def test_models(cores, tmp_path):
    made = list(models())
    if not made:
        pytest.skip("no models here")
    assert on_cores(made, tmp_path, cores, generic=False)[0] == []


@pytest.mark.parametrize("core", ["m4", "rv32"])
def test_what_is_wrong_is_found(core, tmp_path):
    """One value more, one less; a value that differs; a file that is none; a file for another core."""
    skip_without(core)
    ((name, each),) = networks(range(1))
    data, right = each.file(machine.CORES[core].target)
    other = [tensor.copy() for tensor in right]
    other[len(other) // 2].reshape(-1)[-1] ^= 1
    cases = [
        machine.Case("right", data, each.input, right),
        machine.Case("more", data, each.input, [*right, right[-1]]),
        machine.Case("less", data, each.input, right[:-1]),
        machine.Case("other", data, each.input, other),
        machine.Case("none", data[:-16], each.input, right),
        machine.Case("mve", each.file("mve")[0], each.input, right),
        machine.Case("right again", data, each.input, right),
    ]
    found = machine.run(cases, tmp_path, core)
    assert [word for _, word, _ in found] == ["ok", "bad", "bad", "bad", "refused", "refused", "ok"]
    assert "fewer" in found[1][2] and "more" in found[2][2] and "differs" in found[3][2]
    assert "compiled for target mve" in found[5][2]


# ---- the unix build


def on_unix(made, tmp_path):
    """What the MicroPython of this machine answers otherwise, embeddings of every exit."""
    for number, (_, each) in enumerate(made):
        (tmp_path / f"{number}.mtb").write_bytes(each.file("generic")[0])
        (tmp_path / f"{number}.bin").write_bytes(each.input.tobytes())
    done = unixport.run(UNIX_SCRIPT.format(count=len(made)), cwd=tmp_path, timeout=600, heap_bytes=16 << 20)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == len(made)
    wrong = []
    for line, (name, each) in zip(said, made, strict=True):
        if line.split() != [embedding.tobytes().hex() for embedding in each.embeddings]:
            wrong.append(f"unix: {name}")
    return wrong


UNIX_SCRIPT = """
import _microt
from array import array
for n in range({count}):
    with open("%d.mtb" % n, "rb") as f:
        net = _microt.Backbone(f.read())
    with open("%d.bin" % n, "rb") as f:
        x = array("b", f.read())
    print(*(bytes(net.run(x, exit)).hex() for exit in range(net.exits)))
"""


def test_a_sample_on_the_unix_build(unix, tmp_path):
    made = [case for kind in OPERATORS for case in layers(kind, range(2))] + list(networks(range(10)))
    assert on_unix(made, tmp_path) == []


def test_models_on_the_unix_build(unix, tmp_path):
    assert on_unix(list(models()), tmp_path) == []


# ---- hostile files


@pytest.mark.parametrize("core", machine.CORES)
def test_hostile_files_do_no_harm(core, tmp_path):
    """Changed fields and arguments, on the kernels themselves; what is accepted stays within arena and file."""
    skip_without(core)
    rng = np.random.default_rng([SEED, list(machine.CORES).index(core)])
    target = machine.CORES[core].target
    good = [layouts_file.every_layout(target, seed) for seed in range(4)]
    good += [mtb_file.pack(make(0)) for make in (mtb_file.every_operator, mtb_file.newer_operators)]
    cases = [machine.Case(f"{i}", changed(rng, good[i % len(good)])) for i in range(1500)]
    found = machine.run(cases, tmp_path, core)
    assert [line for line in found if line[1] == "bad"] == []
    accepted = sum(word == "ok" for _, word, _ in found)
    assert 100 < accepted < 1200


@pytest.mark.parametrize("core", machine.CORES)
def test_weights_of_layout_1_lie_anywhere(core, tmp_path):
    """In a file for the core's own kernels too."""
    skip_without(core)
    x = np.random.default_rng(SEED).integers(-128, 128, (6, 6, 4)).astype(np.int8)
    net = Backbone(mtb_file.pack(mtb_file.depthwise_in_place()))
    expected = [tensor for _, tensor in net.tensors(x)] + [net.run(x)]
    cases = []
    for past in range(4):
        moved = mtb_file.pack_moved(mtb_file.depthwise_in_place(), 0, past)
        moved = mtb_file.put_header(moved, "target", TARGETS.index(machine.CORES[core].target))
        cases.append(machine.Case(f"{past} bytes", moved, x, expected))
    assert machine.wrong(cases, tmp_path, core) == []


def changed(rng, data):
    """A good file with one to three words changed, most in records and arguments, sealed."""
    good, data = data, bytearray(data)
    sections = mtb_file.sections(good)
    for _ in range(int(rng.integers(1, 4))):
        op = int(rng.integers(sections["ops"][1] // 64))
        arguments, size = (mtb_file.get(good, "ops", op, field) for field in ("args", "args_size"))
        if rng.random() < 0.4 and 4 <= size and arguments + size <= len(data):
            at = arguments + 4 * int(rng.integers(size // 4))
        elif rng.random() < 0.8:
            at = int(rng.integers(48, sections["data"][0]))
        else:
            at = int(rng.integers(48, len(data) - 4))
        old = int.from_bytes(data[at : at + 4], "little")
        new = (
            int(rng.choice([0, 1, 2, 127, 128, 255, 65535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])),
            old + int(rng.integers(-16, 17)),
            old ^ 1 << int(rng.integers(32)),
        )[int(rng.integers(3))]
        size = int(rng.choice([1, 2, 4]))
        data[at : at + size] = (new % (1 << 8 * size)).to_bytes(size, "little")
    return mtb_file.seal(bytes(data))


def test_orders_of_expected_tensors():
    """The order in which `Expected.file` lists tensors is the engine's."""
    for _, each in networks(range(5)):
        data, listed = each.file("generic")
        got = [tensor for _, tensor in Backbone(data).tensors(each.input)]
        assert len(listed) == len(got) + len(read_info(data)["exits"])
        for one, two in zip(listed, got, strict=False):
            np.testing.assert_array_equal(one, two)
