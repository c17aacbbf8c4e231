#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
# Installs what the tests need, builds with sanitizers and runs every test. Arguments go to ctest:
#   tests/run.sh -L unit      PRESET=tsan tests/run.sh -L unit
set -euo pipefail
cd "$(dirname "$0")/.."
. hsm-setup/packages.sh

install_packages $RUN_PACKAGES libcmocka-dev python3 opensc faketime clang-format systemd \
    p11-kit p11-kit-modules opencryptoki libnss3 libnss3-tools chromium nodejs wrk
# Others than Debian ship npm within nodejs.
command -v npm >/dev/null || install_packages npm

# What users build must build too: optimizing compilers see more.
cmake --preset release >/dev/null
cmake --build --preset release -- --quiet

preset=${PRESET:-dev}
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -- -k 0 --quiet
status=0
ctest --preset "$preset" --parallel 2 "$@" || status=$?
# What tokens of other kinds lack; nothing is left out silently.
grep -h "^skipped: " "build/$preset/Testing/Temporary/LastTest.log" || true
exit $status
