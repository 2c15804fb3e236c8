# SPDX-License-Identifier: MIT
"""Backbones as short Keras files, one a family."""
