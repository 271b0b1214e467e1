// Matrix products of the sizes that convolutions make, in GFLOP/s.
#include "core/blas.hpp"
#include "core/parallel.hpp"
#include "core/random.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace evenkeel;

void gemm_float32(benchmark::State& state) {
  const std::int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const ThreadsGuard threads(static_cast<int>(state.range(3)));
  Generator generator(0);
  const Array a = random_normal({m, k}, generator), b = random_normal({k, n}, generator);
  Array c = Array::empty({m, n});
  for (auto _ : state) {
    gemm<float>({.m = m, .n = n, .k = k}, a.data<float>(), b.data<float>(), c.mutable_data<float>());
    benchmark::DoNotOptimize(c);
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(m * n * k), benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

BENCHMARK(gemm_float32)
    ->ArgNames({"m", "n", "k", "threads"})
    ->ArgsProduct({{1024}, {1024}, {1024}, {1, 2}})
    ->Args({32, 1024, 27, 1})
    ->Args({64, 1024, 288, 1})
    ->Args({64, 1024, 288, 2})
    ->Args({64, 288, 1024, 1})
    ->UseRealTime()
    ->MeasureProcessCPUTime();
