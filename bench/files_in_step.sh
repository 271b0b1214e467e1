#!/usr/bin/env bash
# files_in_step.sh [BUILD]: the source files of the library of which a line runs in one training step (SmallCNN_BN, batch 16, AVX2, one
# thread, the last of several steps), by callgrind on a debug build: how many files one would have to open to follow a step.
#   cmake --preset debug && cmake --build build/debug --target bench_train_step && bench/files_in_step.sh
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/debug}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A step's cost is counted from 0 and only between its begin and its end, so the last one's is left.
EVENKEEL_ISA=avx2 valgrind -q --tool=callgrind --callgrind-out-file="$work/profile" --collect-atstart=no \
  --toggle-collect='evenkeel::bench::Training::step*' --zero-before='evenkeel::bench::Training::step*' \
  "$build/bench/train_step" --seconds 0 --threads 1 >/dev/null

# Files have numbers, whose names are given once; fl, fi and fe lead to lines of costs, cfi and cfl to calls' totals.
awk '/^c?f[lie]=/ {
       own = !/^c/; id = $0; sub(/^[a-z]*=/, "", id); name = id; sub(/ .*/, "", id)
       if (sub(/^[^ ]* /, "", name)) names[id] = name
       if (own) file = id
       next
     }
     /^calls=/ { getline; next }
     /^[0-9+*-]/ && $2 > 0 { runs[file] = 1 }
     END { for (id in runs) print names[id] }' "$work/profile" |
  sed -nE 's:.*/((core|autograd|nn|optim|models|data)/.*):\1:p' | sort -u |
  while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done >"$work/files"
cat "$work/files"
sed 's|/[^/]*$||' "$work/files" | sort | uniq -c
echo "$(wc -l <"$work/files") files, $(grep -c '\.cpp$' "$work/files") of them .cpp"
