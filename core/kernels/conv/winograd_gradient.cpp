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

// Per cell, n (inputs, outputs) = sum over tiles of v (inputs, tiles) d (tiles, outputs).

/// How the sums are cut into units. Blocks of tiles are summed in order within a part and parts at the end, so parts
/// depend on the sizes only; inputs and outputs are cut as there are threads, since no sum depends on that.
struct GradientUnits {
  TileCut cut;
  std::int64_t parts, inputs, input_parts, outputs, output_parts;

  std::int64_t count() const { return parts * input_parts * output_parts; }
};

template <class Arch, class T>
GradientUnits cut_gradient(const ConvGeometry& g, const TileGrid& grid) {
  constexpr std::int64_t kPanel = kWinogradPanel * PanelTile<Arch, T>::lanes, kMostParts = 16, kManyTiles = 512;
  // Transforming a part's sums back costs as much as 3 to 6 tiles.
  const std::int64_t least_tiles = std::clamp<std::int64_t>(g.channels * g.out_channels / 12, 64, 128);
  const std::int64_t most_tiles = kPanel * std::clamp<std::int64_t>(g.channels * g.out_channels / 8192, 1, 4);
  GradientUnits units{};
  units.cut = TileCut::of(grid, most_tiles);
  units.parts =
      std::clamp<std::int64_t>(grid.count() / least_tiles, 1, std::max(kMostParts, grid.count() / kManyTiles));
  units.parts = std::min({units.parts, units.cut.blocks, 2 * kMostParts});
  units.inputs = g.channels;
  units.outputs = g.out_channels;
  units.input_parts = units.output_parts = 1;
  while (units.count() < 2 * std::int64_t{num_threads()} && num_threads() > 1 &&
         std::max(units.inputs, units.outputs) >= 2 * kWinogradRows) {
    std::int64_t& side = units.inputs > units.outputs ? units.inputs : units.outputs;
    side = round_up(ceil_div(side, std::int64_t{2}), kWinogradRows);
    units.input_parts = ceil_div(g.channels, units.inputs);
    units.output_parts = ceil_div(g.out_channels, units.outputs);
  }
  return units;
}

/// `count` of the planes from `first` on, or as many as there are.
template <class T>
WinogradPlanes<T> some_planes(WinogradPlanes<T> planes, std::int64_t first, std::int64_t count) {
  planes.x += first * planes.plane;
  planes.map = planes.map.from(first);
  planes.channels = std::min(count, planes.channels - first);
  return planes;
}

/// The sums of one unit after another, in scratch memory of its own.
template <class Arch, class T>
class TileGradient {
 public:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;

  TileGradient(const TileGrid& grid, const GradientUnits& units, const WinogradPlanes<T>& x,
               const WinogradPlanes<T>& dy)
      : grid_(grid),
        units_(units),
        x_(x),
        dy_(dy),
        inputs_(x, grid, units.cut.tiles, true),
        v_part_(round_up(x.channels, kWinogradRows) * kWinogradPanel * kLanes),
        v_cell_(ceil_div(units.cut.tiles, kWinogradPanel * kLanes) * v_part_ + kLanes),
        d_part_(units.cut.tiles * kLanes),
        d_cell_(ceil_div(dy.channels, kLanes) * d_part_ + kLanes),
        n_part_(round_up(x.channels, kWinogradRows) * kLanes),
        n_cell_(ceil_div(dy.channels, kLanes) * n_part_ + kLanes),
        v_(kWinogradCells * v_cell_),
        d_(kWinogradCells * d_cell_),
        n_(kWinogradCells * n_cell_),
        squares_(ceil_div(dy.channels, kWinogradRows) * units.cut.tiles) {}

  /// sums (input, tap, output) = what blocks [first, last) contribute.
  void sum(std::int64_t first, std::int64_t last, T* sums) {
    transformed_ = plain_ = false;
    for (std::int64_t i = first; i < last; ++i) {
      add_block(i);
    }
    WinogradKernels<Arch, T>::weight_gradient(
        {.n = {n_.data(), n_cell_, n_part_}, .inputs = x_.channels, .outputs = dy_.channels, .dw = sums});
    if (plain_) {
      std::transform(sums, sums + size(), plain_sums_->data(), sums, std::plus<T>());
    }
  }
  std::int64_t size() const { return x_.channels * 9 * dy_.channels; }

 private:
  void add_block(std::int64_t i) {
    const std::int64_t first = i * units_.cut.tiles;
    const WinogradBlock& block =
        inputs_.transform(first, std::min(units_.cut.tiles, grid_.count() - first), {v_.data(), v_cell_, v_part_});
    WinogradKernels<Arch, T>::output_gradient(
        {.planes = dy_, .block = block, .squares = squares_.data(), .d = {d_.data(), d_cell_, d_part_}});
    for (std::int64_t c = 0; c < x_.channels; c += kWinogradRows) {
      if (!input_suits(c)) {
        for (std::int64_t o = 0; o < dy_.channels; o += kWinogradRows) {
          add_plain(block, c, o);
        }
        clear_inputs(block, c);
      }
    }
    for (std::int64_t o = 0; o < dy_.channels; o += kWinogradRows) {
      if (!output_suits(block, o)) {
        for (std::int64_t c = 0; c < x_.channels; c += kWinogradRows) {
          if (input_suits(c)) {
            add_plain(block, c, o);
          }
        }
        clear_outputs(block, o);
      }
    }
    WinogradKernels<Arch, T>::multiply_gradient({.accumulate = transformed_,
                                                 .inputs = x_.channels,
                                                 .outputs = dy_.channels,
                                                 .registers = block.registers,
                                                 .v = {v_.data(), v_cell_, v_part_},
                                                 .d = {d_.data(), d_cell_, d_part_},
                                                 .n = {n_.data(), n_cell_, n_part_}});
    transformed_ = true;
  }

  /// Whether no group of cells of kWinogradRows channels from c on stands out. (Of as many always, so that units may be
  /// cut as one likes.)
  bool input_suits(std::int64_t c) const {
    constexpr double kShared = 4;  // windows of tiles around a corner
    return suits(inputs_.squares(c / kWinogradRows), inputs_.square_count(), kShared);
  }
  bool output_suits(const WinogradBlock& block, std::int64_t o) const {
    const std::int64_t count = block.registers * kLanes;
    return suits(squares_.data() + o / kWinogradRows * count, count, 1);
  }
  static bool suits(const T* squares, std::int64_t count, double shared) {
    const WinogradRange range = WinogradKernels<Arch, T>::range(squares, count);
    return finite_product(range, range.largest) && is_spread(range, shared);
  }

  /// For kWinogradRows inputs from c on and as many outputs from o on, on whose number the order of sums depends.
  void add_plain(const WinogradBlock& block, std::int64_t c, std::int64_t o) {
    if (!plain_) {
      if (!plain_sums_.has_value()) {
        plain_sums_.emplace(size());
      }
      std::fill_n(plain_sums_->data(), size(), T(0));
      plain_ = true;
    }
    const WinogradPlanes<T> x = some_planes(x_, c, kWinogradRows), dy = some_planes(dy_, o, kWinogradRows);
    PlainGradient<Arch, T> gradient(x.channels, dy.channels);
    for (std::int64_t i = 0; i < block.tile_count; ++i) {
      gradient.add(x, dy, block.tiles[i], dy_.channels, plain_sums_->data() + c * 9 * dy_.channels + o);
    }
  }

  void clear_inputs(const WinogradBlock& block, std::int64_t c) {
    constexpr std::int64_t kRow = kWinogradPanel * kLanes;
    for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
      for (std::int64_t k = 0; k < block.registers; k += kWinogradPanel) {
        std::fill_n(v_.data() + cell * v_cell_ + k / kWinogradPanel * v_part_ + c * kRow, kWinogradRows * kRow, T(0));
      }
    }
  }

  void clear_outputs(const WinogradBlock& block, std::int64_t o) {
    for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
      for (std::int64_t i = o; i < std::min(o + kWinogradRows, dy_.channels); i += kLanes) {
        std::fill_n(d_.data() + cell * d_cell_ + i / kLanes * d_part_, block.registers * kLanes * kLanes, T(0));
      }
    }
  }

  const TileGrid& grid_;
  const GradientUnits& units_;
  WinogradPlanes<T> x_, dy_;
  TileInputs<Arch, T> inputs_;
  std::int64_t v_part_, v_cell_, d_part_, d_cell_, n_part_, n_cell_;
  Workspace<T> v_, d_, n_, squares_;
  std::optional<Workspace<T>> plain_sums_;
  bool transformed_ = false, plain_ = false;  // whether n_ and plain_sums_ hold anything
};

template <class Arch, class T>
void winograd_weight_gradient_on(const ConvGeometry& g, const MappedPlanes<T>& x, const T* dy, T* dweight) {
  const WinogradPlanes<T> all_x = x_planes(g, x), all_dy = dy_planes(g, dy);
  const TileGrid grid = TileGrid::of(all_x, g.batch, g.out_height, g.out_width, PanelTile<Arch, T>::lanes);
  const GradientUnits units = cut_gradient<Arch, T>(g, grid);
  Workspace<T> sums(units.parts * g.weight_size());
  const std::int64_t work = grid.count() * kWinogradCells * g.channels * g.out_channels, blocks = units.cut.blocks;
  parallel_for(0, units.count(), work_grain(work, units.count()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t part = unit / (units.input_parts * units.output_parts);
      const std::int64_t input = unit / units.output_parts % units.input_parts * units.inputs;
      const std::int64_t output = unit % units.output_parts * units.outputs;
      const WinogradPlanes<T> some_dy = some_planes(all_dy, output, units.outputs);
      TileGradient<Arch, T> gradient(grid, units, some_planes(all_x, input, units.inputs), some_dy);
      T* out = sums.data() + part * g.weight_size() + input * 9 * g.out_channels + output;
      const bool in_place = units.output_parts == 1;
      Workspace<T> own(in_place ? 0 : gradient.size());
      T* of_unit = in_place ? out : own.data();
      sum_turns(blocks * part / units.parts, blocks * (part + 1) / units.parts, gradient.size(), of_unit,
                [&](std::int64_t first, std::int64_t last) { gradient.sum(first, last, of_unit); });
      for (std::int64_t i = 0; i < gradient.size() && !in_place; i += some_dy.channels, out += g.out_channels) {
        std::copy_n(of_unit + i, some_dy.channels, out);
      }
    }
  });
  finish_weight_gradient(g, units.parts, sums.data(), dweight);
}

}  // namespace

template <class T>
void WinogradConv<T>::weight_gradient(const ConvGeometry& g, const MappedPlanes<T>& x, const T* dy, T* dweight) {
  dispatch_tiles(tile_count(g.batch, g.out_height, g.out_width),
                 [&]<class Arch>() { winograd_weight_gradient_on<Arch>(g, x, dy, dweight); });
}

template void WinogradConv<float>::weight_gradient(const ConvGeometry&, const MappedPlanes<float>&, const float*,
                                                   float*);

}  // namespace evenkeel::kernels
