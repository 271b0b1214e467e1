#include "evenkeel/core/kernels/conv/algorithms.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/conv/product.hpp"
#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/environment.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/thread_state.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <type_traits>
#include <utility>

namespace evenkeel {
namespace {

/// EVENKEEL_CONV if it is set; an unknown name is an error rather than a guess.
std::optional<ConvAlgorithm> environment_choice() {
  const char* variable = std::getenv("EVENKEEL_CONV");
  const std::string_view text = variable != nullptr ? variable : "";
  if (text.empty() || text == "auto") {
    return std::nullopt;
  }
  const std::pair<std::string_view, ConvAlgorithm> names[] = {{"winograd", ConvAlgorithm::winograd},
                                                              {"depthwise", ConvAlgorithm::depthwise},
                                                              {"direct", ConvAlgorithm::direct},
                                                              {"panels", ConvAlgorithm::panels},
                                                              {"im2col", ConvAlgorithm::im2col}};
  for (const auto& [name, algorithm] : names) {
    if (text == name) {
      return algorithm;
    }
  }
  fail("EVENKEEL_CONV", "expected auto, winograd, depthwise, direct, panels or im2col, got ", text);
}

/// Where the table begins for this thread.
std::optional<ConvAlgorithm>& first_algorithm() {
  static const std::optional<ConvAlgorithm> initial = from_environment(environment_choice);
  thread_local std::optional<ConvAlgorithm> first = initial;
  return first;
}

[[maybe_unused]] const bool inherited = inherit_setting(
    []() -> std::function<void()> { return [first = first_algorithm()] { first_algorithm() = first; }; });
// When the program starts, not at its first convolution.
[[maybe_unused]] const std::optional<ConvAlgorithm> at_start = first_algorithm();

}  // namespace

ConvAlgorithmGuard::ConvAlgorithmGuard(std::optional<ConvAlgorithm> first) : before_(first_algorithm()) {
  first_algorithm() = first;
}
ConvAlgorithmGuard::~ConvAlgorithmGuard() { first_algorithm() = before_; }

namespace kernels {
namespace {

/// Share of the cells that are of use when a row of `size` is cut into units.
double use(std::int64_t size, std::int64_t unit) {
  return static_cast<double>(size) / static_cast<double>(round_up(size, unit));
}

/// Winograd computes whole tiles, and transforms the weight anew in each call, so that it must have tiles enough.
/// Measured on one core of 118 GFLOP/s peak, in GFLOP/s of the plain count, Winograd / others, AVX2, forward (weight
/// gradient): 64 to 64 channels at 8x8, batch 16: 322 / 80 (315 / 93), at 7x7 batch 8: 203 / 82, at 5x5 batch 4: 92 /
/// 74, at 2x2 batch 64: 71 / 59 (68 / 76); 8 to 8 at 32x32: 146 / 80 (99 / 95); 3 to 16: 102 / 96 (72 / 97), and sums
/// of so few products have so small errors that Winograd's would show beside PyTorch's. Few tiles: 64 at 8x8, one
/// image: 89 / 94; 16 at 8x8, two images: 129 / 82. Large weights: 256 at 8x8, two images: 165 / 97; 512 at 4x4, eight
/// images: 58 / 90, sixteen: 104 / 92. AVX-512 is alike.
bool suits_winograd(const ConvGeometry& g, std::int64_t height, std::int64_t width) {
  constexpr double kMinUse = 0.3;
  constexpr std::int64_t kFiltersPerTile = 16384, kTiles = 6, kChannels = 8;
  const std::int64_t tiles = tile_count(g.batch, height, width);
  return g.kernel_h == 3 && g.kernel_w == 3 && g.stride_h == 1 && g.stride_w == 1 && g.dilation_h == 1 &&
         g.dilation_w == 1 && g.groups == 1 && std::min(g.channels, g.out_channels) >= kChannels &&
         use(height, kWinogradTile) * use(width, kWinogradTile) >= kMinUse && tiles >= kTiles &&
         g.channels * g.out_channels <= kFiltersPerTile * tiles;
}

/// Direct tiles compute whole registers of an output row: below this share of used lanes, packing them wins.
bool fills_registers(std::int64_t columns, std::int64_t lanes) {
  constexpr double kMinLaneUse = 0.7;
  return use(columns, lanes) >= kMinLaneUse;
}

}  // namespace

/// The first row that holds, and what it gains over im2col: millions of instructions with AVX2, im2col's / its own, of
/// forward, input gradient and weight gradient. Layers: A 64 to 64 channels 3x3 at 32x32, batch 2; B the same at 8x8,
/// batch 16; C 3 to 32 channels 3x3 at 32x32, batch 2; D A's with a channel per group; E 64 to 128 3x3 with stride 2 at
/// 32x32, batch 2. In time, all passes on one thread, im2col takes this many times as long as the table's choice
/// (medians of 5 runs of bench/layers):
///
///              A    B    C    D    E
///   SSE2     3.1  3.5  1.2  5.4  1.1
///   AVX2     7.9  8.1  1.3  5.2  3.1
///   AVX-512  3.6  4.6  1.4  7.0  1.3
template <class T>
ConvAlgorithm choose_algorithm(const ConvGeometry& g, ConvPass pass) {
  const std::int64_t lanes = dispatch_isa([]<class Arch>() { return PanelTile<Arch, T>::lanes; });
  const bool tuned = dispatch_isa([]<class Arch>() { return kHasTunedTile<Arch>; });
  const bool forward = pass != ConvPass::input_gradient;
  const std::int64_t height = forward ? g.out_height : g.height, width = forward ? g.out_width : g.width;
  const std::int64_t columns = forward ? width : ceil_div(width, g.stride_w);
  const std::optional<ConvAlgorithm> first = first_algorithm();
  const auto allowed = [&](ConvAlgorithm algorithm) {
    return first.has_value() ? algorithm >= *first : tuned || algorithm == ConvAlgorithm::depthwise;
  };
  if (allowed(ConvAlgorithm::winograd) && std::is_same_v<T, float> && suits_winograd(g, height, width)) {
    return ConvAlgorithm::winograd;  // A: 25.0 / 8.0, 27.5 / 8.1, 33.7 / 10.4; B: 18.8 / 4.3, 20.8 / 4.4, 22.7 / 5.8
  }
  if (allowed(ConvAlgorithm::depthwise) && g.group_channels() == 1 && g.groups > 1) {
    return ConvAlgorithm::depthwise;  // D: 8.9 / 1.5, 6.8 / 1.5, 8.1 / 1.4
  }
  if (allowed(ConvAlgorithm::depthwise) && is_product(g)) {
    return ConvAlgorithm::im2col;  // with nothing to copy: product.hpp has the rates
  }
  if (allowed(ConvAlgorithm::direct) && pass != ConvPass::weight_gradient && fills_registers(columns, lanes)) {
    return ConvAlgorithm::direct;  // A: 25.0 / 23.8, 27.5 / 23.8; C: 1.2 / 0.9, 1.3 / 1.2
  }
  if (allowed(ConvAlgorithm::panels)) {
    return ConvAlgorithm::panels;  // B: 18.8 / 12.8, 20.8 / 12.8, 22.7 / 13.5; A, E, weight: 33.7 / 26.2, 17.4 / 14.4
  }
  return ConvAlgorithm::im2col;
}

template ConvAlgorithm choose_algorithm<float>(const ConvGeometry&, ConvPass);
template ConvAlgorithm choose_algorithm<double>(const ConvGeometry&, ConvPass);

}  // namespace kernels
}  // namespace evenkeel
