# SPDX-License-Identifier: MIT
"""The three benchmark networks as lists of layer names, and single layers.

A name tells the layer: ``conv3x3s2_96x96_3-16`` (input 96x96x3, 16 channels out), ``pw_24x24_16-96``,
``dw5x5s1_24x24_96``, ``add_24x24_24``, ``gap_3x3_320`` (global average pool), ``fc_320-10``,
``avgpool2x2s2_24x24_24``. ``+relu`` at the end stands for a ReLU: an output zero point of -128.
Windows are padded by (k - 1) / 2 at the top and left; what is missing is added at the bottom and right.
"""

from __future__ import annotations


def mobilenet_v1() -> list[str]:
    """MLPerf Tiny's visual wake words network: width 0.25, 96x96, FC 256-2."""
    names = ["conv3x3s2_96x96_3-8+relu"]
    size, channels = 48, 8
    blocks = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2)]
    for out, stride in [*blocks, (256, 1)]:
        names.append(f"dw3x3s{stride}_{size}x{size}_{channels}+relu")
        size //= stride
        names.append(f"pw_{size}x{size}_{channels}-{out}+relu")
        channels = out
    return [*names, "gap_3x3_256", "fc_256-2"]


def _inverted(names, size, channels, expand, out, kernel, stride) -> tuple[int, int]:
    hidden = channels * expand
    if expand > 1:
        names.append(f"pw_{size}x{size}_{channels}-{hidden}+relu")
    names.append(f"dw{kernel}x{kernel}s{stride}_{size}x{size}_{hidden}+relu")
    after = size // stride
    names.append(f"pw_{after}x{after}_{hidden}-{out}")
    if stride == 1 and channels == out:
        names.append(f"add_{after}x{after}_{out}")
    return after, out


def mobilenet_v2() -> list[str]:
    """MobileNetV2, width 0.35, 96x96, head 112-1280, FC 1280-10."""
    names = ["conv3x3s2_96x96_3-16+relu"]
    size, channels = 48, 16
    table = [(1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1)]
    for expand, out, repeats, stride in [*table, (6, 56, 3, 2), (6, 112, 1, 1)]:
        for i in range(repeats):
            s = stride if i == 0 else 1
            size, channels = _inverted(names, size, channels, expand, out, 3, s)
    return [*names, "pw_3x3_112-1280+relu", "gap_3x3_1280", "fc_1280-10"]


def mcunet() -> list[str]:
    """A network in the style of MCUNet, 96x96, kernels of 3, 5 and 7."""
    names = ["conv3x3s2_96x96_3-16+relu"]
    size, channels = _inverted(names, 48, 16, 1, 8, 3, 1)
    table = [(3, 16, 7, 2), (5, 16, 3, 1), (5, 16, 5, 1), (4, 24, 5, 2), (5, 24, 5, 1)]
    table += [(5, 24, 3, 1), (6, 40, 7, 2), (6, 40, 5, 1), (5, 48, 5, 1), (4, 48, 3, 1)]
    for expand, out, kernel, stride in [*table, (5, 96, 7, 2), (6, 96, 3, 1), (5, 160, 5, 1)]:
        size, channels = _inverted(names, size, channels, expand, out, kernel, stride)
    return [*names, "gap_3x3_160", "fc_160-10"]


NETWORKS = {"vww": mobilenet_v1, "mobilenet_v2_035": mobilenet_v2, "mcunet_like": mcunet}

SINGLE = """
    conv3x3s2_96x96_3-16 pw_24x24_16-96 pw_24x24_96-24 pw_12x12_24-144 pw_12x12_144-40 pw_6x6_240-40
    pw_3x3_160-320 dw3x3s1_48x48_16 dw3x3s2_48x48_48 dw3x3s1_24x24_96 dw3x3s2_24x24_96
    dw3x3s1_12x12_144 dw3x3s2_12x12_144 dw3x3s1_6x6_240 dw5x5s1_24x24_96 dw5x5s2_24x24_96
    dw5x5s1_12x12_144 dw5x5s2_12x12_144 dw5x5s1_6x6_240 dw7x7s1_24x24_96 dw7x7s2_24x24_96
    dw7x7s1_12x12_144 dw7x7s2_12x12_144 dw7x7s1_6x6_240 gap_3x3_320 fc_320-10 add_24x24_24
    add_12x12_40 avgpool2x2s2_24x24_24
""".split()
