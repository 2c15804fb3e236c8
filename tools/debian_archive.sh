# SPDX-License-Identifier: MIT
#
# For the get_*.sh scripts, which source it: packages of another Debian suite through this machine's own apt (same
# mirror, same proxy), with the archive's signatures checked and the machine's own apt state left as it is. The caller
# defines say and fail.
#
#   DEB_MIRROR=URL    a Debian archive, when apt's own configuration names none (Ubuntu)
#   DEB_KEYRING=PATH  the archive's keyring

# Prints the Debian archive: among the index targets that apt knows, else (deleted lists, slim containers) from what an
# update would fetch. Nothing where there is none.
find_archive() {
    if [ -n "${DEB_MIRROR:-}" ]; then
        echo "$DEB_MIRROR"
        return
    fi
    found=$(
        apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
            awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
    )
    [ -n "$found" ] || found=$(
        apt-get --print-uris update 2>/dev/null | sed -n "s,^'\(.*/debian/\)dists/.*,\1,p" | head -n 1
    )
    echo "$found"
}

# open_archive URL SUITE KIND...: fetches the indices of a suite's main part, KIND deb (packages) or deb-src (sources),
# into the folder .apt of the working directory.
open_archive() {
    command -v dpkg-source >/dev/null || fail "dpkg-source is missing (install dpkg-dev)"
    command -v xz >/dev/null || fail "xz is missing (install xz-utils)"
    keyring=${DEB_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
    [ -r "$keyring" ] || fail "$keyring is missing (install debian-archive-keyring)"
    apt=$PWD/.apt
    mkdir -p "$apt/none" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/log"
    : > "$apt/status"
    url=$1
    suite=$2
    shift 2
    for kind in "$@"; do
        printf '%s [signed-by=%s] %s %s main\n' "$kind" "$keyring" "$url" "$suite"
    done > "$apt/sources.list"
    in_archive apt-get -o APT::Update::Error-Mode=any update ||
        archive_failed "apt-get update failed: offline, or the archive has no suite $suite"
}

# in_archive apt-get|apt-cache ARGUMENTS: on what open_archive has set up; what it says goes to .apt/log/output.
in_archive() {
    tool=$1
    shift
    "$tool" -q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts="$apt/none" \
        -o Dir::Etc::preferences="$apt/none/x" -o Dir::Etc::preferencesparts="$apt/none" \
        -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" \
        -o Dir::Cache="$apt/cache" -o Dir::Log="$apt/log" -o Acquire::Languages=none \
        -o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false \
        -o APT::Sandbox::User="$(id -un)" "$@" >> "$apt/log/output" 2>&1
}

# Ends with what apt said and a sentence.
archive_failed() {
    sed 's/^/    /' "$apt/log/output" >&2
    fail "$*"
}

# check_sha256 FILE SHA256
check_sha256() {
    got=$(sha256sum "$1" | cut -d' ' -f1)
    [ "$got" = "$2" ] || fail "$1: expected SHA-256 $2, got $got"
}
