# SPDX-License-Identifier: MIT
"""Makes small .mtb files by the specification at the top of mtb.c, without the compiler.

For tests of the decoder: every record is a dict that a test can change before `pack`, and the
places of all fields are listed so that a test can change them after.
"""

import hashlib
import struct
import zlib

import numpy as np

HEADER = 128
NONE = 0xFFFF
OPCODES = (
    "CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED ADD PAD AVERAGE_POOL_2D MEAN RESHAPE SOFTMAX CONCATENATION "
    "MAX_POOL_2D LOOKUP ARITHMETIC STRIDED_COPY"
).split()
SECTIONS = ("tensors", "ops", "exits", "features", "input", "strings", "data")
SIZES = {"tensors": 32, "ops": 64, "exits": 32, "features": 48}

# name -> (offset in the record, struct format)
HEADER_FIELDS = {
    "magic": (0, "4s"),
    "version": (4, "H"),
    "header_size": (6, "H"),
    "file_size": (8, "I"),
    "crc": (12, "I"),
    "target": (48, "H"),
    "exits": (50, "H"),
    "arena": (52, "I"),
    "input": (56, "H"),
    "reserved1": (58, "H"),
    "reserved2": (60, "I"),
    "reserved3": (64, "I"),
    "reserved4": (124, "I"),
}
TENSOR_FIELDS = {
    "offset": (0, "I"),
    "h": (4, "I"),
    "w": (8, "I"),
    "c": (12, "I"),
    "scale": (16, "f"),
    "zero_point": (20, "i"),
    "name": (24, "I"),
    "first": (28, "H"),
    "last": (30, "H"),
}
OP_FIELDS = {
    "opcode": (0, "B"),
    "layout": (1, "B"),
    "inputs": (2, "B"),
    "reserved": (3, "B"),
    "input0": (4, "H"),
    "input1": (6, "H"),
    "input2": (8, "H"),
    "input3": (10, "H"),
    "output": (12, "H"),
    "branch": (14, "H"),
    "args": (16, "I"),
    "args_size": (20, "I"),
    "weights": (24, "I"),
    "weights_size": (28, "I"),
    "bias": (32, "I"),
    "bias_size": (36, "I"),
    "requant": (40, "I"),
    "requant_size": (44, "I"),
    "macs": (48, "I"),
    "name": (52, "I"),
    "scratch": (56, "I"),
    "scratch_size": (60, "I"),
}
EXIT_FIELDS = {
    "tensor": (0, "H"),
    "reserved1": (2, "H"),
    "end": (4, "H"),
    "reserved2": (6, "H"),
    "macs": (8, "I"),
    "reserved3": (12, "I"),
    "reserved4": (28, "I"),
}
FEATURE_FIELDS = {
    "parts": (0, "H"),
    "flags": (2, "H"),
    "d": (4, "I"),
    "k": (8, "I"),
    "parts_at": (12, "I"),
    "mean_at": (16, "I"),
    "projection_at": (20, "I"),
    "scales_at": (24, "I"),
    "shrink": (28, "f"),
    "prior_trace": (32, "f"),
    "reserved1": (36, "I"),
    "reserved3": (44, "I"),
}
FIELDS = {"tensors": TENSOR_FIELDS, "ops": OP_FIELDS, "exits": EXIT_FIELDS, "features": FEATURE_FIELDS}


def seal(data: bytes) -> bytes:
    """The file with its SHA-256 and CRC made right again."""
    data = bytearray(data)
    if len(data) >= 48:
        data[16:48] = hashlib.sha256(data[48:]).digest()
        data[12:16] = struct.pack("<I", zlib.crc32(data[16:]))
    return bytes(data)


def right_size(data: bytes) -> bytes:
    """The file with its size and CRC made right, as the fuzzers do it before they open one."""
    if len(data) <= 132:
        return data
    data = bytearray(data)
    data[8:12] = struct.pack("<I", len(data))
    data[12:16] = struct.pack("<I", zlib.crc32(data[16:]))
    return bytes(data)


def sections(data: bytes) -> dict:
    """{name: (offset, bytes)} of a file."""
    return {n: struct.unpack_from("<II", data, 68 + 8 * i) for i, n in enumerate(SECTIONS)}


def place(data: bytes, section: str, index: int, field: str) -> tuple[int, str]:
    """(offset in the file, struct format) of a record's field."""
    at, form = FIELDS[section][field]
    return sections(data)[section][0] + SIZES[section] * index + at, form


def get(data: bytes, section: str, index: int, field: str):
    at, form = place(data, section, index, field)
    return struct.unpack_from("<" + form, data, at)[0]


def put(data: bytes, section: str, index: int, field: str, value) -> bytes:
    """The file with one field changed, sealed."""
    at, form = place(data, section, index, field)
    data = bytearray(data)
    struct.pack_into("<" + form, data, at, value)
    return seal(data)


def put_header(data: bytes, field: str, value) -> bytes:
    at, form = HEADER_FIELDS[field]
    data = bytearray(data)
    struct.pack_into("<" + form, data, at, value)
    return bytes(data) if field == "crc" else seal(data)


def tensor(h, w, c, offset, scale=0.5, zero_point=0):
    return {"hwc": (h, w, c), "offset": offset, "scale": scale, "zero_point": zero_point}


def op(
    kind, inputs, output, args=(), branch=NONE, weights=None, bias=None, requant=None, macs=0, scratch=(0, 0), layout=0
):
    return {
        "kind": kind,
        "inputs": inputs,
        "output": output,
        "branch": branch,
        "args": np.array(args, "<i4").tobytes(),
        "weights": b"" if weights is None else np.asarray(weights, np.int8).tobytes(),
        "bias": b"" if bias is None else np.asarray(bias, "<i4").tobytes(),
        "requant": b"" if requant is None else np.asarray(requant, "<i4").tobytes(),
        "macs": macs,
        "scratch": scratch,
        "layout": layout,
    }


def pack(program: dict) -> bytes:
    """The bytes of a program: tensors, ops, exits [(tensor, end)], features, pixels, arena, input and perhaps
    front_end, a function of `store(bytes) -> (offset, size)` that gives the record."""
    tensors, ops = program["tensors"], program["ops"]
    strings = b"".join(f"tensor {i}".encode() + b"\0" for i in range(len(tensors)))
    names = [strings.index(f"tensor {i}\0".encode()) for i in range(len(tensors))]
    sizes = {
        "tensors": 32 * len(tensors),
        "ops": 64 * len(ops),
        "exits": 32 * len(program["exits"]),
        "features": 48 * len(program["features"]),
        "input": 64 if "front_end" in program else 256 if program["pixels"] is not None else 0,
        "strings": len(strings),
    }
    at, offsets = HEADER, {}
    for name in SECTIONS[:-1]:
        offsets[name] = at if sizes[name] else 0
        at += -(-sizes[name] // 16) * 16
    start = at
    data = bytearray()

    def store(blob, align=4):
        if not blob:
            return 0, 0
        data.extend(bytes(-len(data) % align))
        data.extend(blob)
        return start + len(data) - len(blob), len(blob)

    records = {name: b"" for name in SECTIONS}
    for i, t in enumerate(tensors):
        first = next((j for j, o in enumerate(ops) if o["output"] == i), NONE)
        last = max((j for j, o in enumerate(ops) if i in o["inputs"]), default=NONE)
        records["tensors"] += struct.pack(
            "<IIIIfiIHH", t["offset"], *t["hwc"], t["scale"], t["zero_point"], names[i], first, last
        )
    for o in ops:
        inputs = list(o["inputs"]) + [NONE] * (4 - len(o["inputs"]))
        blobs = [*store(o["args"]), *store(o["weights"], 16), *store(o["bias"]), *store(o["requant"])]
        records["ops"] += struct.pack(
            "<BBBB4HHH8IIIII",
            OPCODES.index(o["kind"]) + 1,
            o["layout"],
            len(o["inputs"]),
            0,
            *inputs,
            o["output"],
            o["branch"],
            *blobs,
            o["macs"],
            names[o["output"]],
            *o["scratch"],
        )
    for e, (embedding, end) in enumerate(program["exits"]):
        macs = sum(o["macs"] for o in ops[:end] if o["branch"] in (NONE, e))
        records["exits"] += struct.pack("<HHHHI20x", embedding, 0, end, 0, macs)
    for f in program["features"]:
        if f is None:
            records["features"] += bytes(48)
            continue
        parts = store(b"".join(struct.pack("<4H", *p, 0) for p in f["parts"]))[0]
        mean = store(f["mean"].astype("<f4").tobytes())[0]
        projection = store(f["projection"].tobytes(), 16)[0]
        scales = store(f["scales"].astype("<f4").tobytes())[0]
        records["features"] += struct.pack(
            "<HHIIIIIIff12x",
            len(f["parts"]),
            f["sqrt"],
            len(f["mean"]),
            len(f["projection"]),
            parts,
            mean,
            projection,
            scales,
            f["shrink"],
            f["trace"],
        )
    if program["pixels"] is not None:
        records["input"] = np.asarray(program["pixels"], np.int8).tobytes()
    if "front_end" in program:
        records["input"] = program["front_end"](store)
    records["strings"] = strings
    records["data"] = bytes(data)
    offsets["data"], sizes["data"] = start, len(data)
    body = b"".join(records[n] + bytes(-len(records[n]) % 16) for n in SECTIONS)
    head = struct.pack(
        "<4sHHII32sHHIHHII",
        b"MTB\0",
        1,
        HEADER,
        HEADER + len(body),
        0,
        b"",
        0,
        len(program["exits"]),
        program["arena"],
        program["input"],
        0,
        0,
        0,
    )
    head += b"".join(struct.pack("<II", offsets[n], sizes[n]) for n in SECTIONS) + bytes(4)
    return seal(head + body)


def pack_moved(program: dict, index: int, past: int) -> bytes:
    """`pack` with an op's weights `past` bytes behind a multiple of 16."""
    weights = program["ops"][index]["weights"]
    program["ops"][index]["weights"] = bytes(past) + weights
    data = pack(program)
    data = put(data, "ops", index, "weights", get(data, "ops", index, "weights") + past)
    return put(data, "ops", index, "weights_size", len(weights))


def every_operator(seed: int = 0) -> dict:
    """A program of all operators: two exits (the first with a branch), features, a pixel table."""
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return rng.integers(-127, 128, shape)

    def bias(n):
        return rng.integers(-2000, 2000, n)

    def requant(n, shift=-8):
        return np.stack([rng.integers(1 << 30, (1 << 31) - 1, n), np.full(n, shift)], 1)

    same = {"scale": 0.25, "zero_point": -7}
    tensors = [
        tensor(6, 6, 4, 0, 0.01, -128),  # 0: input, 144 bytes
        tensor(6, 6, 8, 144, 0.02, 3),  # 1: 288
        tensor(3, 3, 8, 432, **same),  # 2: 72
        tensor(5, 5, 8, 144, **same),  # 3: 200, where tensor 1 was
        tensor(3, 3, 8, 0, **same),  # 4: 72, where the input was
        tensor(1, 1, 8, 80, 0.3, 5),  # 5
        tensor(1, 1, 6, 512, 0.1, -3),  # 6: embedding of exit 0
        tensor(3, 3, 8, 0, **same),  # 7: in place of 4
        tensor(3, 3, 16, 144, **same),  # 8: 144
        tensor(1, 1, 144, 144, **same),  # 9: in place of 8
        tensor(1, 1, 10, 304, 0.2, 0),  # 10
        tensor(1, 1, 10, 528, 1 / 256, -128),  # 11: embedding of exit 1
    ]
    ops = [
        op(
            "CONV_2D",
            [0],
            1,
            [1, 1, 1, 1, 1, 1, 1, 1, -128, 127, 3, 3],
            weights=weights(8, 3, 3, 4),
            bias=bias(8),
            requant=requant(8),
            macs=36 * 8 * 36,
        ),
        op(
            "DEPTHWISE_CONV_2D",
            [1],
            2,
            [2, 2, 1, 1, 0, 0, 1, 1, -100, 100, 3, 3, 1],
            weights=weights(3, 3, 8),
            bias=bias(8),
            requant=requant(8, -6),
            macs=72 * 9,
        ),
        op("PAD", [2], 3, [1, 1, 1, 1, 0, 0, -7]),
        op("AVERAGE_POOL_2D", [3], 4, [1, 1, 0, 0, 0, 0, 3, 3, -128, 127]),
        op("MEAN", [4], 5, [(1 << 31) // 9 * 8 - 9, -3], branch=0),
        op(
            "FULLY_CONNECTED",
            [5],
            6,
            [-128, 127, 0],
            branch=0,
            weights=weights(6, 8),
            bias=bias(6),
            requant=requant(6, -5),
            macs=48,
        ),
        op("ADD", [4, 2], 7, [20, 1 << 30, 0, 1 << 30, -1, 1 << 30, -18, -128, 127]),
        op("CONCATENATION", [7, 2], 8),
        op("RESHAPE", [8], 9),
        op(
            "FULLY_CONNECTED",
            [9],
            10,
            [-128, 127, 0],
            weights=weights(10, 144),
            bias=bias(10),
            requant=requant(10),
            macs=1440,
        ),
        op("SOFTMAX", [10], 11, [1717986944, 23, -248], scratch=(544, 64)),
    ]
    features = [
        {
            "parts": [(0, 0, 6)],
            "sqrt": 0,
            "mean": rng.normal(0, 0.3, 6),
            "projection": rng.integers(-127, 128, (4, 6)).astype(np.int8),
            "scales": rng.uniform(0.001, 0.01, 4),
            "shrink": 0.4,
            "trace": 2.5,
        },
        {
            "parts": [(0, 1, 4), (1, 0, 10)],
            "sqrt": 1,
            "mean": rng.normal(0, 0.3, 14),
            "projection": rng.integers(-127, 128, (5, 14)).astype(np.int8),
            "scales": rng.uniform(0.001, 0.01, 5),
            "shrink": 0.5,
            "trace": 1.5,
        },
    ]
    return {
        "tensors": tensors,
        "ops": ops,
        "exits": [(6, 6), (11, 11)],
        "features": features,
        "pixels": np.arange(-128, 128),
        "arena": 608,
        "input": 0,
    }


def newer_operators(seed: int = 0) -> dict:
    """The operators that `every_operator` leaves out, in one chain to one exit."""
    rng = np.random.default_rng([seed, 1])

    def values(*shape):
        return rng.integers(-128, 128, shape)

    same = {"scale": 0.25, "zero_point": -7}
    tensors = [
        tensor(6, 5, 4, 0, **same),  # 0: input, 120 bytes
        tensor(3, 2, 4, 128, **same),  # 1: 24
        tensor(3, 2, 4, 128, 0.1, 3),  # 2: in place of 1
        tensor(3, 2, 4, 160, 0.2, 5),  # 3: 24
        tensor(1, 1, 4, 192, 0.1, 3),  # 4: its first pixel's channels turned round
        tensor(3, 2, 4, 160, 0.3, 2),  # 5: in place of 3
        tensor(2, 3, 4, 208, 0.3, 2),  # 6: transposed
        tensor(4, 3, 4, 0, 0.3, 2),  # 7: 6 twice, one above the other
        tensor(1, 1, 4, 48, 0.3, 2),  # 8: embedding
    ]
    ops = [
        op("MAX_POOL_2D", [0], 1, [2, 2, 0, 0, 0, 0, 2, 3, -100, 100]),
        op("LOOKUP", [1], 2, [14], weights=values(256)),
        op("ARITHMETIC", [2], 3, [1, 20, 1 << 30, 0, 1 << 30, -1, 1 << 30, -18, -128, 127, 2, 1, 2, 4, -3],
           weights=values(8)),
        op("STRIDED_COPY", [2], 4, [3, 4, 4, -1, 45]),
        op("ARITHMETIC", [3, 4], 5, [2, 0, 0, 0, 0, 0, 1 << 30, -3, -128, 127, 0, 0, 0, 0, 0]),
        op("STRIDED_COPY", [5], 6, [0, 4, 8, 1, 39]),
        op("CONCATENATION", [6, 6], 7),
        op("MAX_POOL_2D", [7], 8, [1, 1, 0, 0, 0, 0, 4, 3, -128, 127]),
    ]  # fmt: skip
    return {
        "tensors": tensors,
        "ops": ops,
        "exits": [(8, 8)],
        "features": [],
        "pixels": None,
        "arena": 240,
        "input": 0,
    }


def depthwise_in_place(seed=0, out=0, scratch=(160, 36), layout=1, later=False, size=(6, 6, 4), multiplier=1) -> dict:
    """A depthwise convolution over its input and a RESHAPE. later: its input is read again."""
    rng = np.random.default_rng([seed, 2])
    window = [1, 1, 1, 1, 1, 1, 1, 1] if size[0] == 6 else [2, 2, 1, 1, 0, 0, 1, 1]
    count = int(np.prod(size))
    ops = [
        op(
            "DEPTHWISE_CONV_2D",
            [0],
            1,
            [*window, -128, 127, 3, 3, multiplier],
            weights=rng.integers(-127, 128, (3, 3, size[2])),
            bias=rng.integers(-500, 500, size[2]),
            requant=[[1 << 30, -7]] * size[2],
            macs=count * 9,
            scratch=scratch,
            layout=layout,
        ),
        op("RESHAPE", [1], 2),
    ]
    tensors = [tensor(6, 6, 4, 0), tensor(*size, out), tensor(1, 1, count, out)]
    if later:
        tensors.append(tensor(1, 1, 144, 512))
        ops.insert(1, op("RESHAPE", [0], 3))
    return {
        "tensors": tensors,
        "ops": ops,
        "exits": [(2, len(ops))],
        "features": [],
        "pixels": None,
        "arena": 1024,
        "input": 0,
    }


def sound(seed=0, coefficients=5, shift=-7) -> dict:
    """A front end for sound, 4 frames of 5 coefficients or 6 bands, whose input is the embedding. shift: of its values;
    the higher, the more of their low bits are in the input and the more of them are clipped."""
    rng = np.random.default_rng([seed, 3])
    columns = coefficients or 6

    def record(store):
        tables = [
            store(np.asarray(values).astype(kind).tobytes())[0]
            for values, kind in (
                (rng.integers(0, 32768, 60), "<i2"),
                (np.round(32767 * np.sin(np.arange(48) * 2 * np.pi / 64)), "<i2"),
                ([1, 4, 3, 5, 6, 7, 9, 9, 13, 12, 20, 13], "<u2"),
                (rng.integers(0, 32769, 50), "<u2"),
            )
        ]
        cosines = store(rng.integers(-9000, 9001, 6 * coefficients).astype("<i2").tobytes())[0]
        return struct.pack(
            "<HHIHHHHHHiii7I4x", 1, 8000, 60 + 3 * 40, 60, 40, 64, 6, coefficients, 100, -20000, 1 << 30, shift,
            *tables, cosines, 32, 4 * 64 + 8 + 4 * 6,
        )  # fmt: skip

    return {
        "tensors": [tensor(4, columns, 1, 0, 0.1, 3), tensor(1, 1, 4 * columns, 0, 0.1, 3)],
        "ops": [op("RESHAPE", [0], 1)],
        "exits": [(1, 1)],
        "features": [],
        "pixels": None,
        "front_end": record,
        "arena": 384,
        "input": 0,
    }


def motion(seed=0) -> dict:
    """A front end for motion, 9 rows of 3 axes to 4 channels, whose input is the embedding."""
    channels = [(2, 0, 1 << 30, -4), (0, 1, 3 << 29, -5), (1, 2, 1 << 30, 0), (0, 2, 0x7FFFFFFF, -9)]

    def record(store):
        table = store(b"".join(struct.pack("<HHii", *channel) for channel in channels))[0]
        return struct.pack("<HHIHHI48x", 2, 50, 27, 3, 0, table)

    return {
        "tensors": [tensor(9, 1, 4, 0, 0.1, -5), tensor(1, 1, 36, 0, 0.1, -5)],
        "ops": [op("RESHAPE", [0], 1)],
        "exits": [(1, 1)],
        "features": [],
        "pixels": None,
        "front_end": record,
        "arena": 48,
        "input": 0,
    }
