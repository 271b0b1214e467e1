#!/usr/bin/env bash
# norms_test.sh PROGRAM: the list of norms, and each of them at work.
. "$(dirname "$0")/../support/work.sh"
program=$1

# shows NAME TEXT: `norms NAME` succeeds and TEXT is in what it prints.
shows() {
  "$program" "$1" | grep -qF -- "$2" || fail "$1: no '$2'"
}

names=$("$program" | awk '{print $1}') || fail "the list"
[ "$(wc -w <<<"$names")" -ge 20 ] || fail "only these names: $names"
for name in $names; do
  output=$("$program" "$name" --channels 8 --size 4) || fail "$name: exit code $?"
  grep -q '^  y = ' <<<"$output" || fail "$name: no formula"
  grep -qE '^  train  batch 1  mean +-?[0-9.]+  std +[0-9.]+$' <<<"$output" || fail "$name: no figures of a batch of 1"
  grep -qE '^  eval   batch 8  mean +-?[0-9.]+  std +[0-9.]+$' <<<"$output" || fail "$name: no figures in eval"
done

shows bn "BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
shows bn "  buffer     running_var [32]"
"$program" gn | tail -1 | grep -q " 0.0000$" || fail "GroupNorm looks at a sample's batch mates"
"$program" bn | tail -1 | grep -q " 0.0000$" && fail "BatchNorm does not look at a sample's batch mates"

# advises NORM ARGS...: `norms --advise ARGS` names NORM, and gives a reason and what else would do.
advises() {
  local norm=$1
  shift
  "$program" --advise "$@" >"$work/advice.txt" || fail "--advise $*: exit code $?"
  [ "$(head -1 "$work/advice.txt")" = "--norm $norm" ] || fail "--advise $*: not $norm: $(head -1 "$work/advice.txt")"
  grep -q '^  [A-Z].*' "$work/advice.txt" || fail "--advise $*: no reason"
  grep -q '^  or ' "$work/advice.txt" || fail "--advise $*: no alternative"
  [ "$(awk '{ print length }' "$work/advice.txt" | sort -n | tail -1)" -le 80 ] || fail "--advise $*: a line of more than 80 columns"
}
advises bn
advises gn --batch 15
advises gn --batch 64 --task segmentation
advises frozen_bn --batch 2 --task detection --pretrained

for arguments in "--advise bn" "--advise --batch 0" "--advise --task lunch" "nope" "gn --channels 0" "bn --size 1"; do
  # shellcheck disable=SC2086
  "$program" $arguments >/dev/null 2>"$work/err.txt"
  code=$?
  [ $code -eq 2 ] || fail "$arguments: exit code $code, expected 2"
  [ "$(wc -l <"$work/err.txt")" -eq 1 ] || fail "$arguments: not one line on stderr"
done

finish
