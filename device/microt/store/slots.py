# SPDX-License-Identifier: MIT
"""Two files for one: what is written anew goes into the free one, and takes over once it is whole.

The file that has not taken over is removed afterwards; a power cut in between leaves both, and a number that
grows, in their headers, says which is newer. No file is ever renamed: FAT does that by a second entry for the
same clusters, and a cut between the two leaves files that lie on top of each other.
"""

import errno
import os


def pair(path):
    """The two files: `path` itself and, for "journal.bin", "journal2.bin"."""
    stem, _, suffix = path.rpartition(".")
    return path, "%s2.%s" % (stem, suffix)


def other(path, name):
    """The one of a pair that `name` is not."""
    first, second = pair(path)
    return second if name == first else first


def open_there(path):
    """The file, opened to read; None when it is not there."""
    try:
        return open(path, "rb")
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return None


def remove(path):
    """Removes a file that may not be there, or may not be removed: it is in nobody's way."""
    try:
        os.remove(path)
    except (OSError, AttributeError):  # a file system that knows no writing, such as ROMFS
        pass
