# SPDX-License-Identifier: MIT
"""MCUNet-in3, the larger of MicroT's two networks.

Lin et al., arXiv:2007.10319; the block list is that of the authors' model zoo. With its 1000-way
classifier at 176 pixels: 81.8 M multiply-accumulates, 0.74 M parameters.
"""

from __future__ import annotations

import keras

from microt.zoo.inverted import Block, inverted

STEM = 16
BLOCKS = tuple(
    Block(*b)
    for b in (
        (1, 8, 1, 3), (3, 16, 2, 7), (5, 16, 1, 3), (5, 16, 1, 7), (4, 16, 1, 5), (5, 24, 2, 5), (5, 24, 1, 5),
        (5, 24, 1, 5), (5, 40, 2, 3), (6, 40, 1, 7), (4, 40, 1, 5), (5, 48, 1, 5), (5, 48, 1, 7), (5, 48, 1, 3),
        (6, 96, 2, 3), (5, 96, 1, 7), (4, 96, 1, 3), (5, 160, 1, 7),
    )
)  # fmt: skip


def mcunet_in3(resolution: int = 176, *, exit_block: int = 9, adapter: int = 0) -> keras.Model:
    """Outputs [exit 0, exit 1]: 40 pooled values after block 9, where MicroT cuts, and 160; see `inverted`."""
    return inverted("mcunet_in3", resolution, STEM, BLOCKS, last=0, exit_block=exit_block, adapter=adapter)
