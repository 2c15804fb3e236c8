# SPDX-License-Identifier: MIT
"""What each kernel needs to know, computed as TensorFlow Lite's reference kernels prepare it.

Multipliers, shifts, clamps and paddings equal those of the `Prepare` functions in tensorflow/lite/kernels (the modules
here name them) bit for bit: same order of float and double arithmetic.
"""

from .arithmetic import arithmetic
from .functions import TABLES, function, softmax
from .lowered import Lowered, Unsupported
from .movement import VIEWS, concatenation, pad, reshape, strided_copy
from .products import conv_2d, depthwise_conv_2d, fully_connected
from .reductions import mean, pool_2d, reduce_max

__all__ = ["OPERATORS", "Lowered", "Unsupported", "lower"]

_LOWER = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "ADD": arithmetic,
    "SUB": arithmetic,
    "MUL": arithmetic,
    "PRELU": arithmetic,
    "MINIMUM": arithmetic,
    "MAXIMUM": arithmetic,
    "PAD": pad,
    "PADV2": pad,
    "AVERAGE_POOL_2D": pool_2d,
    "MAX_POOL_2D": pool_2d,
    "MEAN": mean,
    "REDUCE_MAX": reduce_max,
    "RESHAPE": reshape,
    "SQUEEZE": reshape,
    "EXPAND_DIMS": reshape,
    "SOFTMAX": softmax,
    "CONCATENATION": concatenation,
    **dict.fromkeys(TABLES, function),
    **dict.fromkeys(VIEWS, strided_copy),
}

OPERATORS = tuple(sorted(_LOWER))


def lower(graph, op):
    """The operator as the engine runs it; raises Unsupported with the reason."""
    if op.kind not in _LOWER:
        raise Unsupported("operator not supported")
    return _LOWER[op.kind](graph, op)
