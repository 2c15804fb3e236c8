# SPDX-License-Identifier: MIT
"""What a task keeps in flash: `journal` every labelled sample, `snapshot` the fitted heads."""
