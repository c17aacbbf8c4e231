#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh Debian 12 to a running appliance on SoftHSM, and a card tokenized and opened through every
# API. For trying out and for tests: SoftHSM keeps its keys in files. Run again, it keeps keys and
# credentials and restarts the appliance.
set -euo pipefail

usage() {
    cat <<'END'
usage: hsm-setup/quickstart.sh [--dir DIR] [--port N] [--http] [--stop]
  --dir DIR   where keys, configuration and credentials live (default ./var)
  --port N    listen on 127.0.0.1:N, operations on N + 1 (default 8443)
  --http      plain HTTP on loopback, for load tests
  --stop      stop the appliance that runs from DIR
END
}

root=$(cd "$(dirname "$0")/.." && pwd)
dir=var port=8443 plain_http=false stop=false
while [ $# -gt 0 ]; do
    case $1 in
    --dir) dir=${2:?--dir needs a folder} && shift ;;
    --port) port=${2:?--port needs a number} && shift ;;
    --http) plain_http=true ;;
    --stop) stop=true ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 64 ;;
    esac
    shift
done
case $port in
'' | *[!0-9]*) echo "quickstart: --port must be a number" >&2 && exit 64 ;;
esac
if [ "$port" -lt 1 ] || [ "$port" -gt 65534 ]; then
    echo "quickstart: --port must be 1..65534" >&2 && exit 64
fi

umask 077
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
export SOFTHSM2_CONF=$dir/softhsm2.conf
module=/usr/lib/softhsm/libsofthsm2.so
symbolon=$root/build/release/appliance/symbolon
symbolon_hsm=$root/build/release/hsm-setup/symbolon-hsm
$plain_http && scheme=http || scheme=https
url=$scheme://127.0.0.1:$port

say() { printf '\n== %s\n' "$*"; }

stop_appliance() {
    local pid
    [ -f "$dir/symbolon.pid" ] || return 0
    pid=$(cat "$dir/symbolon.pid")
    # The number may belong to someone else by now.
    if [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')" = "$symbolon" ]; then
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    fi
    rm -f "$dir/symbolon.pid"
}

if $stop; then
    stop_appliance
    echo "stopped"
    exit 0
fi

build() {
    . "$root/hsm-setup/packages.sh"
    install_packages $RUN_PACKAGES
    say "building release"
    (cd "$root" && umask 022 && cmake --preset release >/dev/null && cmake --build --preset release)
}

random_pin() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

create_token() {
    say "SoftHSM token, keys and certificate in $dir"
    mkdir -p "$dir/tokens"
    cat >"$SOFTHSM2_CONF" <<END
directories.tokendir = $dir/tokens
objectstore.backend = file
log.level = ERROR
slots.removable = false
END
    [ -f "$dir/pin" ] || random_pin >"$dir/pin"
    [ -f "$dir/so-pin" ] || random_pin >"$dir/so-pin"
    if [ -z "$(ls "$dir/tokens")" ]; then
        "$symbolon_hsm" init --module "$module" --token symbolon --pin-file "$dir/pin" --so-pin-file "$dir/so-pin"
    fi
    local tenant
    for tenant in 0 1 2; do
        "$symbolon_hsm" keys generate --module "$module" --token symbolon --pin-file "$dir/pin" \
            --tenant "$tenant" --if-missing
    done
    if [ ! -f "$dir/tls.pem" ]; then
        "$symbolon_hsm" cert --module "$module" --token symbolon --pin-file "$dir/pin" --self-signed \
            --subject localhost --san DNS:localhost,IP:127.0.0.1 --days 365 --out "$dir/tls.pem"
    fi
}

# A tenant with a client for every API: NAME ID.
tenant_block() {
    local name=$1 id=$2
    cat <<END

tenant "$name" {
    id = $id
    keys 1 { state = "current" }

    client "$name-cards" { id = ${id}1  apis = {"card"} }
    client "$name-gift" {
        id = ${id}2
        apis = {"giftcard"}
        issuer_range "60357100" { digits = 16  luhn = true  code = 0 }
        issuer_range "603571" { digits = 16  luhn = true  code = 4 }
    }
    client "$name-serial" { id = ${id}5  apis = {"serial"}  permissions = {"produce", "read"} }
    client "$name-app" {
        id = ${id}3
        apis = {"transform"}
        permissions = {"tokenize", "detokenize"}
        roles = {"pan", "card", "pan-first-six", "pan-last-four", "ssn", "giftcard"}
    }
    client "$name-writer" {
        id = ${id}4
        apis = {"transform"}
        permissions = {"tokenize"}
        roles = {"pan", "card", "pan-first-six", "pan-last-four", "ssn", "giftcard"}
    }

    transformation "creditcard" { id = 1  template = "builtin/creditcardnumber" }
    transformation "card" { id = 2  template = "card"  of = "$name-cards" }
    transformation "first-six" { id = 3  template = "pan-first-six" }
    transformation "last-four" { id = 4  template = "pan-last-four" }
    transformation "ssn" { id = 5  template = "builtin/socialsecuritynumber"  generation = 1 }
    transformation "giftcard" { id = 6  template = "giftcard"  of = "$name-gift" }

    role "pan" { transformations = {"creditcard"} }
    role "card" { transformations = {"card"} }
    role "pan-first-six" { transformations = {"first-six"} }
    role "pan-last-four" { transformations = {"last-four"} }
    role "ssn" { transformations = {"ssn"} }
    role "giftcard" { transformations = {"giftcard"} }
}
END
}

write_config() {
    if [ ! -f "$dir/symbolon.conf" ]; then
        {
            cat <<END
# Written by quickstart.sh; edit it as you like, a second run changes only the three lines that follow.
listen = "127.0.0.1:$port"
operations_listen = "127.0.0.1:$((port + 1))"
plain_http = $plain_http

tls { certificate = "tls.pem" }
audit { file = "audit.log" }
store { file = "symbolon.db" }
slot "softhsm" { module = "$module"  token = "symbolon"  pin_file = "pin" }
END
            tenant_block demo 1
            tenant_block other 2
        } >"$dir/symbolon.conf"
    fi
    sed -i -e "s/^listen = .*/listen = \"127.0.0.1:$port\"/" \
        -e "s/^operations_listen = .*/operations_listen = \"127.0.0.1:$((port + 1))\"/" \
        -e "s/^plain_http = .*/plain_http = $plain_http/" "$dir/symbolon.conf"
    "$symbolon" --config "$dir/symbolon.conf" check
    "$symbolon" --config "$dir/symbolon.conf" formats
}

credential() { "$symbolon" --config "$dir/symbolon.conf" credential show "$1"; }

# NAME FILE: credentials travel through pipes only, never through arguments.
write_credentials() {
    {
        credential "$1-cards"
        credential "$1-gift"
        credential "$1-serial"
        credential "$1-app"
        credential "$1-writer" | jq '{transform: {tokenize_only_token: .transform.token}}'
    } | jq -s 'reduce .[] as $part ({}; . * $part)' >"$2"
}

start_appliance() {
    say "starting"
    setsid "$symbolon" --config "$dir/symbolon.conf" serve >>"$dir/symbolon.log" 2>&1 </dev/null &
    echo $! >"$dir/symbolon.pid"
    local waited
    for waited in $(seq 100); do
        curl -sf "http://127.0.0.1:$((port + 1))/readyz" >/dev/null 2>&1 && return 0
        kill -0 "$(cat "$dir/symbolon.pid")" 2>/dev/null || break
        sleep 0.1
    done
    echo "the appliance did not become ready:" >&2
    tail -n 5 "$dir/symbolon.log" >&2
    rm -f "$dir/symbolon.pid"
    exit 1
}

ca() { $plain_http || printf -- '--cacert %s/tls.pem ' "$dir"; }

# Shows a command and runs it. The commands read credentials from files, so that none is an argument.
show() {
    printf '\n%s\n' "$1"
    (cd "$dir" && bash -o pipefail -c "$1") || { echo "failed" >&2 && exit 1; }
    echo
}

try_card_api() {
    say "card tokens: POST /v2/tokens"
    cat >"$dir/wp3-header.sh" <<'END'
# Prints the Authorization header of a WP3-v2.1 request: PATH BODY-FILE; credentials from credentials.json.
now=$(date +%s)
id=$(jq -r .card.authenticity_token credentials.json)
digest=$({ jq -j .card.merchant_key credentials.json; printf '%s%s%s' "$now" "$id" "$1"; cat "$2"; } | sha512sum | cut -d' ' -f1)
printf 'Authorization: WP3-v2.1 %s %s %s\n' "$id" "$now" "$digest"
END
    echo '{"type":"card","card":{"pan":"4242424242424242","expiration_date":"3012"}}' >"$dir/card.json"
    show "bash wp3-header.sh /v2/tokens card.json | curl -sS $(ca)-H @- -H 'Content-Type: application/json' --data-binary @card.json $url/v2/tokens | tee card-token.json"
}

try_gift_card_api() {
    say "gift cards: POST /v1/Token"
    (cd "$dir" && jq -r '"user = \"" + .giftcard.username + ":" + .giftcard.password + "\""' credentials.json >giftcard.curlrc)
    echo '{"cardnumber":"6035710012345674","securitycode":""}' >"$dir/giftcard.json"
    show "curl -sS $(ca)-K giftcard.curlrc --location --request POST '$url/v1/Token' --header 'Content-Type: application/json' --data @giftcard.json | tee giftcard-token.json"
}

try_transform_api() {
    say "transform: encode and decode"
    (cd "$dir" && jq -r '"X-Vault-Token: " + .transform.token' credentials.json >transform.header)
    echo '{"value":"4111 1111 1111 1111"}' >"$dir/pan.json"
    show "curl -sS $(ca)-H @transform.header --data @pan.json $url/v1/transform/encode/pan | tee pan-token.json"
    show "jq -c '{value: .data.encoded_value}' pan-token.json | curl -sS $(ca)-H @transform.header --data @- $url/v1/transform/decode/pan"
    echo '{"value":"078-05-1120"}' >"$dir/ssn.json"
    show "curl -sS $(ca)-H @transform.header --data @ssn.json $url/v1/transform/encode/ssn"
    show "jq -c '{value: .token}' giftcard-token.json | curl -sS $(ca)-H @transform.header --data @- $url/v1/transform/decode/giftcard"
    show "jq -c '{value: .token}' card-token.json | curl -sS $(ca)-H @transform.header --data @- $url/v1/transform/decode/card"
}

try_serial_api() {
    local json='application/vnd.api+json' curl
    say "serial tokens: a session, a line, its tokens"
    (cd "$dir" && jq -r '"Api-Key: " + .serial.api_key' credentials.json >api-key.header)
    echo '{"data":{"type":"sessions","attributes":{"note":"quickstart"}}}' >"$dir/session.json"
    show "curl -sS $(ca)-H @api-key.header -H 'Accept: $json' -H 'Content-Type: $json' --data @session.json $url/api/sessions | tee session-reply.json"
    (cd "$dir" && jq -r '"Session-Key: " + .data.id' session-reply.json >session.header)
    # A payment ident is accepted once; a real one comes from the payment provider.
    jq -n --arg ident "pi_$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')" '{data: {type: "tokens",
        attributes: {size: "1000", digits: "10", alphabet: "UPPER_HEX"},
        relationships: {payment: {data: {type: "transaction", id: "3f1b6a52-7c1e-4d0a-9b57-2f64d1c0a9e8", ident: $ident}}}}}' >"$dir/line.json"
    show "curl -sS $(ca)-H @session.header -H 'Accept: $json' -H 'Content-Type: $json' --data @line.json $url/api/tokens | tee line-reply.json"
    curl="curl -sS $(ca)-H @session.header"
    show "until $curl $url\$(jq -r .links.info line-reply.json) | tee line-info.json | grep -q '\"finished\"'; do sleep 0.1; done; cat line-info.json"
    show "$curl \"$url\$(jq -r .links.data line-info.json)?format=gz\" | gunzip | head -n 3"
}

build
stop_appliance
create_token
write_config
write_credentials demo "$dir/credentials.json"
write_credentials other "$dir/credentials-other.json"
start_appliance
try_card_api
try_gift_card_api
try_transform_api
try_serial_api
say "running at $url, credentials in $dir/credentials.json; the commands above run in $dir"
[ "$dir" = "$PWD/var" ] && dir_option="" || dir_option=" --dir $dir"
echo "stop it with: $root/hsm-setup/quickstart.sh$dir_option --stop"
