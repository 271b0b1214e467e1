#!/usr/bin/env bash
# docs/features.sh prints the README's table of all that there is, by family, with PyTorch's names; `docs/features.sh --write` puts it
# there (a test compares them). What there is comes from the headers, what PyTorch calls it from docs/pytorch_names.txt: what is not in
# that list is not in PyTorch, and a name there that no header declares is an error. Needs bash and awk only.
set -euo pipefail
cd "$(dirname "$0")/.."

# "family|headers", in the table's order. Headers that users do not include stand in none.
families='making tensors|autograd/tensor.hpp autograd/ops/create.hpp
arithmetic, comparison|autograd/ops/arithmetic.hpp autograd/ops/elementary.hpp autograd/ops/logic.hpp
activations|autograd/ops/activation.hpp autograd/ops/dropout.hpp
reductions, scans, order|autograd/ops/reduce.hpp autograd/ops/scan.hpp autograd/ops/sort.hpp
shape|autograd/ops/shape.hpp autograd/ops/rearrange.hpp autograd/ops/pad.hpp
indexing|autograd/ops/index.hpp autograd/ops/indexing.hpp
products|autograd/ops/linalg.hpp autograd/ops/einsum.hpp autograd/ops/gram.hpp autograd/ops/similarity.hpp
convolution|autograd/ops/conv.hpp autograd/ops/unfold.hpp
pooling, resizing|autograd/ops/pool.hpp autograd/ops/lp_pool.hpp autograd/ops/max_unpool.hpp autograd/ops/interpolate.hpp
normalization (ops)|nn/functional.hpp autograd/ops/group_moments.hpp autograd/ops/local_response.hpp autograd/ops/normalize_groups.hpp autograd/ops/row_function.hpp
losses (ops)|autograd/ops/loss.hpp autograd/ops/loss_elementwise.hpp autograd/ops/loss_embedding.hpp
autograd|autograd/anomaly.hpp autograd/dot.hpp autograd/engine.hpp autograd/function.hpp autograd/grad_mode.hpp autograd/gradcheck.hpp autograd/op_profile.hpp
layers|nn/conv.hpp nn/dropout.hpp nn/embedding.hpp nn/flatten.hpp nn/identity.hpp nn/linear.hpp nn/pad.hpp nn/pixel_shuffle.hpp nn/pool.hpp nn/squeeze_excitation.hpp nn/unfold.hpp nn/upsample.hpp
activations (layers)|nn/activation.hpp
norms|nn/norm/*.hpp
losses (layers)|nn/loss.hpp nn/loss_embedding.hpp
modules, containers|nn/call.hpp nn/clone.hpp nn/container.hpp nn/dot.hpp nn/module.hpp nn/parameter_container.hpp nn/parametrize.hpp nn/summary.hpp
initialization|nn/init.hpp nn/lsuv.hpp
optimizers, schedules|optim/*.hpp
networks|models/*.hpp
training|training/*.hpp
data|data/*.hpp
files, machine|core/io/npy.hpp core/io/npz.hpp core/io/safetensors.hpp core/communicator.hpp core/flush_denormal.hpp core/deferred.hpp core/kernels/conv/algorithms.hpp core/parallel.hpp core/random.hpp'

# declared HEADER...: the functions and classes that the headers declare in namespaces. Members are indented, and so left out.
declared() {
  # shellcheck disable=SC2086
  cat $1 | awk '
    /^namespace [a-z:]*detail/ { hidden = 1 }
    /^}  \/\/ namespace/ { hidden = 0 }
    hidden { next }
    { sub(/^template <[^>]*> /, "") }
    /^(class|struct) [A-Z][A-Za-z0-9_]*( final)?( :| \{|$)/ { print $2; next }
    /^enum class / { next }
    /^using [A-Z][A-Za-z0-9_]* = / { print $2; next }
    /^[A-Za-z_:][A-Za-z0-9_:<>,&* ]* [&*]?[a-z][a-z0-9_]*\(/ && !/^(using|return|else|namespace|requires|static_assert)/ {
      sub(/\(.*/, ""); sub(/.*[ &*]/, ""); print
    }' | grep -vE '(Options|Base)$|^(to_string|check_pool|check_interpolate)$' | sort -u
}

# The lines of the table. `family|name` from above are joined with the list: "PREFIX: NAMES" (the same name there behind the prefix),
# "apart: NAMES" (parts of others, in no table), "NAME = WHAT" (another name there).
table() {
  while IFS='|' read -r family headers; do
    declared "$headers" | awk -v family="$family" '{ print family "|" $1 }'
  done <<<"$families" | awk -F'|' '
    FNR == NR {
      if ($0 ~ /^#/ || $0 == "") next
      if ((at = index($0, " = ")) > 0) { name = substr($0, 1, at - 1); other[name] = substr($0, at + 3); known[name] = 1; next }
      if ($0 ~ /^ /) { rest = $0 } else { prefix = $0; sub(/: .*/, "", prefix); rest = $0; sub(/^[^ ]*: /, "", rest) }
      count = split(rest, words, " ")
      for (i = 1; i <= count; ++i) { place[words[i]] = prefix; known[words[i]] = 1 }
      if (!(prefix in seen)) { seen[prefix] = 1; prefixes[++prefix_count] = prefix }
      next
    }
    { declared[$2] = 1 }
    !($2 in known) { place[$2] = "none" }
    place[$2] == "apart" || ($2 in done) { next }
    { done[$2] = 1; if ($1 != family[families]) family[++families] = $1
      if ($2 in other) others[$1] = others[$1] "\n" $2
      else row[$1, place[$2]] = row[$1, place[$2]] (row[$1, place[$2]] == "" ? "" : ", ") "`" $2 "`" }
    END {
      prefixes[++prefix_count] = "none"
      for (name in known) if (!(name in declared)) { print "no header declares " name ", which docs/pytorch_names.txt has" >"/dev/stderr"; bad = 1 }
      if (bad) exit 1
      print "| family | in PyTorch | here |\n| --- | --- | --- |"
      for (f = 1; f <= families; ++f) {
        for (p = 1; p <= prefix_count; ++p) {
          line = row[family[f], prefixes[p]]
          if (line != "") print "| " family[f] " | " (prefixes[p] == "none" ? "–" : "`" prefixes[p] "` and the name") " | " line " |"
        }
        count = split(substr(others[family[f]], 2), words, "\n")
        for (i = 1; i <= count; ++i) print "| " family[f] " | `" other[words[i]] "` | `" words[i] "` |"
      }
    }' docs/pytorch_names.txt -
}

text=$(table)
if [ "${1:-}" = --write ]; then
  TEXT=$text awk '/^<!-- features -->$/ { print; print ""; print ENVIRON["TEXT"]; print ""; skip = 1; next }
                  /^<!-- end of features -->$/ { skip = 0 } !skip { print }' README.md >README.md.new
  mv README.md.new README.md
else
  printf '%s\n' "$text"
fi
