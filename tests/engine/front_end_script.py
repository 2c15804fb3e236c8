# SPDX-License-Identifier: MIT
# MicroPython: front ends with sound.mtb, motion.mtb and expected.json of the working directory, all
# made by test_front_end.py. Prints OK at the end.

import json
from array import array

import _microt


def raises(kind, words, call, *args):
    try:
        call(*args)
    except kind as error:
        assert words in str(error), (words, str(error))
        return
    raise AssertionError(f"expected {kind}: {words}")


with open("expected.json") as f:
    expected = json.load(f)
for name, samples, rate in (("sound", 180, 8000), ("motion", 27, 50)):
    with open(name + ".mtb", "rb") as f:
        net = _microt.Backbone(f.read())
    assert net.samples == samples and net.rate == rate and net.takes_pixels is False
    for sample in expected[name]:
        raw = bytes(sample["x"])
        shifted = memoryview(b"!" + raw)[1:]  # at an odd address
        for form in (array("h", raw), raw, bytearray(raw), memoryview(array("h", raw)), shifted):
            assert list(net.run(form)) == sample["y"]
    words = f"input: expected {samples} values"
    raises(ValueError, words, net.run, array("h", bytes(2 * samples - 2)))
    raises(ValueError, f"of int16, got {samples} of uint16", net.run, array("H", bytes(2 * samples)))
    raises(ValueError, words, net.run, bytes(samples))
    raises(TypeError, "of int16, got 1 of int", net.run, 7)
    values = array("b", range(net.dims[0]))
    assert list(net.run(values)) == list(values)
print("OK")
