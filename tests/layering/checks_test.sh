#!/bin/sh
# Every rule of checks.awk is seen to fail: checks_test.sh CHECKS.AWK. Each case is a small tree with one fault.
set -eu
checks=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

# file PATH: adds a file, from standard input, to the tree of the next case.
file() {
  mkdir -p "$work/tree/$(dirname "$1")"
  cat > "$work/tree/$1"
}

run() { (cd "$work/tree" && find . -name '*.?pp' | sort | xargs awk -f "$checks") > "$work/out" 2>&1; }

# fails TEXT: the tree has exactly one fault, whose line holds TEXT.
fails() {
  count=$((count + 1))
  if run; then
    echo "nothing was found where '$1' was expected"
    exit 1
  fi
  if [ "$(wc -l < "$work/out")" -ne 1 ] || ! grep -qF -- "$1" "$work/out"; then
    echo "expected one line with '$1', got:"
    cat "$work/out"
    exit 1
  fi
  rm -rf "$work/tree"
}

passes() {
  count=$((count + 1))
  if ! run || ! grep -qF -- "$1" "$work/out"; then
    echo "expected '$1', got:"
    cat "$work/out"
    exit 1
  fi
  rm -rf "$work/tree"
}

repeat() { awk -v n="$1" -v text="$2" 'BEGIN { for (i = 0; i < n; ++i) print text }'; }

for header in core/array.hpp core/kernels/simd/isa.hpp core/kernels/pool/pool.hpp autograd/ops/pool.hpp; do
  echo '#pragma once' | file "$header"
done
file core/kernels/pool/pool.cpp << 'END'
#include "evenkeel/core/kernels/pool/pool.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"
END
file core/kernels/pool/pool_gradient.cpp << 'END'
#include "evenkeel/core/kernels/pool/pool.hpp"
END
file autograd/tensor.hpp << 'END'
#include "evenkeel/core/array.hpp"
END
{
  echo '#include "evenkeel/autograd/ops/pool.hpp"'
  echo 'Tensor pool(const Tensor& x) {'
  echo '  kernels::pool<T>(x.data<T>(), y.mutable_data<T>());  // Array, _mm512_add_ps'
  repeat 57 '  f();'
  echo '}'
} | file autograd/ops/pool.cpp
passes 'kernel rooms 2, upward includes 0, longest function 60 (autograd/ops/pool.cpp:2), longest file 61 (autograd/ops/pool.cpp), headers behind autograd/tensor.hpp 1, include chain 1'

echo '#include "evenkeel/autograd/tensor.hpp"' | file core/array.hpp
fails 'core/array.hpp:1: autograd/tensor.hpp: core may include core only'
echo '#include "evenkeel/training/checkpoint.hpp"' | file optim/optimizer.hpp
fails 'training/checkpoint.hpp: optim may include core autograd optim only'
echo '#include "core/array.hpp"' | file examples/train.cpp
fails 'core/array.hpp is not reached as "evenkeel/folder/..."'
echo '#include "evenkeel/core/kernels/conv/conv.hpp"' | file core/kernels/matmul/gemm.hpp
fails 'room matmul comes before conv'
echo '#include "evenkeel/core/array.hpp"' | file core/kernels/pool/pool.hpp
fails 'of core, kernels may include error, parallel, storage and thread_state only'
echo '#pragma once' | file core/kernels/attic/old.hpp
fails 'core/kernels/attic: no room of that name is known'
echo 'void pool(const Array& x);' | file core/kernels/pool/pool.hpp
fails 'kernels know pointers and sizes, no Array'
echo '  sum = _mm256_add_ps(sum, x);' | file core/kernels/pool/pool_simd.hpp
fails 'belongs into core/kernels/simd/ only'
echo '#include <xsimd/xsimd.hpp>' | file core/kernels/pool/pool_simd.hpp
fails 'belongs into core/kernels/simd/ only'
echo '#include <immintrin.h>' | file core/elementwise.hpp
fails 'belongs into core/kernels/simd/ only'
echo '#include <cblas.h>' | file core/matmul.hpp
fails 'belongs into core/kernels/matmul/blas'
echo '  #pragma omp parallel' | file core/matmul.hpp
fails 'belongs into core/parallel'
echo '#include <nlohmann/json.hpp>' | file nn/module.hpp
fails 'belongs into core/io/'
echo '#include <zip.h>' | file data/archive.cpp
fails 'belongs into core/io/'
echo '#include <zlib.h>' | file nn/module.hpp
fails 'belongs into (core/io|data|'

echo '#include "evenkeel/nn/module.hpp"' | file nn/print.cpp
fails 'nn/print.cpp:1: the first include is nn/module.hpp, not nn/print.hpp'
echo '#pragma once' | file core/kernels/pool/halving.hpp
echo '#include "evenkeel/core/kernels/pool/pool.hpp"' | file core/kernels/pool/halving.cpp
fails 'core/kernels/pool/halving.cpp: the first include is core/kernels/pool/pool.hpp, not core/kernels/pool/halving.hpp'

for header in nn/module.hpp nn/norm/act.hpp; do
  { echo '#pragma once'; echo 'class Layer;'; } | file $header
done
{ echo 'class Layer : public Module {'; echo '};'; } | file nn/module.hpp
{ echo '#include "evenkeel/nn/norm/act.hpp"'; echo 'std::vector<Slot*> Layer::fused(int x) const { return x; }'; } | file nn/norm/act.cpp
fails 'nn/norm/act.cpp:2: a member of Layer, which neither this file nor nn/norm/act.hpp declares'
{ echo '#pragma once'; echo 'template <class T> class Layer {'; echo '};'; } | file nn/module.hpp
{ echo '#include "evenkeel/nn/norm/act.hpp"'; echo 'template <class T>'; echo 'Layer<T>::Layer() : x_(0) {}'; } | file nn/norm/act.cpp
fails 'nn/norm/act.cpp:3: a member of Layer, which neither this file nor nn/norm/act.hpp declares'
{ echo '#pragma once'; echo 'class Layer {'; echo '  struct Impl;'; echo '};'; } | file nn/module.hpp
{
  echo '#include "evenkeel/nn/module.hpp"'
  echo 'struct Layer::Impl {'
  echo '};'
  echo 'Tensor Layer::operator()(const Tensor& x) { return Slot::of(x); }'
  echo 'Layer::Impl::Impl() {}'
  echo 'Layer::~Layer() = default;'
} | file nn/module.cpp
passes 'files in order'

for line in '  const T* px = x.data<T>();' '  auto sums = x.array().template mutable_span<double>();' '  y = x.data<double>()[0];' \
            '  for (const double v : x.span<double>()) {' '  parallel_for(0, n, 1024, body);'; do
  echo "$line" | file autograd/ops/loss.hpp
  fails 'autograd/ops holds formulas'
done

{ echo 'void f() {'; repeat 59 '  g();'; echo '}'; } | file examples/long.cpp
fails 'examples/long.cpp:1: a function of 61 lines, at most 60 are allowed'
{ echo 'struct S {'; echo '  void f() {'; repeat 59 '    g();'; echo '  }'; echo '};'; } | file examples/long.cpp
fails 'examples/long.cpp:2: a function of 61 lines, at most 60 are allowed'
repeat 501 '' | file tests/long_test.cpp
fails 'tests/long_test.cpp: 501 lines, at most 500 are allowed'
awk 'BEGIN { for (i = 0; i < 121; ++i) printf "/"; print "" }' | file tests/wide_test.cpp
fails 'tests/wide_test.cpp:1: 121 columns, at most 120 are allowed'
for i in 1 2 3 4 5 6 7 8 9; do
  echo "#include \"evenkeel/core/part$i.hpp\""
done | file autograd/tensor.hpp
fails 'autograd/tensor.hpp: 9 project headers behind it, at most 8 are allowed'

echo "$count trees judged rightly"
