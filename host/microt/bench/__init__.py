# SPDX-License-Identifier: MIT
"""What a backbone costs: instructions counted, cycles and energy modelled, always labelled."""
