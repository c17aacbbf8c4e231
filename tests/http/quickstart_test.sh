#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
#
# quickstart.sh as a stranger uses it: in folders with awkward names, on ports that are taken, run again, after
# a wrong PIN. Needs the release build that tests/run.sh makes; without it, 77 (skipped).
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
quickstart=$root/hsm-setup/quickstart.sh
[ -x "$root/build/release/appliance/symbolon" ] && [ -x "$root/build/release/hsm-setup/symbolon-hsm" ] || exit 77

work=$(mktemp -d)
dir="$work/a b'c\"d\$e"
other=0 failures=0
cleanup() {
    [ "$other" -eq 0 ] || kill "$other"
    [ ! -d "$dir" ] || "$quickstart" --dir "$dir" --stop >/dev/null 2>&1
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1

fail() { echo "FAILED: $*" && failures=$((failures + 1)); }
# expect STATUS WHAT COMMAND...; leaves what it printed in out and err
expect() {
    local status=$1 what=$2 got=0
    shift 2
    "$@" >out 2>err </dev/null || got=$?
    [ "$got" -eq "$status" ] || { fail "$what: exit $got, expected $status" && tail -n 20 out err; }
}
says() { grep -qF -- "$2" "$1" || { fail "$1 does not say: $2" && tail -n 20 "$1"; }; }
lacks() { ! grep -qF -- "$2" "$1" || fail "$1 says: $2"; }

# The first of two ports that are free together.
free_port() {
    python3 - <<'END'
import socket
while True:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        try:
            two.bind(("127.0.0.1", port + 1))
        except OSError:
            continue
        print(port)
        break
END
}
# An appliance of somebody else, as far as it can be told from outside: it says it is ready.
occupy() {
    python3 - "$1" >occupied 2>/dev/null <<'END' &
import http.server
import sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready)
print("listening", flush=True)
server.serve_forever()
END
    other=$!
    until grep -q listening occupied; do sleep 0.1; done
}
free() { kill "$other" && wait "$other" 2>/dev/null; other=0; }
is_alive() { [ -f "$dir/symbolon.pid" ] && kill -0 "$(cat "$dir/symbolon.pid")" 2>/dev/null; }
answers() { curl -sf --cacert "$dir/tls.pem" "https://127.0.0.1:$port/readyz" >/dev/null; }

# ---- usage
for words in --port --dir "--port x" "--port 0" "--port 65535" "--port -1" "--port 99999999999999999999" "--nonsense" "stray" \
    "--dir a#b" "--dir a=b"; do
    expect 64 "$words" "$quickstart" $words
    says err "usage: "
    lacks err "quickstart.sh: line" # what bash says of a script that is wrong
done
expect 64 "an empty folder name" "$quickstart" --dir ""
expect 0 "help" "$quickstart" --help
expect 1 "stop in a folder that does not exist" "$quickstart" --dir none --stop
lacks out stopped
[ ! -e none ] || fail "--stop has made a folder"
[ ! -e var ] || fail "wrong usage has made a folder"

# ---- a port that is taken
port=$(free_port)
for taken in "$port" "$((port + 1))"; do
    occupy "$taken"
    expect 1 "port $taken is taken" "$quickstart" --dir "$dir" --port "$port"
    says err "port $taken is taken"
    lacks out "running at"
    ! is_alive || fail "an appliance was left running"
    free
done

# ---- a folder with an awkward name; what is shown can be pasted
expect 0 "first run" "$quickstart" --dir "$dir" --port "$port"
says out "running at https://127.0.0.1:$port"
answers || fail "does not answer"
first=$(cat "$dir/symbolon.pid")
grep '^curl .*/v1/transform/encode/ssn' out >shown
(cd "$dir" && bash "$work/shown") 2>&1 | grep -q encoded_value || fail "a shown command does not work when pasted"
grep '^stop it with: ' out | sed 's/^stop it with: //' >stop

expect 0 "a second run" "$quickstart" --dir "$dir" --port "0$port"
[ "$(cat "$dir/symbolon.pid")" != "$first" ] || fail "was not restarted"
answers || fail "does not answer after a second run"

# ---- a wrong PIN was tried: what runs is left alone
second=$(cat "$dir/symbolon.pid")
printf '0000\n' >wrong-pin && chmod 600 wrong-pin
SOFTHSM2_CONF=$dir/softhsm2.conf "$root/build/release/hsm-setup/symbolon-hsm" keys list \
    --module /usr/lib/softhsm/libsofthsm2.so --token symbolon --pin-file wrong-pin >/dev/null 2>&1
expect 78 "after a wrong PIN" "$quickstart" --dir "$dir" --port "$port"
says err "run this again with --pin-retry"
says err "still runs"
says err "$(cat stop)"
[ "$(cat "$dir/symbolon.pid")" = "$second" ] && answers || fail "the running appliance was stopped"
expect 0 "after a wrong PIN, --pin-retry" "$quickstart" --dir "$dir" --port "$port" --pin-retry

# ---- a failure after the start
mkdir bin && printf '#!/bin/sh\nexit 1\n' >bin/gunzip && chmod 755 bin/gunzip
expect 1 "a command that fails" env PATH="$work/bin:$PATH" "$quickstart" --dir "$dir" --port "$port"
says err "$(cat stop)"
is_alive || fail "is not running"

# ---- stop
expect 0 "the stop line" bash stop
says out stopped
! is_alive || fail "was not stopped"
expect 0 "stop again" "$quickstart" --dir "$dir" --stop
lacks out stopped
sleep 600 &
other=$!
echo "$other" >"$dir/symbolon.pid"
expect 0 "a number that belongs to another process" "$quickstart" --dir "$dir" --stop
lacks out stopped
kill -0 "$other" || fail "killed another process"

[ "$failures" -eq 0 ] && echo "all well"
exit $((failures > 0))
