# SPDX-License-Identifier: MIT
"""The vector primitives that heads are made of: the firmware's, in C; where it has none, `microt.vector.plain`."""

try:
    import _microt as primitives

    primitives.dot  # noqa: B018
except (ImportError, AttributeError):
    from microt.vector import plain as primitives

axpy = primitives.axpy
cholesky = primitives.cholesky
cholesky_diagonal = primitives.cholesky_diagonal
cholesky_solve = primitives.cholesky_solve
dot = primitives.dot
fill = primitives.fill
gram = primitives.gram
gram_size = primitives.gram_size
matvec = primitives.matvec
quantize = primitives.quantize
rank1 = primitives.rank1
scale = primitives.scale
softmax = primitives.softmax
symmetric_rank2 = primitives.symmetric_rank2
symmetric_times = primitives.symmetric_times
vecmat = primitives.vecmat
