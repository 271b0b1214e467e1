#!/usr/bin/env bash
# Installs the Debian packages among the arguments that are missing, with sudo where not root, and says which.
# Without arguments: what the library and its programs need. Installs nothing, and needs no network, when nothing is missing.
set -euo pipefail

build_packages=(g++ cmake ninja-build libopenblas-dev libxsimd-dev nlohmann-json3-dev zlib1g-dev libzip-dev libcli11-dev
                gnuplot-nox fonts-dejavu-core)
packages=("$@")
[ ${#packages[@]} -gt 0 ] || packages=("${build_packages[@]}")

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: not root and no sudo; please install: ${missing[*]}" >&2; exit 2; }
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
