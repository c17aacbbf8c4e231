#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh Debian 12 to a running appliance on SoftHSM, and a card tokenized and opened through every
# API. For trying out and for tests: SoftHSM keeps its keys in files. Run again, it keeps keys and
# credentials and restarts the appliance; what runs already is stopped last, when everything else has gone well.
set -euo pipefail

usage() {
    cat <<'END'
usage: hsm-setup/quickstart.sh [--dir DIR] [--port N] [--http] [--pin-retry] [--stop]
  --dir DIR    where keys, configuration and credentials live (default ./var)
  --port N     listen on 127.0.0.1:N, operations on N + 1 (default 8443)
  --http       plain HTTP on loopback, for load tests
  --pin-retry  log in although a wrong PIN was tried before: when the PIN in DIR/pin is right
  --stop       stop the appliance that runs from DIR
END
}

fail() {
    printf 'quickstart: %s\n' "$2" >&2
    exit "$1"
}
misused() {
    usage >&2
    fail 64 "$1"
}

root=$(cd "$(dirname "$0")/.." && pwd)
dir=var port=8443 plain_http=false stop=false pin_retry=()
while [ $# -gt 0 ]; do
    case $1 in
    --dir | --port)
        [ -n "${2:-}" ] || misused "$1 needs a value"
        [ "$1" = --dir ] && dir=$2 || port=$2
        shift
        ;;
    --http) plain_http=true ;;
    --pin-retry) pin_retry=(--pin-retry) ;;
    --stop) stop=true ;;
    --help | -h) usage && exit 0 ;;
    *) misused "what is \"$1\"?" ;;
    esac
    shift
done
[[ $port =~ ^0*([0-9]{1,5})$ ]] && port=$((10#${BASH_REMATCH[1]})) && [ "$port" -ge 1 ] && [ "$port" -le 65534 ] ||
    misused "--port must be 1..65534"
[[ $dir != *[$'#=\n\r']* ]] || misused "--dir must not hold '#', '=' or line breaks: SoftHSM's configuration cannot"
$stop && [ ! -d "$dir" ] && fail 1 "$dir: no such folder"

umask 077
mkdir -p -- "$dir"
dir=$(cd -- "$dir" && pwd)
export SOFTHSM2_CONF=$dir/softhsm2.conf
module=/usr/lib/softhsm/libsofthsm2.so
symbolon=$root/build/release/appliance/symbolon
symbolon_hsm=$root/build/release/hsm-setup/symbolon-hsm
$plain_http && scheme=http || scheme=https
url=$scheme://127.0.0.1:$port

say() { printf '\n== %s\n' "$*"; }

# ---- the process --------------------------------------------------------------------------------------

# The number in the file may belong to someone else by now. (Of a process that forbids tracing, only root can
# see the executable, but everybody the arguments.)
is_running() {
    local pid words=()
    pid=$(cat "$dir/symbolon.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    mapfile -d '' -t words 2>/dev/null <"/proc/$pid/cmdline" || return 1
    [[ ${words[0]:-} == */symbolon && ${words[2]:-} == "$dir/symbolon.conf" ]]
}

stop_appliance() {
    local pid
    if is_running; then
        pid=$(cat "$dir/symbolon.pid")
        kill "$pid"
        while is_running; do sleep 0.1; done
    fi
    rm -f "$dir/symbolon.pid"
}

stop_line() {
    local option=()
    [ "$dir" = "$PWD/var" ] || option=(--dir "$dir")
    printf 'stop it with:'
    printf ' %q' "$root/hsm-setup/quickstart.sh" "${option[@]}" --stop
    echo
}

if $stop; then
    is_running && outcome=stopped || outcome="nothing runs from $dir"
    stop_appliance
    echo "$outcome"
    exit 0
fi

# However this ends, nobody is left with a process he does not know of.
at_exit() {
    local status=$?
    if [ $status -ne 0 ] && is_running; then
        { printf '\nthe appliance still runs from %s; ' "$dir" && stop_line; } >&2
    fi
    exit $status
}
trap at_exit EXIT

is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# What the running appliance itself holds is given up before the next one starts.
require_free_ports() {
    local own="" number
    if is_running; then
        own=$(sed -n 's/^\(operations_\)\{0,1\}listen = .*:\([0-9]*\)"$/ \2 /p' "$dir/symbolon.conf")
    fi
    for number in "$port" "$((port + 1))"; do
        if [[ $own != *" $number "* ]] && is_taken "$number"; then
            fail 1 "port $number is taken; --port names another, for itself and the next"
        fi
    done
}

# ---- build, keys, configuration -----------------------------------------------------------------------

build() {
    . "$root/hsm-setup/packages.sh"
    install_packages $RUN_PACKAGES
    say "building release"
    (cd "$root" && umask 022 && cmake --preset release >/dev/null && cmake --build --preset release)
}

random_pin() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

# The program itself says what is wrong; which PIN it is, only this script knows.
hsm() {
    local status=0
    "$symbolon_hsm" "$@" --module "$module" --token symbolon --pin-file "$dir/pin" || status=$?
    [ $status -ne 78 ] || fail 78 "if a wrong PIN was tried and the one in $dir/pin is right, run this again with --pin-retry"
    return $status
}

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
    [ -n "$(ls "$dir/tokens")" ] ||
        hsm init --so-pin-file "$dir/so-pin" --transcript "$dir/init-$(date -u +%Y%m%dT%H%M%SZ).txt"
    local tenant
    for tenant in 0 1 2; do
        hsm keys generate --tenant "$tenant" --if-missing "${pin_retry[@]}"
    done
    if [ ! -f "$dir/tls.pem" ]; then
        hsm cert --self-signed --subject localhost --san DNS:localhost,IP:127.0.0.1 --days 365 --out "$dir/tls.pem"
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
    account "T0000000${id}" { }
    client "$name-crm" {
        id = ${id}6
        apis = {"customers"}
        permissions = {"tokenize", "read", "detokenize"}
        accounts = {"T0000000${id}"}
    }
    client "$name-operator" { id = ${id}7  apis = {"operations"}  permissions = {"admin", "approve"} }
    client "$name-payments" {
        id = ${id}8
        apis = {"requests"}
        permissions = {"tokenize", "read"}
        display_name = "The $name shop"
    }
    client "$name-serial" { id = ${id}5  apis = {"serial"}  permissions = {"produce", "read"} }
    client "$name-app" {
        id = ${id}3
        apis = {"transform"}
        permissions = {"tokenize", "detokenize"}
        roles = {"pan", "card", "pan-first-six", "pan-last-four", "ssn", "giftcard", "customer"}
    }
    client "$name-writer" {
        id = ${id}4
        apis = {"transform"}
        permissions = {"tokenize"}
        roles = {"pan", "card", "pan-first-six", "pan-last-four", "ssn", "giftcard", "customer"}
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
    transformation "customer" { id = 7  template = "customer"  of = "T0000000${id}" }
    role "giftcard" { transformations = {"giftcard"} }
    role "customer" { transformations = {"customer"} }
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

credential() { "$symbolon" --config "$dir/symbolon.conf" "${pin_retry[@]}" credential show "$1"; }

# NAME FILE: credentials travel through pipes only, never through arguments.
write_credentials() {
    {
        credential "$1-cards"
        credential "$1-gift"
        credential "$1-serial"
        credential "$1-crm"
        credential "$1-payments"
        credential "$1-operator"
        credential "$1-app"
        credential "$1-writer" | jq '{transform: {tokenize_only_token: .transform.token}}'
    } | jq -s 'reduce .[] as $part ({}; . * $part)' >"$2"
}

# ---- start --------------------------------------------------------------------------------------------

# It says so in its log, unless that was told to be quieter.
says_listening() {
    grep -Eq '^log_level = .(warning|error)' "$dir/symbolon.conf" ||
        tail -c "+$(($1 + 1))" "$dir/symbolon.log" | grep -q '"listening"'
}

# Both ports answer, and it is this process that does: another's appliance may have come in between.
is_ready() {
    local ca=(--cacert "$dir/tls.pem")
    $plain_http && ca=()
    curl -sf "${ca[@]}" "$url/readyz" >/dev/null 2>&1 &&
        curl -sf "http://127.0.0.1:$((port + 1))/readyz" >/dev/null 2>&1 && says_listening "$1" && kill -0 "$2" 2>/dev/null
}

start_appliance() {
    local pid logged
    say "starting"
    touch "$dir/symbolon.log"
    logged=$(stat -c %s "$dir/symbolon.log")
    setsid "$symbolon" --config "$dir/symbolon.conf" "${pin_retry[@]}" serve >>"$dir/symbolon.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$dir/symbolon.pid"
    for _ in $(seq 150); do
        is_ready "$logged" "$pid" && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "the appliance did not become ready:" >&2
    tail -n 5 "$dir/symbolon.log" >&2
    stop_appliance
    exit 1
}

# ---- every API ----------------------------------------------------------------------------------------

ca() { $plain_http || printf -- '--cacert %q ' "$dir/tls.pem"; }

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

try_customer_api() {
    local base="$url/v1/accounts/T00000001"
    say "customer tokens: an access token, a token of a customer"
    (cd "$dir" && jq -r '"user = \"" + .customers.client_id + ":" + .customers.client_secret + "\""' credentials.json >customers.curlrc)
    jq -n --arg audience "$base" '{grant_type: "client_credentials", audience: $audience}' >"$dir/grant.json"
    show "curl -sS $(ca)-K customers.curlrc -H 'Content-Type: application/json' --data @grant.json $base/auth/token | jq -r '\"Authorization: Bearer \" + .access_token' >customers.header && cut -c 1-60 customers.header"
    echo '{"type":"sha1:email","value":"a1b79ef1a62d94ffa86b3f3d846df0ee3993af92","metadata":{"exp_month":10,"exp_year":20}}' >"$dir/customer.json"
    show "curl -sS $(ca)-H @customers.header -H 'Content-Type: application/json' --data @customer.json $base/customers/users/cust-$$/tokens | tee customer-token.json"
    show "jq -c '{value: .token_id}' customer-token.json | curl -sS $(ca)-H @transform.header --data @- $url/v1/transform/decode/customer"
    # So that the same value can be shown again.
    show "curl -sS $(ca)-H @customers.header -X DELETE $base/customers/users/cust-$$/tokens/\$(jq -r .token_id customer-token.json)"
}

# What is approved leads back to /livez here: whoever looks at the address sees what a shop would get.
try_request_api() {
    say "token requests: ask, and let a person decide"
    (cd "$dir" && jq -r '"user = \"" + .requests.member_id + ":" + .requests.api_key + "\""' credentials.json >requests.curlrc)
    (cd "$dir" && jq --arg url "$url" '{requestPayload: {refId: "order-7", to: {id: .requests.member_id},
        redirectUrl: ($url + "/livez"), callbackState: "basket-91", description: "Two chairs and a table",
        transferBody: {currency: "EUR", lifetimeAmount: "25.00", instructions: {transferDestinations: [
            {sepa: {iban: "DE02120300000000202051"}, customerData: {legalNames: ["Shop Ltd"]}}]}}}}' credentials.json >request.json)
    show "curl -sS $(ca)-K requests.curlrc -H 'Content-Type: application/json' --data @request.json $url/token-requests | tee request-reply.json"
    show "curl -sS $(ca)-K requests.curlrc $url/token-requests/\$(jq -r .tokenRequest.id request-reply.json)/result"
    printf '\nopen this in a browser, approve or reject, and ask for the result again:\n%s/app/request-token/%s\n' "$url" \
        "$(jq -r .tokenRequest.id "$dir/request-reply.json")"
}

try_operations() {
    say "operations: the keys in the slot, and their states"
    (cd "$dir" && jq -r '"X-Vault-Token: " + .operations.token' credentials.json >operations.header)
    show "curl -sS -H @operations.header http://127.0.0.1:$((port + 1))/operations/keys | jq -c '.generations[], (.slots[0].keys[] | {key: .label, check_value, made_here_and_never_left})'"
}

build
require_free_ports
create_token
write_config
write_credentials demo "$dir/credentials.json"
write_credentials other "$dir/credentials-other.json"
stop_appliance
start_appliance
try_card_api
try_gift_card_api
try_transform_api
try_serial_api
try_customer_api
try_request_api
try_operations
say "running at $url, credentials in $dir/credentials.json; the commands above run in $dir"
stop_line
