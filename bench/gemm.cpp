// Matrix products of the sizes that networks make, by each algorithm, in GFLOP/s.
#include "evenkeel/core/kernels/matmul/gemm.hpp"

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/random.hpp"

#include <benchmark/benchmark.h>

#include <array>

namespace {

using namespace evenkeel;

/// Arguments: m, n, k, transposes (1: A, 2: B), algorithm (-1: the one that gemm() chooses), threads.
template <class T>
void gemm(benchmark::State& state) {
  const GemmDims dims{.m = state.range(0),
                      .n = state.range(1),
                      .k = state.range(2),
                      .trans_a = (state.range(3) & 1) != 0,
                      .trans_b = (state.range(3) & 2) != 0};
  const GemmAlgorithm algorithm = state.range(4) < 0 ? choose_gemm(dims) : static_cast<GemmAlgorithm>(state.range(4));
  const ThreadsGuard threads(static_cast<int>(state.range(5)));
  Generator generator(0);
  const DType dtype = dtype_of<T>;
  const Array a = random_normal({dims.m, dims.k}, generator).to(dtype);
  const Array b = random_normal({dims.k, dims.n}, generator).to(dtype);
  Array c = Array::empty({dims.m, dims.n}, dtype);
  for (auto _ : state) {
    evenkeel::gemm<T>(algorithm, dims, a.data<T>(), b.data<T>(), c.mutable_data<T>());
    benchmark::DoNotOptimize(c);
  }
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * static_cast<double>(dims.m * dims.n * dims.k),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

void sizes(benchmark::internal::Benchmark* cases) {
  constexpr int kNone = 0, kA = 1, kB = 2;
  cases->ArgNames({"m", "n", "k", "trans", "algorithm", "threads"})->UseRealTime()->MeasureProcessCPUTime();
  for (const auto& [m, n, k, trans] : {std::array<std::int64_t, 4>{1024, 1024, 1024, kNone},
                                       {1024, 1024, 1024, kA},
                                       {1024, 1024, 1024, kB},
                                       {64, 1024, 288, kNone},
                                       {64, 288, 1024, kNone},
                                       {256, 256, 784, kB},  // Linear: y, dx, dw
                                       {256, 784, 256, kNone},
                                       {256, 784, 256, kA},
                                       {32, 256, 784, kB},
                                       {32, 128, 256, kB},
                                       {32, 256, 128, kNone},
                                       {256, 784, 32, kA},
                                       {128, 256, 32, kA},
                                       {2, 256, 784, kB},
                                       {2, 784, 256, kNone},
                                       {256, 784, 2, kA},
                                       {16, 256, 8192, kB},
                                       {64, 256, 8192, kB},
                                       {16, 8192, 256, kNone},
                                       {256, 8192, 16, kA},
                                       {256, 10, 128, kB},
                                       {256, 128, 10, kNone},
                                       {10, 128, 256, kA}}) {
    for (const std::int64_t algorithm : {0, 1, 2}) {
      cases->Args({m, n, k, trans, algorithm, 1});
    }
  }
}

}  // namespace

BENCHMARK(gemm<float>)->Apply(sizes);
BENCHMARK(gemm<double>)->Apply(sizes);
