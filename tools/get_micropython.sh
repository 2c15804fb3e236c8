#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print the directory of a MicroPython source tree, fetching it first if need be.
#
#   MICROPYTHON_DIR=PATH   use this checkout (tag v1.25.0 is what microt is tested with)
#   MICROT_CACHE=PATH      where the fetched tree is kept; default $XDG_CACHE_HOME/microt or ~/.cache/microt
#   DEB_MIRROR=URL         a Debian archive, when apt's own configuration names none (Ubuntu)
#   DEB_KEYRING=PATH       the archive's keyring
#   MICROPYTHON_GIT=URL    the repository to clone where there is no Debian archive
#
# The source is Debian stable's orig tarball of the pinned version: apt's configuration of this machine says where the
# archive is (same mirror, same proxy), its signatures are checked by apt and the tarball's hash here. Where apt knows
# no Debian archive (Ubuntu), the version's tag is cloned from MicroPython's repository and the files that microt builds
# are held against the same tarball's. Nothing outside the cache is written, and the machine's own apt state stays as it
# is. Only the directory goes to standard output.
set -eu

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

# The Debian archive: among the index targets that apt knows, else (deleted lists, slim containers) from what an update
# would fetch. Empty where there is none.
archive=${DEB_MIRROR:-}
[ -n "$archive" ] || archive=$(
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
)
[ -n "$archive" ] || archive=$(
    apt-get --print-uris update 2>/dev/null | sed -n "s,^'\(.*/debian/\)dists/.*,\1,p" | head -n 1
)

mkdir -p "$cache" || fail "cannot write to $cache (set MICROT_CACHE to a folder of yours)"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# From the Debian archive: leaves the source in $work/tree.
fetch_from_archive() {
    command -v dpkg-source >/dev/null || fail "dpkg-source is missing (install dpkg-dev)"
    command -v xz >/dev/null || fail "xz is missing (install xz-utils)"
    keyring=${DEB_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
    [ -r "$keyring" ] || fail "$keyring is missing (install debian-archive-keyring)"
    say "fetching MicroPython $version (6 MB) from the Debian archive ($suite) into $tree"
    apt=$work/apt
    mkdir -p "$apt/none" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/log"
    : > "$apt/status"
    printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$archive" $suite > "$apt/sources.list"
    apt_get() {
        apt-get -q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts="$apt/none" \
            -o Dir::Etc::preferences="$apt/none/x" -o Dir::Etc::preferencesparts="$apt/none" \
            -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" \
            -o Dir::Cache="$apt/cache" -o Dir::Log="$apt/log" -o Acquire::Languages=none \
            -o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false \
            -o APT::Sandbox::User="$(id -un)" "$@" >> "$work/log" 2>&1
    }

    apt_get -o APT::Update::Error-Mode=any update || {
        sed 's/^/    /' "$work/log" >&2
        fail "apt-get update failed: offline, or the archive has no suite $suite"
    }
    # Debian's own revision of a stable release may move; the upstream tarball, which is what is used, may not.
    apt_get source --download-only --only-source "micropython=$upstream-1" ||
        apt_get source --download-only --only-source micropython || {
        sed 's/^/    /' "$work/log" >&2
        fail "apt-get source micropython failed"
    }
    tarball=micropython_$upstream.orig.tar.xz
    [ -r "$tarball" ] || fail "expected $tarball, got $(echo micropython_*)"
    got=$(sha256sum "$tarball" | cut -d' ' -f1)
    [ "$got" = $sha256 ] || fail "$tarball: expected SHA-256 $sha256, got $got"

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
