# SPDX-License-Identifier: MIT
"""The picture families that a recipe can name: how to build one for training, and how to take it out of training."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from microt.zoo import mobilenet_v1 as v1
from microt.zoo.mcunet import mcunet_in3
from microt.zoo.mobilenet_v2 import mobilenet_v2
from microt.zoo.proxylessnas import proxylessnas

FAMILIES = ("mobilenet_v1", "mobilenet_v2", "mcunet_in3", "proxylessnas")
APPLICATIONS = {"mobilenet_v1": "MobileNet", "mobilenet_v2": "MobileNetV2"}  # of keras.applications, the same layers


def build(
    family: str,
    width: float,
    resolution: int,
    *,
    exit_block: int,
    adapter: int,
    adapter_block: int = 0,
    beside: tuple[Sequence[int], Sequence[int]] = ((), ()),
    last_stride: int = 2,
    wide: bool = False,
    last_block: int = 17,
    normalise: bool = False,
) -> keras.Model:
    """Outputs [exit 0, exit 1], pooled vectors; block outputs are named block0, block1, ...

    last_stride and normalise are `mobilenet_v1`'s; the others take only the default, and train their adapter without
    normalisation. wide and last_block are `mobilenet_v2`'s; adapter_block and beside are for the former, and for the
    latter with wide exits. mcunet_in3 has one width. ValueError for what a family does not have.
    """
    if (wide or last_block != 17) and family != "mobilenet_v2":
        raise ValueError(f"{family}: expected no wide exits and no last_block, got {wide} and {last_block}")
    if family == "mobilenet_v1":
        return v1.mobilenet_v1(
            width, resolution, exit_block=exit_block, adapter=adapter, adapter_block=adapter_block, beside=beside,
            last_stride=last_stride, normalise=normalise,
        )  # fmt: skip
    shape = {"exit_block": exit_block, "adapter": adapter}
    if family == "mobilenet_v2" and last_stride == 2:
        more = {"wide": wide, "last_block": last_block, "adapter_block": adapter_block, "beside": beside}
        return mobilenet_v2(width, resolution, **shape, **more)
    if adapter_block or any(beside) or last_stride != 2:
        raise ValueError(
            f"{family}: expected no adapter_block, no beside and a last_stride of 2, got {adapter_block}, {beside} and "
            f"{last_stride}"
        )
    if family == "proxylessnas":
        return proxylessnas(width, resolution, **shape)
    if family == "mcunet_in3":
        if width != 1:
            raise ValueError(f"mcunet_in3: expected a width of 1, got {width}")
        return mcunet_in3(resolution, **shape)
    raise ValueError(f"family: expected one of {', '.join(FAMILIES)}, got {family!r}")


def copy(model: keras.Model) -> keras.Model:
    """The same network with weights of its own."""
    twin = (
        v1.mobilenet_v1(**v1.arguments_of(model)) if model.name == "mobilenet_v1" else keras.models.clone_model(model)
    )
    for layer in model.layers:
        if layer.weights:
            twin.get_layer(layer.name).set_weights(layer.get_weights())
    return twin


def fold(model: keras.Model) -> keras.Model:
    """What a training leaves, without normalisation."""
    return v1.fold(model) if model.name == "mobilenet_v1" else model
