# SPDX-License-Identifier: MIT
"""Front ends: the engine's integers against the prose of mtb.c done in Python, against float64, and on boards."""

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import mtb_file as mtb
import numpy as np
import pytest

from microt.boards import Link, firmware, romfs_image, unixport
from microt.boards.board import Board
from microt.boards.emulator import Emulator
from microt.compiler import front_end, read_info
from microt.compiler.front_end import Axes, Channel, Mel
from microt.compiler.memory import aligned
from microt.engine import Backbone

NEPERS = np.log(10) / 20  # of a decibel
SCRIPT = Path(__file__).with_name("front_end_script.py")


def windows(n, samples, seed=0):
    """Noise, tones, a chirp, steps, an impulse and silence, from faint to the ends of int16."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / samples
    shapes = [
        rng.normal(0, 0.2, samples),
        np.sin(2 * np.pi * 40 * t),
        np.sin(2 * np.pi * (5 + 0.4 * samples * t) * t) * t,
        np.sign(np.sin(2 * np.pi * 9 * t)),
        (np.arange(samples) == samples // 2) - 0.0,
        np.zeros(samples),
    ]
    loud = [32767, 12000, 900, 60, 3]
    found = [np.round(shapes[i % 6] * loud[(i // 2) % 5]) for i in range(n)]
    found[0] = np.where(rng.integers(0, 2, samples), 32767, -32768)
    found[1] = rng.integers(-7, 8, samples)  # all but lost beside one loud sample: the transform's roundings show
    found[1][-1] = 32767
    return np.clip(found, -32768, 32767).astype(np.int16)


def by_the_prose(program, x, table):
    """The input that a sound's front end makes, in Python's own integers; table(offset, count, type) reads."""
    r = program
    n, order = r["transform"], r["transform"].bit_length() - 1
    sines = [int(v) for v in table(r["sines"], 3 * n // 4, "<i2")]
    window = table(r["window"], r["frame"], "<i2")
    pairs = table(r["bands_at"], 2 * r["bands"], "<u2").reshape(-1, 2)
    weights = [int(v) for v in table(r["weights"], int(pairs[:, 1].sum()), "<u2")]

    def turn(a, c, b, s):
        return (a * c + b * s + (1 << 14)) >> 15

    def log2(v):
        whole = v.bit_length() - 1
        f = (v >> (whole - 16) if whole >= 16 else v << (16 - whole)) & 0xFFFF
        part = f + (((f * (65536 - f) >> 16) * (27709 - (10433 * f >> 16))) >> 16)
        return 1024 * whole + ((part + 32) >> 6)

    def spectrum(y):
        if len(y) == 1:
            return y
        half, step = len(y) // 2, n // 2 // (len(y) // 2)
        even, odd = spectrum(y[::2]), spectrum(y[1::2])
        out = [None] * len(y)
        for k in range(half):
            s, c = sines[k * step], sines[k * step + n // 4]
            re, im = turn(odd[k][0], c, odd[k][1], s), turn(odd[k][1], c, odd[k][0], -s)
            out[k] = (even[k][0] + re, even[k][1] + im)
            out[k + half] = (even[k][0] - re, even[k][1] - im)
        return out

    x = [int(v) for v in x]
    peak = max(r["least_peak"], *(abs(v) for v in x))
    up = max(15 - peak.bit_length(), 0)
    rows = []
    for row in range(r["rows"]):
        piece = x[row * r["step"] : row * r["step"] + r["frame"]]
        y = [((v * int(w) << up) + (1 << order)) >> (order + 1) for v, w in zip(piece, window, strict=True)]
        y += [0] * (n - len(y))
        z = spectrum(list(zip(y[::2], y[1::2], strict=True)))
        z.append(z[0])
        twice = [None] * (n // 2 + 1)
        for k in range(n // 4 + 1):
            a, b, s, c = z[k], z[n // 2 - k], sines[k], sines[k + n // 4]
            even, odd = (a[0] + b[0], a[1] - b[1]), (a[1] + b[1], b[0] - a[0])
            re, im = turn(odd[0], c, odd[1], s), turn(odd[1], c, odd[0], -s)
            twice[k] = (even[0] + re, even[1] + im)
            twice[n // 2 - k] = (even[0] - re, im - even[1])
        bits = 1
        for value in (v for pair in twice for v in pair):
            bits |= value if value >= 0 else ~value
        shift = max(0, 2 * (bits.bit_length() - 15))
        power = [(re * re + im * im) >> shift for re, im in twice]
        assert max(power) < 1 << 32
        logs, at = [], 0
        for first, bins in pairs:
            energy = sum(w * p for w, p in zip(weights[at : at + bins], power[first : first + bins], strict=True))
            at += bins
            value = r["floor"]
            if energy:
                value = log2(energy) + 1024 * (shift + 2 * (order - up) - 45) - 2 * log2(peak)
            logs.append(max(value, r["floor"]))
        if r["coefficients"]:
            cosines = table(r["cosines"], r["coefficients"] * r["bands"], "<i2").reshape(-1, r["bands"])
            logs = [(sum(int(c) * v for c, v in zip(line, logs, strict=True)) + (1 << 14)) >> 15 for line in cosines]
        rows.append(logs)
    return rows


def requantize(v, multiplier, shift):
    """M1 of mtb.c."""
    size = (abs(v) * multiplier + (1 << (30 - shift))) >> (31 - shift)
    return size if v >= 0 else -size


MEL_FIELDS = (
    "kind rate samples frame step transform bands coefficients least_peak floor multiplier shift window sines "
    "bands_at weights cosines"
).split()


def fields_of(data):
    start, size = mtb.sections(data)["input"]
    assert size == 64
    return dict(zip(MEL_FIELDS, struct.unpack_from("<HHIHHHHHHiii5I", data, start), strict=True))


@pytest.mark.parametrize("coefficients", [5, 0])
@pytest.mark.parametrize("shift", [-7, -3, 0])
@pytest.mark.parametrize("seed", range(3))
def test_sound_is_what_the_prose_says(seed, shift, coefficients):
    data = mtb.pack(mtb.sound(seed, coefficients, shift))
    net = Backbone(data)
    assert net.samples_shape == (180,) and net.rate == 8000
    fields = fields_of(data) | {"rows": 4}
    for x in windows(16, 180, seed):
        rows = by_the_prose(fields, x, lambda at, count, kind: np.frombuffer(data, kind, count, at))
        expected = [
            [min(max(requantize(v, fields["multiplier"], fields["shift"]) + 3, -128), 127) for v in row] for row in rows
        ]
        np.testing.assert_array_equal(net.front_end(x)[..., 0], expected)
        np.testing.assert_array_equal(net.run(x), np.ravel(expected))


def test_motion_is_what_the_prose_says():
    net = Backbone(mtb.pack(mtb.motion()))
    assert net.samples_shape == (9, 3) and net.rate == 50
    rng = np.random.default_rng(0)
    for x in [rng.integers(-32768, 32768, (9, 3)), rng.integers(-300, 300, (9, 3)), np.full((9, 3), -32768)]:
        total = int(x[:, 0].sum())
        mean = (abs(total) + 4) // 9 * (1 if total >= 0 else -1)
        change = np.diff(x, axis=0, prepend=x[:1])
        values = np.stack([x[:, 2], x[:, 0] - mean, change[:, 1], change[:, 0]], 1)
        pairs = [(1 << 30, -4), (3 << 29, -5), (1 << 30, 0), (0x7FFFFFFF, -9)]
        expected = [
            [min(max(requantize(int(v), *pairs[c]) - 5, -128), 127) for c, v in enumerate(row)] for row in values
        ]
        np.testing.assert_array_equal(net.front_end(x.astype(np.int16))[:, 0], expected)


def made(description, rows, scale, zero_point):
    """A backbone whose one exit is its input, with this front end."""
    columns = (description.columns, 1) if description.kind == "mel" else (1, len(description.channels))
    count = rows * columns[0] * columns[1]

    class Store:
        def __init__(self, put):
            self.put = put

    def record(store):
        return description.record((rows, *columns), scale, Store(store), aligned(count))

    input_ = mtb.tensor(rows, *columns, 0, scale, zero_point)
    return mtb.pack({
        "tensors": [input_, mtb.tensor(1, 1, count, 0, scale, zero_point)],
        "ops": [mtb.op("RESHAPE", [0], 1)],
        "exits": [(1, 1)], "features": [], "pixels": None, "front_end": record,
        "arena": aligned(count) + aligned(description.scratch()) + 16, "input": 0,
    })  # fmt: skip


@pytest.mark.parametrize(
    "description, rows",
    [
        (Mel(8000, 240, 160, 256, 40), 12),
        (Mel(16000, 400, 160, 512, 64, 0, 60, 7600, -80, 32768), 9),
        (Mel(44100, 2048, 700, 2048, 24, 0, 100, 8000, -70, 1), 4),
        (Mel(4000, 32, 20, 32, 6, 0, 100, 2000), 30),
    ],
    ids=["8k", "full scale", "2048", "32"],
)
def test_sound_against_float64(description, rows):
    """Within 0.02 nepers (0.17 dB) of the formulas before the input's rounding, down to 60 dB below the window's
    strongest band; what is weaker stays below 55 dB."""
    x = windows(30, description.samples((rows, description.columns, 1)))
    exact = description.reference(x)
    most = exact.max(axis=(1, 2), keepdims=True)
    strong = exact > most - 60 * NEPERS
    scale = 0.03  # int8 holds 7.6 nepers at a time
    seen = np.zeros(exact.shape, bool)
    for zero_point in (-128, 127):
        net = Backbone(made(description, rows, scale, zero_point))
        got = np.stack([net.front_end(sample) for sample in x]).astype(int)
        inside = np.abs(got + 0.5) < 127
        off = np.abs((got - zero_point) * scale - exact) - scale / 2
        assert off[inside & strong].max() < 0.02
        assert ((got - zero_point) * scale < most - 55 * NEPERS)[inside & ~strong].all()
        clipped = np.clip(exact / scale + zero_point, -128, 127)
        assert np.abs(got - clipped)[~inside & strong].max() < 1.2
        seen |= inside
    assert seen[strong].mean() > 0.5


def test_coefficients_against_float64():
    """At the scale that a network of keywords has, a value is off by 1 at most, and few are, where no band of the
    frame is 60 dB below the window's strongest."""
    description = Mel(16000, 480, 320, 512, 40, 10)
    x = windows(30, description.samples((9, 10, 1)))
    scale, zero_point = 0.5847, 83
    net = Backbone(made(description, 9, scale, zero_point))
    got = np.stack([net.front_end(sample) for sample in x]).astype(int)
    expected = np.clip(np.round(description.reference(x) / scale) + zero_point, -128, 127)
    bands = replace(description, coefficients=0, floor=-190).reference(x)
    strong = (bands > bands.max(axis=(1, 2), keepdims=True) - 60 * NEPERS).all(axis=(2, 3))
    off = np.abs(got - expected)[strong]
    assert strong.mean() > 0.2
    assert off.max() <= 1 and (off > 0).mean() < 0.01


def test_motion_against_float64():
    channels = (Channel(0, 500.0), Channel(3, 1000.0, "less_mean"), Channel(5, 4.0, "change"), Channel(5, 100.0))
    description = Axes(50, 6, channels)
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (20, 40, 6)).cumsum(axis=1) * rng.choice([3, 40, 200], (20, 1, 6))
    x = np.clip(np.round(x + rng.normal(0, 900, (20, 1, 6))), -32768, 32767).astype(np.int16)
    scale, zero_point = 0.0301, -9
    net = Backbone(made(description, 40, scale, zero_point))
    assert net.samples_shape == (40, 6) and net.rate == 50
    got = np.stack([net.front_end(sample) for sample in x]).astype(int)
    expected = np.clip(np.round(description.reference(x) / scale) + zero_point, -128, 127)
    off = np.abs(got - expected)
    assert off.max() <= 1 and (off > 0).mean() < 0.01


def put(data, at, form, value):
    data = bytearray(data)
    struct.pack_into("<" + form, data, mtb.sections(data)["input"][0] + at, value)
    return mtb.seal(bytes(data))


SOUND = [
    (0, "H", (0, 3, 65535), "expected a kind of 1 to 2"),
    (4, "I", (179, 181, 0, 0xFFFFFFFF), "expected 180 samples"),
    (8, "H", (0, 65), "frames of"),
    (10, "H", (0,), "frames of"),
    (10, "H", (41,), "samples"),
    (12, "H", (0, 16, 63, 65, 4096), "frames of"),
    (12, "H", (128,), ""),
    (14, "H", (0, 129), "bands"),
    (14, "H", (4,), "coefficients"),
    (14, "H", (100,), ""),
    (16, "H", (0, 4, 6, 7), ""),
    (18, "H", (0, 32769), "a least peak"),
    (20, "i", (-65537, 65537, -(1 << 31)), "a floor"),
    (24, "i", (-1,), "multiplier"),
    (28, "i", (-32, 31), "shift"),
    (32, "I", (0, 64, 1 << 20, 0xFFFFFFFE), "not in the data section"),
    (36, "I", (0, 1 << 20), "not in the data section"),
    (40, "I", (0, 1 << 20), "not in the data section"),
    (44, "I", (0, 1 << 20), "not in the data section"),
    (48, "I", (0, 1 << 20), "not in the data section"),
    (52, "I", (8, 0, 16, 368, 1 << 30), "scratch"),
    (56, "I", (0, 287, 353, 0xFFFFFFFF), "scratch"),
    (60, "I", (1,), "reserved"),
]
MOTION = [
    (4, "I", (26, 28, 0), "expected 27 samples"),
    (8, "H", (0, 2, 65), ""),
    (10, "H", (1,), "reserved"),
    (12, "I", (0, 1 << 20), "not in the data section"),
    (16, "I", (1,), "reserved"),
    (60, "I", (1,), "reserved"),
]


@pytest.mark.parametrize(
    "make, at, form, values, words", [(mtb.sound, *row) for row in SOUND] + [(mtb.motion, *row) for row in MOTION]
)
def test_refused_fields(make, at, form, values, words):
    good = mtb.pack(make())
    Backbone(good)
    for value in values:
        with pytest.raises(ValueError) as error:
            Backbone(put(good, at, form, value))
        assert "front end: " in str(error.value) and words in str(error.value), (value, str(error.value))


def test_refused_tables():
    good = mtb.pack(mtb.sound())
    bands = fields_of(good)["bands_at"]
    broken = bytearray(good)
    broken[bands + 22 : bands + 24] = (14).to_bytes(2, "little")  # 20 + 14 bins of 33
    with pytest.raises(ValueError, match="band 5 takes 14 bins"):
        Backbone(mtb.seal(bytes(broken)))
    good = mtb.pack(mtb.motion())
    table = int.from_bytes(good[mtb.sections(good)["input"][0] + 12 :][:4], "little")
    for at, value, words in ((0, 3, "channel 0"), (14, 3, "channel 1"), (31, 0x80, "channel 2"), (44, 31, "channel 3")):
        broken = bytearray(good)
        broken[table + at] = value
        with pytest.raises(ValueError, match=words):
            Backbone(mtb.seal(bytes(broken)))
    size = bytearray(good)
    index = 68 + 8 * 4 + 4
    size[index : index + 4] = (62).to_bytes(4, "little")  # the record's last bytes are zero
    with pytest.raises(ValueError, match="expected 256 bytes of pixels or 64 of a front end, got 62"):
        Backbone(mtb.seal(bytes(size)))


def test_windows_of_the_wrong_kind():
    net = Backbone(mtb.pack(mtb.sound()))
    with pytest.raises(ValueError, match=r"window of \(180,\) of int16, got \(179,\)"):
        net.run(np.zeros(179, np.int16))
    with pytest.raises(ValueError, match=r"of int8, or a window of \(180,\) of int16, got 180 of float64"):
        net.run(np.zeros(180))
    with pytest.raises(ValueError, match="front end: expected None"):
        Backbone(mtb.pack(mtb.every_operator())).front_end(np.zeros(180, np.int16))
    # the input itself is taken as well
    x = np.arange(20, dtype=np.int8)
    np.testing.assert_array_equal(net.run(x), x)


@pytest.mark.parametrize(
    "text, words",
    [
        ("mel:rate=8000,frame=300,transform=256", "frame: expected 1 to 256"),
        ("mel:transform=100", "power of two"),
        ("mel:bands=200", "1 to 128 bands"),
        ("mel:high=9000", "high <= 8000"),
        ("mel:colour=3", "no key colour"),
        ("mel:rate=8k", "expected a number, got '8k'"),
        ("mel:bands=2.5", "bands: expected int"),
        ("smell", "expected a kind of mel or axes"),
        ("axes:rate=50,axes=6", "needs channels"),
    ],
)
def test_refused_descriptions(text, words):
    with pytest.raises(ValueError, match=words):
        front_end.read(text)


def test_descriptions(tmp_path):
    assert front_end.read("mel:rate=8000,frame=240,transform=256") == Mel(8000, 240, transform=256)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[front_end]\nkind = "axes"\nrate = 50\naxes = 2\n'
        'channels = [{axis = 1, one = 4}, {axis = 0, one = 5.5, value = "change"}]\n'
    )
    assert front_end.read(recipe) == Axes(50, 2, (Channel(1, 4.0), Channel(0, 5.5, "change")))
    info = read_info(made(Mel(8000, 240, 160, 256, 40, 10), 49, 0.5, 0))
    assert info["front_end"] == {
        "kind": "mel", "rate": 8000, "samples": 7920, "frame": 240, "step": 160, "transform": 256, "bands": 40,
        "coefficients": 10, "floor": -60.0, "least_peak": 256, "scratch_bytes": 1192,
    }  # fmt: skip
    assert info["arena_lower_bound_bytes"] == 496 + 1200 and not info["takes_pixels"]


@pytest.fixture(scope="module")
def files():
    """sound.mtb, motion.mtb and expected.json, which front_end_script.py reads."""
    sound, motion = mtb.pack(mtb.sound(1)), mtb.pack(mtb.motion(1))
    x = windows(6, 180, 3)
    moves = windows(4, 27, 4).reshape(4, 9, 3)
    expected = {}
    for name, data, samples in (("sound", sound, x), ("motion", motion, moves)):
        net = Backbone(data)
        expected[name] = [{"x": list(s.tobytes()), "y": net.run(s).tolist()} for s in samples]
    return {"sound.mtb": sound, "motion.mtb": motion, "expected.json": json.dumps(expected).encode()}


@pytest.fixture(scope="module")
def micropython():
    try:
        firmware.micropython(log=lambda line: None)
    except RuntimeError as error:
        pytest.skip(str(error).splitlines()[0])


def test_unix(micropython, files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = unixport.run(SCRIPT, cwd=tmp_path, timeout=120)
    assert done.returncode == 0 and done.stdout.strip().endswith("OK"), done.stdout + done.stderr


@pytest.mark.parametrize("name", ["MPS2_M0PLUS", "MPS2_AN386", "MPS2_AN500", "MPS3_AN547"])
def test_emulated_board(micropython, files, tmp_path, name):
    for tool in ("qemu-system-arm", "arm-none-eabi-gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    board = Board.load(name)
    elf = firmware.build(board, log=lambda line: None)
    with Emulator(board, elf, storage=tmp_path / "storage", romfs=romfs_image(files)) as emulator:
        host = Link(emulator.port)
        host.exec("import os; os.chdir('/rom')")
        assert host.exec(SCRIPT.read_text()).strip().endswith("OK")
