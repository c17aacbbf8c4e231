#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
#
# with_softhsm.sh COMMAND...: runs the command with a SoftHSM token of its own in a temporary folder,
# named by SYMBOLON_TEST_TOKEN and SYMBOLON_TEST_PIN_FILE, and removes it afterwards.
set -euo pipefail
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/tokens"
cat >"$folder/softhsm2.conf" <<END
directories.tokendir = $folder/tokens
objectstore.backend = file
log.level = ERROR
END
export SOFTHSM2_CONF=$folder/softhsm2.conf
pin=$(od -An -N8 -tx8 /dev/urandom | tr -d ' \n')
softhsm2-util --init-token --free --label vectors --pin "$pin" --so-pin "$pin" >/dev/null
printf '%s\n' "$pin" >"$folder/pin"
SYMBOLON_TEST_TOKEN=vectors SYMBOLON_TEST_PIN_FILE=$folder/pin "$@"
