# SPDX-License-Identifier: MIT
"""Which sample of a class goes when there is room for one less: that without which the mean of those kept is nearest to
the mean of all that the class was shown.

Herding (Welling 2009; for samples kept of a class Rebuffi et al., iCaRL, 2017) made to run on a stream: one more comes,
one goes. The mean of all is followed while the task is open; after a restart it begins as that of those kept, which is
near it, with the weight of all that were shown.
"""

from array import array

from microt.arrays import zeros
from microt.vector import axpy, dot, scale


def goes(journal, row, feature, mean=None):
    """(place, mean): which sample of a class goes, counted among those of it in the journal, their number for the one
    in the journal's buffer; and the mean (d) of all shown, this one included.

    feature: a `microt.heads.feature.Feature`. mean: of those shown before; None: that of those kept. Reads the class
    twice, with 12 d bytes and a sample's. OSError: a sample cannot be read.
    """
    d = feature.d
    members = [i for i, r in enumerate(journal.rows) if r == row]
    n = len(members)
    z, spare = zeros(d), zeros(d)  # spare: what is too much of all with the new one, as z is best to go
    buffer = memoryview(bytearray(journal.size))
    for i in members:
        journal.read(i, buffer)
        feature.of(buffer, z)
        axpy(1.0, z, spare)
    first = mean is None
    mean = array("f", spare if first else mean)
    if first:
        scale(mean, 1 / n)
    weight = 1 / (journal.shown(row) + 1)
    feature.of(journal.buffer, z)
    scale(mean, 1 - weight)
    axpy(weight, z, mean)
    axpy(1.0, z, spare)
    axpy(-n, mean, spare)
    place, least = n, dot(z, z) - 2 * dot(z, spare)
    for k, i in enumerate(members):
        journal.read(i, buffer)
        feature.of(buffer, z)
        distance = dot(z, z) - 2 * dot(z, spare)
        if distance < least:
            place, least = k, distance
    return place, mean
