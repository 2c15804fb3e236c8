# SPDX-License-Identifier: MIT
"""The vector primitives of `_microt` in MicroPython, for a firmware without them: the same answers, much slower.

`_microt.pyi` says what each does. Results are stored as float32 as there, sums are of the interpreter's floats:
both agree to 2e-4 of the largest value. Buffers of whole numbers are taken as int8: a buffer does not tell its type.
"""

from math import exp, sqrt

from uctypes import addressof, bytearray_at


def dot(a, b, n=-1, a_off=0, b_off=0):
    n = both("a", a, a_off, "b", b, b_off, n)
    total = 0
    for i in range(n):
        total += signed(a[a_off + i]) * signed(b[b_off + i])
    return float(total)


def axpy(alpha, x, y, n=-1, x_off=0, y_off=0):
    n = both("x", x, x_off, "y", y, y_off, n)
    floats("y", y)
    for i in range(n):
        y[y_off + i] += alpha * signed(x[x_off + i])


def matvec(A, x, out, rows, cols, A_off=0):
    within("A", A, A_off, area(rows, cols))
    within("x", x, 0, cols)
    within("out", out, 0, rows)
    floats("out", out)
    for r in range(rows):
        out[r] = dot(A, x, cols, A_off + r * cols)


def vecmat(v, A, out, rows, cols, A_off=0):
    within("v", v, 0, rows)
    within("A", A, A_off, area(rows, cols))
    within("out", out, 0, cols)
    floats("out", out)
    for c in range(cols):
        out[c] = 0.0
    for r in range(rows):
        axpy(v[r], A, out, cols, A_off + r * cols)


def rank1(A, alpha, x, y, rows, cols):
    within("A", A, 0, area(rows, cols))
    within("x", x, 0, rows)
    within("y", y, 0, cols)
    for r in range(rows):
        axpy(alpha * x[r], y, A, cols, 0, r * cols)


def softmax(x, out, n=-1, x_off=0):
    n = both("x", x, x_off, "out", out, 0, n)
    if n < 1:
        raise ValueError("x: expected 1 value or more, got 0")
    best = 0
    for i in range(1, n):
        if x[x_off + i] > x[x_off + best]:
            best = i
    most = x[x_off + best]
    total = 0.0
    for i in range(n):
        out[i] = exp(x[x_off + i] - most)
        total += out[i]
    for i in range(n):
        out[i] /= total
    return best


def scale(x, alpha, n=-1, x_off=0):
    n = rest("x", x, x_off, n)
    for i in range(x_off, x_off + n):
        x[i] *= alpha


def fill(x, value):
    for i in range(len(x)):
        x[i] = value


def quantize(x, out, at=None):
    n = len(x)
    place = bytearray_at(addressof(out), size_of(out)) if at is not None or n else out
    at = at or 0
    within("out", place, at, n)
    most = 0.0
    for v in x:
        if not -1e38 < v < 1e38:
            raise ValueError("x: expected finite values, got %s" % v)
        most = max(most, abs(v))
    step = most / 127
    for i in range(n):
        v = x[i] / step if step else 0.0
        place[at + i] = max(-127, min(127, int(v - 0.5 if v < 0 else v + 0.5))) & 0xFF
    return step


def gram_size(n, k):
    if n < 1 or k < 1 or n > 8192 or k > 65535:
        raise ValueError("expected 1 to 8192 samples of 1 to 65535 values, got %d and %d" % (n, k))
    base = 0
    for i in range(n):
        base = max(base, (k * (i + 1) + 3) // 4 - triangle(i))
    return base + triangle(n)


def gram(buffer, scales, n, k):
    if len(buffer) != gram_size(n, k):
        raise ValueError("buffer: expected %d values, got %d" % (gram_size(n, k), len(buffer)))
    within("scales", scales, 0, n)
    rows = bytearray_at(addressof(buffer), 4 * len(buffer))
    base = len(buffer) - triangle(n)
    trace = 0.0
    for i in range(n - 1, -1, -1):  # while row i of the matrix is written, rows 0 to i of the samples are still read
        own = bytes(rows[i * k : (i + 1) * k])
        for j in range(i + 1):
            # row i of the matrix may lie over the rows behind i, which are done with
            buffer[base + triangle(i) + j] = scales[i] * scales[j] * dot(own, rows, k, 0, j * k)
        trace += buffer[base + triangle(i) + i]
    return trace


def symmetric_times(A, x, out, n):
    base = start("A", A, n)
    within("x", x, 0, n)
    within("out", out, 0, n)
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        row = base + triangle(i)
        axpy(x[i], A, out, i, row)
        out[i] += dot(A, x, i + 1, row)


def symmetric_rank2(A, alpha, x, y, n):
    base = start("A", A, n)
    within("x", x, 0, n)
    within("y", y, 0, n)
    for i in range(n):
        row = base + triangle(i)
        if x[i]:
            axpy(alpha * x[i], y, A, i + 1, 0, row)
        if y[i]:
            axpy(alpha * y[i], x, A, i + 1, 0, row)


def cholesky(A, shift, n):
    base = start("A", A, n)
    for i in range(n):
        row = base + triangle(i)
        for j in range(i + 1):
            other = base + triangle(j)
            left = A[row + j] - dot(A, A, j, row, other)
            if i == j:
                left += shift
                if not 0 < left < 1e38:
                    raise ValueError("A: expected a positive definite matrix, row %d says it is not" % i)
                A[row + j] = sqrt(left)
            else:
                A[row + j] = left / A[other + j]


def cholesky_solve(L, x, n):
    base = start("L", L, n)
    within("x", x, 0, n)
    for i in range(n):
        row = base + triangle(i)
        x[i] = (x[i] - dot(L, x, i, row)) / L[row + i]
    for i in range(n - 1, -1, -1):
        row = base + triangle(i)
        x[i] /= L[row + i]
        axpy(-x[i], L, x, i, row)


def cholesky_diagonal(L, out, work, n):
    base = start("L", L, n)
    within("out", out, 0, n)
    within("work", work, 0, n)
    # the inverse of L in its place, row by row: row i needs the rows of the inverse above it
    for i in range(n):
        row = base + triangle(i)
        own = 1 / L[row + i]
        for j in range(i):
            work[j] = 0.0
        for m in range(i):
            axpy(-own * L[row + m], L, work, m + 1, base + triangle(m))
        for j in range(i):
            L[row + j] = work[j]
        L[row + i] = own
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        row = base + triangle(i)
        for j in range(i + 1):
            out[j] += L[row + j] * L[row + j]


def triangle(n):
    """Values of a triangle of n rows."""
    return n * (n + 1) // 2


def start(name, A, n):
    """Where the triangle at the end of A begins."""
    if n < 1 or len(A) < triangle(n):
        raise ValueError("%s: expected %d values or more, got %d" % (name, triangle(n), len(A)))
    return len(A) - triangle(n)


def signed(value):
    """An int8 of a buffer of bytes; floats as they are."""
    return value - 256 if value > 127 and isinstance(value, int) else value


def floats(name, x):
    if len(x) and not isinstance(x[0], float):
        raise ValueError("%s: expected an array of float32" % name)


def size_of(buffer):
    """Bytes of a buffer of float32 or of int8."""
    return len(buffer) * (4 if len(buffer) and isinstance(buffer[0], float) else 1)


def within(name, x, offset, n):
    if offset < 0 or n < 0 or offset + n > len(x):
        raise ValueError("%s: expected %d values from %d on, got %d in all" % (name, n, offset, len(x)))


def area(rows, cols):
    if rows < 0 or cols < 0:
        raise ValueError("expected rows and cols of 0 or more, got %d and %d" % (rows, cols))
    return rows * cols


def rest(name, x, offset, n):
    """n as given, or what is left of x from the offset on when -1 was given."""
    if n == -1:
        within(name, x, offset, 0)
        n = len(x) - offset
    within(name, x, offset, n)
    return n


def both(a_name, a, a_off, b_name, b, b_off, n):
    """As `rest` for a, and b has as many; with -1 no more than that."""
    all_of = n == -1
    n = rest(a_name, a, a_off, n)
    within(b_name, b, b_off, n)
    if all_of and n != len(b) - b_off:
        raise ValueError("%s: expected %d values as in %s, got %d; or give n" % (b_name, n, a_name, len(b) - b_off))
    return n
