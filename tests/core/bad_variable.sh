#!/bin/sh
# bad_variable.sh PROGRAM NAME=VALUE: with that environment variable the program prints one line, which names both, and exits with 1.
# It is asked only to list test cases, for which it runs no kernel.
text=$(env "$2" "$1" --list-test-cases 2>&1)
code=$?
echo "$text"
[ $code -eq 1 ] || { echo "FAILED: exit code $code, expected 1"; exit 1; }
[ "$(echo "$text" | wc -l)" -eq 1 ] || { echo "FAILED: more than one line"; exit 1; }
case $text in
  "${2%%=*}: expected "*", got ${2#*=}") ;;
  *) echo "FAILED: another text"; exit 1 ;;
esac
