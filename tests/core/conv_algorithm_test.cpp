#include "evenkeel/core/kernels/conv/algorithms.hpp"
#include "evenkeel/core/kernels/conv/im2col.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/storage.hpp"
#include "tests/support/isa_guard.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace evenkeel {
namespace {

/// 3x3, padded by 1.
ConvGeometry convolution(std::int64_t batch, std::int64_t inputs, std::int64_t outputs, std::int64_t size,
                         std::int64_t groups = 1) {
  return {.batch = batch,
          .channels = inputs,
          .height = size,
          .width = size,
          .out_channels = outputs,
          .out_height = size,
          .out_width = size,
          .kernel_h = 3,
          .kernel_w = 3,
          .pad_top = 1,
          .pad_left = 1,
          .groups = groups};
}

/// What is taken for a convolution that suits Winograd and rows that fill registers.
ConvAlgorithm taken(kernels::ConvPass pass = kernels::ConvPass::forward) {
  return kernels::choose_algorithm<float>(convolution(2, 32, 32, 32), pass);
}

TEST_CASE("the algorithm follows from the shape") {
  using kernels::choose_algorithm;
  using kernels::ConvPass;
  const ConvAlgorithmGuard whole_table(ConvAlgorithm::winograd);
  const auto forward = [](const ConvGeometry& g) { return choose_algorithm<float>(g, ConvPass::forward); };
  CHECK(forward({.channels = 6, .out_channels = 6, .groups = 6}) == ConvAlgorithm::depthwise);
  CHECK(forward({.channels = 6, .out_channels = 6, .groups = 2}) == ConvAlgorithm::panels);
  ConvGeometry g{.channels = 3, .width = 64, .out_channels = 6, .out_height = 9, .out_width = 32, .stride_w = 2};
  CHECK(forward(g) == ConvAlgorithm::direct);
  CHECK(choose_algorithm<double>(g, ConvPass::forward) == ConvAlgorithm::direct);
  CHECK(choose_algorithm<float>(g, ConvPass::input_gradient) == ConvAlgorithm::direct);
  CHECK(choose_algorithm<float>(g, ConvPass::weight_gradient) == ConvAlgorithm::panels);
  g.width = 66;  // dx has two phases of 33 columns
  CHECK(choose_algorithm<float>(g, ConvPass::input_gradient) ==
        (active_isa() == Isa::avx512 ? ConvAlgorithm::panels : ConvAlgorithm::direct));
  g.out_width = 1;  // one lane of a register
  CHECK(forward(g) == ConvAlgorithm::panels);
  g = {.channels = 32,
       .height = 16,
       .width = 16,
       .out_channels = 64,
       .out_height = 16,
       .out_width = 16,
       .kernel_h = 3,
       .kernel_w = 3,
       .pad_top = 1,
       .pad_left = 1};
  CHECK(forward(g) == ConvAlgorithm::winograd);
  CHECK(choose_algorithm<float>(g, ConvPass::input_gradient) == ConvAlgorithm::winograd);
  CHECK(choose_algorithm<float>(g, ConvPass::weight_gradient) == ConvAlgorithm::winograd);
  CHECK(choose_algorithm<double>(g, ConvPass::forward) == ConvAlgorithm::direct);
  {
    const ConvAlgorithmGuard plain(ConvAlgorithm::depthwise);
    CHECK(forward(g) == ConvAlgorithm::direct);
  }
  g.channels = 7;
  CHECK(forward(g) == ConvAlgorithm::direct);
  CHECK(choose_algorithm<float>(g, ConvPass::weight_gradient) == ConvAlgorithm::panels);
  g.channels = 8;
  CHECK(forward(g) == ConvAlgorithm::winograd);
  CHECK(choose_algorithm<float>(g, ConvPass::input_gradient) == ConvAlgorithm::winograd);
  CHECK(choose_algorithm<float>(g, ConvPass::weight_gradient) == ConvAlgorithm::winograd);
  g.channels = g.out_channels = 513;  // the weight costs more than 16 tiles gain, but not more than 32
  CHECK(forward(g) == ConvAlgorithm::direct);
  g.batch = 2;
  CHECK(forward(g) == ConvAlgorithm::winograd);
  g.channels = g.out_channels = 32;
  g.dilation_w = 2;
  CHECK(forward(g) == ConvAlgorithm::direct);
}

TEST_CASE("few tiles are no matter for Winograd") {
  using kernels::ConvPass;
  const ConvAlgorithmGuard whole_table(ConvAlgorithm::winograd);
  const auto chosen = [](const ConvGeometry& g, ConvPass pass) { return kernels::choose_algorithm<float>(g, pass); };
  CHECK(chosen(convolution(1, 64, 64, 8), ConvPass::forward) != ConvAlgorithm::winograd);  // 4 tiles
  CHECK(chosen(convolution(2, 64, 64, 8), ConvPass::forward) == ConvAlgorithm::winograd);
  CHECK(chosen(convolution(2, 64, 64, 8), ConvPass::weight_gradient) == ConvAlgorithm::winograd);
  const bool wide = active_isa() == Isa::avx2 || active_isa() == Isa::avx512;  // registers of more than 4 columns
  CHECK(chosen(convolution(5, 64, 64, 4), ConvPass::input_gradient) ==
        (wide ? ConvAlgorithm::panels : ConvAlgorithm::direct));
  CHECK(chosen(convolution(6, 64, 64, 4), ConvPass::input_gradient) == ConvAlgorithm::winograd);
  CHECK(chosen(convolution(5, 64, 64, 4), ConvPass::weight_gradient) == ConvAlgorithm::panels);
}

TEST_CASE("a product with x itself is im2col's, unless the table begins behind it") {
  using kernels::choose_algorithm;
  using kernels::ConvPass;
  ConvGeometry g{.channels = 6, .height = 5, .width = 8, .out_channels = 6, .out_height = 5, .out_width = 8};
  const auto taken_for = [&](ConvAlgorithm first) {
    const ConvAlgorithmGuard guard(first);
    return choose_algorithm<float>(g, ConvPass::forward);
  };
  CHECK(taken_for(ConvAlgorithm::winograd) == ConvAlgorithm::im2col);
  CHECK(taken_for(ConvAlgorithm::depthwise) == ConvAlgorithm::im2col);
  CHECK(taken_for(ConvAlgorithm::panels) == ConvAlgorithm::panels);
  g.height = g.width = g.out_height = g.out_width = 1;
  CHECK(taken_for(ConvAlgorithm::winograd) == ConvAlgorithm::im2col);
  g.height = g.width = g.kernel_h = g.kernel_w = 3;  // a window that is the image
  CHECK(taken_for(ConvAlgorithm::winograd) == ConvAlgorithm::im2col);
  g.pad_top = 1;
  CHECK(taken_for(ConvAlgorithm::winograd) == ConvAlgorithm::panels);
  g = {.channels = 6, .height = 3, .width = 5, .out_channels = 6, .out_height = 3, .out_width = 5};
  CHECK(taken_for(ConvAlgorithm::winograd) != ConvAlgorithm::im2col);  // too few pixels
}

TEST_CASE("a guard says where the table begins, nests, and ends with its scope") {
  using kernels::ConvPass;
  const ConvAlgorithm before = taken();
  {
    const ConvAlgorithmGuard im2col(ConvAlgorithm::im2col);
    CHECK(taken() == ConvAlgorithm::im2col);
    {
      const ConvAlgorithmGuard panels(ConvAlgorithm::panels);
      CHECK(taken() == ConvAlgorithm::panels);
    }
    CHECK(taken() == ConvAlgorithm::im2col);
    try {
      const ConvAlgorithmGuard winograd(ConvAlgorithm::winograd);
      CHECK(taken() == ConvAlgorithm::winograd);
      throw std::runtime_error("left");
    } catch (const std::runtime_error&) {
      CHECK(taken() == ConvAlgorithm::im2col);
    }
    std::thread([&] { CHECK(taken() == before); }).join();  // another thread's choice is its own
    for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
      CHECK(taken(pass) == ConvAlgorithm::im2col);
      CHECK(kernels::choose_algorithm<double>(convolution(1, 4, 8, 9, 4), pass) == ConvAlgorithm::im2col);
    }
  }
  CHECK(taken() == before);
}

TEST_CASE("what does not suit falls back to the algorithms behind it") {
  const ConvGeometry depthwise = convolution(1, 6, 6, 32, 6);
  const ConvGeometry narrow = convolution(1, 8, 8, 1);  // a lane of a register
  const auto forward = [](const ConvGeometry& g) {
    return kernels::choose_algorithm<float>(g, kernels::ConvPass::forward);
  };
  const auto from = [&](ConvAlgorithm first, const ConvGeometry& g) {
    const ConvAlgorithmGuard guard(first);
    return forward(g);
  };
  CHECK(from(ConvAlgorithm::winograd, depthwise) == ConvAlgorithm::depthwise);
  CHECK(from(ConvAlgorithm::winograd, narrow) == ConvAlgorithm::panels);
  CHECK(from(ConvAlgorithm::depthwise, narrow) == ConvAlgorithm::panels);
  CHECK(from(ConvAlgorithm::direct, depthwise) == ConvAlgorithm::direct);
  CHECK(from(ConvAlgorithm::direct, narrow) == ConvAlgorithm::panels);
  CHECK(from(ConvAlgorithm::panels, depthwise) == ConvAlgorithm::panels);
  const ConvAlgorithmGuard direct(ConvAlgorithm::direct);
  CHECK(taken(kernels::ConvPass::input_gradient) == ConvAlgorithm::direct);
  CHECK(taken(kernels::ConvPass::weight_gradient) == ConvAlgorithm::panels);
}

TEST_CASE("without a choice, an instruction set without a tuned tile takes im2col") {
  const ConvAlgorithmGuard none(std::nullopt);
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    const bool tuned = dispatch_isa([]<class Arch>() { return kernels::kHasTunedTile<Arch>; });
    CHECK(taken() == (tuned ? ConvAlgorithm::winograd : ConvAlgorithm::im2col));
    CHECK(kernels::choose_algorithm<float>(convolution(1, 4, 8, 9, 4), kernels::ConvPass::forward) ==
          ConvAlgorithm::depthwise);
  }
}

TEST_CASE("EVENKEEL_CONV chooses where there is no guard") {  // run with several values
  const char* variable = std::getenv("EVENKEEL_CONV");
  const std::map<std::string, std::optional<ConvAlgorithm>> values = {
      {"auto", std::nullopt},
      {"winograd", ConvAlgorithm::winograd},
      {"depthwise", ConvAlgorithm::depthwise},
      {"direct", ConvAlgorithm::direct},
      {"panels", ConvAlgorithm::panels},
      {"im2col", ConvAlgorithm::im2col},
  };
  const ConvAlgorithm actual = taken();
  const ConvAlgorithmGuard same(values.at(variable != nullptr && *variable != '\0' ? variable : "auto"));
  CHECK(actual == taken());
}

/// The most memory that a pass takes beside its operands, in bytes.
template <class Pass>
std::size_t workspace(const Pass& pass) {
  pass();
  const std::size_t before = memory_stats().in_use;
  reset_peak_memory();
  pass();
  return memory_stats().peak - before;
}

template <class T>
void check_workspaces(const ConvGeometry& g, std::size_t threads) {
  using Conv = kernels::Im2colConv<T>;
  constexpr std::size_t kBlock = (std::size_t{1} << 17) * sizeof(T), kProduct = std::size_t{1} << 18;  // gemm's panels
  std::vector<T> x(static_cast<std::size_t>(g.x_size()), T(1)), y(static_cast<std::size_t>(g.y_size()), T(1));
  std::vector<T> w(static_cast<std::size_t>(g.weight_size()), T(1));
  const ThreadsGuard guard(static_cast<int>(threads));
  CHECK(workspace([&] { Conv::forward(g, x.data(), w.data(), nullptr, y.data()); }) <= threads * (kBlock + kProduct));
  CHECK(workspace([&] { Conv::input_gradient(g, y.data(), w.data(), nullptr, x.data()); }) <=
        threads * (kBlock + kProduct));
  CHECK(workspace([&] { Conv::weight_gradient(g, x.data(), y.data(), w.data()); }) <=
        threads * (2 * kBlock + kBlock / sizeof(T) * sizeof(double) + kProduct));
}

TEST_CASE("the workspace of im2col is bounded, whatever the sizes") {
  for (const std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
    check_workspaces<float>(convolution(1, 8, 4, 400), threads);  // a whole column matrix: 46 MB
    check_workspaces<double>(convolution(3, 8, 4, 200), threads);
    check_workspaces<float>(convolution(2, 600, 300, 12), threads);
    check_workspaces<float>(convolution(1, 3, 6, 300, 3), threads);
    ConvGeometry large_kernel = convolution(1, 2, 3, 129);
    large_kernel.kernel_h = large_kernel.kernel_w = 129;  // 33,282 products per output
    large_kernel.out_height = large_kernel.out_width = 3;
    check_workspaces<double>(large_kernel, threads);
  }
}

}  // namespace
}  // namespace evenkeel
