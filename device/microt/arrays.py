# SPDX-License-Identifier: MIT
"""Arrays of float32."""

from array import array

from microt.vector import fill


def zeros(n):
    """array("f") of n zeros, without the second copy that array("f", bytes(4 * n)) makes on the way."""
    values = array("f", range(n))
    fill(values, 0.0)
    return values
