# SPDX-License-Identifier: MIT
"""Writes and reads .mtb files. The format is specified at the top of the engine's mtb.c."""

import hashlib
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from .front_end import describe as describe_front_end
from .layout import TARGETS, layout_name
from .memory import ALIGN, aligned

MAGIC = b"MTB\0"
VERSION = 1
HEADER = 128
NONE = 0xFFFF
OPCODES = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 3,
    "ADD": 4,
    "PAD": 5,
    "AVERAGE_POOL_2D": 6,
    "MEAN": 7,
    "RESHAPE": 8,
    "SOFTMAX": 9,
    "CONCATENATION": 10,
    "MAX_POOL_2D": 11,
    "LOOKUP": 12,
    "ARITHMETIC": 13,
    "STRIDED_COPY": 14,
}
# kinds of ARITHMETIC, by number
ARITHMETIC = ("ADD", "SUB", "MUL", "PRELU", "MINIMUM", "MAXIMUM")
# what a LOOKUP or a STRIDED_COPY stands for: TensorFlow Lite's numbers
ORIGINS = {
    "ADD": 0,
    "LOGISTIC": 14,
    "MUL": 18,
    "RELU": 19,
    "RELU_N1_TO_1": 20,
    "RELU6": 21,
    "TANH": 28,
    "TRANSPOSE": 39,
    "SUB": 41,
    "EXP": 47,
    "STRIDED_SLICE": 45,
    "PRELU": 54,
    "MAXIMUM": 55,
    "MINIMUM": 57,
    "SLICE": 65,
    "LEAKY_RELU": 98,
    "QUANTIZE": 114,
    "HARD_SWISH": 117,
    "GELU": 150,
    "RELU_0_TO_1": 152,
}
_SECTIONS = ("tensors", "ops", "exits", "features", "input", "strings", "data")
_HEAD = struct.Struct("<4sHHII32sHHIHHII14II")
_TENSOR = struct.Struct("<IIIIfiIHH")
_OP = struct.Struct("<BBBB4HHH8IIIII")
_EXIT = struct.Struct("<HHHHI20x")
_FEATURE = struct.Struct("<HHIIIIIIff12x")


@dataclass
class TensorRecord:
    """An activation: (h, w, c), scale, zero point, its place and its life in the arena."""

    name: str
    hwc: tuple
    scale: float
    zero_point: int
    offset: int
    first: int
    last: int


@dataclass
class OpRecord:
    """An operator; inputs and output index the tensor records, blobs are little-endian bytes."""

    kind: str
    name: str
    inputs: list
    output: int
    branch: int
    macs: int
    layout: int
    args: bytes
    weights: bytes
    bias: bytes
    requant: bytes
    scratch: int = 0
    scratch_bytes: int = 0


@dataclass
class ExitRecord:
    """An exit: its embedding's tensor record, one past its last op, its cost."""

    tensor: int
    end: int
    macs: int


@dataclass
class Program:
    """Everything a .mtb file holds. `features` has one entry an exit or none at all; `front_end` (see `front_end`)
    needs `front_end_scratch`, its offset in the arena."""

    target: int
    arena: int
    input: int
    tensors: list
    ops: list
    exits: list
    features: list
    pixels: np.ndarray | None
    front_end: object = None
    front_end_scratch: int = 0


class _Data:
    """The data section, while offsets within it become offsets in the file."""

    def __init__(self, start):
        self.start = start
        self.bytes = bytearray()

    def put(self, blob, align=4):
        """{offset in the file, bytes} of the blob; (0, 0) for nothing."""
        if not blob:
            return 0, 0
        self.bytes += bytes(-len(self.bytes) % align)
        offset = self.start + len(self.bytes)
        self.bytes += blob
        return offset, len(blob)


def _padded(blob):
    return bytes(blob) + bytes(-len(blob) % ALIGN)


def _strings(program):
    table = bytearray()
    offsets = {}
    for record in program.tensors + program.ops:
        if record.name not in offsets:
            offsets[record.name] = len(table)
            table += record.name.replace("\0", "?").encode("utf-8") + b"\0"
    return bytes(table), offsets


def _features(features, data):
    out = bytearray()
    for feature in features:
        if feature is None:
            out += bytes(_FEATURE.size)
            continue
        parts = b"".join(struct.pack("<4H", *part, 0) for part in feature.parts)
        k = 0 if feature.projection is None else len(feature.projection)
        part_at, _ = data.put(parts)
        mean_at, _ = data.put(feature.mean.astype("<f4").tobytes())
        projection_at = scale_at = 0
        if k:
            projection_at, _ = data.put(feature.projection.tobytes(), ALIGN)
            scale_at, _ = data.put(feature.row_scale.astype("<f4").tobytes())
        out += _FEATURE.pack(
            len(feature.parts),
            int(feature.sqrt),
            len(feature.mean),
            k,
            part_at,
            mean_at,
            projection_at,
            scale_at,
            feature.shrink,
            feature.prior_trace,
        )
    return bytes(out)


def _input_bytes(program):
    if program.front_end is not None:
        return 64
    return 0 if program.pixels is None else 256


def _input(program, data):
    if program.front_end is not None:
        tensor = program.tensors[program.input]
        return program.front_end.record(tensor.hwc, tensor.scale, data, program.front_end_scratch)
    return b"" if program.pixels is None else program.pixels.astype(np.int8).tobytes()


def write(program, identity=None):
    """The bytes of the .mtb file of a Program.

    identity: SHA-256 (32 bytes) of the backbone, which `identity_of` tells from its file for the
    generic target; None: this is that file.
    """
    if (identity is None) != (program.target == 0):
        raise ValueError(f"identity: expected one for any target but 0, got {identity} for {program.target}")
    strings, names = _strings(program)
    sizes = {
        "tensors": _TENSOR.size * len(program.tensors),
        "ops": _OP.size * len(program.ops),
        "exits": _EXIT.size * len(program.exits),
        "features": _FEATURE.size * len(program.features),
        "input": _input_bytes(program),
        "strings": len(strings),
    }
    data = _Data(HEADER + sum(aligned(size) for size in sizes.values()))
    sections = {
        "tensors": b"".join(
            _TENSOR.pack(t.offset, *t.hwc, t.scale, t.zero_point, names[t.name], t.first, t.last)
            for t in program.tensors
        ),
        "ops": b"".join(
            _OP.pack(
                OPCODES[op.kind],
                op.layout,
                len(op.inputs),
                0,
                *(op.inputs + [NONE] * (4 - len(op.inputs))),
                op.output,
                op.branch,
                *data.put(op.args),
                *data.put(op.weights, ALIGN),
                *data.put(op.bias),
                *data.put(op.requant),
                op.macs,
                names[op.name],
                op.scratch,
                op.scratch_bytes,
            )
            for op in program.ops
        ),
        "exits": b"".join(_EXIT.pack(e.tensor, 0, e.end, 0, e.macs) for e in program.exits),
        "features": _features(program.features, data),
        "input": _input(program, data),
        "strings": strings,
    }
    sections["data"] = bytes(data.bytes)
    body = bytearray()
    table = []
    for name in _SECTIONS:
        blob = sections[name]
        table += [HEADER + len(body) if blob else 0, len(blob)]
        body += _padded(blob)
    size = HEADER + len(body)
    head = _HEAD.pack(
        MAGIC,
        VERSION,
        HEADER,
        size,
        0,
        bytes(32),
        program.target,
        len(program.exits),
        program.arena,
        program.input,
        0,
        0,
        0,
        *table,
        0,
    )
    file = bytearray(head + body)
    file[16:48] = identity or identity_of(file)
    file[12:16] = struct.pack("<I", zlib.crc32(file[16:]))
    return bytes(file)


def identity_of(file):
    """SHA-256 (32 bytes) of the backbone in a file for the generic target."""
    return hashlib.sha256(file[48:]).digest()


def _text(strings, offset, what):
    end = strings.find(b"\0", offset)
    if not 0 <= offset < len(strings) or end < 0:
        raise ValueError(f"{what}: name at {offset} of {len(strings)} bytes of strings")
    return strings[offset:end].decode("utf-8", "replace")


def live_bytes(tensors, scratch):
    """Bytes alive at each op, its scratch (int (ops,)) included; tensors that share a place count
    once."""
    out = []
    for step, own in enumerate(scratch):
        places = {"scratch": aligned(own)}
        for t in tensors:
            if t["alive"][0] <= step <= t["alive"][1]:
                places[t["offset"]] = max(places.get(t["offset"], 0), aligned(t["bytes"]))
        out.append(sum(places.values()))
    return out


def read_info(file, source="file"):
    """What `microt info` tells of the bytes of a .mtb file, the report of the compiler.

    A dictionary of `flash_bytes`, `arena_bytes`, `arena_lower_bound_bytes`, `macs`, `target`,
    `sha256`, `takes_pixels`, `front_end` (None, or see `front_end.describe`),
    `input` {name, shape, scale, zero_point}, `exits` [{tensor, macs,
    dim, scale, zero_point, end, layers, arena_bytes, peak_bytes, feature}], `layers` [{index, op,
    name, branch, macs, input_shapes, output_shape, layout, weight_bytes, scratch_offset,
    scratch_bytes, live_bytes}],
    `tensors` [{name, shape, bytes, offset, alive}]. Shapes are (h, w, c). An exit's `layers` are
    those that run to reach it, `arena_bytes` the part of the arena that they touch, `peak_bytes`
    the most that is alive at once on the way. Raises ValueError for anything but a whole .mtb file.
    """
    file = bytes(file)
    if len(file) < HEADER or file[:4] != MAGIC:
        raise ValueError(f"{source}: expected a .mtb file (magic MTB\\0), got {file[:4]!r} in {len(file)} bytes")
    fields = _HEAD.unpack_from(file)
    _, version, header, size, crc, sha, target, exit_count, arena, input_ = fields[:10]
    if version != VERSION or header != HEADER:
        raise ValueError(
            f"{source}: expected version {VERSION} with a header of {HEADER} bytes, "
            f"got version {version} and {header} bytes"
        )
    if size != len(file):
        raise ValueError(f"{source}: expected {size} bytes, got {len(file)}: truncated?")
    if zlib.crc32(file[16:]) != crc:
        raise ValueError(f"{source}: checksum mismatch, the file is damaged")
    if target == 0 and identity_of(file) != sha:
        raise ValueError(f"{source}: SHA-256 mismatch, the file is damaged")
    table = fields[13:27]
    sections = {}
    for i, name in enumerate(_SECTIONS):
        start, length = table[2 * i : 2 * i + 2]
        if length and not HEADER <= start <= start + length <= size:
            raise ValueError(f"{source}: section {name} lies outside the file")
        sections[name] = file[start : start + length] if length else b""
    try:
        return _info(file, sections, arena, input_, target, exit_count, sha)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    except (struct.error, IndexError, KeyError) as error:
        raise ValueError(f"{source}: damaged records ({error!r})") from None


def _operator(file, opcode, args):
    """TensorFlow Lite's name of an op; `args` is where they start in the file."""
    kind = {code: kind for kind, code in OPCODES.items()}[opcode]
    if kind == "ARITHMETIC":
        return ARITHMETIC[struct.unpack_from("<i", file, args)[0]]
    if kind in ("LOOKUP", "STRIDED_COPY"):
        (number,) = struct.unpack_from("<i", file, args + (0 if kind == "LOOKUP" else 16))
        return {number: origin for origin, number in ORIGINS.items()}.get(number, kind)
    return kind


def _reached(exit_, number, layers, tensors, input_):
    """What it takes to run from the input to an exit."""
    path = [x for x in layers[: exit_["end"]] if x["branch"] in (None, number)]
    used = {input_}.union(x["output"] for x in path)
    return {
        "layers": len(path),
        "arena_bytes": max(
            [tensors[t]["offset"] + tensors[t]["bytes"] for t in used]
            + [x["scratch_offset"] + x["scratch_bytes"] for x in path]
        ),
        "peak_bytes": max(x["live_bytes"] for x in path),
    }


def _info(file, sections, arena, input_, target, exit_count, sha):
    target = {known.code: name for name, known in TARGETS.items()}.get(target, str(target))
    strings = sections["strings"]
    tensors = []
    for i, record in enumerate(_TENSOR.iter_unpack(sections["tensors"])):
        offset, h, w, c, scale, zero_point, name, first, last = record
        start = -1 if first == NONE else first
        tensors.append(
            {
                "name": _text(strings, name, f"tensor {i}"),
                "shape": [h, w, c],
                "bytes": h * w * c,
                "offset": offset,
                "scale": scale,
                "zero_point": zero_point,
                "alive": [start, start if last == NONE else last],
            }
        )
    steps = len(sections["ops"]) // _OP.size
    features = list(_FEATURE.iter_unpack(sections["features"]))
    exits = []
    for i, (tensor, _, end, _, macs) in enumerate(_EXIT.iter_unpack(sections["exits"])):
        embedding = tensors[tensor]
        embedding["alive"][1] = steps
        feature = None
        if features and features[i][0]:
            parts, flags, d, k = features[i][:4]
            feature = {
                "parts": parts,
                "sqrt": bool(flags & 1),
                "d": d,
                "k": k,
                "shrink": features[i][8],
                "prior_trace": features[i][9],
            }
        exits.append(
            {
                "tensor": embedding["name"],
                "macs": macs,
                "dim": embedding["shape"][2],
                "scale": embedding["scale"],
                "zero_point": embedding["zero_point"],
                "end": end,
                "feature": feature,
            }
        )
    if len(exits) != exit_count:
        raise ValueError(f"expected {exit_count} exits, got {len(exits)}")
    records = list(_OP.iter_unpack(sections["ops"]))
    live = live_bytes(tensors, [record[21] for record in records])
    layers = []
    for i, record in enumerate(records):
        opcode, layout, count = record[:3]
        inputs, output, branch = record[4 : 4 + count], record[8], record[9]
        blobs = record[10:18]
        layers.append(
            {
                "index": i,
                "op": _operator(file, opcode, blobs[0]),
                "name": _text(strings, record[19], f"op {i}"),
                "branch": None if branch == NONE else branch,
                "macs": record[18],
                "input_shapes": [tensors[t]["shape"] for t in inputs],
                "output_shape": tensors[output]["shape"],
                "output": output,
                "layout": layout_name(target, layout),
                "weight_bytes": blobs[3] + blobs[5] + blobs[7],
                "scratch_offset": record[20],
                "scratch_bytes": record[21],
                "live_bytes": live[i],
            }
        )
    for number, exit_ in enumerate(exits):
        exit_.update(_reached(exit_, number, layers, tensors, input_))
    for layer in layers:
        del layer["output"]
    start = tensors[input_]
    front_end = describe_front_end(sections["input"])
    before = aligned(start["bytes"]) + aligned(front_end["scratch_bytes"]) if front_end else 0
    return {
        "flash_bytes": len(file),
        "arena_bytes": arena,
        "arena_lower_bound_bytes": max([*live, before], default=0),
        "macs": exits[-1]["macs"],
        "target": target,
        "sha256": sha.hex(),
        "takes_pixels": len(sections["input"]) == 256,
        "front_end": front_end,
        "input": {key: start[key] for key in ("name", "shape", "scale", "zero_point")},
        "exits": exits,
        "layers": layers,
        "tensors": tensors,
    }
