#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` puts where, and that it works from there. Argument: the build folder.
set -euo pipefail

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

build=$1
prefix=$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$build/CMakeCache.txt")
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
DESTDIR=$stage cmake --install "$build" >/dev/null
root=$stage$prefix

for file in sbin/symbolon sbin/symbolon-hsm lib/symbolon/libssl.so lib/symbolon/libcrypto.so \
    share/man/man8/symbolon.8 share/man/man8/symbolon-hsm.8 share/man/man5/symbolon.conf.5 share/doc/symbolon/symbolon.conf.example \
    lib/systemd/system/symbolon.service lib/sysusers.d/symbolon.conf; do
    [ -f "$root/$file" ] || fail "$file is not installed"
done

# Nothing that others may write, nothing with rights of its own, nothing in /etc.
odd=$(find "$stage" ! -type l \( -perm /7022 -o -path "$stage/etc/*" \))
[ -z "$odd" ] || fail "odd modes or places: $odd"

"$root/sbin/symbolon" --version >/dev/null || fail "the installed program does not run"
# It must load its own shims, or civetweb crashes at the first TLS client.
for shim in libssl.so libcrypto.so; do
    found=$(ldd "$root/sbin/symbolon" | awk -v name="$shim" '$1 == name {print $3}')
    [ "$(realpath "$found")" = "$(realpath "$root/lib/symbolon/$shim")" ] || fail "$shim comes from $found"
done

program=$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$root/lib/systemd/system/symbolon.service")
[ -x "$stage$program" ] || fail "the unit starts $program, which is not installed"
[ "$(grep -c ^ "$root/lib/systemd/system/symbolon.service")" = "$(grep -c ^ "$(dirname "$0")/../../appliance/symbolon.service")" ] ||
    fail "the unit lost lines"
grep -q '^SystemCallFilter=~@privileged' "$root/lib/systemd/system/symbolon.service" || fail "the unit lost its filters"
echo passed
