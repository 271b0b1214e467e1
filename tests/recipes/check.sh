#!/usr/bin/env bash
# check.sh SOURCE_DIR: the recipes of CONTRIBUTING.md apply to the tree and keep to their size. No git repository is needed.
set -u
source_dir=$(cd "$1" && pwd)
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# Outside of any repository git takes a patch's paths from the current folder.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CEILING_DIRECTORIES=$work

# applies PATCH DIR: whether it applies to the files of DIR.
applies() {
  rm -rf "$work/tree"
  mkdir "$work/tree"
  while IFS=$'\t' read -r _ _ path; do
    [ -f "$2/$path" ] || continue
    mkdir -p "$work/tree/$(dirname "$path")"
    cp "$2/$path" "$work/tree/$path"
  done < <(cd "$work" && git apply --numstat "$1")
  (cd "$work/tree" && git apply --check "$1")
}

# recipe NAME FILES LINES: tests/recipes/NAME.patch touches at most so many files and changes at most so many lines.
recipe() {
  local patch=$source_dir/tests/recipes/$1.patch sizes files lines
  sizes=$(cd "$work" && git apply --numstat "$patch") || { fail "$1: no patch that git can read"; return; }
  files=$(wc -l <<<"$sizes")
  lines=$(awk '{ sum += $1 + $2 } END { print sum }' <<<"$sizes")
  echo "$1: $files files, $lines lines"
  [ "$files" -ge 5 ] && [ "$files" -le "$2" ] || fail "$1 touches $files files, the goal is $2"
  [ "$lines" -le "$3" ] || fail "$1 changes $lines lines, the goal is $3"
  applies "$patch" "$source_dir" || fail "$1 does not apply any more: bring it up to date, and CONTRIBUTING.md with it"
  # A tree that has changed where the patch does is noticed.
  cp -r "$work/tree" "$work/other"
  find "$work/other" -type f -exec sed -i 's/^/ /' {} +
  applies "$patch" "$work/other" 2>/dev/null && fail "$1 applies to other files, too"
  rm -rf "$work/other"
}

recipe add_activation 6 40
recipe add_fusible_activation 7 45
recipe add_norm 6 100

[ $failures -eq 0 ] && echo "all as expected"
exit $((failures > 0))
