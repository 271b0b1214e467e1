#!/usr/bin/env bash
# networks_test.sh PROGRAM: the list of networks, and each one's summary and graphs.
. "$(dirname "$0")/../support/work.sh"
program=$1

names=$("$program" | awk '/^[a-z]/ { print $1 }') || fail "the list"
[ "$(wc -w <<<"$names")" -ge 11 ] || fail "only these names: $names"
for name in $names; do
  "$program" "$name" | grep -q ' parameters, ' || fail "$name: no summary"
done
"$program" small_cnn --norm gn --dot layers >"$work/graph.txt" || fail "--dot layers: exit code $?"
[ "$(head -1 "$work/graph.txt")" = "digraph {" ] || fail "--dot layers: no graph"
grep -q 'GroupNorm(16, 64' "$work/graph.txt" || fail "--dot layers: no GroupNorm of 64 channels"
"$program" small_cnn --batch-size 2 --channels 1 --dot ops >"$work/graph.txt" || fail "--dot ops: exit code $?"
grep -q 'label="conv2d"' "$work/graph.txt" || fail "--dot ops: no conv2d"
grep -q 'label=" \[2, 10\]"' "$work/graph.txt" || fail "--dot ops: no result for 2 images"

for arguments in "nope" "resnet20 --dot shapes" "resnet20 --size 0" "resnet20 --norm nope"; do
  # shellcheck disable=SC2086
  "$program" $arguments >/dev/null 2>"$work/err.txt"
  code=$?
  [ $code -eq 2 ] || fail "$arguments: exit code $code, expected 2"
  [ "$(wc -l <"$work/err.txt")" -eq 1 ] || fail "$arguments: not one line on stderr"
done

finish
