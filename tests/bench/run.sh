#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
# Installs what the benchmark needs, builds with release flags and measures everything side by side. Arguments go to
# run.py:  tests/bench/run.sh --parts engine,lanes    tests/bench/run.sh --quick    tests/bench/run.sh --out FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
. hsm-setup/packages.sh

BENCH_PACKAGES="$RUN_PACKAGES libcmocka-dev python3 opensc openjdk-17-jdk-headless libbcprov-java nodejs
  wrk postgresql postgresql-contrib libpq-dev valgrind"
install_packages $BENCH_PACKAGES
# Others than Debian ship npm within nodejs.
command -v npm >/dev/null || install_packages npm

cmake --preset bench >/dev/null
cmake --build --preset bench -- --quiet
exec /usr/bin/python3 -B tests/bench/run.py --packages "$(echo $BENCH_PACKAGES)" "$@"
