#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Make this checkout ready to use: system packages, the Python environment .venv, MicroPython's source.
#
# Quick when there is nothing to do. Installs packages only as root or with a sudo that asks for no password, else
# says what to install.
#
#   tools/setup.sh [BOARD] [PACKAGE ...]   and what the firmware of BOARD needs besides; packages with a command of the
#                           same name that only some work needs, such as clang
#
#   PYTHON=python3.12       the interpreter to make .venv with; default: the first on PATH that TensorFlow supports
#   MICROPYTHON_DIR, MICROT_CACHE, ...   see tools/get_micropython.sh
set -eu
cd "$(dirname "$0")/.."
board=
case ${1:-} in
    [A-Z]*) # no package has such a name
        board=$1
        shift
        [ -r "boards/$board/board.toml" ] || {
            echo "setup: expected a folder of boards/, got $board" >&2
            exit 2
        }
        ;;
esac

say() { echo "setup: $*" >&2; }
fail() {
    say "$*"
    exit 3
}

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

[ -z "${PYTHON:-}" ] || supported "$PYTHON" ||
    fail "PYTHON: expected Python 3.10 to 3.13 (TensorFlow's), got $("$PYTHON" -V 2>&1)"

# --- system packages ------------------------------------------------------------------------------------------------

# Prints the Debian packages for what is not there. Each is looked for by what it is wanted for, so that a tool from
# elsewhere counts too.
missing_packages() {
    for entry in arm-none-eabi-gcc:gcc-arm-none-eabi qemu-system-arm:qemu-system-arm make:make gcc:gcc git:git \
        uncrustify:uncrustify dpkg-source:dpkg-dev xz:xz-utils python3:python3; do
        command -v "${entry%%:*}" >/dev/null || echo "${entry#*:}"
    done
    for also; do
        command -v "$also" >/dev/null || echo "$also"
    done
    case $(arm-none-eabi-gcc -print-file-name=nano.specs 2>/dev/null) in
        /*) ;;
        *) echo libnewlib-arm-none-eabi ;;
    esac
    echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || echo libc6-dev
    [ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || [ -n "${DEB_KEYRING:-}" ] ||
        [ -n "${MICROPYTHON_DIR:-}" ] || echo debian-archive-keyring
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    [ -x .venv/bin/python ] || can_make_venv || echo python3-venv
    case $board in
        RPI_PICO*)
            command -v cmake >/dev/null || echo cmake
            command -v g++ >/dev/null || echo g++
            case $(arm-none-eabi-gcc -print-file-name=libstdc++.a 2>/dev/null) in
                /*) ;;
                *) echo libstdc++-arm-none-eabi-newlib ;;
            esac
            ;;
        VIRT_RV32)
            command -v qemu-system-riscv32 >/dev/null || echo qemu-system-misc
            command -v riscv64-unknown-elf-gcc >/dev/null || echo gcc-riscv64-unknown-elf
            case $(riscv64-unknown-elf-gcc -print-file-name=picolibc.specs 2>/dev/null) in
                /*) ;;
                *) echo picolibc-riscv64-unknown-elf ;;
            esac
            ;;
    esac
}

# With ensurepip, or with a pip that can install into another environment.
can_make_venv() {
    "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null ||
        "${PYTHON:-python3}" -m pip --help 2>/dev/null | grep -q -- --python
}

packages=$(missing_packages "$@" | sort -u | tr '\n' ' ')
if [ -n "$packages" ]; then
    if ! command -v apt-get >/dev/null; then
        fail "no apt-get here; install what these Debian packages hold: $packages"
    elif [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        fail "run: sudo apt-get install --no-install-recommends $packages"
    fi
    say "installing $packages"
    # Lists may be absent or old: fetch them first, and go on with those at hand when that fails.
    $as_root apt-get -q update >/dev/null || say "apt-get update failed (offline?); trying with the lists at hand"
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $packages >&2 ||
        fail "apt-get could not install: ${packages}(offline? see above)"
fi

# --- the Python environment -----------------------------------------------------------------------------------------

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        if supported $candidate; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || fail "TensorFlow needs Python 3.10 to 3.13, this machine has $(python3 -V 2>&1);" \
        "install one and run again with PYTHON=python3.12"
fi

stamp=.venv/.microt-setup
wanted=$(sha256sum pyproject.toml | cut -d' ' -f1)
if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ] || ! .venv/bin/python -c '' 2>/dev/null; then
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        say "making .venv with $($python -V)"
        rm -rf .venv
        if $python -c 'import ensurepip' 2>/dev/null; then
            $python -m venv .venv || fail "$python -m venv failed"
        else
            # Without ensurepip: the machine's own pip puts one in.
            $python -m venv --without-pip .venv || fail "$python -m venv failed"
            $python -m pip --python .venv/bin/python install -q pip ||
                fail "$python has no ensurepip and its pip could not install another; install python3-venv"
        fi
    fi
    say "installing Python packages into .venv (TensorFlow is large: a few minutes the first time)"
    PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install -q -e '.[test]' >&2 ||
        fail "pip could not install what pyproject.toml asks for (offline, or a proxy in the way? see above)"
    echo "$wanted" > $stamp
fi

# --- MicroPython ----------------------------------------------------------------------------------------------------

sh tools/get_micropython.sh >/dev/null
case $board in
    RPI_PICO*) sh tools/get_pico_sdk.sh >/dev/null ;;
esac
say "ready"
