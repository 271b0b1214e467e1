#!/usr/bin/env bash
# demos_test.sh PROGRAM...: --help has an example; a mistake gives one line that names it, and exit code 2.
. "$(dirname "$0")/../support/work.sh"

refuses() {
  local text=$1
  shift
  "$@" >"$work/out.txt" 2>"$work/err.txt"
  local code=$?
  [ $code -eq 2 ] || fail "$*: exit code $code, expected 2"
  [ "$(wc -l <"$work/err.txt")" -eq 1 ] || fail "$*: not one line on stderr: $(cat "$work/err.txt")"
  grep -qF -- "$text" "$work/err.txt" || fail "$*: '$text' is not in: $(cat "$work/err.txt")"
}

for program in "$@"; do
  "$program" --help >"$work/help.txt" || fail "$program --help: exit code $?"
  grep -q "Example:" "$work/help.txt" || fail "$program --help has no example"
  refuses "--bogus" "$program" --bogus
  case $program in
    *batch_size_sweep)
      refuses "no norm is called 'xyz'" "$program" --norms xyz
      refuses "must divide" "$program" --batches 48
      refuses "--epochs" "$program" --epochs 0
      refuses "nowhere" "$program" --data mnist:nowhere
      ;;
    *) refuses "--seed" "$program" --seed many ;;
  esac
done
finish
