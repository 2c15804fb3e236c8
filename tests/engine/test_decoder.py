# SPDX-License-Identifier: MIT
"""The decoder of .mtb files: good files open, every wrong field is refused with its reason."""

import ctypes
import struct
import zlib

import mtb_file as mtb
import numpy as np
import pytest

from microt.engine import Backbone

GOOD = mtb.pack(mtb.every_operator())
X = np.random.default_rng(5).integers(-128, 128, (6, 6, 4)).astype(np.int8)


def refused(data, words=""):
    with pytest.raises(ValueError) as error:
        Backbone(data)
    assert words in str(error.value), str(error.value)
    return str(error.value)


def test_good_file_opens_and_runs():
    net = Backbone(GOOD)
    assert net.input_shape == (6, 6, 4) and net.input_zero_point == -128
    assert [e.dim for e in net.exits] == [6, 10] and net.takes_pixels
    assert [e.macs for e in net.exits] == [10368 + 648 + 48, 10368 + 648 + 1440]
    assert net.arena_size == 608 and net.target == "generic" and net.exits[0].name == "tensor 6"
    assert len(np.unique(net.run(X))) > 1
    # pixels through the table are the same input
    np.testing.assert_array_equal(net.run(X, 1), net.run((X.astype(int) + 128).astype(np.uint8), 1))


def test_the_address_of_the_file_does_not_matter():
    net = Backbone(GOOD)
    expected = net.run(X, 1)
    for shift in range(1, 16):
        moved = ctypes.create_string_buffer(bytes(shift) + GOOD)
        again = Backbone(GOOD)
        again._buffer = moved
        address = ctypes.addressof(moved) + shift
        assert again._lib.microt_open(again._model, address, len(GOOD), None, 0) == 0
        np.testing.assert_array_equal(again.run(X, 1), expected)


def test_error_is_cut_to_its_buffer():
    net = Backbone(GOOD)
    for size in range(1, 40):
        error = ctypes.create_string_buffer(b"\xff" * 64)
        assert net._lib.microt_open(net._model, b"", 0, error, size) == -1
        assert len(error.value) == min(size - 1, len("file: expected at least 128 bytes, got 0"))
        assert error.raw[size:64] == b"\xff" * (64 - size)


@pytest.mark.parametrize(
    "field, values, words",
    [
        ("magic", [b"TFL3", b"MTB1", b"mtb\0"], "not a .mtb file"),
        ("version", [0, 2, 0xFFFF], "version 1"),
        ("header_size", [0, 64, 127, 129, 0xFFFF], "header of 128"),
        ("file_size", [0, len(GOOD) - 1, len(GOOD) + 1, 0xFFFFFFFF], "header says"),
        ("crc", [0, 0xFFFFFFFF], "CRC"),
        ("target", [4, 0xFFFF], "target"),
        ("exits", [0, 9, 0xFFFF], "exits"),
        ("exits", [1, 3], "exits"),
        ("arena", [0, (1 << 30) + 1, 0xFFFFFFFF], "arena"),
        ("arena", [16, 537], "not"),
        ("arena", [543, 607], "scratch"),
        ("input", [12, 0xFFFF], "input is tensor"),
        ("input", [1], ""),
        ("reserved1", [1], "reserved"),
        ("reserved2", [1, 1 << 31], "reserved"),
        ("reserved3", [64], "reserved"),
        ("reserved4", [1, 1 << 31], "reserved"),
    ],
)
def test_header_fields(field, values, words):
    for value in values:
        refused(mtb.put_header(GOOD, field, value), words)


@pytest.mark.parametrize("section", mtb.SECTIONS)
def test_section_table(section):
    i = mtb.SECTIONS.index(section)
    offset, size = mtb.sections(GOOD)[section]
    for value in (0, 64, offset - 16, offset + 1, offset + 16, len(GOOD), 0x80000000, 0xFFFFFFF0):
        refused(mtb.seal(GOOD[: 68 + 8 * i] + struct.pack("<I", value) + GOOD[72 + 8 * i :]))
    for value in (size - 1, size + 1, size + 16, len(GOOD), 0x80000000, 0xFFFFFFFF):
        if section in ("strings", "data") and value == size + 1:
            continue  # one byte of padding more
        refused(mtb.seal(GOOD[: 72 + 8 * i] + struct.pack("<I", value) + GOOD[76 + 8 * i :]))
    if section not in ("features", "input"):
        refused(mtb.seal(GOOD[: 72 + 8 * i] + struct.pack("<I", 0) + GOOD[76 + 8 * i :]))


def test_padding_between_sections_is_zero():
    for section in mtb.SECTIONS[:-1]:
        offset, size = mtb.sections(GOOD)[section]
        if size % 16:
            data = bytearray(GOOD)
            data[offset + size] = 1
            refused(mtb.seal(data), "not zero")


@pytest.mark.parametrize("section", [*mtb.SECTIONS, "file"])
def test_truncation(section):
    at = sum(mtb.sections(GOOD)["data"]) if section == "file" else mtb.sections(GOOD)[section][0]
    for cut in {at - 1, at, at + 1, at + 16} - ({at, at + 1} if section == "file" else set()):
        if not 0 < cut < len(GOOD):
            continue
        refused(GOOD[:cut])
        # and with a header that agrees
        data = bytearray(GOOD[:cut])
        data[8:12] = struct.pack("<I", cut)
        refused(mtb.seal(data))
    for cut in range(0, 128, 7):
        refused(GOOD[:cut], "at least 128 bytes")


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "index, field, values, words",
    [
        (1, "offset", [1, 8, 145], "multiple of 16"),
        (1, "offset", [608, 336, 0x7FFFFFF0, 0xFFFFFFF0], "inside the arena"),
        (1, "h", [0, 65536, 0x80000000, 0xFFFFFFFF], "h, w and c"),
        (1, "w", [0, 65536, 0xFFFFFFFF], "h, w and c"),
        (1, "c", [0, 65536, 0xFFFFFFFF], "h, w and c"),
        (1, "h", [65535], "inside the arena"),
        (1, "h", [5, 7], "op"),
        (1, "w", [5, 7], "op"),
        (1, "c", [7, 9], "op"),
        (1, "scale", [0.0, -1.0, NAN, INF], "scale"),
        (3, "scale", [0.26], "one scale"),
        (11, "scale", [0.5], "1/256"),
        (11, "zero_point", [-127], "-128"),
        (1, "zero_point", [-129, 128, 1 << 30], "zero point"),
        (3, "zero_point", [-6], "zero point"),
        (1, "name", [110, 0xFFFFFFFF], "name"),
        (1, "first", [1, 0xFFFF], "written by op 0"),
        (1, "last", [0, 2, 0xFFFF], "read last by op 1"),
        (0, "first", [0], "tensor 0"),
    ],
)
def test_tensor_fields(index, field, values, words):
    for value in values:
        refused(mtb.put(GOOD, "tensors", index, field, value), words)


@pytest.mark.parametrize(
    "index, field, values, words",
    [
        (0, "opcode", [0, 15, 255], "opcode"),
        (0, "opcode", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14], "op 0"),
        (0, "layout", [1, 255], "layout"),
        (1, "layout", [2, 255], "layout"),
        (1, "layout", [1], "36 bytes of scratch, got 0"),
        (0, "inputs", [0, 2, 5, 255], "inputs"),
        (6, "inputs", [0, 1, 3], "inputs"),
        (7, "inputs", [0, 5], "inputs"),
        (7, "inputs", [1, 3], "input"),
        (0, "reserved", [1], "reserved"),
        (0, "scratch", [16], "scratch"),
        (10, "scratch", [545, 560, 1 << 31, 0xFFFFFFF0], "scratch"),
        (10, "scratch", [288, 304], "plan: tensor 10 and the scratch of op 10 overlap"),
        (10, "scratch", [512, 528], "and the scratch of op 10 overlap"),
        (10, "scratch_size", [0, 65, 0xFFFFFFFF], "scratch"),
        (4, "scratch_size", [1], "plan: tensor"),
        (0, "input0", [12, 0xFFFF], "input 0"),
        (0, "input0", [1, 2], ""),
        (0, "input1", [0], "input 1"),
        (0, "input2", [0], "input 2"),
        (0, "input3", [0], "input 3"),
        (0, "output", [12, 0xFFFF], "output"),
        (0, "output", [0, 2], "op"),
        (0, "branch", [2, 0xFFFE], "branch"),
        (0, "branch", [0, 1], ""),
        (4, "branch", [1], "exit 1's own"),
        (5, "branch", [0xFFFF, 1], ""),
        (6, "branch", [0], "exit 0's own"),
        (10, "branch", [0], "exit"),
        (0, "args", [0, 129, len(GOOD) - 4, 0xFFFFFFFC], "op 0"),
        (0, "args_size", [0, 44, 52, 0xFFFFFFFC], "op 0"),
        (8, "args_size", [4], "op 8"),
        (0, "weights", [0, len(GOOD) - 4, 0xFFFFFFFF], "op 0"),
        (0, "weights_size", [0, 72, 287, 289, 0xFFFFFFFF], "op 0"),
        (1, "weights_size", [0, 71, 73], "op 1"),
        (5, "weights_size", [0, 47, 49], "op 5"),
        (3, "weights_size", [4], "op 3"),
        (0, "bias", [0, len(GOOD) - 4, 0xFFFFFFFC], "op 0"),
        (0, "bias_size", [0, 28, 31, 36], "op 0"),
        (5, "bias_size", [0, 20, 28], "op 5"),
        (0, "requant", [0, len(GOOD) - 4], "op 0"),
        (0, "requant_size", [0, 60, 72], "op 0"),
        (5, "requant_size", [0, 40, 56], "op 5"),
        (0, "macs", [0, 10367, 0xFFFFFFFF], "multiply-accumulates"),
        (3, "macs", [1], "multiply-accumulates"),
        (0, "name", [110, 0xFFFFFFFF], "name"),
    ],
)
def test_op_fields(index, field, values, words):
    for value in values:
        refused(mtb.put(GOOD, "ops", index, field, value), words)


def put_arg(index, which, value):
    at = mtb.get(GOOD, "ops", index, "args") + 4 * which
    return mtb.seal(GOOD[:at] + struct.pack("<i", value) + GOOD[at + 4 :])


BIG = (1 << 31) - 1
WINDOW = [0, -1, BIG, -BIG - 1, 65536]


@pytest.mark.parametrize(
    "index, which, values",
    [
        *[(0, i, [*WINDOW, 2]) for i in (0, 1)],  # strides
        *[(0, i, [*WINDOW, 3]) for i in (2, 3)],  # dilations
        *[(0, i, [-1, 3, BIG, -BIG - 1, 0, 2]) for i in range(4, 8)],  # paddings
        (0, 8, [-129, 128, BIG]),
        (0, 9, [-129, 128, -BIG]),
        *[(0, i, [*WINDOW, 2, 4, 65535]) for i in (10, 11)],  # kernel
        *[(1, i, [*WINDOW, 1, 4]) for i in (0, 1)],
        *[(1, i, [*WINDOW, 3]) for i in (2, 3)],
        *[(1, i, [-1, 3, BIG]) for i in range(4, 8)],
        *[(1, i, [*WINDOW, 1, 5]) for i in (10, 11)],
        (1, 12, [0, -1, 2, BIG, -BIG - 1]),
        *[(2, i, [-1, 0, 2, BIG, -BIG - 1]) for i in range(4)],
        *[(2, i, [-1, 1, BIG]) for i in (4, 5)],
        (2, 6, [-129, 128]),
        *[(3, i, WINDOW) for i in (0, 1, 6, 7)],
        *[(3, i, [-1, 1, 3, BIG]) for i in range(2, 6)],
        (3, 8, [-129, 128]),
        (3, 9, [-129, 128]),
        (4, 0, [-1, -BIG - 1]),
        (4, 1, [-32, 31, BIG, -BIG - 1]),
        (5, 0, [-129, 128]),
        (5, 1, [-129, 128]),
        (5, 2, [1, -1]),
        (6, 0, [-1, 21, BIG]),
        *[(6, i, [-1, -BIG - 1]) for i in (1, 3, 5)],
        *[(6, i, [1, -32, BIG, -BIG - 1]) for i in (2, 4, 6)],
        (6, 7, [-129, 128]),
        (6, 8, [-129, 128]),
        (10, 0, [-1]),
        (10, 1, [-1, 31, 24, BIG]),
        (10, 2, [1, -249, -BIG - 1]),
    ],
)
def test_arguments(index, which, values):
    for value in values:
        assert f"op {index}" in refused(put_arg(index, which, value))


@pytest.mark.parametrize("index", [0, 1, 5, 9])
def test_requantisation(index):
    at = mtb.get(GOOD, "ops", index, "requant")
    last = at + mtb.get(GOOD, "ops", index, "requant_size") - 8
    for start in (at, last):
        for pair in [(-1, 0), (-BIG - 1, 0), (1 << 30, 31), (1 << 30, -32), (5, BIG), (5, -BIG - 1)]:
            data = mtb.seal(GOOD[:start] + struct.pack("<ii", *pair) + GOOD[start + 8 :])
            refused(data, f"op {index}: multiplier")


@pytest.mark.parametrize(
    "index, field, values, words",
    [
        (0, "tensor", [12, 0xFFFF], "embedding"),
        (0, "tensor", [0, 1, 4, 11], "exit 0"),
        (1, "tensor", [6], "exit 1"),
        (0, "reserved1", [1], "reserved"),
        (0, "reserved2", [1], "reserved"),
        (0, "reserved3", [1], "reserved"),
        (0, "reserved4", [1], "reserved"),
        (0, "end", [0, 4, 5, 11, 12, 0xFFFF], ""),
        (1, "end", [0, 6, 10, 12, 0xFFFF], "exit 1"),
        (0, "macs", [0, 1, 0xFFFFFFFF], "multiply-accumulates"),
        (1, "macs", [0, 12457, 12504], "multiply-accumulates"),
    ],
)
def test_exit_fields(index, field, values, words):
    for value in values:
        refused(mtb.put(GOOD, "exits", index, field, value), words)


@pytest.mark.parametrize(
    "index, field, values",
    [
        (0, "parts", [0, 2, 17, 0xFFFF]),
        (0, "flags", [2, 0x8000]),
        (0, "d", [0, 5, 7, 0xFFFFFFFF]),
        (0, "k", [0, 65536, 0xFFFFFFFF]),
        (0, "k", [60000]),
        (1, "k", [65535]),
        (0, "parts_at", [0, 128, len(GOOD) - 4, 0xFFFFFFFC]),
        (0, "mean_at", [0, 128, len(GOOD) - 4, 0xFFFFFFFC]),
        (0, "projection_at", [0, 128, len(GOOD) - 4, 0xFFFFFFFC]),
        (0, "scales_at", [0, 128, len(GOOD) - 4, 0xFFFFFFFC]),
        (0, "shrink", [-0.1, 1.1, NAN, INF]),
        (0, "prior_trace", [-1.0, NAN, INF]),
        (0, "reserved1", [1]),
        (0, "reserved3", [1]),
    ],
)
def test_feature_fields(index, field, values):
    for value in values:
        refused(mtb.put(GOOD, "features", index, field, value), f"feature {index}")


def test_feature_contents():
    at = mtb.get(GOOD, "features", 1, "parts_at")
    for part in [(2, 0, 4, 0), (0, 3, 4, 0), (0, 65535, 4, 0), (0, 1, 0, 0), (0, 1, 5, 0), (0, 1, 4, 1)]:
        refused(mtb.seal(GOOD[:at] + struct.pack("<4H", *part) + GOOD[at + 8 :]), "feature 1")
    at = mtb.get(GOOD, "features", 0, "parts_at")
    for source in (1, 7, 8, 65535):  # an exit that is not reached yet, and none at all
        refused(mtb.seal(GOOD[:at] + struct.pack("<H", source) + GOOD[at + 2 :]), "feature 0: part 0")
    for field in ("mean_at", "scales_at"):
        at = mtb.get(GOOD, "features", 0, field)
        for value in (NAN, INF, -INF):
            refused(mtb.seal(GOOD[:at] + struct.pack("<f", value) + GOOD[at + 4 :]), "finite")


def test_strings():
    offset, size = mtb.sections(GOOD)["strings"]
    refused(mtb.seal(GOOD[: offset + size - 1] + b"x" + GOOD[offset + size :]), "terminated")
    for bad in (b"\xff", b"\xc3(", b"\x80", b"\xe2\x82("):
        refused(mtb.seal(GOOD[:offset] + bad + GOOD[offset + len(bad) :]), "UTF-8")
    good = mtb.seal(GOOD[:offset] + "äß€".encode() + GOOD[offset + 7 :])
    Backbone(good)


def plan(**moved):
    program = mtb.every_operator()
    program["ops"][10]["scratch"] = (0, 0)
    program["arena"] = 4096
    for index, offset in moved.items():
        program["tensors"][int(index[1:])]["offset"] = offset
    return mtb.pack(program)


def test_plan():
    Backbone(plan())
    # in place, whatever the order of the tensors' records
    program = mtb.every_operator()
    swap = {4: 7, 7: 4, 8: 9, 9: 8}
    program["tensors"] = [program["tensors"][swap.get(i, i)] for i in range(12)]
    for op in program["ops"]:
        op["inputs"] = [swap.get(i, i) for i in op["inputs"]]
        op["output"] = swap.get(op["output"], op["output"])
    np.testing.assert_array_equal(Backbone(mtb.pack(program)).run(X, 1), Backbone(GOOD).run(X, 1))
    # over the input of the same op
    refused(plan(t1=0), "plan: tensors 0 and 1 overlap")
    refused(plan(t1=128), "plan: tensors 0 and 1 overlap")
    # tensor 2 is still read by ops 6 and 7
    refused(plan(t3=432), "plan: tensors 2 and 3 overlap")
    refused(plan(t4=496), "plan: tensors 2 and 4 overlap")
    refused(plan(t8=352), "plan: tensors 2 and 8 overlap")
    # an embedding stays to the end, though nothing reads it
    refused(plan(t8=400, t9=400, t2=1024), "plan: tensors 6 and 8 overlap")
    refused(plan(t11=512), "plan: tensors 6 and 11 overlap")
    # ADD in place of an input that is read later, or not at its very offset
    refused(plan(t7=432), "plan: tensors 2 and 7 overlap")
    refused(plan(t7=16), "plan: tensors 4 and 7 overlap")
    refused(plan(t9=160), "plan: tensors 8 and 9 overlap")
    # in place is for ADD and RESHAPE only
    refused(plan(t11=304), "plan: tensors 10 and 11 overlap")
    # the trunk goes on from tensor 4 after exit 0: its branch may not write over it
    refused(plan(t5=0), "plan: tensors 4 and 5 overlap")
    refused(plan(t6=0), "plan: tensors 4 and 6 overlap")


def test_an_embedding_that_is_read_stays_to_the_end():
    def layer(source, target):
        requant = [[1 << 30, -5]] * 8
        weights = np.ones((8, 8))
        return mtb.op("FULLY_CONNECTED", [source], target, [-128, 127, 0], mtb.NONE, weights, [0] * 8, requant, 64)

    def program(last):
        return {
            "tensors": [mtb.tensor(1, 1, 8, offset) for offset in (0, 16, 32, last)],
            "ops": [layer(0, 1), layer(1, 2), layer(2, 3)],
            "exits": [(1, 1), (3, 3)],
            "features": [],
            "pixels": None,
            "arena": 64,
            "input": 0,
        }

    Backbone(mtb.pack(program(0)))
    Backbone(mtb.pack(program(48)))
    refused(mtb.pack(program(16)), "plan: tensors 1 and 3 overlap")


def test_scratch_may_lie_where_nothing_is_alive():
    # tensor 1 is no longer needed when op 10 runs
    moved = Backbone(mtb.put(GOOD, "ops", 10, "scratch", 352))
    np.testing.assert_array_equal(moved.run(X, 1), Backbone(GOOD).run(X, 1))
    refused(mtb.put(mtb.put(GOOD, "ops", 1, "scratch_size", 16), "ops", 1, "scratch", 416), "scratch of op 1")


def test_depthwise_in_place():
    """Channel by channel over its input, with a plane of scratch; not in any other way."""

    def program(**options):
        return mtb.pack(mtb.depthwise_in_place(**options))

    for size in ((6, 6, 4), (3, 3, 4)):
        plain = Backbone(program(out=256, scratch=(0, 0), layout=0, size=size)).run(X)
        assert len(np.unique(plain)) > 3
        np.testing.assert_array_equal(Backbone(program(size=size)).run(X), plain)
        np.testing.assert_array_equal(Backbone(program(out=256, size=size)).run(X), plain)
    refused(program(layout=0), "plan: tensors 0 and 1 overlap")
    refused(program(out=16), "plan: tensors 0 and 1 overlap")
    refused(program(later=True), "plan: tensors 0 and 1 overlap")
    refused(program(scratch=(160, 35)), "36 bytes of scratch, got 35")
    refused(program(scratch=(128, 36)), "scratch of op 0 overlap")
    refused(program(scratch=(1008, 36)), "scratch of 36 bytes")
    refused(program(out=256, size=(6, 6, 8), multiplier=2), "layout 1")


NEWER = mtb.pack(mtb.newer_operators())


def test_newer_operators():
    """The chain of `newer_operators`, worked out in numpy."""
    net = Backbone(NEWER)
    program = mtb.newer_operators()
    x = np.random.default_rng(0).integers(-128, 128, (6, 5, 4)).astype(np.int8)
    found = [values.astype(int) for _, values in net.tensors(x)]
    pooled = np.array([[x[2 * i : 2 * i + 2, 2 * j : 2 * j + 3].max((0, 1)) for j in range(2)] for i in range(3)])
    np.testing.assert_array_equal(found[0], pooled.clip(-100, 100))
    table = np.frombuffer(program["ops"][1]["weights"], np.int8).astype(int)
    np.testing.assert_array_equal(found[1], table[found[0] + 128])
    constant = np.frombuffer(program["ops"][2]["weights"], np.int8).astype(int).reshape(1, 2, 4)
    # multipliers of 1/2 and 1/4 at 2**20, and 2**-19 back: within the roundings
    exact = ((found[1] - 3) / 2 - (constant + 3) / 4) * 2 + 5
    assert np.abs(found[2] - exact.clip(-128, 127)).max() <= 1
    np.testing.assert_array_equal(found[3], found[1][:1, :1, ::-1])
    exact = (found[2] - 5) * (found[3] - 3) / 16 + 2
    assert np.abs(found[4] - exact.clip(-128, 127)).max() <= 1
    np.testing.assert_array_equal(found[5], found[4].transpose(1, 0, 2))
    np.testing.assert_array_equal(found[6], np.concatenate([found[5], found[5]]))
    np.testing.assert_array_equal(found[7].reshape(-1), found[6].max((0, 1)))


@pytest.mark.parametrize(
    "index, which, values",
    [
        *[(0, i, WINDOW) for i in (0, 1, 6, 7)],
        *[(0, i, [-1, 3, BIG]) for i in range(2, 6)],
        (0, 8, [-129, 101]),
        (0, 9, [-101, 128]),
        (1, 0, [-1, 256, BIG]),
        (2, 0, [-1, 2, 3, 4, 5, 6, BIG]),
        (2, 1, [-1, 21, BIG]),
        *[(2, i, [-1, -BIG - 1]) for i in (2, 4, 6)],
        *[(2, i, [1, -32, BIG]) for i in (3, 5, 7)],
        (2, 8, [-129, 128]),
        (2, 9, [-129, 128]),
        (2, 10, [-1, 0, 3, BIG]),
        (2, 11, [0, -1, 2, 3, BIG]),
        (2, 12, [0, -1, 1, 3, 65536]),
        (2, 13, [0, -1, 1, 2, BIG, -BIG - 1]),
        (2, 14, [-129, 128, BIG]),
        (4, 0, [4, -1]),
        (4, 1, [1, 20]),
        *[(4, i, [1, 1 << 30]) for i in (2, 3, 4, 5)],
        (4, 6, [-1]),
        (4, 7, [31, -32]),
        *[(4, i, [1, -1, 127]) for i in range(10, 15)],
        (3, 0, [-1, 2, 24, BIG, -BIG - 1]),
        (3, 3, [1 << 30, -2, -BIG - 1, BIG]),
        (3, 4, [-1, 256]),
        (5, 0, [-1, 1, BIG, -BIG - 1]),
        *[(5, i, [-1, 9, 12, BIG, -BIG - 1]) for i in (1, 2)],
        (5, 3, [-1, 2, BIG]),
    ],
)
def test_newer_arguments(index, which, values):
    at = mtb.get(NEWER, "ops", index, "args") + 4 * which
    for value in values:
        data = mtb.seal(NEWER[:at] + struct.pack("<i", value) + NEWER[at + 4 :])
        assert f"op {index}" in refused(data)


@pytest.mark.parametrize(
    "section, index, field, values, words",
    [
        ("ops", 1, "weights_size", [0, 255, 257], "op 1"),
        ("ops", 2, "weights_size", [0, 7, 9], "op 2"),
        ("ops", 4, "weights_size", [8], "op 4"),
        ("ops", 1, "bias_size", [4], "op 1"),
        ("ops", 1, "requant_size", [8], "op 1"),
        ("ops", 2, "inputs", [0, 2, 3], "op 2"),
        ("ops", 4, "inputs", [1, 3], "op 4"),
        ("ops", 6, "inputs", [1, 3], ""),
        ("ops", 3, "inputs", [2], "op 3"),
        ("tensors", 1, "c", [3], "op 0"),
        ("tensors", 2, "h", [2], "op 1"),
        ("tensors", 4, "c", [3, 2], "op"),
        ("tensors", 6, "zero_point", [3], "one scale"),
        ("tensors", 6, "scale", [0.31], "one scale"),
        ("tensors", 7, "h", [3], "op 6"),
        ("tensors", 7, "w", [2], "op 6"),
        # in place where the output is not the input's size, or where the input is read again
        ("tensors", 4, "offset", [128], "plan: tensors 2 and 4 overlap"),
        ("tensors", 3, "offset", [128], "plan: tensors 2 and 3 overlap"),
        ("tensors", 6, "offset", [160], "plan: tensors 5 and 6 overlap"),
        ("tensors", 5, "offset", [192], "plan: tensors 4 and 5 overlap"),
        ("tensors", 1, "offset", [0], "plan: tensors 0 and 1 overlap"),
    ],
)
def test_newer_fields(section, index, field, values, words):
    for value in values:
        refused(mtb.put(NEWER, section, index, field, value), words)


def test_concatenation_along_every_axis():
    """Rows, columns, channels; sizes that are not added up must be the output's."""

    def program(shapes, out):
        tensors = [mtb.tensor(*shapes[0], 0)]
        ops = []
        for i, shape in enumerate(shapes[1:], 1):
            tensors.append(mtb.tensor(*shape, 64 * i))
            ops.append(mtb.op("STRIDED_COPY", [0], i, [0, 0, 0, 0, 45]))
        last = len(shapes)
        tensors += [mtb.tensor(*out, 256), mtb.tensor(1, 1, int(np.prod(out)), 256)]
        ops += [mtb.op("CONCATENATION", list(range(last)), last), mtb.op("RESHAPE", [last], last + 1)]
        return mtb.pack(
            {"tensors": tensors, "ops": ops, "exits": [(last + 1, len(ops))], "features": [], "pixels": None,
             "arena": 512, "input": 0}
        )  # fmt: skip

    x = np.arange(12).astype(np.int8).reshape(2, 3, 2)
    for axis, other in ((0, (4, 3, 2)), (1, (2, 1, 2)), (2, (2, 3, 5))):
        out = [2, 3, 2]
        out[axis] += other[axis]
        expected = np.concatenate([x, np.zeros(other, np.int8)], axis)
        found = Backbone(program([(2, 3, 2), other], out)).run(x)
        np.testing.assert_array_equal(found, expected.reshape(-1))
    for shapes, out in [
        ([(2, 3, 2), (4, 3, 2)], (5, 3, 2)),
        ([(2, 3, 2), (2, 3, 2)], (4, 6, 2)),
        ([(2, 3, 2), (4, 2, 2)], (6, 3, 2)),
        ([(2, 3, 2), (3, 1, 2)], (2, 4, 2)),
        ([(2, 3, 2), (2, 1, 1)], (2, 4, 2)),
        ([(2, 3, 2), (2, 2, 5)], (2, 3, 7)),
        ([(2, 3, 2)], (2, 3, 3)),
        ([(2, 3, 2)], (3, 3, 2)),
    ]:
        refused(program(shapes, out), "op")


def test_order():
    program = mtb.every_operator()
    program["ops"][2], program["ops"][3] = program["ops"][3], program["ops"][2]
    refused(mtb.pack(program), "before it is written")
    program = mtb.every_operator()
    program["ops"][6]["inputs"] = [4, 2]
    program["ops"][7]["inputs"] = [7, 7]
    Backbone(mtb.pack(program))
    # the trunk reads what only exit 0's branch writes
    program = mtb.every_operator()
    program["ops"][4]["branch"] = mtb.NONE
    Backbone(mtb.pack(program))
    program["tensors"][9] = mtb.tensor(1, 1, 8, 144, 0.25, -7)
    program["ops"][8] = mtb.op("RESHAPE", [6], 9)
    refused(mtb.pack(program))


def test_sha256():
    data = bytearray(GOOD)
    data[20] ^= 1
    data[12:16] = struct.pack("<I", zlib.crc32(data[16:]))
    refused(bytes(data), "SHA-256")
