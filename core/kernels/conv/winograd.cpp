#include "evenkeel/core/kernels/conv/winograd.hpp"

#include "evenkeel/core/kernels/conv/winograd_plain.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

/// A 3x3 convolution of stride 1 in tiles: conv2d itself, or its input gradient, which is the convolution of dy with
/// the weight transposed and turned by 180 degrees.
template <class T>
struct TileConvolution {
  WinogradPlanes<T> source;
  WinogradFilters<T> filters;
  TileGrid grid = {};  ///< of the outputs
};

/// u of a convolution; `width` outputs, zeros behind the last.
template <class Arch, class T>
void transform_weight(const WinogradFilters<T>& filters, std::int64_t width, WinogradCells<T> u) {
  constexpr std::int64_t kInputs = 8, kGrain = 512;  // inputs at a time, filters per chunk
  const std::int64_t grain = grain_of(kInputs * width, kGrain), parts = ceil_div(filters.inputs, kInputs);
  parallel_for(0, parts, grain, [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> w(kInputs * 9 * width);
    for (std::int64_t part = begin; part < end; ++part) {
      const std::int64_t first = part * kInputs, count = std::min(kInputs, filters.inputs - first);
      filters.template arrange<Arch>(first, count, width, w.data());
      WinogradKernels<Arch, T>::weight({.w = w.data(),
                                        .rows = count,
                                        .width = width,
                                        .turned = filters.turned,
                                        .u = {u.data + first * PanelTile<Arch, T>::lanes, u.cell, u.part}});
    }
  });
}

/// How a convolution is cut into units: blocks of tiles by parts of the outputs, of which each block is transformed
/// anew; parts only as there are threads for them, since no sum depends on them.
struct TileUnits {
  TileCut cut;
  std::int64_t outputs, parts;
};

template <class Arch, class T>
TileUnits cut_tiles(const TileConvolution<T>& c) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kPanel = kWinogradPanel * kLanes;
  constexpr std::int64_t kWeights = 16384;  // of a cell, per panel: above, they are read for more tiles at once
  constexpr std::int64_t kFewBlocks = 8;    // below, smaller ones keep more threads busy
  const std::int64_t inputs = c.filters.inputs, outputs = c.filters.outputs, tiles = c.grid.count();
  const std::int64_t most_tiles = tiles <= kFewBlocks * kPanel
                                      ? (kWinogradPanel - 1) * kLanes
                                      : kPanel * std::clamp<std::int64_t>(inputs * outputs / kWeights, 1, 4);
  TileUnits units{.cut = TileCut::of(c.grid, most_tiles), .outputs = 0, .parts = 0};
  const std::int64_t wanted = ceil_div(2 * std::int64_t{num_threads()}, units.cut.blocks);
  const std::int64_t most = num_threads() > 1 ? ceil_div(outputs, kWinogradRows) : 1;
  units.outputs = round_up(ceil_div(outputs, std::clamp<std::int64_t>(wanted, 1, most)), kWinogradRows);
  units.parts = ceil_div(outputs, units.outputs);
  return units;
}

/// One unit after another, in scratch memory of its own.
template <class Arch, class T>
class TileConvolver {
 public:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;

  TileConvolver(const TileConvolution<T>& c, const TileUnits& units, WinogradCells<const T> u, const T* bias, T* y,
                double largest_weight)
      : c_(c),
        units_(units),
        u_(u),
        bias_(bias),
        y_(y),
        inputs_(c.source, c.grid, units.cut.tiles, false),
        // A cell's products take the place of the inputs of the cell before.
        part_(std::max(round_up(c.filters.inputs, kWinogradRows), units.outputs) * kWinogradPanel * kLanes),
        cell_(ceil_div(units.cut.tiles, kWinogradPanel * kLanes) * part_ + kLanes),
        space_((kWinogradCells + 1) * cell_),
        plain_(c.filters, c.source, units.cut.tiles, largest_weight) {}

  void compute(std::int64_t unit) {
    const std::int64_t first = unit / units_.parts * units_.cut.tiles,
                       first_output = unit % units_.parts * units_.outputs;
    const std::int64_t outputs = std::min(units_.outputs, c_.filters.outputs - first_output);
    const WinogradBlock& block = inputs_.transform(first, std::min(units_.cut.tiles, c_.grid.count() - first),
                                                   {space_.data() + cell_, cell_, part_});
    WinogradKernels<Arch, T>::multiply({.outputs = outputs,
                                        .inputs = c_.filters.inputs,
                                        .registers = block.registers,
                                        .u = {u_.data + first_output / kLanes * u_.part, u_.cell, u_.part},
                                        .v = {space_.data() + cell_, cell_, part_},
                                        .m = {space_.data(), cell_, part_}});
    const std::int64_t plane = c_.grid.height * c_.grid.width;
    const WinogradOutput<T> output{.m = {space_.data(), cell_, part_},
                                   .block = block,
                                   .bias = bias_ + first_output,
                                   .y = y_ + first_output * plane,
                                   .first = first_output,
                                   .outputs = outputs,
                                   .image_stride = c_.filters.outputs * plane,
                                   .plane = plane,
                                   .height = c_.grid.height,
                                   .width = c_.grid.width};
    WinogradKernels<Arch, T>::output(output);
    plain_.mend(output, inputs_.squares(0));
  }

 private:
  const TileConvolution<T>& c_;
  const TileUnits& units_;
  WinogradCells<const T> u_;
  const T* bias_;
  T* y_;
  TileInputs<Arch, T> inputs_;
  std::int64_t part_, cell_;
  Workspace<T> space_;
  PlainTiles<Arch, T> plain_;
};

template <class Arch, class T>
void convolve_on(const TileConvolution<T>& c, const T* bias, T* y) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const std::int64_t inputs = c.filters.inputs, outputs = c.filters.outputs, out_width = round_up(outputs, kLanes);
  const std::int64_t part = inputs * kLanes, cell = out_width * inputs + kLanes;
  Workspace<T> u(kWinogradCells * cell), biases(out_width);
  transform_weight<Arch>(c.filters, out_width, WinogradCells<T>{u.data(), cell, part});
  std::fill_n(biases.data(), out_width, T(0));
  if (bias != nullptr) {
    std::copy_n(bias, outputs, biases.data());
  }
  const double largest_weight = WinogradKernels<Arch, T>::sum_of_squares(c.filters.weight, inputs * outputs * 9);
  const TileUnits units = cut_tiles<Arch>(c);
  const std::int64_t count = units.cut.blocks * units.parts, work = c.grid.count() * kWinogradCells * inputs * outputs;
  parallel_for(0, count, work_grain(work, count), [&](std::int64_t begin, std::int64_t end) {
    TileConvolver<Arch, T> convolver(c, units, {u.data(), cell, part}, biases.data(), y, largest_weight);
    for (std::int64_t i = begin; i < end; ++i) {
      convolver.compute(i);
    }
  });
}

}  // namespace

template <class T>
void WinogradConv<T>::forward(const ConvGeometry& g, const MappedPlanes<T>& x, const T* weight, const T* bias, T* y) {
  TileConvolution<T> c{.source = x_planes(g, x),
                       .filters = {.weight = weight, .inputs = g.channels, .outputs = g.out_channels}};
  dispatch_tiles(tile_count(g.batch, g.out_height, g.out_width), [&]<class Arch>() {
    c.grid = TileGrid::of(c.source, g.batch, g.out_height, g.out_width, PanelTile<Arch, T>::lanes);
    convolve_on<Arch>(c, bias, y);
  });
}

template <class T>
void WinogradConv<T>::input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  TileConvolution<T> c{.source = dy_planes(g, dy),
                       .filters = {.weight = weight, .inputs = g.out_channels, .outputs = g.channels, .turned = true}};
  dispatch_tiles(tile_count(g.batch, g.height, g.width), [&]<class Arch>() {
    c.grid = TileGrid::of(c.source, g.batch, g.height, g.width, PanelTile<Arch, T>::lanes);
    convolve_on<Arch>(c, bias, dx);
  });
}

template struct WinogradConv<float>;

}  // namespace evenkeel::kernels
