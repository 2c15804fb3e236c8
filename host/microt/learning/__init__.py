# SPDX-License-Identifier: MIT
"""What a board was taught, on the host: its journals as arrays; how good and how dear its learning is."""
