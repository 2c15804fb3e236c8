# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# A camera's frames: crop and scale, every format, what is refused.

try:
    from binascii import crc32

    import _microt
    from microt.sources.camera import Camera
except ImportError:
    print("SKIP needs microt")
    raise SystemExit


def refused(kind, words, what, *args):
    try:
        what(*args)
    except kind as error:
        assert words in str(error), error
        return
    raise AssertionError("not refused: " + words)


# 6 x 4: the middle 4 x 4 is kept; each 2 x 2 of one colour stays that colour in its middle
red, green, blue, white = b"\x00\xf8", b"\xe0\x07", b"\x1f\x00", b"\xff\xff"
row = b"\x55\x55" + red + red + green + green + b"\x55\x55"
low = b"\x55\x55" + blue + blue + white + white + b"\x55\x55"
frame = row + row + low + low
picture = bytes(_microt.Picture(6, 4, 4).scale(frame, bytearray(48)))
line = b"\xff\x00\x00" * 2 + b"\x00\xff\x00" * 2
assert picture[:24] == line + line, "the same size: only cut out and made 8 bits"
assert picture[24:] == (b"\x00\x00\xff" * 2 + b"\xff\xff\xff" * 2) * 2
swapped = bytes(frame[i ^ 1] for i in range(len(frame)))
assert _microt.Picture(6, 4, 4, "RGB565_SWAPPED").scale(swapped, bytearray(48)) == picture
small = _microt.Picture(6, 4, 2).scale(frame, bytearray(12))
# 6 / 7 of its own pixels and 1 / 7 of the next, first in rows: (6 * 219 + 36) / 7 of red
assert list(small[:3]) == [193, 36, 36], list(small)
grey = _microt.Picture(2, 2, 1, "GREY").scale(bytes([0, 100, 200, 255]), bytearray(3))
assert list(grey) == [139, 139, 139], list(grey)  # rows first, each rounded: (50 + 228) / 2
# 64 x 48, each byte from the one before; PILLOW is the CRC of what Pillow makes of it (tests/engine/test_picture.py)
PILLOW = 0x63CB07C1
noise, n = bytearray(64 * 48 * 2), 1
for i in range(len(noise)):
    n = (n * 75 + 74) % 65537
    noise[i] = n & 255
assert crc32(_microt.Picture(64, 48, 20, "RGB565_SWAPPED").scale(noise, bytearray(1200))) == PILLOW
print("pictures")

frames = [None, frame, frame[:-1]]
source = Camera(lambda: frames.pop(0), 6, 4, size=4)
assert source.read() is None
assert source.read() == picture
refused(ValueError, "frame: expected 48 bytes, got 47", source.read)
refused(ValueError, "out: expected 48 bytes, got 12", _microt.Picture(6, 4, 4).scale, frame, bytearray(12))
refused(TypeError, "", _microt.Picture(6, 4, 4).scale, frame, bytes(48))
refused(TypeError, "", _microt.Picture(6, 4, 4).scale, 7, bytearray(48))
refused(
    ValueError, "format: expected GREY, RGB888, RGB565 or RGB565_SWAPPED, got JPEG", _microt.Picture, 6, 4, 4, "JPEG"
)
refused(ValueError, "width: expected 1 to 4096 pixels, got 0", _microt.Picture, 0, 4, 4)
refused(ValueError, "height: expected 1 to 4096 pixels, got -1", _microt.Picture, 6, -1, 4)
refused(ValueError, "size: expected 1 to 4096 pixels, got 4097", _microt.Picture, 6, 4, 4097)
print("OK")
