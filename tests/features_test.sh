#!/usr/bin/env bash
# features_test.sh SOURCE_DIR: the README's table of all that there is is the one of the headers; a name that the list alone has is an error.
. "$(dirname "$0")/support/work.sh"
mkdir "$work/tree"
(cd "$1" && tar -cf - --exclude=./build --exclude=./.git README.md docs/features.sh docs/pytorch_names.txt $(find core autograd nn optim models training data -name '*.hpp')) |
  tar -xf - -C "$work/tree"
cd "$work/tree" || exit 1

docs/features.sh >"$work/table" || fail "docs/features.sh: exit code $?"
[ "$(wc -l <"$work/table")" -gt 100 ] || fail "a table of $(wc -l <"$work/table") lines only"
awk '/^<!-- end of features -->$/ { inside = 0 } inside && /^\|/ { print } /^<!-- features -->$/ { inside = 1 }' README.md >"$work/shown"
cmp "$work/table" "$work/shown" || fail "the README's table is not that of docs/features.sh; write it anew by docs/features.sh --write"

cp README.md before.md
docs/features.sh --write && cmp README.md before.md || fail "--write changes a table that is right"
sed -i 's/`matmul`/`matmuls`/' README.md
docs/features.sh --write && cmp README.md before.md || fail "--write does not mend a table that is wrong"

echo 'Tensor brand_new(const Tensor& x);' >>autograd/ops/linalg.hpp
docs/features.sh | grep -q '^| products | – | .*`brand_new`' || fail "an op that the list lacks is not in the table"
sed -i '/brand_new/d; s/^Tensor matmul(/Tensor mat_mul(/' autograd/ops/linalg.hpp
docs/features.sh >/dev/null 2>err.txt && fail "an op that is gone is not noticed"
grep -q 'no header declares matmul' err.txt || fail "matmul is not named: $(cat err.txt)"
finish
