# SPDX-License-Identifier: MIT
"""Compiled files, run by the host build of the engine, against TensorFlow Lite's reference
kernels: every tensor, every exit, resumed and straight."""

import os
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import compiler_models as models
import numpy as np
import pytest

from microt.compiler import compile_tflite, describe, plot, read_info

SHARED = Path(__file__).resolve().parents[3] / "shared" / "models"


@pytest.fixture(scope="session")
def tflite_file(tmp_path_factory):
    """`tflite_file(name, io)`: the bytes of a synthetic model, converted once a session."""
    folder = tmp_path_factory.mktemp("tflite")

    def get(name, io="int8"):
        path = folder / f"{name}_{io}.tflite"
        if not path.exists():
            path.write_bytes(models.convert(name, io))
        return path.read_bytes()

    return get


def shared(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no {name} in ../shared/models")
    return path.read_bytes()


def backbone(data):
    from microt.engine import Backbone

    return Backbone(data)


def samples(net, count, seed=0):
    """Random inputs and the extremes, int8 (n, h, w, c)."""
    rng = np.random.default_rng(seed)
    shape = net.input_shape
    x = [rng.integers(-128, 128, shape).astype(np.int8) for _ in range(count)]
    # smooth pictures drive activations further than noise does
    x += [np.clip(rng.normal(m, 30, shape), -128, 127).astype(np.int8) for m in (-90, 0, 90)]
    x += [np.full(shape, v, np.int8) for v in (-128, 127, net.input_zero_point)]
    return np.stack(x)


def assert_every_tensor(data, count=4, **options):
    compiled = compile_tflite(data, **options)
    net = backbone(compiled.data)
    interpreter = models.reference(data)
    for number, x in enumerate(samples(net, count)):
        expected = models.run_reference(interpreter, x)
        found = net.tensors(x)
        assert len(found) == len(compiled.report["layers"])
        for name, values in found:
            if name not in expected:
                assert ":" in name, f"{name} is no tensor of the file"
                continue  # the compiler's own, between two of the file's
            np.testing.assert_array_equal(
                values.reshape(-1),
                expected[name].reshape(-1),
                err_msg=f"sample {number}, tensor {name}",
            )
    return compiled


def assert_plan(report):
    bound = report["arena_lower_bound_bytes"]
    assert bound <= report["arena_bytes"] <= 1.05 * bound


@pytest.mark.parametrize("name", sorted(models.BUILDERS))
def test_synthetic_model_equals_the_reference_kernels(tflite_file, name):
    compiled = assert_every_tensor(tflite_file(name))
    assert_plan(compiled.report)


@pytest.mark.parametrize("name", models.SHARED)
def test_shared_model_equals_the_reference_kernels(name):
    compiled = assert_every_tensor(shared(name))
    assert_plan(compiled.report)


def test_every_vector_of_a_shared_model_can_be_an_exit():
    data = shared("vww_96_int8.tflite")
    report = compile_tflite(data).report
    pooled = [t["name"] for t in report["tensors"] if t["shape"] == [1, 1, 256]]
    compiled = assert_every_tensor(data, count=2, exits=[pooled[-1]])
    (exit_,) = compiled.report["exits"]
    assert exit_["dim"] == 256 and exit_["tensor"] == pooled[-1]
    # the classifier's layers are gone with the exit before them
    assert [layer["op"] for layer in compiled.report["layers"]][-1] == "AVERAGE_POOL_2D"
    assert exit_["macs"] == report["macs"] - 512


@pytest.mark.parametrize("name", ["two_exits", "three_exits"])
def test_resumed_equals_straight(tflite_file, name):
    data = tflite_file(name)
    compiled = compile_tflite(data)
    net = backbone(compiled.data)
    interpreter = models.reference(data)
    names = [e["tensor"] for e in compiled.report["exits"]]
    for x in samples(net, 3, seed=5):
        expected = models.run_reference(interpreter, x)
        straight = [net.run(x, exit=e) for e in range(len(names))]
        resumed = [net.run(x, exit=0)] + [net.resume() for _ in names[1:]]
        for e, exit_name in enumerate(names):
            np.testing.assert_array_equal(straight[e], expected[exit_name].reshape(-1))
            np.testing.assert_array_equal(resumed[e], straight[e])


def mean_of(interpreter, x, name):
    """The mean over height and width of a tensor of the file, in quantised units. (The engine rounds twice.)"""
    values = models.run_reference(interpreter, x)[name].astype(np.float64)
    return values.mean(axis=tuple(range(1, values.ndim - 1))).reshape(-1)


@pytest.mark.parametrize("name", ["two_exits", "shapes", "residual"])
def test_any_tensor_can_be_an_exit(tflite_file, name):
    """Every tensor in turn; a map gets a mean of its own scale, on a branch of the exit."""
    data = tflite_file(name)
    whole = compile_tflite(data).report
    interpreter = models.reference(data)
    known = {d["name"] for d in interpreter.get_tensor_details()}
    tensors = [t for t in whole["tensors"][1:] if t["name"] in known]
    last = whole["exits"][-1]["tensor"]
    x = np.random.default_rng(3).integers(-128, 128, whole["input"]["shape"]).astype(np.int8)
    for tensor in tensors:
        exits = list(dict.fromkeys([tensor["name"], last]))
        compiled = compile_tflite(data, exits=exits)
        net = backbone(compiled.data)
        vector = tensor["shape"][:2] == [1, 1]
        asked = tensor["name"] if vector else f"{tensor['name']}:mean"
        number = [e["tensor"] for e in compiled.report["exits"]].index(asked)
        exit_ = compiled.report["exits"][number]
        assert exit_["dim"] == tensor["shape"][2]
        np.testing.assert_allclose(exit_["scale"], tensor["scale"])
        assert exit_["zero_point"] == tensor["zero_point"]
        found = net.run(x, exit=number)
        assert np.abs(found - mean_of(interpreter, x, tensor["name"])).max() <= (0 if vector else 0.7)
        pools = [layer for layer in compiled.report["layers"] if layer["name"] == asked]
        if not vector:
            assert [layer["op"] for layer in pools] == ["MEAN"]
            assert pools[0]["branch"] == (number if len(exits) > 1 and number == 0 else None)
        # all that came before still comes: resumed, the last exit is as it was
        resumed = [net.run(x)] + [net.resume() for _ in exits[1:]]
        at = [e["tensor"] for e in compiled.report["exits"]].index(last)
        np.testing.assert_array_equal(resumed[at], models.run_reference(interpreter, x)[last].reshape(-1))


def test_several_maps_as_exits(tflite_file):
    data = tflite_file("two_exits")
    layers = compile_tflite(data).report["layers"]
    maps = [layer["name"] for layer in layers if layer["op"] == "CONV_2D"][:3]
    compiled = compile_tflite(data, exits=maps)
    exits = compiled.report["exits"]
    assert sorted(e["tensor"] for e in exits) == sorted(f"{name}:mean" for name in maps)
    for early, late in zip(exits, exits[1:], strict=False):
        assert early["macs"] < late["macs"] and early["end"] < late["end"]
    assert max(e["arena_bytes"] for e in exits) == compiled.report["arena_bytes"]
    assert exits[0]["layers"] == 2 and exits[-1]["peak_bytes"] <= compiled.report["arena_lower_bound_bytes"]
    net = backbone(compiled.data)
    x = samples(net, 2)
    for sample in x:
        resumed = [net.run(sample)] + [net.resume() for _ in maps[1:]]
        for number, values in enumerate(resumed):
            np.testing.assert_array_equal(net.run(sample, exit=number), values)


def test_exits_are_ordered_by_cost_and_branches_are_private(tflite_file):
    report = compile_tflite(tflite_file("two_exits")).report
    part, full = report["exits"]
    assert (part["dim"], full["dim"]) == (24, 32)
    branch = [layer for layer in report["layers"] if layer["branch"] == 0]
    assert [layer["op"] for layer in branch] == ["CONV_2D", "MEAN"]
    assert branch[-1]["index"] == part["end"] - 1
    assert full["macs"] == sum(x["macs"] for x in report["layers"] if x["branch"] is None)
    assert part["macs"] == sum(x["macs"] for x in report["layers"][: part["end"]])
    assert full["end"] == len(report["layers"]) and report["macs"] == full["macs"]


def test_macs_are_those_of_the_shapes(tflite_file):
    layers = compile_tflite(tflite_file("windows")).report["layers"]
    assert [(x["op"], x["macs"]) for x in layers[:5]] == [
        ("CONV_2D", 8 * 7 * 8 * 3 * 3 * 3),
        ("DEPTHWISE_CONV_2D", 8 * 7 * 16 * 3 * 3),
        ("CONV_2D", 6 * 6 * 12 * 3 * 2 * 16),
        ("CONV_2D", 6 * 6 * 12 * 3 * 3 * 12),
        ("CONV_2D", 6 * 6 * 8 * 3 * 3 * 6),
    ]


def test_pad_is_folded_only_where_one_convolution_reads_it(tflite_file):
    data = tflite_file("residual")
    report = compile_tflite(data).report
    ops = [layer["op"] for layer in report["layers"]]
    # the PAD before the first convolution is gone; converters may fold the other themselves
    assert ops[0] == "CONV_2D" and report["layers"][0]["input_shapes"] == [[10, 12, 3]]
    assert report["layers"][0]["output_shape"] == [5, 6, 8]


def test_add_and_reshape_share_their_input_s_place(tflite_file):
    compiled = compile_tflite(tflite_file("residual"))
    tensors = {t["name"]: t for t in compiled.report["tensors"]}
    adds = [layer for layer in compiled.report["layers"] if layer["op"] == "ADD"]
    places = []
    for layer in adds:
        out = tensors[layer["name"]]
        dying = [t for t in tensors.values() if t["alive"][1] == layer["index"]]
        places += [(t["offset"], out["offset"]) for t in dying]
    # the second ADD's inputs are both read again
    assert len(adds) == 2 and len(places) == 2
    assert any(a == b for a, b in places)


def test_float_boundaries_are_taken_off(tflite_file):
    data = tflite_file("two_exits", "float32")
    compiled = compile_tflite(data)
    net = backbone(compiled.data)
    interpreter = models.reference(data)
    detail = {d["name"]: d["index"] for d in interpreter.get_tensor_details()}
    assert not net.takes_pixels
    for q in samples(net, 2, seed=7):
        x = (q.astype(np.float32) - net.input_zero_point) * np.float32(net.input_scale)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[None])
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_tensor(detail[compiled.report["input"]["name"]])[0], q)
        outputs = {
            tuple(np.ravel(interpreter.get_tensor(d["index"])).round(5)) for d in interpreter.get_output_details()
        }
        for e, exit_ in enumerate(net.exits):
            values = (net.run(q, exit=e).astype(np.float32) - exit_.zero_point) * np.float32(exit_.scale)
            assert tuple(values.round(5)) in outputs


def test_uint8_boundaries_become_the_pixel_table(tflite_file):
    data = tflite_file("residual", "uint8")
    compiled = compile_tflite(data)
    net = backbone(compiled.data)
    assert net.takes_pixels and compiled.report["takes_pixels"]
    assert compile_tflite(data, pixels=False).data == compiled.data
    interpreter = models.reference(data)
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, net.input_shape).astype(np.uint8)
    x.reshape(-1)[:256] = np.arange(256)
    expected = models.run_reference(interpreter, x)
    found = dict(net.tensors(x))
    assert len(found) == len(compiled.report["layers"])
    for name in set(found) & set(expected):
        if expected[name].dtype == np.int8:
            np.testing.assert_array_equal(found[name].reshape(-1), expected[name].reshape(-1))


def test_pixels_are_shifted_by_128(tflite_file):
    data = tflite_file("three_exits")
    net = backbone(compile_tflite(data, pixels=True).data)
    assert not backbone(compile_tflite(data).data).takes_pixels
    p = np.random.default_rng(0).integers(0, 256, net.input_shape).astype(np.uint8)
    q = (p.astype(int) - 128).astype(np.int8)
    np.testing.assert_array_equal(net.run(p), net.run(q))
    table = np.arange(-128, 128).astype(np.int8)[::-1].copy()
    turned = backbone(compile_tflite(data, pixels=table).data)
    np.testing.assert_array_equal(turned.run(255 - p), net.run(q))
    with pytest.raises(ValueError, match="int8 \\(256,\\)"):
        compile_tflite(data, pixels=np.arange(256))


def test_features_reach_the_engine(tflite_file, tmp_path):
    data = tflite_file("two_exits")
    rng = np.random.default_rng(4)
    features = {
        "exit1_parts": np.array([[0, 4, 20], [1, 0, 32]]),
        "exit1_sqrt": True,
        "exit1_mean": rng.normal(0, 0.1, 52).astype(np.float32),
        "exit1_projection": rng.integers(-127, 128, (6, 52)).astype(np.int8),
        "exit1_row_scale": rng.uniform(0.001, 0.01, 6).astype(np.float32),
        "exit1_shrink": 0.25,
        "exit1_prior_trace": 3.5,
    }
    np.savez(tmp_path / "features.npz", **features)
    compiled = compile_tflite(data, features=tmp_path / "features.npz")
    assert compiled.data == compile_tflite(data, features=features).data
    net = backbone(compiled.data)
    assert compiled.report["exits"][0]["feature"] is None
    assert compiled.report["exits"][1]["feature"] == {
        "parts": 2, "sqrt": True, "d": 52, "k": 6, "shrink": 0.25, "prior_trace": 3.5,
    }  # fmt: skip
    x = samples(net, 2)
    embeddings = net.embed(x)
    rows = np.concatenate(embeddings, axis=1)
    z = net.feature(1, rows)
    for row, found in zip(rows, z, strict=True):
        pieces = []
        at = 0
        for exit_, start, length in features["exit1_parts"]:
            e = net.exits[exit_]
            begin = start + (0 if exit_ == 0 else net.exits[0].dim)
            v = np.float32(e.scale) * (row[begin : begin + length].astype(np.float32) - e.zero_point)
            v = np.sqrt(np.maximum(v, 0)) - features["exit1_mean"][at : at + length]
            pieces.append(v / max(np.linalg.norm(v), 1e-6))
            at += length
        np.testing.assert_allclose(found, np.concatenate(pieces) / np.sqrt(2), atol=1e-5)
    u = net.project(1, z)
    r = features["exit1_projection"] * features["exit1_row_scale"][:, None]
    np.testing.assert_allclose(u, z @ r.T, rtol=1e-3, atol=1e-4)


def test_report_is_what_info_reads_from_the_file(tflite_file, tmp_path):
    compiled = compile_tflite(tflite_file("two_exits"))
    path = compiled.write(tmp_path / "x.mtb")
    info = read_info(path.read_bytes(), path.name)
    assert info == {k: v for k, v in compiled.report.items() if k not in ("unmatched_sums", "strips")}
    assert info["flash_bytes"] == path.stat().st_size
    for key in ("flash_bytes", "arena_bytes", "macs", "exits", "layers"):
        assert key in info
    for key in ("tensor", "macs", "dim", "scale", "zero_point"):
        assert key in info["exits"][0]
    text = describe(compiled.report)
    assert "depthwise_conv_2d" in text and "53,504" in text and "lower bound" in text


def test_the_same_file_gives_the_same_bytes(tflite_file):
    data = tflite_file("residual")
    assert compile_tflite(data).data == compile_tflite(data).data


def test_a_damaged_mtb_is_refused_by_info(tflite_file):
    data = compile_tflite(tflite_file("three_exits")).data
    assert read_info(data)["target"] == "generic"
    for cut in (0, 3, 127, 128, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError):
            read_info(data[:cut])
    for at in (0, 4, 6, 8, 13, 20, 200, len(data) - 20):
        broken = bytearray(data)
        broken[at] ^= 0x11
        with pytest.raises(ValueError):
            read_info(bytes(broken))


def test_the_memory_timeline_is_printed_and_drawn(tflite_file, tmp_path):
    report = compile_tflite(tflite_file("two_exits")).report
    text = describe(report)
    most = max(layer["live_bytes"] for layer in report["layers"])
    (line,) = [line for line in text.splitlines() if line.endswith(" most")]
    assert f"{most:,}" in line and "█" * 15 in line
    assert f"{report['exits'][0]['arena_bytes']:,} bytes of arena" in text
    path = plot(report, tmp_path / "arena.png")
    from PIL import Image

    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape[0] > 400 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    with pytest.raises(ValueError, match="expected a picture .png, .svg or .pdf, got 'arena.txt'"):
        plot(report, tmp_path / "arena.txt")
