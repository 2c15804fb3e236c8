# SPDX-License-Identifier: MIT
"""The vector primitives that heads are made of: the firmware's, in C; where it has none, `microt.vector.plain`."""

try:
    from _microt import (
        axpy,
        cholesky,
        cholesky_diagonal,
        cholesky_solve,
        dot,
        fill,
        gram,
        gram_size,
        matvec,
        quantize,
        rank1,
        scale,
        softmax,
        symmetric_rank2,
        symmetric_times,
        vecmat,
    )
except ImportError:
    from microt.vector.plain import (  # noqa: F401
        axpy,
        cholesky,
        cholesky_diagonal,
        cholesky_solve,
        dot,
        fill,
        gram,
        gram_size,
        matvec,
        quantize,
        rank1,
        scale,
        softmax,
        symmetric_rank2,
        symmetric_times,
        vecmat,
    )
