#!/usr/bin/env bash
# Installs what is missing, builds a Release and runs the whole test suite. Arguments go to ctest (-R conv, -V, ...).
set -euo pipefail
cd "$(dirname "$0")/.."
./cmake/setup.sh
./cmake/setup.sh doctest-dev libbenchmark-dev git
cmake --preset release >/dev/null
cmake --build --preset release
exec ctest --preset release -j "$(nproc)" "$@"
