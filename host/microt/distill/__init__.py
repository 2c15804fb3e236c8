# SPDX-License-Identifier: MIT
"""Training a backbone's two exits together, from a recipe."""
