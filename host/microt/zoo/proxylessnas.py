# SPDX-License-Identifier: MIT
"""ProxylessNAS for mobile phones at a width; at 0.3 the smaller of MicroT's two networks.

Cai et al., arXiv:1812.00332, the blocks found for a phone. MCUNet's zoo rounds the channels of its
0.3 up to multiples of 8; with the 1000-way classifier at 176 pixels: 38.3 M
multiply-accumulates, 0.75 M parameters.
"""

from __future__ import annotations

import math

import keras

from microt.zoo.inverted import Block, inverted

STEM, LAST = 32, 1280
BLOCKS = tuple(
    Block(*b)
    for b in (
        (1, 16, 1, 3), (3, 32, 2, 5), (3, 32, 1, 3), (3, 40, 2, 7), (3, 40, 1, 3), (3, 40, 1, 5), (3, 40, 1, 5),
        (6, 80, 2, 7), (3, 80, 1, 5), (3, 80, 1, 5), (3, 80, 1, 5), (6, 96, 1, 5), (3, 96, 1, 5), (3, 96, 1, 5),
        (3, 96, 1, 5), (6, 192, 2, 7), (6, 192, 1, 7), (3, 192, 1, 7), (3, 192, 1, 7), (6, 320, 1, 7),
    )
)  # fmt: skip


def proxylessnas(width: float = 0.3, resolution: int = 176, *, exit_block: int = 8, adapter: int = 0) -> keras.Model:
    """Outputs [exit 0, exit 1]; at width 0.3 24 pooled values after block 8, and 384; see `inverted`."""
    blocks = [block._replace(filters=_filters(block.filters, width)) for block in BLOCKS]
    return inverted(
        "proxylessnas", resolution, _filters(STEM, width), blocks, last=_filters(LAST, width),
        exit_block=exit_block, adapter=adapter,
    )  # fmt: skip


def _filters(filters: int, width: float) -> int:
    return 8 * math.ceil(round(filters * width / 8, 6))
