# SPDX-License-Identifier: MIT
"""microt: teach new classes to a frozen backbone, on the device.

net = microt.Backbone("/rom/backbone.mtb")
task = microt.Task(net, path="/task")       opens what was taught before, or starts empty
task.learn(x, "apple")                      one labelled sample
task.fit(); task.calibrate(exit_ratio=0.5); task.save()
task.predict(x)                             Result(label, confidence, exit, scores, familiarity)
"""

import _microt

from microt.task import Result, Task  # noqa: F401

version = _microt.version


def Backbone(source, *, arena=None):
    """Opens a backbone: the path of a `.mtb` file, or anything with the buffer protocol.

    A file in ROMFS is used in place; any other file is read into RAM. `arena`: a writable buffer of at least
    `arena_size` bytes, allocated when None. Returns a `_microt.Backbone`. ValueError says what is wrong with a bad
    file, MemoryError how much was needed, OSError which file is not there.
    """
    if not isinstance(source, str):
        return _microt.Backbone(source, arena=arena)
    try:
        file = open(source, "rb")
    except OSError as error:
        raise OSError(error.errno, "%s cannot be opened" % source) from None
    with file:
        try:
            data = memoryview(file)
        except TypeError:  # this file system cannot lend its memory
            data = read(source, file)
    try:
        return _microt.Backbone(data, arena=arena)
    except ValueError as error:
        raise ValueError("%s: %s" % (source, error)) from None


def read(path, file):
    """A file's bytes; MemoryError names the file, its size and the way out."""
    size = file.seek(0, 2)
    file.seek(0)
    try:
        return file.read()
    except MemoryError:
        raise MemoryError(
            "%s: %d bytes do not fit in RAM; put the file in ROMFS, where it is used in place" % (path, size)
        ) from None
