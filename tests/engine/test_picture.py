# SPDX-License-Identifier: MIT
"""engine/picture.c against Pillow, which prepares the pictures on the host: the same bytes, whatever the shape."""

import ctypes
import zlib
from pathlib import Path

import numpy as np
import pytest

from microt import engine
from microt.data import resize

GREY, RGB888, RGB565, RGB565_SWAPPED = range(4)


class Picture(ctypes.Structure):
    """microt_picture_t"""

    _fields_ = [
        *((name, ctypes.c_uint16) for name in ("width", "height", "size", "side", "left", "top", "taps")),
        ("format", ctypes.c_uint8),
        *((name, ctypes.c_void_p) for name in ("first", "weights", "rows")),
    ]


@pytest.fixture(scope="module")
def scale():
    library = ctypes.CDLL(str(engine.build()))
    library.microt_picture_memory.restype = ctypes.c_size_t

    def scale(frame, form, size, height, width):
        bytes_wanted = library.microt_picture_memory(width, height, form, size)
        # a guard behind what was asked for, and behind the result
        memory = np.full(bytes_wanted + 64, 0xA5, np.uint8)
        out = np.full(size * size * 3 + 64, 0x5A, np.uint8)
        picture = Picture()
        address = [array.ctypes.data_as(ctypes.c_void_p) for array in (memory, frame, out)]
        library.microt_picture_open(ctypes.byref(picture), width, height, form, size, address[0])
        library.microt_picture_scale(ctypes.byref(picture), *address[1:])
        assert (memory[bytes_wanted:] == 0xA5).all() and (out[-64:] == 0x5A).all()
        return out[:-64].reshape(size, size, 3)

    return scale


def shapes(count, seed):
    rng = np.random.default_rng(seed)
    fixed = [
        (240, 320, 96),
        (120, 160, 96),
        (96, 96, 96),
        (1, 1, 1),
        (1, 5, 3),
        (480, 640, 96),
        (7, 3, 96),
        (97, 96, 96),
    ]
    return fixed + [tuple(int(n) for n in rng.integers(1, (400, 400, 200))) for _ in range(count)]


@pytest.mark.parametrize(("height", "width", "size"), shapes(60, 1))
def test_the_same_bytes_as_pillow(scale, height, width, size):
    rng = np.random.default_rng([height, width, size])
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    if size % 3 == 0:  # extremes, so that sums reach their ends
        rgb = np.where(rgb > 127, 255, 0).astype(np.uint8)
    assert np.array_equal(scale(rgb, RGB888, size, height, width), resize(rgb, size))
    grey = np.ascontiguousarray(rgb[..., 0])
    assert np.array_equal(scale(grey, GREY, size, height, width), resize(np.repeat(rgb[..., :1], 3, 2), size))
    r, g, b = (rgb[..., c].astype(np.uint16) for c in range(3))
    packed = (r >> 3) << 11 | (g >> 2) << 5 | b >> 3
    wanted = resize(unpacked(packed), size)
    assert np.array_equal(scale(packed, RGB565, size, height, width), wanted)
    assert np.array_equal(scale(packed.byteswap(), RGB565_SWAPPED, size, height, width), wanted)


def unpacked(pixels):
    """RGB of 8 bits from RGB565: the upper bits stand in for the lower ones that are not there."""
    r, g, b = pixels >> 11, pixels >> 5 & 63, pixels & 31
    return np.stack([r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2], axis=-1).astype(np.uint8)


def test_the_scripts_crc_is_pillows():
    """tests/device/test_camera.py compares boards with a CRC: here it is made."""
    noise, n = [], 1
    for _ in range(64 * 48 * 2):
        n = (n * 75 + 74) % 65537
        noise.append(n & 255)
    frame = np.array(noise, np.uint8).view(">u2").astype(np.uint16).reshape(48, 64)
    crc = zlib.crc32(resize(unpacked(frame), 20).tobytes())
    script = Path(__file__).parents[1] / "device" / "test_camera.py"
    assert f"PILLOW = 0x{crc:08X}\n" in script.read_text(), hex(crc)


@pytest.mark.slow
def test_the_same_bytes_at_every_scale(scale):
    """All sides and sizes to 200: 40,000 tables of weights."""
    for side in range(1, 201):
        frame = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
        for size in range(1, 201):
            assert np.array_equal(scale(frame, RGB888, size, side, side), resize(frame, size)), (side, size)
