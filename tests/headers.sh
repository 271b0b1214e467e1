#!/usr/bin/env bash
# headers.sh CXX BUILD_DIR: every header that BUILD_DIR installs compiles alone, and so do all of them in one translation unit, in
# alphabetical order and in the reverse.
set -euo pipefail
cxx=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work" >/dev/null
root=$work/include list=$work/headers
(cd "$root/evenkeel" && find . -name '*.hpp' -printf '%P\n' | LC_ALL=C sort) >"$list"

compile() {
  "$cxx" -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$root" "$@"
}

# These are the first lines of many: a header that begins by including one of them is the same when that one is precompiled.
beginnings=(core/array.hpp autograd/tensor.hpp data/dataset.hpp nn/module.hpp nn/norm/norm_base.hpp)

# The beginning that the first include of a header leads to, by its own first include and so on; nothing if there is none.
beginning_of() {
  local header=$1
  while header=$(sed -nE '/^#include/{s|^#include "evenkeel/(.*)"|\1|p;q}' "$root/evenkeel/$header") && [ -n "$header" ]; do
    [[ " ${beginnings[*]} " != *" $header "* ]] || { echo "$work/${header//\//_}" && return; }
  done
}

check_alone() {
  local begin
  for header in "$@"; do
    begin=$(beginning_of "$header")
    echo "#include \"evenkeel/$header\"" | compile -fsyntax-only ${begin:+-include "$begin"} -x c++ - ||
      { echo "FAILED: evenkeel/$header does not compile alone" && return 1; }
  done
}

check_together() {
  sed 's|.*|#include "evenkeel/&"|' | compile -fsyntax-only -x c++ - ||
    { echo "FAILED: the headers do not compile together" && return 1; }
}

for header in "${beginnings[@]}"; do
  begin=$work/${header//\//_}
  echo "#include \"evenkeel/$header\"" >"$begin"
  compile -x c++-header "$begin" -o "$begin.gch"
done
export -f compile beginning_of check_alone
export cxx root work
export beginnings_text="${beginnings[*]}"
xargs -P "$(nproc)" -n 8 bash -c 'set -euo pipefail; read -ra beginnings <<<"$beginnings_text"; check_alone "$@"' check <"$list"
check_together <"$list"
tac "$list" | check_together
echo "$(wc -l <"$list") headers compile alone and together"
