# SPDX-License-Identifier: MIT
"""Classes to teach a byte_net.ByteNet, for the scripts of this folder."""

from random import getrandbits


def make(names, size, noise):
    """({name: centre}, sample). A centre is `size` bytes below 64; sample(name) is one with noise of so many bits."""
    centres = {name: bytes(getrandbits(6) for _ in range(size)) for name in names}

    def sample(name):
        return bytes(v + getrandbits(noise) for v in centres[name])

    return centres, sample
