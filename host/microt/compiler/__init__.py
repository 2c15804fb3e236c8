# SPDX-License-Identifier: MIT
"""The compiler: an int8 TensorFlow Lite file becomes a .mtb backbone that the engine runs."""

from .compile import Compiled, compile_tflite, describe
from .front_end import read as read_front_end
from .mtb import read_info
from .timeline import plot

__all__ = ["Compiled", "compile_tflite", "describe", "plot", "read_front_end", "read_info"]
