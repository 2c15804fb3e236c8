# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# The vector primitives of _microt against plain Python.

try:
    from array import array
    from random import seed, uniform

    import _microt as m
except ImportError:
    print("SKIP needs _microt, array and random")
    raise SystemExit

seed(4)


def floats(n):
    return array("f", [uniform(-2, 2) for _ in range(n)])


def int8s(n):
    return array("b", [int(uniform(-128, 128)) for _ in range(n)])


def near(got, expected, what):
    assert len(got) == len(expected), what
    for g, e in zip(got, expected):
        assert abs(g - e) <= 2e-4 * max(1, abs(e)), (what, g, e)


def plain_dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def raises(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError("expected %s" % kind)


for n in (0, 1, 3, 4, 17, 64):
    for a in (floats(n), int8s(n)):
        for b in (floats(n), int8s(n)):
            near([m.dot(a, b)], [plain_dot(a, b)], "dot")
    for x in (floats(n), int8s(n)):
        y = floats(n)
        expected = [q + 0.5 * p for p, q in zip(x, y)]
        m.axpy(0.5, x, y)
        near(y, expected, "axpy")
a, b = floats(20), int8s(30)
near([m.dot(a, b, 5, 3, 11)], [plain_dot(a[3:8], b[11:16])], "dot with offsets")
y = floats(20)
expected = list(y)
for i in range(5):
    expected[6 + i] -= 2 * b[9 + i]
m.axpy(-2.0, b, y, 5, 9, 6)
near(y, expected, "axpy with offsets")
assert m.dot(bytes((255, 1)), array("f", [1.0, 10.0])) == 9, "bytes are int8"
print("dot and axpy")

rows, cols = 5, 7
for A in (floats(4 + rows * cols), int8s(4 + rows * cols)):
    x, v = floats(cols), floats(rows)
    out = array("f", bytes(4 * rows))
    m.matvec(A, x, out, rows, cols, 4)
    row = [A[4 + r * cols : 4 + (r + 1) * cols] for r in range(rows)]
    near(out, [plain_dot(r, x) for r in row], "matvec")
    out = array("f", [9.0] * cols)
    m.vecmat(v, A, out, rows, cols, 4)
    near(out, [sum(v[r] * row[r][c] for r in range(rows)) for c in range(cols)], "vecmat")
A, x, y = floats(rows * cols), floats(rows), floats(cols)
expected = [A[r * cols + c] - 0.25 * x[r] * y[c] for r in range(rows) for c in range(cols)]
m.rank1(A, -0.25, x, y, rows, cols)
near(A, expected, "rank1")
print("matvec, vecmat and rank1")

x = floats(9)
out = array("f", bytes(36))
best = m.softmax(x, out)
assert x[best] == max(x) and abs(sum(out) - 1) < 1e-5
near([out[2] / out[5]], [2.718281828 ** (x[2] - x[5])], "softmax")
x[4] = 1e4
assert m.softmax(x, x) == 4 and x[4] == 1, "softmax of large values, in place"
x = floats(6)
expected = [v * 3 if 2 <= i < 5 else v for i, v in enumerate(x)]
m.scale(x, 3.0, 3, 2)
near(x, expected, "scale")
m.fill(x, -1.5)
assert list(x) == [-1.5] * 6
x = floats(40)
q = bytearray(40)
step = m.quantize(x, q)
near([step], [max(abs(v) for v in x) / 127], "quantize's scale")
back = array("f", bytes(160))
m.axpy(step, q, back)
assert max(abs(u - v) for u, v in zip(x, back)) <= step * 0.51
print("softmax, scale, fill and quantize")

# symmetric matrices: the triangle of n rows at the end of a buffer
for n, k in ((1, 5), (2, 600), (7, 30), (13, 4)):
    rows = [int8s(k) for _ in range(n)]
    steps = array("f", [uniform(0.5, 1.5) for _ in range(n)])
    buffer = array("f", bytes(4 * m.gram_size(n, k)))
    for i, row in enumerate(rows):
        values = array("f", row)
        values[0] = 127.0  # so that the scale is 1
        row[0] = 127
        for j in range(k):
            row[j] = max(row[j], -127)
            values[j] = row[j]
        assert m.quantize(values, buffer, i * k) == 1
    trace = m.gram(buffer, steps, n, k)
    full = [[steps[i] * steps[j] * plain_dot(rows[i], rows[j]) for j in range(n)] for i in range(n)]
    triangle = [full[i][j] for i in range(n) for j in range(i + 1)]
    near(buffer[len(buffer) - len(triangle) :], triangle, "gram")
    near([trace], [sum(full[i][i] for i in range(n))], "trace")
    x, y, out = floats(n), floats(n), array("f", bytes(4 * n))
    m.symmetric_rank2(buffer, 0.5, x, y, n)
    for i in range(n):
        for j in range(n):
            full[i][j] += 0.5 * (x[i] * y[j] + y[i] * x[j])
    m.symmetric_times(buffer, x, out, n)
    size = max(abs(v) for row in full for v in row)
    near([v / size for v in out], [plain_dot(row, x) / size for row in full], "times")
    shift = 3.0 * n * size  # well conditioned
    m.cholesky(buffer, shift, n)
    for i in range(n):
        full[i][i] += shift
    solved = array("f", x)
    m.cholesky_solve(buffer, solved, n)
    near([plain_dot(row, solved) for row in full], x, "solve")
    unit, diagonal = array("f", bytes(4 * n)), []
    for i in range(n):
        m.fill(unit, 0.0)
        unit[i] = 1.0
        m.cholesky_solve(buffer, unit, n)
        diagonal.append(unit[i] * shift)
    m.cholesky_diagonal(buffer, out, array("f", bytes(4 * n)), n)
    near([v * shift for v in out], diagonal, "diagonal of the inverse")
print("symmetric")

x = floats(4)
for call in (
    lambda: m.gram(floats(m.gram_size(3, 8) - 1), x, 3, 8),
    lambda: m.gram(floats(m.gram_size(5, 8)), x, 5, 8),
    lambda: m.gram_size(0, 8),
    lambda: m.gram_size(9000, 8),
    lambda: m.symmetric_times(floats(9), x, x, 4),
    lambda: m.symmetric_times(floats(10), x, floats(3), 4),
    lambda: m.symmetric_rank2(floats(10), 1.0, x, floats(3), 4),
    lambda: m.cholesky(array("f", [-1.0]), 0.5, 1),
    lambda: m.cholesky(array("f", [float("nan")]), 0.5, 1),
    lambda: m.cholesky_solve(floats(10), floats(3), 4),
    lambda: m.cholesky_diagonal(floats(10), x, floats(3), 4),
    lambda: m.quantize(x, bytearray(9), 6),
    lambda: m.quantize(x, bytearray(9), -1),
    lambda: m.dot(x, floats(5)),
    lambda: m.dot(x, x, 5),
    lambda: m.dot(x, x, 2, 3),
    lambda: m.dot(x, x, 2, -1),
    lambda: m.axpy(1.0, x, int8s(4)),
    lambda: m.axpy(1.0, x, x, 1, 0, 4),
    lambda: m.matvec(x, x, x, 2, 3),
    lambda: m.vecmat(x, x, array("f"), 2, 2),
    lambda: m.rank1(x, 1.0, x, x, 5, 1),
    lambda: m.softmax(array("f"), array("f")),
    lambda: m.quantize(x, bytearray(3)),
    lambda: m.quantize(array("f", [float("nan")]), bytearray(1)),
    lambda: m.dot(array("h", [1]), x, 1),
):
    raises(ValueError, call)
raises(TypeError, lambda: m.dot(x, 1))
print("OK")
