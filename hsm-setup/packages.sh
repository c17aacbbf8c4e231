# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
# Sourced by quickstart.sh and tests/run.sh: the Debian 12 packages each needs, and how to get them.

# To build and run the appliance on SoftHSM.
RUN_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config
  libssl-dev libp11-dev libp11-kit-dev softhsm2 libcivetweb-dev libcjson-dev libconfuse-dev libsqlite3-dev zlib1g-dev
  curl jq ca-certificates openssl"

# install_packages NAME...: installs those that are missing; root, or sudo.
install_packages() {
    local missing=() name
    for name in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "need root or sudo to install: ${missing[*]}" >&2
            return 1
        }
        sudo=sudo
    fi
    echo "installing ${missing[*]}"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >/dev/null
}
