#!/bin/sh
# SPDX-License-Identifier: MIT
#
# MicroPython's own test suite on an emulated board's firmware, with upstream's run-tests.py.
#
#   tools/test_micropython.sh [BOARD [TEST...]]      default: MPS2_AN386 and the directories below
#
# Ends with upstream's counts of tests passed, skipped and failed; status 0 if none failed. What is left out on purpose
# stands in test_micropython.exclude, with the reason.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
board=${1:-MPS2_AN386}
[ $# -eq 0 ] || shift

tests=$(sh tools/get_micropython.sh)/tests
work=$root/build/test-micropython/$board
rm -rf "$work"
mkdir -p "$work"
# One expression of all lines that are no comment; upstream's tests are excluded by a regular expression on their paths.
exclude=$(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' tools/test_micropython.exclude | paste -sd'|')

.venv/bin/python -c "from microt.boards import Board, firmware; firmware.build(Board.load('$board'))"
cd "$tests"
# CPython makes the expected output; its version is that of .venv.
export MICROPY_CPYTHON3="$root/.venv/bin/python"
status=0
"$MICROPY_CPYTHON3" run-tests.py --result-dir "$work/results" --exclude "$exclude" \
    --test-instance "execpty:$MICROPY_CPYTHON3 -m microt.boards $board $work/storage.bin" \
    "$@" $([ $# -gt 0 ] || echo --test-dirs basics micropython float extmod inlineasm/thumb) || status=$?
[ $status -eq 0 ] || "$MICROPY_CPYTHON3" run-tests.py --result-dir "$work/results" --print-failures
exit $status
