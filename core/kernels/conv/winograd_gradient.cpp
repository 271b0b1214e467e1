#include "evenkeel/core/kernels/conv/panel_conv.hpp"
#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/conv/winograd_tiles.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

// Per cell, n (channels, outputs) = sum over tiles of v (tiles, channels) e (tiles, outputs).

/// As in the plain weight gradient: turns are summed in order within a part, parts at the end; channels are cut too.
struct TilePlan {
  BlockPlan turns;
  std::int64_t turn_parts, channel_parts, channels;
  std::int64_t most_tiles;  ///< of a turn
};

template <class T>
TilePlan tile_plan(const ConvGeometry& g) {
  constexpr std::int64_t kUnits = 8;
  constexpr std::int64_t kChannels = 32;  // of one part at least, since each part transforms dy anew
  TilePlan plan{};
  plan.channels = ceil_div(g.channels, std::clamp<std::int64_t>(g.channels / kChannels, 1, 4));
  plan.channel_parts = ceil_div(g.channels, plan.channels);
  plan.turns = plan_tiles(g.batch, g.out_height, g.out_width, cached_tiles<T>(plan.channels + g.out_channels), kUnits);
  plan.turn_parts = std::clamp<std::int64_t>(kUnits / plan.channel_parts, 1, plan.turns.count());
  plan.most_tiles = plan.turns.images * plan.turns.rows * ceil_div(g.out_width, kWinogradTile);
  return plan;
}

/// The sizes and buffers of one unit of work: channels of a group of images.
template <class Arch, class T>
class TileGradient {
 public:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;

  TileGradient(const ConvGeometry& g, const TilePlan& plan)
      : g_(g),
        x_source_{
            .planes = g.channels, .height = g.height, .width = g.width, .pad_top = g.pad_top, .pad_left = g.pad_left},
        dy_source_{.planes = g.out_channels, .height = g.out_height, .width = g.out_width, .window = kWinogradTile},
        in_width_(round_up(plan.channels, kLanes)),
        out_width_(round_up(g.out_channels, kLanes)),
        staged_(plan.turns.images * std::max(x_source_.block_cells(plan.turns.rows) * in_width_,
                                             dy_source_.block_cells(plan.turns.rows) * out_width_)),
        v_(plan.most_tiles, in_width_, kLanes),
        e_(plan.most_tiles, out_width_, kLanes),
        n_(plan.channels, out_width_, kLanes),
        tiles_(plan.most_tiles) {}

  /// n (+)= the share of one turn; x and dy are the turn's first image, x from the unit's first channel on.
  void add_turn(const PixelBlock& turn, std::int64_t channels, const T* x, const T* dy, bool accumulate) {
    const std::int64_t tiles = list_tiles(turn, ceil_div(g_.out_width, kWinogradTile), tiles_.data());
    WinogradSpread<T> spread = stage_windows<Arch>(x_source_, turn, x, channels, in_width_, staged_.data());
    spread.tiles = tiles_.data();
    spread.tile_count = tiles;
    spread.v = v_.cells();
    WinogradKernels<Arch, T>::input(spread);
    spread = stage_windows<Arch>(dy_source_, turn, dy, g_.out_channels, out_width_, staged_.data());
    spread.tiles = tiles_.data();
    spread.tile_count = tiles;
    spread.v = e_.cells();
    WinogradKernels<Arch, T>::output_gradient(spread);
    WinogradKernels<Arch, T>::multiply({.gradient = true,
                                        .accumulate = accumulate,
                                        .rows = channels,
                                        .steps = tiles,
                                        .width = out_width_,
                                        .a = v_.read(),
                                        .b = e_.read(),
                                        .c = n_.cells()});
  }

  /// Sums of the products (channel, tap) by outputs.
  void finish(std::int64_t channels, T* sums) {
    WinogradKernels<Arch, T>::weight_gradient(
        {.n = n_.read(), .channels = channels, .outputs = g_.out_channels, .dw = sums});
  }

 private:
  const ConvGeometry& g_;
  const WindowSource x_source_, dy_source_;
  const std::int64_t in_width_, out_width_;
  Workspace<T> staged_;
  CellSpace<T> v_, e_, n_;
  Workspace<WinogradTile> tiles_;
};

template <class Arch, class T>
void winograd_weight_gradient_on(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  const TilePlan plan = tile_plan<T>(g);
  const std::int64_t parts = plan.turn_parts, turns = plan.turns.count(), units = parts * plan.channel_parts;
  Workspace<T> sums(parts * g.weight_size());
  parallel_for(0, units, work_grain(g.y_size() * g.channels * 9 / 4, units), [&](std::int64_t begin, std::int64_t end) {
    TileGradient<Arch, T> gradient(g, plan);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t part = unit / plan.channel_parts, first = unit % plan.channel_parts * plan.channels;
      const std::int64_t channels = std::min(plan.channels, g.channels - first);
      const std::int64_t from = turns * part / parts;
      for (std::int64_t i = from; i < turns * (part + 1) / parts; ++i) {
        const PixelBlock turn = plan.turns.block(i);
        gradient.add_turn(turn, channels, x + (turn.image * g.channels + first) * g.plane(),
                          dy + turn.image * g.out_channels * g.pixels(), i > from);
      }
      gradient.finish(channels, sums.data() + part * g.weight_size() + first * 9 * g.out_channels);
    }
  });
  finish_weight_gradient(g, parts, sums.data(), dweight);
}

}  // namespace

template <class T>
void WinogradConv<T>::weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  dispatch_isa([&]<class Arch>() { winograd_weight_gradient_on<Arch>(g, x, dy, dweight); });
}

template void WinogradConv<float>::weight_gradient(const ConvGeometry&, const float*, const float*, float*);
template void WinogradConv<double>::weight_gradient(const ConvGeometry&, const double*, const double*, double*);

}  // namespace evenkeel::kernels
