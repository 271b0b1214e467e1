#!/usr/bin/env bash
# clang-tidy over the library's sources (.clang-tidy has the checks), each as a translation unit of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release -B build/lint -DEVENKEEL_UNITY=OFF -DEVENKEEL_BUILD_TESTS=OFF -DEVENKEEL_BUILD_BENCH=OFF >/dev/null
git ls-files 'core/*.cpp' 'autograd/*.cpp' 'nn/*.cpp' 'optim/*.cpp' 'models/*.cpp' 'data/*.cpp' 'training/*.cpp' |
  xargs -P "$(nproc)" -n 4 clang-tidy -p build/lint --quiet
