#!/usr/bin/env bash
# clang-tidy over the library's sources (.clang-tidy has the checks). Needs a configured build/release.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files 'core/*.cpp' 'autograd/*.cpp' 'nn/*.cpp' 'optim/*.cpp' 'models/*.cpp' 'data/*.cpp' |
  xargs -P "$(nproc)" -n 4 clang-tidy -p build/release --quiet
