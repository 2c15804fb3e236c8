#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print the directory of a MicroPython source tree, fetching it first if need be.
#
#   MICROPYTHON_DIR=PATH   use this checkout (tag v1.25.0 is what microt is tested with)
#   MICROT_CACHE=PATH      where the fetched tree is kept; default $XDG_CACHE_HOME/microt or ~/.cache/microt
#   DEB_MIRROR, DEB_KEYRING   see tools/debian_archive.sh
#   MICROPYTHON_GIT=URL    the repository to clone where there is no Debian archive
#
# The source is Debian stable's orig tarball of the pinned version: apt's configuration of this machine says where the
# archive is (same mirror, same proxy), its signatures are checked by apt and the tarball's hash here. Where apt knows
# no Debian archive (Ubuntu), the version's tag is cloned from MicroPython's repository and the files that microt builds
# are held against the same tarball's. Nothing outside the cache is written, and the machine's own apt state stays as it
# is. Only the directory goes to standard output.
set -eu
# shellcheck source=tools/debian_archive.sh
. "$(dirname "$0")/debian_archive.sh"

version=1.25.0
upstream=$version+ds
suite=trixie
sha256=7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea
# of the parts of that tarball which microt builds, see tree_hash
parts="py extmod shared mpy-cross ports/unix"
parts_sha256=a62fb71016f4f913ddd110f03c85a09c41c926f48af947b231a2943e7ae9c78f
repository=${MICROPYTHON_GIT:-https://github.com/micropython/micropython}

say() { echo "get_micropython: $*" >&2; }
fail() {
    say "$*"
    say "alternative: git clone --depth 1 -b v$version $repository," \
        "then set MICROPYTHON_DIR to that folder"
    exit 3
}

if [ -n "${MICROPYTHON_DIR:-}" ]; then
    [ -r "$MICROPYTHON_DIR/py/mpconfig.h" ] || {
        say "MICROPYTHON_DIR: expected a MicroPython source tree, found no py/mpconfig.h in $MICROPYTHON_DIR"
        exit 3
    }
    cd "$MICROPYTHON_DIR" && pwd
    exit 0
fi

cache=${MICROT_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/microt}
tree=$cache/micropython-$version
# The stamp is written last, so a tree that carries it is whole.
if [ "$(cat "$tree/.microt-sha256" 2>/dev/null)" = $sha256 ]; then
    cd "$tree" && pwd
    exit 0
fi

archive=$(find_archive)
mkdir -p "$cache" || fail "cannot write to $cache (set MICROT_CACHE to a folder of yours)"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# From the Debian archive: leaves the source in $work/tree.
fetch_from_archive() {
    say "fetching MicroPython $version (6 MB) from the Debian archive ($suite) into $tree"
    open_archive "$archive" $suite deb-src
    # Debian's own revision of a stable release may move; the upstream tarball, which is what is used, may not.
    in_archive apt-get source --download-only --only-source "micropython=$upstream-1" ||
        in_archive apt-get source --download-only --only-source micropython ||
        archive_failed "apt-get source micropython failed"
    tarball=micropython_$upstream.orig.tar.xz
    [ -r "$tarball" ] || fail "expected $tarball, got $(echo micropython_*)"
    check_sha256 "$tarball" $sha256

    # With tar: dpkg-source would apply Debian's patches.
    mkdir tree
    tar -xJf "$tarball" -C tree --strip-components=1
}

# One hash over the names and contents of the parts that microt builds.
tree_hash() {
    (
        cd "$1"
        # shellcheck disable=SC2086
        find $parts -type f ! -path '*/__pycache__/*' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1
    )
}

# From MicroPython's repository: leaves the source in $work/tree.
fetch_from_repository() {
    command -v git >/dev/null || fail "git is missing"
    say "fetching MicroPython $version from $repository into $tree"
    git -c advice.detachedHead=false clone -q --depth 1 -b "v$version" "$repository" tree 2> "$work/log" || {
        sed 's/^/    /' "$work/log" >&2
        fail "git clone failed (offline?)"
    }
    got=$(tree_hash tree)
    [ "$got" = $parts_sha256 ] || fail "$repository v$version: expected hash $parts_sha256 of $parts, got $got"
}

cd "$work"
if [ -n "$archive" ]; then
    fetch_from_archive
else
    fetch_from_repository
fi
echo $sha256 > tree/.microt-sha256
rm -rf "$tree"
# Another run may have been quicker.
mv -T tree "$tree" 2>/dev/null || [ -r "$tree/.microt-sha256" ] || fail "cannot move the source to $tree"
cd "$tree" && pwd
