# SPDX-License-Identifier: MIT
"""microt, host side: prepare a backbone, compile it, build firmware, emulate boards, teach them."""

__version__ = "0.1.0"
