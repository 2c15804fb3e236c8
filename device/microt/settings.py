# SPDX-License-Identifier: MIT
"""Settings of a script, from the first JSON file that is there."""

import json


def first(paths):
    """(path, what it holds) of the first of `paths` that opens. OSError names the last one."""
    for path in paths:
        try:
            file = open(path)
        except OSError as error:
            failed = error.errno
            continue
        with file:
            return path, json.load(file)
    raise OSError(failed, "%s cannot be opened; the head of the script says what it holds" % path)


def over(defaults, paths):
    """`defaults` with what the first file says in their place; as they are when there is none.

    ValueError: the file names a setting that is not among them.
    """
    settings = dict(defaults)
    try:
        path, given = first(paths)
    except OSError:
        return settings
    unknown = [name for name in given if name not in defaults]
    if unknown:
        raise ValueError("%s: expected some of %s, got %s" % (path, sorted(defaults), unknown))
    settings.update(given)
    return settings
