# SPDX-License-Identifier: MIT
"""microt: teach new classes to a frozen backbone, on the device.

net = microt.Backbone("/rom/backbone.mtb")
task = microt.Task(net, path="/task")       opens what was taught before, or starts empty
task.learn(x, "apple")                      one labelled sample
task.fit(); task.calibrate(exit_ratio=0.5); task.save()
task.predict(x)                             Result(label, confidence, exit, scores)
"""

import _microt

from microt.task import Result, Task  # noqa: F401

version = _microt.version


def Backbone(source, *, arena=None):
    """Opens a backbone: the path of a `.mtb` file, or anything with the buffer protocol.

    A file in ROMFS is used in place; any other file is read into RAM. `arena`: a writable buffer
    of at least `arena_size` bytes, allocated when None. Returns a `_microt.Backbone`. ValueError says
    what is wrong with a bad file, MemoryError how much was needed.
    """
    if isinstance(source, str):
        path = source
        with open(path, "rb") as file:
            try:
                source = memoryview(file)
            except TypeError:  # this file system cannot lend its memory
                size = file.seek(0, 2)
                file.seek(0)
                try:
                    source = file.read()
                except MemoryError:
                    raise MemoryError(
                        "%s: %d bytes do not fit in RAM; put the file in ROMFS, where it is used "
                        "in place" % (path, size)
                    ) from None
    return _microt.Backbone(source, arena=arena)
