# SPDX-License-Identifier: MIT
"""Which sample of a class goes when there is room for one less: that without which the mean of those kept is nearest to
the mean of all that the class was shown.

Herding (Welling 2009; for samples kept of a class Rebuffi et al., iCaRL, 2017) made to run on a stream: one more comes,
one goes. It looks at the last exit's embedding as it lies in the journal, int8. The mean of all is followed while the
task is open; after a restart it begins as that of those kept, which is near it, with the weight of all that were shown.
"""

from array import array

from microt.arrays import zeros
from microt.vector import axpy, dot, scale


def goes(journal, row, start, mean=None):
    """(place, mean): which sample of a class goes, counted among those of it in the journal, their number for the one
    in the journal's buffer; and the mean (array("f"), d) of all shown, this one included.

    start: where the last exit's embedding, d bytes, begins in a sample. mean: of those shown before; None: that of
    those kept. Reads the class twice, with 8 d bytes and a sample's. OSError: a sample cannot be read.
    """
    d = journal.size - start
    spare = zeros(d)  # what is too much of all with the new one, as the embedding is best to go
    buffer = memoryview(bytearray(journal.size))
    x, new = buffer[start:], journal.buffer[start:]
    n = 0
    for _ in journal.embeddings(buffer, row):
        axpy(1.0, x, spare)
        n += 1
    first = mean is None
    mean = array("f", spare if first else mean)
    if first:
        scale(mean, 1 / n)
    weight = 1 / (journal.shown(row) + 1)
    scale(mean, 1 - weight)
    axpy(weight, new, mean)
    axpy(1.0, new, spare)
    axpy(-n, mean, spare)
    place, least = n, dot(new, new) - 2 * dot(new, spare)
    k = 0
    for _ in journal.embeddings(buffer, row):
        distance = dot(x, x) - 2 * dot(x, spare)
        if distance < least:
            place, least = k, distance
        k += 1
    return place, mean
