// Forward, and forward + backward, of single layers: convolutions in GFLOP/s, the others in GB/s of the bytes that must
// move (forward: read x, write y; backward: read x and dy, write dx).
#include "autograd/engine.hpp"
#include "autograd/grad_mode.hpp"
#include "core/parallel.hpp"
#include "nn/activation.hpp"
#include "nn/conv.hpp"
#include "nn/norm/batch_norm.hpp"
#include "nn/norm/group_norm.hpp"
#include "nn/pool.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace evenkeel;
using namespace evenkeel::nn;

/// Runs the layer on a random input; the time per iteration is one forward, or one forward and backward.
void run(benchmark::State& state, Layer& layer, const Shape& shape, bool with_backward) {
  Generator generator(1);
  Tensor x = randn(shape, generator, {.requires_grad = with_backward});
  const GradModeGuard mode(with_backward);
  const Tensor dy = no_grad([&] { return randn(layer(x).shape(), generator); });
  for (auto _ : state) {
    const Tensor y = layer(x);
    if (with_backward) {
      y.backward(dy);
      x.zero_grad();
      layer.zero_grad();
    }
  }
}

benchmark::Counter rate(double giga_per_iteration) {
  return {giga_per_iteration, benchmark::Counter::kIsIterationInvariantRate};
}

void conv2d(benchmark::State& state) {
  const std::int64_t in = state.range(0), out = state.range(1), size = state.range(2), kernel = state.range(3);
  const std::int64_t batch = state.range(4);
  const ThreadsGuard threads(static_cast<int>(state.range(5)));
  const bool with_backward = state.range(6) != 0;
  Generator generator(0);
  Conv2d layer(in, out, generator, {.kernel_size = kernel, .padding = kernel / 2, .bias = false});
  run(state, layer, {batch, in, size, size}, with_backward);
  const auto flops = static_cast<double>(2 * batch * size * size * in * out * kernel * kernel);
  state.counters["GFLOP/s"] = rate(1e-9 * flops * (with_backward ? 3 : 1));
}

template <class Make>
void memory_bound(benchmark::State& state, Make make) {
  const std::int64_t batch = state.range(0), channels = state.range(1), size = state.range(2);
  const ThreadsGuard threads(static_cast<int>(state.range(3)));
  const bool with_backward = state.range(4) != 0;
  const std::unique_ptr<Layer> layer = make(channels);
  run(state, *layer, {batch, channels, size, size}, with_backward);
  const auto bytes = static_cast<double>(4 * batch * channels * size * size);
  state.counters["GB/s"] = rate(1e-9 * bytes * (with_backward ? 5 : 2));
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"batch", "channels", "size", "threads", "backward"})
      ->ArgsProduct({{2, 16, 128}, {64}, {32}, {1, 2}, {0, 1}})
      ->UseRealTime();
}

}  // namespace

BENCHMARK(conv2d)
    ->ArgNames({"in", "out", "size", "kernel", "batch", "threads", "backward"})
    ->ArgsProduct({{3}, {32}, {32}, {3}, {2, 16}, {1, 2}, {0, 1}})
    ->ArgsProduct({{32}, {64}, {32}, {3}, {2, 16}, {1, 2}, {0, 1}})
    ->ArgsProduct({{64}, {64}, {16}, {3}, {2, 16}, {1, 2}, {0, 1}})
    ->ArgsProduct({{64}, {256}, {16}, {1}, {2, 16}, {1, 2}, {0, 1}})
    ->UseRealTime();
BENCHMARK_CAPTURE(memory_bound, BatchNorm2d, [](std::int64_t channels) {
  return std::make_unique<BatchNorm2d>(channels);
})->Apply(sizes);
BENCHMARK_CAPTURE(memory_bound, GroupNorm, [](std::int64_t channels) {
  return std::make_unique<GroupNorm>(16, channels);
})->Apply(sizes);
BENCHMARK_CAPTURE(memory_bound, ReLU, [](std::int64_t) { return std::make_unique<ReLU>(); })->Apply(sizes);
BENCHMARK_CAPTURE(memory_bound, MaxPool2d, [](std::int64_t) { return std::make_unique<MaxPool2d>(2); })->Apply(sizes);
