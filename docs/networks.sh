#!/usr/bin/env bash
# Draws docs/networks/*.svg anew, the layers of every network that has a name (`networks` lists them), as they see one 32x32 image.
# Needs the built programs and Graphviz (Debian: graphviz), which nothing else does.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v dot >/dev/null || { echo "docs/networks.sh: needs dot (Debian: graphviz)" >&2; exit 2; }
mkdir -p docs/networks
rm -f docs/networks/*.svg
for name in $(build/release/examples/networks | awk '/^[a-z]/ { print $1 }'); do
  build/release/examples/networks "$name" --dot layers | dot -Tsvg >"docs/networks/$name.svg"
done
