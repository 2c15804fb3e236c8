# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# The vector primitives in MicroPython against those in C; a head fitted with either.

try:
    import sys
    from array import array
    from random import seed, uniform

    import _microt as c
    from microt.vector import plain
except ImportError:
    print("SKIP needs _microt, array and random")
    raise SystemExit

NAMES = (
    "axpy cholesky cholesky_diagonal cholesky_solve dot fill gram gram_size matvec quantize rank1 scale softmax "
    "symmetric_rank2 symmetric_times vecmat"
).split()
FLOATS = 2e-4  # of the largest value: sums of float32 in C, of doubles on the unix build

seed(5)


def floats(n):
    return array("f", [uniform(-2, 2) for _ in range(n)])


def int8s(n):
    return bytearray(int(uniform(0, 256)) for _ in range(n))


def copy(value):
    if isinstance(value, array):
        return array("f", value)
    return bytearray(value) if isinstance(value, bytearray) else value


def same(name, *args):
    # both give the same result and leave the same in every argument
    ours, theirs = [copy(a) for a in args], [copy(a) for a in args]
    got, expected = getattr(plain, name)(*ours), getattr(c, name)(*theirs)
    values = [([got], [expected])] if expected is not None else []
    if name == "cholesky_diagonal":
        ours[2] = theirs[2]  # to work with, whatever it holds afterwards
    values += [(a, b) for a, b in zip(ours, theirs) if isinstance(a, (array, bytearray))]
    for a, b in values:
        most = max([abs(v) for v in b] + [1])
        for u, v in zip(a, b):
            assert abs(u - v) <= FLOATS * most, (name, u, v)
    return theirs


for n in (0, 1, 5, 33):
    for a in (floats(n), int8s(n)):
        for b in (floats(n), int8s(n)):
            same("dot", a, b)
        same("axpy", -0.75, a, floats(n))
same("dot", floats(20), int8s(30), 5, 3, 11)
same("axpy", 2.0, int8s(30), floats(20), 5, 9, 6)
for A in (floats(50), int8s(50)):
    same("matvec", A, floats(9), floats(5), 5, 9, 4)
    same("vecmat", floats(5), A, floats(9), 5, 9, 4)
same("matvec", floats(45), int8s(9), floats(5), 5, 9)
same("rank1", floats(45), 0.5, floats(5), int8s(9), 5, 9)
same("rank1", floats(45), 0.5, floats(5), floats(9), 5, 9)
same("softmax", floats(7), floats(7))
same("softmax", array("f", [1.0, 1e4, -1e4]), floats(3))
same("softmax", floats(9), floats(3), 3, 4)
same("scale", floats(9), -0.3, 4, 2)
same("fill", floats(9), 1.5)
same("quantize", floats(12), int8s(12))
same("quantize", array("f", [0.5, -127.0, 1.5, -2.5, 127.0]), int8s(5))
same("quantize", floats(12), int8s(30), 3)
same("quantize", array("f", [0.0] * 4), int8s(4))
for n, k in ((1, 3), (2, 40), (6, 9), (9, 4)):
    same("gram_size", n, k)
    buffer = floats(c.gram_size(n, k))
    for i in range(n):
        c.quantize(floats(k), buffer, i * k)
    scales = array("f", [uniform(0.01, 0.02) for _ in range(n)])
    buffer = same("gram", buffer, scales, n, k)[0]
    base = len(buffer) - n * (n + 1) // 2
    buffer = array("f", buffer[base:])
    same("symmetric_times", buffer, floats(n), floats(n), n)
    same("symmetric_rank2", buffer, 0.5, floats(n), floats(n), n)
    lower = same("cholesky", buffer, 2.0, n)[0]
    same("cholesky_solve", lower, floats(n), n)
    same("cholesky_diagonal", lower, floats(n), floats(n), n)
print("same answers")

x = floats(4)
for call in (
    lambda m: m.gram(floats(3), x, 3, 8),
    lambda m: m.gram_size(0, 8),
    lambda m: m.symmetric_times(floats(9), x, floats(4), 4),
    lambda m: m.symmetric_rank2(floats(10), 1.0, x, floats(3), 4),
    lambda m: m.cholesky(array("f", [-1.0]), 0.5, 1),
    lambda m: m.cholesky(array("f", [float("nan")]), 0.5, 1),
    lambda m: m.cholesky_solve(floats(10), floats(3), 4),
    lambda m: m.cholesky_diagonal(floats(10), x, floats(3), 4),
    lambda m: m.quantize(x, bytearray(9), 6),
    lambda m: m.quantize(x, bytearray(3)),
    lambda m: m.quantize(array("f", [float("nan")]), bytearray(1)),
    lambda m: m.dot(x, floats(5)),
    lambda m: m.dot(x, x, 2, 3),
    lambda m: m.dot(x, x, 2, -1),
    lambda m: m.axpy(1.0, x, bytearray(4)),
    lambda m: m.axpy(1.0, x, floats(4), 1, 0, 4),
    lambda m: m.matvec(x, x, floats(4), 2, 3),
    lambda m: m.vecmat(x, x, array("f"), 2, 2),
    lambda m: m.rank1(x, 1.0, x, x, 5, 1),
    lambda m: m.softmax(array("f"), array("f")),
):
    for module in (c, plain):
        try:
            call(module)
        except ValueError:
            continue
        raise AssertionError("expected ValueError of both")
print("same errors")


class Bare:
    # a firmware with the engine alone
    Backbone, version = c.Backbone, c.version


class Samples:
    size = 6
    rows = bytes(i % 3 for i in range(12))
    labels = ["a", "b", "c"]
    noise = [int8s(6) for _ in range(12)]

    def __len__(self):
        return 12

    def count(self, row):
        return 4

    def embeddings(self, buffer):
        for i, row in enumerate(self.rows):
            for j in range(6):
                buffer[j] = self.noise[i][j] // 8 + 40 * (j % 3 == row)
            yield i, row


class Net:
    dims, output_scale, output_zero_point = (6,), (0.1,), (0,)

    def feature_size(self, exit):
        return (0, 0)

    def feature_defaults(self, exit):
        return None


def fitted():
    from microt.heads import dual

    from microt import heads, vector

    found = [heads.fit(Net(), 0, Samples(), heads.solver(kind)) for kind in ("lda", "logistic", "means")]
    return vector.dot, found + [dual.fit(Net(), 0, Samples())[0]]


def forget():
    for name in list(sys.modules):
        if name.split(".")[0] == "microt":
            del sys.modules[name]


kept = dict(sys.modules)
dot_c, with_c = fitted()
assert dot_c is c.dot
forget()
sys.modules["_microt"] = Bare
try:
    dot_plain, with_plain = fitted()
finally:
    forget()
    sys.modules.update(kept)
    if "_microt" not in kept:
        del sys.modules["_microt"]
assert dot_plain is not c.dot, "the fallback was used"
for a, b in zip(with_c, with_plain):
    most = max(abs(v) for v in a.weights)
    for u, v in zip(a.weights, b.weights):
        assert abs(u - v) <= 2e-3 * most, (u, v)
    for u, v in zip(a.bias, b.bias):
        assert abs(u - v) <= 2e-3 * most, (u, v)
print("the same heads")
print("OK")
