# SPDX-License-Identifier: MIT
"""Pictures from a camera: the middle square of each frame, scaled in C to what the backbone takes.

    from camera import Camera as Driver, FrameSize, PixelFormat
    driver = Driver(frame_size=FrameSize.QVGA, pixel_format=PixelFormat.RGB565)
    source = Camera(driver.capture, 320, 240, "RGB565_SWAPPED", size=112)
    task.predict(source.read())

The bytes are those that `microt` on the host makes of the same picture (Pillow's bilinear filter), bit for bit, so
that a backbone sees on the board what it was trained on.
"""

import _microt


class Camera:
    """read() -> size x size x 3 bytes, RGB, valid until the next call, or None. shape: (size, size, 3).

    capture: called with nothing for each frame; returns a buffer, or None while there is none. width, height: of the
    frame, in pixels. format: "RGB565", "RGB565_SWAPPED" (the high byte first, as most sensors send it), "RGB888"
    or "GREY". size: pixels a side of the backbone's input, `net.input_shape[0]`.
    ValueError, when a frame has not width x height pixels of the format, says so.
    """

    def __init__(self, capture, width, height, format="RGB565", size=112):
        self.shape = (size, size, 3)
        self._capture = capture
        self._picture = _microt.Picture(width, height, size, format)
        self._out = bytearray(size * size * 3)

    def read(self):
        frame = self._capture()
        return None if frame is None else self._picture.scale(frame, self._out)
