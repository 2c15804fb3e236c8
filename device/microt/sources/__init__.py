# SPDX-License-Identifier: MIT
"""Where samples come from, one module a source; used by device/tasks/."""

from microt.sources import npy, stream


def open_source(settings, shape=None, net=None):
    """The source that a script's settings name.

    settings["source"]: "stream", samples of `shape` that a host feeds (settings["dtype"]: of their values, by default
    "uint8"), and with settings["samples"] those of a .npy file that it names; the path of a .npy file, read from its
    first sample to its last and again; or the name of a module on the board with a function `open(settings, net)` that
    returns a source.
    ValueError: a stream without a shape.
    """
    name = settings["source"]
    if name == "stream":
        if not shape:
            raise ValueError("stream: expected the shape of a sample, got %r" % (shape,))
        size = int(npy.DESCR[settings.get("dtype") or "uint8"][-1])
        for n in shape:
            size *= n
        return stream.Stream(npy.open(settings["samples"]) if settings.get("samples") else None, size)
    return npy.Cycle(name) if name.endswith(".npy") else __import__(name).open(settings, net)
