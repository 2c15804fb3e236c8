# SPDX-License-Identifier: MIT
"""From embeddings to what heads see."""

from microt.vector import axpy, dot, fill, scale

SHRINK = 0.5


class Feature:
    """The feature of an exit: z (d values) from the embeddings of the exits passed.

    The backbone's file says how. Where it does not, z is the dequantised embedding of each exit
    passed, of length 1, one after another, divided by the square root of their number.

    k: length of the projection of z, 0 when there is none. shrink, prior_trace: what the file
    advises for linear discriminants (prior_trace 0: nothing).
    """

    def __init__(self, net, exit):
        self.net = net
        self.exit = exit
        self.size = sum(net.dims[: exit + 1])  # bytes of the embeddings passed
        self.d, self.k = net.feature_size(exit)
        self.own = not self.d
        if self.own:
            self.d, self.k = self.size, 0
        self.shrink, self.prior_trace = net.feature_defaults(exit) or (SHRINK, 0.0)

    def of(self, embeddings, out):
        """z into out (array("f") or view, d values) from a buffer of all exits' embeddings."""
        if not self.own:
            self.net.feature(self.exit, memoryview(embeddings)[: self.size], out)
            return
        at = 0
        for exit in range(self.exit + 1):
            dim = self.net.dims[exit]
            step = self.net.output_scale[exit]
            fill(memoryview(out)[at : at + dim], -step * self.net.output_zero_point[exit])
            axpy(step, embeddings, out, dim, at, at)
            length = (dot(out, out, dim, at, at) * (self.exit + 1)) ** 0.5
            scale(out, 1 / max(length, 1e-6), dim, at)
            at += dim
