#!/usr/bin/env bash
# readme_test.sh CXX INCLUDE_DIR SOURCE_DIR: what the README shows is there. Its first program is examples/first_program.cpp, its op stands in
# autograd/ops, its statements compile after evenkeel/evenkeel.hpp, and every name that it gives of the library is declared there.
. "$(dirname "$0")/support/work.sh"
cxx=$1 include=$2 source=$3

# The ```cpp blocks, each in a file of its own.
awk -v dir="$work" '/^```cpp$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside { print > (dir "/block" n ".cpp") }' "$source/README.md"
[ -s "$work/block2.cpp" ] && [ ! -e "$work/block3.cpp" ] || fail "the README has not the two programs that this test knows"
cmp "$work/block1.cpp" "$source/examples/first_program.cpp" || fail "the README's first program is not examples/first_program.cpp"
cat "$source"/autograd/ops/*.cpp >"$work/ops.cpp"
while IFS= read -r line; do
  grep -qxF -- "$line" "$work/ops.cpp" || fail "no such line in autograd/ops: $line"
done <"$work/block2.cpp"

# `Code spans;` that are statements.
{
  echo '#include <evenkeel/evenkeel.hpp>'
  echo 'using namespace evenkeel;'
  grep -oE '`[^`]+;`' "$source/README.md" | tr -d '`' | awk '{ print "void f" NR "() { " $0 " }" }'
} >"$work/statements.cpp"
grep -q 'ConvAlgorithmGuard guard' "$work/statements.cpp" || fail "the README's statements were not found"
"$cxx" -std=c++20 -I"$include" -fsyntax-only "$work/statements.cpp" || fail "a statement of the README does not compile"

# Names: code spans of letters, digits and underscores in the sections on norms and on what is there; `BatchNorm1d/2d/3d` is three.
echo '#include <evenkeel/evenkeel.hpp>' | "$cxx" -std=c++20 -I"$include" -E -x c++ - | grep -v '^#' |
  grep -oE '[A-Za-z_][A-Za-z0-9_]*' | sort -u >"$work/declared" || fail "evenkeel.hpp"
# Folders and programs, names of networks and of options, and a class of its own in each rank.
except=$(cd "$source" && ls -d ./*/ examples/*.cpp | sed -E 's|^\./||; s|/$||; s|^examples/||; s|\.cpp$||')
sed -n '/^## Normalization/,/^## Speed/p' "$source/README.md" | grep -oE '`[A-Za-z_][A-Za-z0-9_]*(/[0-9]+d?)*`' | tr -d '`' | sort -u |
  awk -F/ '{ stem = $1; sub(/([0-9]+d|[0-9]+)$/, "", stem); print $1; for (i = 2; i <= NF; ++i) print stem $i }' >"$work/names"
[ "$(wc -l <"$work/names")" -gt 80 ] || fail "only $(wc -l <"$work/names") names were found in the README"
while IFS= read -r name; do
  grep -qxF -- "$name" "$work/declared" && continue
  case $name in
    *[1-9]d) grep -qxF -- "${name%[1-9]d}" "$work/declared" && continue ;; # BatchNorm<2>
    _BN | _GN) grep -qxF -- "SmallCNN$name" "$work/declared" && continue ;;
    norm | state_dict | core | autograd | nn | optim | models) continue ;;
  esac
  grep -qxF -- "$name" <<<"$except" || fail "the README's '$name' is not in evenkeel.hpp"
done <"$work/names"
finish
