#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print the directory of a Pico SDK for MicroPython's rp2 port (RP2040, RP2350), fetching it first if need be, with the
# two libraries that the port takes from lib/ of MicroPython's tree: TinyUSB and mbedTLS.
#
#   MICROPYTHON_DIR=PATH   a checkout with its submodules: lib/pico-sdk, lib/tinyusb and lib/mbedtls are taken from there
#   PICO_SDK_PATH=PATH     use this SDK
#   MICROT_CACHE, DEB_MIRROR, DEB_KEYRING   see tools/get_micropython.sh, tools/debian_archive.sh
#
# Fetched are Debian stable's packages of the pinned versions; apt checks the archive's signatures and this script the
# hashes. In the fetched tree of MicroPython, whose lib/ has empty folders in their places, links lead to them. A
# checkout of the user's is never written to. Only the directory goes to standard output.
set -eu
# shellcheck source=tools/debian_archive.sh
. "$(dirname "$0")/debian_archive.sh"

version=2.1.1
suite=trixie
sdk_package=pico-sdk-source_2.1.1-1_all.deb
sdk_sha256=507a3ca37636641bc90239d7c04dc9dc28c5008087a8162102ea94d2273153d3
tinyusb_package=tinyusb-source_0.18.0+dfsg-1_all.deb
tinyusb_sha256=01ce2c645df68f14a8a7dcfc8fb355713152543757955820479a87949a61154e
# Debian's security updates may replace this one; what is signed by the archive is taken then, and told.
mbedtls_source=mbedtls_3.6.6.orig.tar.bz2
mbedtls_sha256=8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a

say() { echo "get_pico_sdk: $*" >&2; }
fail() {
    say "$*"
    say "alternative: git clone --depth 1 -b v1.25.0 https://github.com/micropython/micropython &&" \
        "make -C micropython/ports/rp2 BOARD=RPI_PICO2 submodules, then set MICROPYTHON_DIR to that folder"
    exit 3
}

sdk=${PICO_SDK_PATH:-}
if [ -n "$sdk" ] && [ ! -r "$sdk/pico_sdk_init.cmake" ]; then
    say "PICO_SDK_PATH: expected a Pico SDK, found no pico_sdk_init.cmake in $sdk"
    exit 3
fi

[ -z "$sdk" ] || sdk=$(cd "$sdk" && pwd)

tree=$(sh "$(dirname "$0")/get_micropython.sh")
if [ -n "${MICROPYTHON_DIR:-}" ]; then
    sdk=${sdk:-$tree/lib/pico-sdk}
    for witness in "$sdk/pico_sdk_init.cmake" "$tree/lib/tinyusb/src/tusb.h" \
        "$tree/lib/mbedtls/library/ssl_tls.c"; do
        if [ ! -r "$witness" ]; then
            say "MICROPYTHON_DIR: expected its submodules, found no $witness; run:"
            say "    make -C $tree/ports/rp2 BOARD=RPI_PICO2 submodules"
            exit 3
        fi
    done
    cd "$sdk" && pwd
    exit 0
fi

cache=$(dirname "$tree")
kept=$cache/pico-sdk-$version

fetch() {
    archive=$(find_archive)
    [ -n "$archive" ] || fail "apt's configuration names no Debian archive (set DEB_MIRROR to one)"
    command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing (install dpkg)"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    cd "$work"
    say "fetching the Pico SDK $version, TinyUSB and mbedTLS (9 MB) from the Debian archive ($suite) into $kept"
    open_archive "$archive" $suite deb deb-src
    in_archive apt-get download pico-sdk-source tinyusb-source ||
        archive_failed "apt-get download of pico-sdk-source and tinyusb-source failed"
    in_archive apt-get source --download-only --only-source mbedtls ||
        archive_failed "apt-get source mbedtls failed"
    for package in $sdk_package:$sdk_sha256 $tinyusb_package:$tinyusb_sha256; do
        [ -r "${package%:*}" ] || fail "expected ${package%:*}, got $(echo ./*.deb)"
        check_sha256 "${package%:*}" "${package#*:}"
        dpkg-deb -x "${package%:*}" packages
    done
    if [ -r $mbedtls_source ]; then
        check_sha256 $mbedtls_source $mbedtls_sha256
    else
        say "the archive has $(echo mbedtls_*.orig.tar.*) instead of the tested $mbedtls_source: using that"
    fi
    mkdir -p sdk/mbedtls
    tar -xf "$(echo mbedtls_*.orig.tar.*)" -C sdk/mbedtls --strip-components=1
    mv packages/usr/src/pico-sdk packages/usr/src/tinyusb sdk/
    echo $sdk_sha256 > sdk/.microt-sha256
    rm -rf "$kept"
    # Another run may have been quicker.
    mv -T sdk "$kept" 2>/dev/null || [ -r "$kept/.microt-sha256" ] || fail "cannot move the SDK to $kept"
    cd /
}

# The stamp is written last, so a folder that carries it is whole.
[ "$(cat "$kept/.microt-sha256" 2>/dev/null)" = $sdk_sha256 ] || fetch

for witness in tinyusb/src/tusb.h mbedtls/library/ssl_tls.c; do
    library=$tree/lib/${witness%%/*}
    if [ ! -r "$tree/lib/$witness" ]; then
        [ -L "$library" ] || rmdir "$library" 2>/dev/null || fail "$library: expected an empty folder"
        ln -sfn "$kept/${witness%%/*}" "$library"
    fi
done
cd "${sdk:-$kept/pico-sdk}" && pwd
