# SPDX-License-Identifier: MIT
# ruff: noqa: B904, E402
# Settings from the first JSON file that is there, over a script's own; what is wrong with them.

try:
    import vfs
    from microt.settings import first, over
except ImportError:
    print("SKIP needs microt and vfs")
    raise SystemExit

from ram_disk import Disk, mount

mount(Disk(16), "/se")
PATHS = ("/se/a.json", "/se/b.json")
DEFAULTS = {"pin": 3, "source": "stream"}


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def raises(kind, words, call):
    try:
        call()
    except kind as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError("expected %s" % kind)


assert over(DEFAULTS, PATHS) == DEFAULTS
raises(OSError, ["/se/b.json"], lambda: first(PATHS))
write(PATHS[1], '{"pin": 5}')
assert first(PATHS) == (PATHS[1], {"pin": 5})
assert over(DEFAULTS, PATHS) == {"pin": 5, "source": "stream"}
write(PATHS[0], '{"source": "x.npy"}')
assert over(DEFAULTS, PATHS) == {"pin": 3, "source": "x.npy"} and DEFAULTS["source"] == "stream"
write(PATHS[0], '{"pins": 5}')
raises(ValueError, ["/se/a.json", "pin", "pins"], lambda: over(DEFAULTS, PATHS))
write(PATHS[0], "pin: 5")
raises(ValueError, [], lambda: over(DEFAULTS, PATHS))
vfs.umount("/se")
print("OK")
