# SPDX-License-Identifier: MIT
"""MobileNetV2 at any width and resolution (Sandler et al., arXiv:1801.04381).

Layer by layer the network of keras.applications, whose batch normalisation can be folded into it.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from microt.zoo.inverted import Block, inverted, inverted_wide

STEM, LAST = 32, 1280
STAGES = (  # expansion, filters, blocks, stride of the first
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def mobilenet_v2(
    width: float = 0.35,
    resolution: int = 96,
    *,
    exit_block: int = 6,
    adapter: int = 0,
    last: bool = True,
    wide: bool = False,
    last_block: int = 17,
    adapter_block: int = 0,
    beside: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> keras.Model:
    """Outputs [exit 0, exit 1], pooled vectors; see `inverted`.

    last: whether the pointwise convolution to 1280 values (at widths below 1 too) stands behind the last block.
    wide: whether the exits pool wide maps, see `inverted_wide`, for adapter_block and beside as well; the network then
    ends within last_block, and `last` is of no account.
    """
    blocks = [
        Block(expansion, _filters(filters, width), stride if i == 0 else 1, 3)
        for expansion, filters, count, stride in STAGES
        for i in range(count)
    ]
    if not 2 <= last_block <= len(blocks):
        raise ValueError(f"last_block: expected 2..{len(blocks)}, got {last_block}")
    if not wide and (adapter_block or any(beside) or last_block < len(blocks)):
        raise ValueError("mobilenet_v2: adapter_block, beside and last_block are for wide exits")
    shape = {"exit_block": exit_block, "adapter": adapter}
    if wide:
        return inverted_wide(
            "mobilenet_v2", resolution, _filters(STEM, width), blocks[:last_block],
            adapter_block=adapter_block, beside=beside, **shape,
        )  # fmt: skip
    last_filters = (_filters(LAST, width) if width > 1 else LAST) if last else 0
    return inverted("mobilenet_v2", resolution, _filters(STEM, width), blocks, last=last_filters, **shape)


def _filters(filters: int, width: float) -> int:
    # to the nearest multiple of 8, not below nine tenths of what was asked
    rounded = max(8, int(filters * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters * width else rounded
