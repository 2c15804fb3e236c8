# SPDX-License-Identifier: MIT
"""Where the windows of convolutions and pools lie: padding.h of TensorFlow Lite."""

from .lowered import expect


def padding(kind, size, kernel, stride, dilation):
    """(before, after, output size) of one dimension under SAME or VALID."""
    extent = (kernel - 1) * dilation + 1
    if kind == "SAME":
        out = -(-size // stride)
        total = max((out - 1) * stride + extent - size, 0)
        return total // 2, total - total // 2, out
    return 0, 0, (size - extent) // stride + 1


def window_of(op, h, w, kernel_h, kernel_w):
    """Strides, dilations, (top, left, bottom, right), output height and width."""
    options = op.options
    stride_h, stride_w = options["StrideH"], options["StrideW"]
    dilation_h = options.get("DilationHFactor", 1)
    dilation_w = options.get("DilationWFactor", 1)
    for name, value in (
        ("stride", stride_h),
        ("stride", stride_w),
        ("dilation", dilation_h),
        ("dilation", dilation_w),
        ("kernel", kernel_h),
        ("kernel", kernel_w),
    ):
        expect(1 <= value <= 32767, f"expected a {name} of 1..32767, got {value}")
    if "pads" in options:
        top, left, bottom, right = options["pads"]
        _, _, out_h = padding("VALID", h + top + bottom, kernel_h, stride_h, dilation_h)
        _, _, out_w = padding("VALID", w + left + right, kernel_w, stride_w, dilation_w)
    else:
        top, bottom, out_h = padding(options["Padding"], h, kernel_h, stride_h, dilation_h)
        left, right, out_w = padding(options["Padding"], w, kernel_w, stride_w, dilation_w)
    expect(out_h >= 1 and out_w >= 1, f"the window does not fit into {h} x {w}")
    return (
        [stride_h, stride_w],
        [dilation_h, dilation_w],
        [top, left, bottom, right],
        out_h,
        out_w,
    )
