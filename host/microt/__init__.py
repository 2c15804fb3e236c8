# SPDX-License-Identifier: MIT
"""microt, host side: prepare a backbone, compile it, build firmware, emulate and teach boards."""

__version__ = "0.1.0"
