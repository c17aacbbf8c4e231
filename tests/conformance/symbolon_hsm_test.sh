#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
#
# symbolon-hsm from the outside: what it prints, what it leaves behind, how it exits. Usage: SCRIPT PROGRAM
set -uo pipefail

hsm=$1
dir=$(mktemp -d /tmp/symbolon-hsm-test-XXXXXX)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
cd "$dir" || exit 1
umask 077
mkdir tokens
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$dir" >softhsm2.conf
export SOFTHSM2_CONF=$dir/softhsm2.conf
module=/usr/lib/softhsm/libsofthsm2.so
printf '1234567\n' >pin
printf '7654321\n' >wrong-pin
printf 'so-123456\n' >so-pin
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect STATUS WHAT COMMAND...: runs it with output in ./out and ./err.
expect() {
    local status=$1 what=$2
    shift 2
    "$@" >out 2>err </dev/null
    local got=$?
    [ "$got" -eq "$status" ] || { fail "$what: exit $got, expected $status" && cat out err; }
}
# says FILE TEXT, lacks FILE TEXT
says() { grep -qF -- "$2" "$1" || { fail "$1 does not say: $2" && cat "$1"; }; }
lacks() { ! grep -qF -- "$2" "$1" || { fail "$1 says: $2" && cat "$1"; }; }

slot=(--module "$module" --token demo --pin-file pin)

# ---- usage
expect 64 "no command" "$hsm"
says err "usage: symbolon-hsm COMMAND"
expect 0 "help" "$hsm" --help
for word in init "keys generate" "keys list" "keys destroy" cert check bench; do says out "  $word:"; done
# The manual page names the same options and commands.
manual=$here/../../hsm-setup/symbolon-hsm.8
grep -oE '^ +--[a-z-]+' out | tr -d ' ' | sort -u >helped
grep -oE 'Fl( -[a-z]+(-[a-z]+)* ,)* -[a-z]+(-[a-z]+)*( , -[a-z]+(-[a-z]+)*)*' "$manual" | grep -oE ' -[a-z]+(-[a-z]+)*' |
    sed 's/^ -/--/' | grep -vx -- --help | sort -u >told
diff helped told >difference || fail "help (<) and manual page (>) differ: $(cat difference)"
for word in init "keys generate" "keys list" "keys destroy" cert check bench; do
    grep -qFx ".It Cm $word" "$manual" || fail "the manual page lacks $word"
done
expect 0 "help of a command" "$hsm" cert --help
expect 64 "unknown command" "$hsm" destroy
[ "$(head -n 1 err)" = 'symbolon-hsm: unknown command "destroy"' ] || fail "the unknown command is not named first"
expect 64 "half a command" "$hsm" keys
[ "$(head -n 1 err)" = 'symbolon-hsm: unknown command "keys"' ] || fail "the half command is not named first"
expect 64 "unknown second word" "$hsm" keys destory
says err 'unknown command "keys destory"'
expect 64 "unknown option" "$hsm" check "${slot[@]}" --nonsense
expect 64 "an option of another command" "$hsm" check "${slot[@]}" --days 3
expect 64 "a stray word" "$hsm" check "${slot[@]}" stray
says err 'what is "stray"?'
expect 64 "no module" "$hsm" check --token demo
expect 64 "no tenant" "$hsm" keys generate "${slot[@]}"
for bad in -1 65536 x "" 1x +1 " 1" 99999999999999999999; do
    expect 64 "tenant '$bad'" "$hsm" keys generate "${slot[@]}" --tenant "$bad"
done
expect 64 "generation 0" "$hsm" keys generate "${slot[@]}" --tenant 1 --generation 0
expect 64 "unknown use" "$hsm" keys generate "${slot[@]}" --tenant 1 --use aes
says err "--use must be fpe, mac, sign-ed25519, sign-p256 or tls"
expect 64 "a PIN in argv" "$hsm" check "${slot[@]}" --pin 1234567

# ---- init
expect 78 "no such token yet" "$hsm" check "${slot[@]}"
says err 'no token with label "demo"'
expect 78 "no PIN file and no terminal" setsid "$hsm" check --module "$module" --token demo
says err "no terminal"
expect 0 "init" "$hsm" init "${slot[@]}" --so-pin-file so-pin --no-keys
says out 'token "demo" initialized'
expect 1 "init again" "$hsm" init "${slot[@]}" --so-pin-file so-pin
says err "exists already; nothing was changed"
[ ! -s out ] || fail "a transcript of nothing"

# ---- keys
expect 1 "check without keys" "$hsm" check "${slot[@]}"
says out "symbolon-hsm keys generate makes them"
expect 0 "list without keys" "$hsm" keys list "${slot[@]}" --json
says out '{"keys":[]}'
expect 0 "keys of tenant 0" "$hsm" keys generate "${slot[@]}" --tenant 0
[ "$(wc -l <out)" -eq 5 ] || fail "tenant 0 has five keys"
for use in fpe mac sign-ed25519 sign-p256 tls; do says out " $use "; done
expect 0 "keys of tenant 1" "$hsm" keys generate "${slot[@]}" --tenant 1
[ "$(wc -l <out)" -eq 2 ] || fail "tenant 1 has two keys"
expect 1 "the same again" "$hsm" keys generate "${slot[@]}" --tenant 1
says err "key symbolon:1:fpe:1: exists already"
expect 0 "the same if missing" "$hsm" keys generate "${slot[@]}" --tenant 1 --if-missing
says out "exists already"
expect 0 "one use, next generation" "$hsm" keys generate "${slot[@]}" --tenant 1 --use fpe --generation 2
says out "symbolon:1:fpe:2"
[ "$(wc -l <out)" -eq 1 ] || fail "one key was asked for"

expect 0 "list" "$hsm" keys list "${slot[@]}"
[ "$(wc -l <out)" -eq 8 ] || fail "eight keys are listed"
[ "$(grep -c ' ok$' out)" -eq 8 ] || fail "all keys are ok"
value=$(awk '$1 == "symbolon:1:fpe:2" { print $3 }' out)
expect 0 "list in JSON" "$hsm" keys list "${slot[@]}" --json
says out "{\"label\":\"symbolon:1:fpe:2\",\"tenant\":1,\"use\":\"fpe\",\"generation\":2,\"check_value\":\"$value\""

# ---- check
expect 0 "check" "$hsm" check "${slot[@]}"
lacks out "NOT OK"
says out "C_EncryptUpdate stream"
expect 0 "check in JSON" "$hsm" check "${slot[@]}" --json
says out '],"ok":true}'
# A key that the appliance must refuse, made by another tool.
pkcs11-tool --module "$module" --token-label demo --login --pin 1234567 --keygen --key-type AES:32 \
    --label symbolon:9:fpe:1 >/dev/null 2>&1 || fail "pkcs11-tool made no key"
expect 1 "check with a bad key" "$hsm" check "${slot[@]}"
says out "key symbolon:9:fpe:1: CKA_PRIVATE is false, must be true"
says err "checks failed"
expect 1 "the same in JSON" "$hsm" check "${slot[@]}" --json
says out '],"ok":false}'
expect 0 "list with a bad key" "$hsm" keys list "${slot[@]}"
says out "CKA_PRIVATE is false, must be true"

# ---- certificates
expect 64 "cert without a way" "$hsm" cert "${slot[@]}"
expect 64 "cert with two" "$hsm" cert "${slot[@]}" --csr --self-signed
expect 0 "self-signed" "$hsm" cert "${slot[@]}" --self-signed --subject host.test --days 30 \
    --san DNS:host.test,IP:127.0.0.1,IP:::1 --out tls.pem
[ "$(stat -c %a tls.pem)" = 644 ] || fail "mode of tls.pem"
[ "$(ls | grep -c 'tls.pem')" -eq 1 ] || fail "a temporary file was left"
openssl verify -CAfile tls.pem -purpose sslserver -verify_hostname host.test tls.pem >/dev/null || fail "verify by name"
openssl verify -CAfile tls.pem -verify_ip 127.0.0.1 tls.pem >/dev/null || fail "verify by address"
openssl verify -CAfile tls.pem -verify_hostname other.test tls.pem >/dev/null 2>&1 && fail "verified a foreign name"
openssl x509 -in tls.pem -noout -text >text
says text "CA:FALSE"
says text "X509v3 Basic Constraints: critical"
says text "Digital Signature"
says text "TLS Web Server Authentication"
says text "ecdsa-with-SHA256"
openssl x509 -in tls.pem -noout -checkend $((29 * 86400)) >/dev/null || fail "too short a life"
openssl x509 -in tls.pem -noout -checkend $((31 * 86400)) >/dev/null && fail "too long a life"
for bad in "host.test" "DNS:" "IP:1.2.3" "email:a@b" "DNS:a,otherName:1.2;UTF8:x" "@section" "DNS:a,,DNS:b"; do
    expect 64 "SAN '$bad'" "$hsm" cert "${slot[@]}" --self-signed --san "$bad"
done
expect 64 "a subject of 65 characters" "$hsm" cert "${slot[@]}" --self-signed --san DNS:a \
    --subject aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

expect 0 "request" "$hsm" cert "${slot[@]}" --csr --subject host.test
cp out request.pem
openssl req -in request.pem -verify -noout -text >text 2>&1 || fail "the request is signed"
says text "DNS:host.test"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -subj /CN=ca -out ca.pem 2>/dev/null
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -set_serial 5 -days 3 -copy_extensions copy -out ours.pem 2>/dev/null
cat ours.pem ca.pem >chain.pem
cp tls.pem live.pem
expect 1 "over a live certificate" "$hsm" cert "${slot[@]}" --install chain.pem --out tls.pem
says err "tls.pem: exists already; nothing was changed; --force replaces it"
expect 1 "self-signed over a live one" "$hsm" cert "${slot[@]}" --self-signed --out tls.pem
cmp -s live.pem tls.pem || fail "a live certificate was overwritten"
expect 0 "install" "$hsm" cert "${slot[@]}" --install chain.pem --out tls.pem --force
cmp -s chain.pem tls.pem || fail "the whole chain is installed"
expect 1 "a certificate for another key" "$hsm" cert "${slot[@]}" --install ca.pem --out tls.pem --force
says err "is not for the key in the token"
printf 'nothing\n' >nothing.pem
expect 1 "no certificate at all" "$hsm" cert "${slot[@]}" --install nothing.pem --out tls.pem --force
expect 1 "no file at all" "$hsm" cert "${slot[@]}" --install missing.pem --out tls.pem --force
faketime '2020-01-01' openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -set_serial 6 -days 1 -out old.pem 2>/dev/null
expect 1 "an expired certificate" "$hsm" cert "${slot[@]}" --install old.pem --out tls.pem --force
says err "has expired"
cmp -s chain.pem tls.pem || fail "a refused certificate has changed tls.pem"
expect 1 "a folder that does not exist" "$hsm" cert "${slot[@]}" --self-signed --out none/tls.pem

# ---- PINs
expect 78 "a wrong PIN" "$hsm" check --module "$module" --token demo --pin-file wrong-pin
says err "CKR_PIN_INCORRECT"
lacks err 7654321
expect 78 "the right one, after a wrong one" "$hsm" check "${slot[@]}"
says err "--pin-retry"
expect 0 "the right one, with --pin-retry" "$hsm" keys list "${slot[@]}" --pin-retry
expect 0 "and then without" "$hsm" keys list "${slot[@]}"
chmod 640 pin
expect 78 "a PIN file that others may read" "$hsm" keys list "${slot[@]}"
says err "must be 0400 or 0600"
chmod 600 pin
expect 78 "a module that does not exist" "$hsm" check --module /nonexistent.so --token demo --pin-file pin

# ---- typed PINs, on a terminal of script(1)
# Types each line when its question has been asked.
type_in() {
    local asked=0
    for line in "$@"; do
        asked=$((asked + 1))
        for ((i = 0; i < 600; i++)); do
            [ "$(grep -o 'PIN: ' out | wc -l)" -ge "$asked" ] && break
            sleep 0.05
        done
        printf '%s\n' "$line"
    done
}
# typed STATUS WHAT COMMAND LINE...: types the lines; what the terminal showed is in ./out
typed() {
    local status=$1 what=$2 command=$3
    shift 3
    : >out
    type_in "$@" | script -qec "$command" /dev/null >out
    local got=${PIPESTATUS[1]}
    [ "$got" -eq "$status" ] || { fail "$what: exit $got, expected $status" && cat out; }
    for line in "$@"; do [ -z "$line" ] || lacks out "$line"; done
}
typed 1 "two new PINs that differ" "$hsm init --module $module --token typed" so-secret1 so-secret2
says out "the two PINs differ"
typed 0 "init" "$hsm init --module $module --token typed --no-keys" so-secret1 so-secret1 secret1 secret1
typed 0 "keys" "$hsm keys generate --module $module --token typed --tenant 1 --use fpe" secret1
typed 1 "no PIN at all" "$hsm keys list --module $module --token typed" ""
typed 78 "a wrong PIN" "$hsm keys list --module $module --token typed" secret2
typed 0 "the right one" "$hsm keys list --module $module --token typed --pin-retry" secret1

# ---- bench leaves nothing behind
before=$(ls tokens/* | sort)
expect 0 "bench" "$hsm" bench "${slot[@]}" --seconds 0 --json
says out '"aes":[{"sessions":1,"blocks":1,'
grep -qE '"ff1":\[(\{"digits":16,"batch":[0-9]+,"tokens_per_s":[1-9][0-9]*\},?){3}\],"lanes":[124]\}$' out || fail "FF1 figures"
[ "$(grep -oE '"calls_per_s":[1-9]' out | wc -l)" -eq 15 ] || fail "AES figures"
[ "$before" = "$(ls tokens/* | sort)" ] || fail "bench has changed the token"

[ "$failures" -eq 0 ] && echo "all as it must be"
exit $((failures > 0))
