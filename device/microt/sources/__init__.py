# SPDX-License-Identifier: MIT
"""Where samples come from, one module a source; used by device/tasks/."""
