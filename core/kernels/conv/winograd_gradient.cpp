#include "evenkeel/core/kernels/conv/panel_conv.hpp"
#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/conv/winograd_plain.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <functional>
#include <optional>

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
  static constexpr std::int64_t kMostTiles = 256;  // whose products are summed in registers

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

  /// Begins the sums of `channels` channels from `first` on.
  void begin(std::int64_t first, std::int64_t channels) {
    first_ = first;
    channels_ = channels;
    transformed_ = plain_ = false;
  }

  /// Adds the share of one turn, as a plain sum if Winograd's would spoil it.
  void add_turn(const PixelBlock& turn, const T* x, const T* dy) {
    const T* first_x = x + (turn.image * g_.channels + first_) * g_.plane();
    const std::int64_t tiles = list_tiles(turn, ceil_div(g_.out_width, kWinogradTile), tiles_.data());
    double largest = 1;
    WinogradSpread<T> spread = stage(x_source_, turn, first_x, channels_, in_width_);
    bool suits = look(spread, turn.images, largest);
    spread.tiles = tiles_.data();
    spread.tile_count = tiles;
    spread.v = v_.cells();
    WinogradKernels<Arch, T>::input(spread);
    spread = stage(dy_source_, turn, dy + turn.image * g_.out_channels * g_.pixels(), g_.out_channels, out_width_);
    suits = look(spread, turn.images, largest) && suits;
    if (!suits) {
      add_plain(turn, x, dy);
      return;
    }
    spread.tiles = tiles_.data();
    spread.tile_count = tiles;
    spread.v = e_.cells();
    WinogradKernels<Arch, T>::output_gradient(spread);
    WinogradProduct<T> product{.gradient = true,
                               .accumulate = transformed_,
                               .rows = channels_,
                               .width = out_width_,
                               .a = v_.read(),
                               .b = e_.read(),
                               .c = n_.cells()};
    for (std::int64_t first = 0; first < tiles; first += kMostTiles) {  // of a wide row
      product.steps = std::min(kMostTiles, tiles - first);
      WinogradKernels<Arch, T>::multiply(product);
      product.a.data += product.steps * kLanes;
      product.b.data += product.steps * kLanes;
      product.accumulate = true;
    }
    transformed_ = true;
  }

  /// Sums of the products (channel, tap) by outputs.
  void finish(T* sums) {
    const std::int64_t size = channels_ * 9 * g_.out_channels;
    if (!transformed_) {
      std::copy_n(plain_sums_->data(), size, sums);
      return;
    }
    WinogradKernels<Arch, T>::weight_gradient(
        {.n = n_.read(), .channels = channels_, .outputs = g_.out_channels, .dw = sums});
    if (plain_) {
      std::transform(sums, sums + size, plain_sums_->data(), sums, std::plus<T>());
    }
  }

 private:
  WinogradSpread<T> stage(const WindowSource& source, const PixelBlock& turn, const T* first, std::int64_t planes,
                          std::int64_t width) {
    return stage_windows<Arch>(source, turn, first, planes, width, staged_.data());
  }

  /// Whether all images of a turn suit, beside another factor whose largest sum of squares is `largest`; takes their
  /// own to it.
  bool look(const WinogradSpread<T>& spread, std::int64_t images, double& largest) const {
    double own = 0;
    for (std::int64_t k = 0; k < images; ++k) {
      const WinogradRange range = WinogradKernels<Arch, T>::range(
          spread.x + k * spread.image_stride, spread.rows * spread.columns * spread.width, spread.width);
      if (!finite_product(range, largest) || !is_spread(range)) {
        return false;
      }
      own = std::max(own, range.largest);
    }
    largest = own;
    return true;
  }

  void add_plain(const PixelBlock& turn, const T* x, const T* dy) {
    if (!plain_) {
      const std::int64_t size = in_width_ * 9 * g_.out_channels;
      if (!plain_sums_.has_value()) {
        plain_sums_.emplace(size);
      }
      std::fill_n(plain_sums_->data(), size, T(0));
      plain_ = true;
    }
    const std::int64_t row = kWinogradTile * turn.first_row;
    const PixelBlock rows{.image = turn.image,
                          .images = turn.images,
                          .first_row = row,
                          .rows = std::min(kWinogradTile * turn.rows, g_.out_height - row)};
    PanelConv<T>::add_weight_gradient(g_, rows, first_, channels_, x, dy, plain_sums_->data());
  }

  const ConvGeometry& g_;
  const WindowSource x_source_, dy_source_;
  const std::int64_t in_width_, out_width_;
  Workspace<T> staged_;
  CellSpace<T> v_, e_, n_;
  Workspace<WinogradTile> tiles_;
  std::optional<Workspace<T>> plain_sums_;
  std::int64_t first_ = 0, channels_ = 0;
  bool transformed_ = false, plain_ = false;  // whether n_ and plain_sums_ hold anything
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
      T* out = sums.data() + part * g.weight_size() + first * 9 * g.out_channels;
      sum_turns(turns * part / parts, turns * (part + 1) / parts, channels * 9 * g.out_channels, out,
                [&](std::int64_t from, std::int64_t to) {
                  gradient.begin(first, channels);
                  for (std::int64_t i = from; i < to; ++i) {
                    gradient.add_turn(plan.turns.block(i), x, dy);
                  }
                  gradient.finish(out);
                });
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
