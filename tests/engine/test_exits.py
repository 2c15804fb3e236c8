# SPDX-License-Identifier: MIT
"""Exits and resume: the same bits as a straight run, no layer twice, what came before still there."""

import mtb_file
import numpy as np
import pytest
import tflite_file as tfl

from microt.compiler import compile_tflite
from microt.engine import Backbone


def branched(seed):
    """A trunk of convolutions with residual adds; three exits, each behind a branch of its own."""
    rng = np.random.default_rng(seed)
    file = tfl.File()
    x = file.int8((1, 12, 11, 3), 0.02, -4)
    at, c, exits = x, 3, []
    h, w = 12, 11
    for e in range(3):
        n = int(rng.integers(4, 14))
        h, w = -(-h // 2), -(-w // 2)
        ws = rng.uniform(0.004, 0.01, n).astype(np.float32)
        wt = file.int8((n, 3, 3, c), ws, 0, rng.integers(-127, 128, (n, 3, 3, c)).astype(np.int8))
        scale = float(file.graph.tensors[at].quantization.scale[0])
        y = file.int8((1, h, w, n), 0.03, int(rng.integers(-20, 20)))
        file.add("CONV_2D", [at, wt, file.int32(rng.integers(-500, 500, n), scale * ws)], y, strideH=2, strideW=2)
        w2 = file.int8((1, 3, 3, n), ws, 0, rng.integers(-127, 128, (1, 3, 3, n)).astype(np.int8), axis=3)
        z = file.int8((1, h, w, n), 0.02, 1)
        bias = file.int32(np.zeros(n), np.float32(0.03) * ws)
        file.add("DEPTHWISE_CONV_2D", [y, w2, bias], z, strideH=1, strideW=1, depthMultiplier=1)
        total = file.int8((1, h, w, n), 0.04, -3)
        file.add("ADD", [y, z], total)
        pooled = file.int8((1, n), 0.02, 2)
        file.add("MEAN", [total, file.int32([1, 2])], pooled)
        out = file.int8((1, 5 + e), 0.01, -6)
        fs = np.float32([0.008])
        wf = file.int8((5 + e, n), fs, 0, rng.integers(-127, 128, (5 + e, n)).astype(np.int8))
        file.add("FULLY_CONNECTED", [pooled, wf, file.int32(np.zeros(5 + e), np.float32(0.02) * fs)], out)
        exits.append(out)
        at, c = total, n
    return file.pack([x], exits)


@pytest.mark.parametrize("seed", range(8))
def test_resume_is_a_straight_run(seed):
    content = branched(seed)
    net = Backbone(compile_tflite(content).data)
    straight = Backbone(compile_tflite(content).data)
    reference = tfl.Reference(content)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        x = rng.integers(-128, 128, net.input_shape).astype(np.int8)
        expected = reference.run(x)
        for start in range(3):
            # whatever an earlier sample left in the arena does not matter
            net._arena[:] = rng.integers(0, 256, len(net._arena)).astype(np.uint8)
            got = [net.run(x, start)]
            while len(got) + start < 3:
                got.append(net.resume())
            for e, embedding in enumerate(got, start):
                np.testing.assert_array_equal(embedding, straight.run(x, e))
                np.testing.assert_array_equal(embedding, expected[net.exits[e].name].reshape(-1))
        net.run(x)
        net.resume()
        net.resume()
        # embeddings of the exits passed are still in the arena
        for e in range(3):
            kept = net._values(net._model.exits[e].tensor).reshape(-1)
            np.testing.assert_array_equal(kept, straight.run(x, e))


def test_no_layer_runs_twice_and_no_branch_for_nothing():
    net = Backbone(compile_tflite(branched(0)).data)
    lib, model, state = net._lib, net._model, net._state
    arena = net._arena.ctypes.data

    def steps():
        ran = []
        while (op := lib.microt_step(model, state)) >= 0:
            ran.append(op)
        return ran

    lib.microt_begin(model, state, arena, 0)
    ran = steps()
    for _ in range(2):
        assert lib.microt_begin_resume(model, state) == 0
        ran += steps()
    assert ran == list(range(len(net.ops)))
    assert lib.microt_begin_resume(model, state) == -1
    lib.microt_begin(model, state, arena, 2)
    straight = steps()
    assert sum(net.ops[i].macs for i in straight) == net.exits[2].macs
    assert len(straight) < len(net.ops)


def test_embed():
    net = Backbone(compile_tflite(branched(1)).data)
    x = np.random.default_rng(0).integers(-128, 128, (5, *net.input_shape)).astype(np.int8)
    calls = []
    got = net.embed(x, progress=lambda done, total: calls.append((done, total)))
    assert [g.shape for g in got] == [(5, 5), (5, 6), (5, 7)] and calls == [(i + 1, 5) for i in range(5)]
    for e in range(3):
        for i in range(5):
            np.testing.assert_array_equal(got[e][i], net.run(x[i], e))


def test_errors():
    net = Backbone(mtb_file.pack(mtb_file.every_operator()))
    x = np.zeros(net.input_shape, np.int8)
    with pytest.raises(RuntimeError, match="resume"):
        net.resume()
    net.run(x)
    net.resume()
    with pytest.raises(RuntimeError, match="resume"):
        net.resume()
    with pytest.raises(ValueError, match="exit: expected 0 to 1, got 2"):
        net.run(x, 2)
    with pytest.raises(ValueError, match="exit: expected 0 to 1, got -1"):
        net.run(x, -1)
    message = r"input: expected 144 values \(6, 6, 4\) of int8 or uint8, got 143 of int8"
    with pytest.raises(ValueError, match=message):
        net.run(x.reshape(-1)[1:])
    with pytest.raises(ValueError, match="got 144 of float32"):
        net.run(x.astype(np.float32))
    program = mtb_file.every_operator()
    program["pixels"] = None
    with pytest.raises(ValueError, match="of int8, got 144 of uint8"):
        Backbone(mtb_file.pack(program)).run(x.view(np.uint8))
    with pytest.raises(FileNotFoundError):
        Backbone("no_such_file.mtb")


def test_pixel_table():
    program = mtb_file.every_operator()
    program["pixels"] = np.random.default_rng(1).integers(-128, 128, 256)
    net = Backbone(mtb_file.pack(program))
    pixels = np.random.default_rng(2).integers(0, 256, net.input_shape).astype(np.uint8)
    expected = net.run(program["pixels"][pixels].astype(np.int8), 1)
    np.testing.assert_array_equal(net.run(pixels, 1), expected)


def test_no_compiler(monkeypatch):
    from microt import engine

    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(RuntimeError, match="expected a C compiler.*no-such-compiler.*apt-get install gcc"):
        engine.build()
