#!/bin/sh
# SPDX-License-Identifier: MIT
#
# MicroPython's C style for this repository's C files, by MicroPython's own tools/codeformat.py (uncrustify).
#
#   tools/c_style.sh            puts the files right
#   tools/c_style.sh --check    shows what it would change; status 1 if anything
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
    '' | --check) ;;
    *)
        echo "usage: tools/c_style.sh [--check]" >&2
        exit 2
        ;;
esac
command -v uncrustify >/dev/null || {
    echo "c_style: uncrustify is missing (tools/setup.sh installs it)" >&2
    exit 3
}
formatter=$(sh tools/get_micropython.sh)/tools/codeformat.py
list() {
    # Assembler macros are no C, whatever the file's ending.
    find boards device tests tools -name '*.[ch]' ! -name assembly.h | sort
}

if [ -z "${1:-}" ]; then
    # shellcheck disable=SC2046
    exec python3 "$formatter" -c $(list)
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
list | tar -cf - -T - | tar -xf - -C "$copy"
# shellcheck disable=SC2046
(cd "$copy" && python3 "$formatter" -c $(list))
status=0
for file in $(list); do
    diff -u --label "$file" --label "$file (styled)" "$file" "$copy/$file" || status=1
done
[ $status -eq 0 ] || echo "c_style: tools/c_style.sh puts these right" >&2
exit $status
