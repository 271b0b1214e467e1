#!/usr/bin/env bash
# Installs what is missing, builds this one program and trains SmallCNN with BatchNorm and with GroupNorm at batch size 2 and 16
# on the built-in data set: about a minute on 2 cores. Arguments go to the program (--help lists them).
set -euo pipefail
cd "$(dirname "$0")/.."
./cmake/setup.sh
[ -f build/release/build.ninja ] || cmake --preset release -DEVENKEEL_BUILD_TESTS=OFF -DEVENKEEL_BUILD_BENCH=OFF -DEVENKEEL_GENERIC=OFF >/dev/null
cmake --build --preset release --target example_quickstart
exec ./build/release/examples/quickstart "$@"
