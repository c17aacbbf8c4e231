#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
# with_token.sh KIND PROGRAM...: sets up a PKCS#11 token of another kind than SoftHSM in a private folder, runs the
# program with it, and removes everything. tests/support/softhsm.h reads SYMBOLON_TOKEN* from the environment.
# Status 77 and the reason when this machine cannot have such a token.
set -euo pipefail

kind=$1
shift
libraries=$(dirname "$(pkg-config --variable=p11_module_path p11-kit-1)")
pin=1234567 # SOFTHSM_PIN
label="test token" # SOFTHSM_LABEL

skip() {
    echo "skipped: all: $kind: $1"
    exit 77
}

# ---- opencryptoki: it knows one set of folders only, so that it gets a mount namespace, and as its daemon must
# end with the test, a process namespace of its own.

if [ "$kind" = opencryptoki ] && [ "${SYMBOLON_INSIDE:-}" != yes ]; then
    [ -x /usr/sbin/pkcsslotd ] || skip "the package opencryptoki is not installed"
    [ "$(id -u)" -eq 0 ] || skip "pkcsslotd gives its folders to the group pkcs11, for which root is needed"
    unshare --mount --ipc --pid --fork true 2>/dev/null || skip "unshare: CAP_SYS_ADMIN is needed for private folders"
    SYMBOLON_INSIDE=yes exec unshare --mount --ipc --pid --fork --kill-child --mount-proc "$0" "$kind" "$@"
fi

folder=$(mktemp -d /tmp/symbolon-token-XXXXXX)
children=()
clean() {
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap clean EXIT

opencryptoki() {
    local private slot
    for private in /var/lib/opencryptoki /run /dev/shm; do
        mount -t tmpfs -o mode=0755 symbolon "$private"
    done
    chmod 1777 /dev/shm
    install -d -m 0770 -g pkcs11 /run/lock/opencryptoki /var/lib/opencryptoki
    for slot in swtok tpm lite ccatok ep11tok icsf; do
        install -d -m 0770 -g pkcs11 /run/lock/opencryptoki/$slot /var/lib/opencryptoki/$slot \
            /var/lib/opencryptoki/$slot/TOK_OBJ
    done
    /usr/sbin/pkcsslotd
    for _ in $(seq 100); do
        [ -S /run/pkcsslotd.socket ] && break
        sleep 0.1
    done
    {
        echo "$label" | pkcsconf -I -c 3 -S 87654321
        pkcsconf -P -c 3 -S 87654321 -n 76543210
        pkcsconf -u -c 3 -S 76543210 -n 12345678
        pkcsconf -p -c 3 -U 12345678 -n "$pin"
    } >/dev/null
    export SYMBOLON_TOKEN_MODULE=$libraries/pkcs11/libopencryptoki.so
}

nss() {
    command -v certutil >/dev/null || skip "the package libnss3-tools is not installed"
    mkdir "$folder/nss"
    (umask 077 && echo "$pin" >"$folder/password")
    certutil -N -d "sql:$folder/nss" -f "$folder/password"
    export SYMBOLON_TOKEN_MODULE=$libraries/libsoftokn3.so
    export SYMBOLON_TOKEN_ARGUMENTS="configdir='sql:$folder/nss' certPrefix='' keyPrefix='' secmod='secmod.db' flags= dbTokenDescription='$label'"
}

# SoftHSM behind a socket, as a network HSM is.
p11-kit() {
    command -v /usr/bin/p11-kit >/dev/null || skip "the package p11-kit is not installed"
    mkdir "$folder/tokens"
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$folder/tokens" \
        >"$folder/softhsm2.conf"
    export SOFTHSM2_CONF=$folder/softhsm2.conf
    softhsm2-util --init-token --free --label "$label" --so-pin so-7654321 --pin "$pin" >/dev/null
    /usr/bin/p11-kit server --foreground --name "$folder/socket" --provider /usr/lib/softhsm/libsofthsm2.so \
        pkcs11: >/dev/null &
    children+=($!)
    for _ in $(seq 100); do
        [ -S "$folder/socket" ] && break
        sleep 0.1
    done
    export P11_KIT_SERVER_ADDRESS=unix:path=$folder/socket
    export SYMBOLON_TOKEN_MODULE=$libraries/pkcs11/p11-kit-client.so
}

case $kind in
    isolated) ;; # SoftHSM as ever, but in a process of its own
    opencryptoki | nss | p11-kit) "$kind" ;;
    *) echo "with_token.sh: no such kind: $kind" >&2 && exit 64 ;;
esac
export SYMBOLON_TOKEN=$kind
case $kind in
    opencryptoki | nss) export ASAN_OPTIONS=detect_leaks=0 ;; # their own, without a name to tell them by
esac
"$@"
