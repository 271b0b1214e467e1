#!/usr/bin/env bash
# programs_test.sh PROGRAM...: how every program answers --help, a mistake, and a terminal of 80 columns. --help does nothing else, takes
# no more than 80 columns and exits with 0; a mistake is one line on stderr and exit code 2; nothing but text goes into a pipe.
. "$(dirname "$0")/../support/work.sh"
cd "$work" || exit 1

# fits NAME FILE: lines of at most 80 columns, without carriage returns and escape codes.
fits() {
  LC_ALL=C.UTF-8 awk -v name="$1" 'length > 80 { print "FAILED: " name ": a line of " length " columns: " $0; bad = 1 } END { exit bad }' "$2" ||
    failures=$((failures + 1))
  ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$2" || fail "$1: control characters in a pipe"
}

for program in "$@"; do
  name=$(basename "$program")
  COLUMNS=200 timeout 20 "$program" --help >help.txt 2>err.txt
  code=$?
  [ $code -eq 0 ] || fail "$name --help: exit code $code"
  [ -s help.txt ] || fail "$name --help prints nothing"
  [ -s err.txt ] && fail "$name --help: on stderr: $(cat err.txt)"
  fits "$name --help" help.txt
  for mistake in --nonsense "one two three"; do
    # shellcheck disable=SC2086
    timeout 20 "$program" $mistake >out.txt 2>err.txt
    code=$?
    [ $code -eq 2 ] || fail "$name $mistake: exit code $code, expected 2"
    [ -s out.txt ] && fail "$name $mistake: on stdout: $(head -3 out.txt)"
    [ "$(wc -l <err.txt)" -eq 1 ] || fail "$name $mistake: not one line on stderr: $(cat err.txt)"
    grep -q "^$name: " err.txt || fail "$name $mistake: no '$name: ' in front of: $(cat err.txt)"
  done
  [ -z "$(find . -type f ! -name '*.txt')" ] || fail "$name leaves $(find . -type f ! -name '*.txt')"
  case $name in
    norms)
      "$program" >out.txt || fail "norms"
      fits norms out.txt
      for norm in bn gn brn frn sn; do
        "$program" $norm >out.txt || fail "norms $norm"
        grep -vE '^[A-Z][A-Za-z0-9]+\(.*\)(  # .*)?$' out.txt >lines.txt # the layer as PyTorch prints it
        fits "norms $norm" lines.txt
      done
      "$program" gn | grep -q "# one channel per group, as InstanceNorm" || fail "norms gn does not say that it is InstanceNorm"
      ;;
    custom_op | batch_norm_guide | small_batch_demo)
      "$program" >out.txt || fail "$name"
      fits "$name" out.txt
      ;;
    batch_renorm_demo)
      "$program" --quick >out.txt || fail "$name"
      fits "$name" out.txt
      ;;
  esac
done
finish
