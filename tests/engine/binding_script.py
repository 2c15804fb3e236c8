# SPDX-License-Identifier: MIT
# MicroPython: _microt.Backbone with file.mtb and expected.json of the working directory, both
# made by test_binding.py. Prints OK at the end.

import gc
import json
from array import array

import _microt

with open("file.mtb", "rb") as f:
    file = f.read()
with open("expected.json") as f:
    expected = json.load(f)


def raises(kind, words, call, *args, **kw):
    try:
        call(*args, **kw)
    except kind as error:
        assert words in str(error), (words, str(error))
        return
    raise AssertionError(f"expected {kind}: {words}")


net = _microt.Backbone(file)
assert net.input_shape == (6, 6, 4) and net.input_zero_point == -128 and abs(net.input_scale - 0.01) < 1e-9
assert net.exits == 2 and net.dims == (6, 10) and net.macs == tuple(expected["macs"])
assert net.output_shape == ((1, 1, 6), (1, 1, 10)) and net.output_zero_point == (-3, -128)
assert abs(net.output_scale[0] - 0.1) < 1e-6 and net.output_scale[1] == 1 / 256
assert net.arena_size == 608 and 608 <= net.ram < 4096 and net.takes_pixels is True
assert "".join(f"{b:02x}" for b in net.sha256) == expected["sha256"]
assert "Backbone" in repr(net) and "2 exits" in repr(net)
assert isinstance(_microt.version, str) and "reference" in _microt.kernels()
raises(AttributeError, "", lambda: net.nothing)
raises(AttributeError, "", setattr, net, "exits", 3)

# the same bits as the host engine, from int8 and from pixels
for sample in expected["samples"]:
    x = array("b", sample["x"])
    a = net.run(x)
    assert list(a) == sample["exit0"]
    b = net.resume()
    assert list(b) == sample["exit1"] and list(a) == sample["exit0"]
    assert list(net.embedding(0)) == sample["exit0"] and list(net.embedding(1)) == sample["exit1"]
    assert list(net.run(x, 1)) == sample["exit1"] and list(net.run(x, exit=1)) == sample["exit1"]
    pixels = bytes((v + 128) & 255 for v in sample["x"])
    for form in (pixels, bytearray(pixels), memoryview(pixels), array("B", pixels)):
        assert list(net.run(form, 1)) == sample["exit1"]
    net.run(memoryview(x))
    z = array("f", bytes(4 * 14))
    u = array("f", bytes(4 * 5))
    both = array("b", sample["exit0"] + sample["exit1"])
    for exit, n, k, stored in ((0, 6, 4, array("b", sample["exit0"])), (1, 14, 5, both)):
        assert net.feature_size(exit) == (n, k)
        z, u, back = array("f", bytes(4 * n)), array("f", bytes(4 * k)), array("f", bytes(4 * n))
        assert net.feature(exit, stored, z) is z
        net.project(exit, z, u)
        net.project_back(exit, u, back)
        for name, got in (("z", z), ("u", u), ("back", back)):
            assert list(bytes(got)) == sample[name][exit], (name, exit)
    net.feature(1, bytes(both), array("f", bytes(4 * 14)))
shrink, trace = net.feature_defaults(1)
assert abs(shrink - 0.5) < 1e-6 and abs(trace - 1.5) < 1e-6

# errors say what was expected and what came
x = array("b", bytes(144))
fresh = _microt.Backbone(file)
raises(RuntimeError, "nothing was run", fresh.resume)
raises(RuntimeError, "did not stop at exit 0", fresh.embedding, 0)
fresh.run(x, 1)
raises(RuntimeError, "exit 1 is the last", fresh.resume)
raises(RuntimeError, "did not stop at exit 0", fresh.embedding, 0)
raises(ValueError, "exit: expected 0 to 1, got 2", net.run, x, 2)
raises(ValueError, "exit: expected 0 to 1, got -1", net.run, x, -1)
raises(ValueError, "exit: expected 0 to 1, got 2", net.embedding, 2)
raises(ValueError, "expected 144 values (6, 6, 4) of int8 or uint8, got 143 of int8", net.run, array("b", bytes(143)))
raises(TypeError, "expected 144 values (6, 6, 4) of int8 or uint8, got 1 of list", net.run, [1])
raises(ValueError, "got 144 of float32", net.run, array("f", bytes(4 * 144)))
raises(ValueError, "got 36 of float32", net.run, array("f", bytes(144)))
raises(ValueError, "got 72 of int16", net.run, array("h", bytes(144)))
raises(TypeError, "", net.run, [0] * 144)
raises(TypeError, "", net.run)
raises(ValueError, "embeddings: expected 16 values of int8, got 15", net.feature, 1, bytes(15), array("f", bytes(56)))
raises(ValueError, "out: expected 14 values of float32, got 13", net.feature, 1, bytes(16), array("f", bytes(52)))
raises(ValueError, "z: expected 14 values", net.project, 1, array("f", bytes(52)), array("f", bytes(20)))
raises(ValueError, "out: expected 5 values", net.project, 1, array("f", bytes(56)), array("f", bytes(56)))
raises(ValueError, "w: expected 5 values", net.project_back, 1, array("f", bytes(56)), array("f", bytes(56)))
raises(TypeError, "", net.feature, 1, bytes(16), bytes(56))
raises(ValueError, "at least 128 bytes, got 0", _microt.Backbone, b"")
raises(ValueError, "CRC", _microt.Backbone, file[:-1] + b"\x01")
raises(TypeError, "", _microt.Backbone, 3)
raises(ValueError, "arena: expected 608 bytes", _microt.Backbone, file, arena=bytearray(607))
raises(TypeError, "", _microt.Backbone, file, arena=bytes(700))
raises(TypeError, "", setattr, net.run(x), 0, 1)
view = net.run(x)
try:
    view[0] = 1
    raise AssertionError("an embedding can be written")
except TypeError:
    pass

# an arena of the user's, at any address
sample = expected["samples"][0]
x = array("b", sample["x"])
memory = bytearray(700)
for start in range(17):
    theirs = _microt.Backbone(file, arena=memoryview(memory)[start:])
    assert list(theirs.run(x)) == sample["exit0"] and list(theirs.resume()) == sample["exit1"]
    assert theirs.ram < net.ram

# an input that lies in the arena itself, over its own place or beside it, at any address
memory = array("b", bytes(700))
theirs = _microt.Backbone(file, arena=memory)
for start in (0, 1, 3, 4, 16, 33, 64, 143, 144, 300):
    memory[start : start + len(x)] = x
    assert list(theirs.run(memoryview(memory)[start : start + len(x)])) == sample["exit0"], start

# an embedding stays whole when all else is forgotten, and so does a file that only the net knows
net = _microt.Backbone(bytearray(file))
view = net.run(x, 1)
for _ in range(50):
    gc.collect()
    junk = [bytearray(b"\xaa" * n) for n in (16, 100, 600, 700, 5000)]
assert list(net.run(x, 1)) == sample["exit1"]
view = _microt.Backbone(file).run(x, 1)
inner = memoryview(view)[2:5]
del net, junk
for _ in range(50):
    gc.collect()
    junk = [bytearray(b"\x55" * n) for n in (16, 100, 600, 620, 640, 700)]
    assert list(view) == sample["exit1"] and list(inner) == sample["exit1"][2:5]

# nothing is lost from sample to sample
net = _microt.Backbone(file)


def thousand():
    for _ in range(1000):
        net.run(x)
        net.resume()


thousand()
gc.collect()
before = gc.mem_alloc()
thousand()
gc.collect()
assert gc.mem_alloc() < before + 500, (before, gc.mem_alloc())
print("OK")
