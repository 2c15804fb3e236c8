#!/bin/sh
# SPDX-License-Identifier: MIT
#
# MicroPython's own test suite on an emulated board's firmware, with upstream's run-tests.py.
#
#   tools/test_micropython.sh [BOARD [TEST...]]      default: MPS2_AN386 and the directories below
#
# Ends with upstream's counts of tests passed, skipped and failed; status 0 if none failed twice and none skipped but those
# listed. Beside this file: test_micropython.exclude, what is left out on purpose, and test_micropython.skips, what skips
# itself because the boards do not have what it tests; each with the reason.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
board=${1:-MPS2_AN386}
[ $# -eq 0 ] || shift

tests=$(sh tools/get_micropython.sh)/tests
work=$root/build/test-micropython/$board
rm -rf "$work"
mkdir -p "$work"
# All lines that are no comment, as one regular expression on the tests' paths.
expression() {
    sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$root/tools/test_micropython.$1" | paste -sd'|'
}

.venv/bin/python -c "from microt.boards import Board, firmware; firmware.build(Board.load('$board'))"
[ $# -gt 0 ] || set -- --test-dirs basics micropython float extmod inlineasm/thumb
cd "$tests"
# CPython makes the expected output; its version is that of .venv.
export MICROPY_CPYTHON3="$root/.venv/bin/python"
run_tests() {
    "$MICROPY_CPYTHON3" run-tests.py --result-dir "$work/results" \
        --test-instance "execpty:$MICROPY_CPYTHON3 -m microt.boards $board $work/storage.bin" "$@"
}
{
    status=0
    run_tests --exclude "$(expression exclude)" "$@" || status=$?
    echo $status > "$work/status"
} | tee "$work/log"
status=$(cat "$work/status")
if [ "$status" -ne 0 ]; then
    "$MICROPY_CPYTHON3" run-tests.py --result-dir "$work/results" --print-failures
    # A sleeping board's time goes on while a busy host leaves QEMU waiting, and tests of scheduling show it.
    echo "once more, what failed:"
    status=0
    run_tests --run-failures || status=$?
fi
unexpected=$(sed -n 's/^skip  *\([^ ]*\).*/\1/p' "$work/log" | grep -Ev "$(expression skips)" || true)
if [ -n "$unexpected" ]; then
    echo "skipped, and not listed in tools/test_micropython.skips:" "$unexpected" >&2
    status=1
fi
exit "$status"
