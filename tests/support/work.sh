# What the tests in bash share; sourced. $work is a folder that goes with the script.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# finish [MORE]: the script's last word and exit code.
finish() {
  [ $failures -eq 0 ] && echo "all as expected$*"
  exit $((failures > 0))
}
