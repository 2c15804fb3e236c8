# SPDX-License-Identifier: MIT
"""Feature transform and projection, bit for bit against NumPy in float32; the vector primitives."""

import ctypes

import mtb_file
import numpy as np
import pytest

from microt.engine import Backbone

f32 = np.float32


def in_order(values):
    """The float32 sum from the first value to the last."""
    return np.cumsum(values.astype(f32), dtype=f32)[-1]


def feature(net, spec, exit, q):
    """The definition at the top of mtb.c, on one row of concatenated embeddings."""
    starts = np.cumsum([0, *(e.dim for e in net.exits)])
    out, at = [], 0
    for source, start, length in spec["parts"]:
        e = net.exits[source]
        v = q[starts[source] + start :][:length].astype(np.int32) - e.zero_point
        v = f32(e.scale) * v.astype(f32)
        if spec["sqrt"]:
            v = np.sqrt(np.maximum(v, f32(0)))
        v = v - spec["mean"][at : at + length].astype(f32)
        norm = max(np.sqrt(in_order(v * v)), f32(1e-6))
        out.append(v / norm * (f32(1) / np.sqrt(f32(len(spec["parts"])))))
        at += length
    return np.concatenate(out)


def projected(projection, scales, z):
    """The definition in feature.c: z as int16, exact integer sums."""
    scale = np.abs(z).max() / f32(32767)
    whole = np.trunc(z / scale + np.copysign(f32(0.5), z)).astype(np.int64)
    sums = projection.astype(np.int64) @ whole
    return (scale * sums.astype(f32)) * scales


def test_feature_and_projection():
    program = mtb_file.every_operator(3)
    net = Backbone(mtb_file.pack(program))
    rng = np.random.default_rng(0)
    for exit, spec in enumerate(program["features"]):
        size = sum(e.dim for e in net.exits[: exit + 1])
        rows = rng.integers(-128, 128, (20, size)).astype(np.int8)
        z = net.feature(exit, rows)
        expected = np.array([feature(net, spec, exit, q) for q in rows])
        np.testing.assert_array_equal(z.view(np.uint32), expected.view(np.uint32))
        np.testing.assert_allclose((z**2).sum(1), 1, rtol=1e-5)

        projection, scales = spec["projection"].astype(f32), spec["scales"].astype(f32)
        u = net.project(exit, z)
        expected = np.array([projected(spec["projection"], scales, row) for row in z])
        np.testing.assert_array_equal(u.view(np.uint32), expected.astype(f32).view(np.uint32))

        np.testing.assert_allclose(u, (z.astype(float) @ projection.T) * scales, atol=2e-4 * np.abs(u).max())

        back = net.project_back(exit, u)
        expected = np.array([np.cumsum(projection * (scales * row)[:, None], 0, dtype=f32)[-1] for row in u])
        np.testing.assert_array_equal(back.view(np.uint32), expected.view(np.uint32))
        assert net.feature_size(exit) == (len(spec["mean"]), len(spec["projection"]))
        assert net.feature_defaults(exit) == (f32(spec["shrink"]), f32(spec["trace"]))


def test_feature_of_the_mean_itself():
    """A vector that is all mean has no length; it stays small instead of becoming NaN."""
    program = mtb_file.every_operator()
    program["features"][0] = {**program["features"][0], "mean": np.zeros(6)}
    net = Backbone(mtb_file.pack(program))
    q = np.full((1, 6), net.exits[0].zero_point, np.int8)
    assert not net.feature(0, q).any()


def test_no_feature():
    program = mtb_file.every_operator()
    program["features"][0] = None
    net = Backbone(mtb_file.pack(program))
    assert net.feature_size(0) == (0, 0) and net.feature_defaults(0) is None and net.feature_size(1) == (14, 5)
    with pytest.raises(ValueError, match="exit 0 of this file has no feature transform"):
        net.feature(0, np.zeros((1, 6), np.int8))
    program["features"] = []
    net = Backbone(mtb_file.pack(program))
    assert net.feature_size(1) == (0, 0)
    with pytest.raises(ValueError, match="no projection"):
        net.project(1, np.zeros((1, 14), f32))


def test_what_is_no_number_is_projected_as_0():
    net = Backbone(mtb_file.pack(mtb_file.every_operator()))
    z = np.random.default_rng(0).normal(size=(1, 14)).astype(f32)
    z[0, 3] = 0
    right = net.project(1, z)
    z[0, 3] = np.nan
    np.testing.assert_array_equal(net.project(1, z), right)


def test_errors():
    net = Backbone(mtb_file.pack(mtb_file.every_operator()))
    with pytest.raises(ValueError, match=r"embeddings: expected \(N, 16\) of int8, got \(2, 10\) of int8"):
        net.feature(1, np.zeros((2, 10), np.int8))
    with pytest.raises(ValueError, match="of float64"):
        net.feature(1, np.zeros((2, 16)))
    with pytest.raises(ValueError, match=r"project: expected \(N, 14\), got \(1, 13\)"):
        net.project(1, np.zeros(13, f32))


class Vector(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("is_int8", ctypes.c_bool)]

    def __init__(self, array):
        super().__init__(array.ctypes.data, array.size, array.dtype == np.int8)


@pytest.fixture
def lib():
    lib = Backbone(mtb_file.pack(mtb_file.every_operator()))._lib
    vector, size = ctypes.POINTER(Vector), ctypes.c_size_t
    lib.microt_dot.restype = ctypes.c_float
    lib.microt_dot.argtypes = [vector, size, vector, size, size]
    lib.microt_axpy.argtypes = [ctypes.c_float, vector, size, ctypes.c_void_p, size]
    lib.microt_axpy.restype = None
    lib.microt_softmax.argtypes = [ctypes.c_void_p, ctypes.c_void_p, size]
    lib.microt_softmax.restype = size
    lib.microt_quantize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, size]
    lib.microt_quantize.restype = ctypes.c_float
    return lib


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 7, 8, 63, 1000])
def test_dot_and_axpy(lib, n):
    rng = np.random.default_rng(n)
    for kinds in [(f32, f32), (np.int8, f32), (f32, np.int8), (np.int8, np.int8)]:
        a, b = ((rng.normal(0, 30, n + 5)).clip(-128, 127).astype(kind) for kind in kinds)
        got = lib.microt_dot(Vector(a), 2, Vector(b), 3, n)
        products = a[2 : 2 + n].astype(f32) * b[3 : 3 + n].astype(f32)
        assert got == (in_order(products) if n else 0)
        y = rng.normal(0, 1, n).astype(f32)
        expected = y + f32(0.3) * a[2 : 2 + n].astype(f32)
        lib.microt_axpy(0.3, Vector(a), 2, y.ctypes.data, n)
        np.testing.assert_array_equal(y, expected)


def test_long_int8_dot_is_exact(lib):
    a = np.full(200_000, -128, np.int8)
    assert lib.microt_dot(Vector(a), 0, Vector(a), 0, a.size) == 200_000 * 128 * 128


def test_softmax(lib):
    for n in (1, 2, 17):
        x = np.random.default_rng(n).normal(0, 200, n).astype(f32)
        out = np.empty(n, f32)
        assert lib.microt_softmax(x.ctypes.data, out.ctypes.data, n) == x.argmax()
        expected = np.exp(x.astype(float) - x.max())
        np.testing.assert_allclose(out, expected / expected.sum(), rtol=1e-5, atol=1e-30)


def test_quantize(lib):
    x = np.array([0.5, -1.27, 0.005, -0.0149, 0.0151, 1.0], f32)
    out = np.empty(6, np.int8)
    assert lib.microt_quantize(x.ctypes.data, out.ctypes.data, 6) == f32(1.27) / f32(127)
    assert out.tolist() == [50, -127, 0 if f32(0.005) / (f32(1.27) / f32(127)) < 0.5 else 1, -1, 2, 100]
    x = np.array([3e38, -3e38, 0, 1e-45], f32)
    lib.microt_quantize(x.ctypes.data, out.ctypes.data, 4)
    assert out[:4].tolist() == [127, -127, 0, 0]
    x = np.array([np.nan, 1, -1, np.inf, -np.inf], f32)
    lib.microt_quantize(x.ctypes.data, out.ctypes.data, 5)
    assert out[:5].tolist() == [0, 0, 0, 0, 0]
    lib.microt_quantize(x.ctypes.data, out.ctypes.data, 3)
    assert out[:3].tolist() == [0, 127, -127]
    for tiny in (0.0, 1e-45):
        x = np.full(6, tiny, f32)
        assert lib.microt_quantize(x.ctypes.data, out.ctypes.data, 6) < 1e-44 and not out.any()
