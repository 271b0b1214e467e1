#include "evenkeel/core/kernels/conv/winograd.hpp"

#include "evenkeel/core/kernels/conv/winograd_plain.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace evenkeel::kernels {
namespace {

/// A 3x3 convolution of stride 1 in tiles: conv2d itself, or its input gradient, which is the convolution of dy with
/// the weight transposed and turned by 180 degrees.
struct TileConvolution {
  WindowSource source;
  std::int64_t batch, outputs, out_height, out_width;
  bool turned;

  std::int64_t tile_columns() const { return ceil_div(out_width, kWinogradTile); }
  std::int64_t out_plane() const { return out_height * out_width; }
};

TileConvolution forward_tiles(const ConvGeometry& g) {
  return {.source = {.planes = g.channels,
                     .height = g.height,
                     .width = g.width,
                     .pad_top = g.pad_top,
                     .pad_left = g.pad_left},
          .batch = g.batch,
          .outputs = g.out_channels,
          .out_height = g.out_height,
          .out_width = g.out_width,
          .turned = false};
}

TileConvolution gradient_tiles(const ConvGeometry& g) {
  return {.source = {.planes = g.out_channels,
                     .height = g.out_height,
                     .width = g.out_width,
                     .pad_top = 2 - g.pad_top,
                     .pad_left = 2 - g.pad_left},
          .batch = g.batch,
          .outputs = g.channels,
          .out_height = g.height,
          .out_width = g.width,
          .turned = true};
}

/// u (cell, input, output) of a convolution; `width` outputs per row, zeros behind the last. Returns the largest sum of
/// squares in the weight, infinity where a number is not finite.
template <class Arch, class T>
double transform_weight(const WinogradFilters<T>& filters, std::int64_t width, WinogradCells<T> u) {
  constexpr std::int64_t kInputs = 16, kGrain = 2048;  // inputs at a time, filters per chunk
  const std::int64_t grain = grain_of(kInputs * width, kGrain), parts = ceil_div(filters.inputs, kInputs);
  Workspace<double> largest(parts);
  parallel_for(0, parts, grain, [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> w(kInputs * 9 * width);
    for (std::int64_t part = begin; part < end; ++part) {
      const std::int64_t first = part * kInputs, count = std::min(kInputs, filters.inputs - first);
      filters.template arrange<Arch>(first, count, width, w.data());
      const WinogradRange range = WinogradKernels<Arch, T>::range(w.data(), count * 9 * width, width);
      largest.data()[part] = std::isfinite(range.norms) ? range.largest : std::numeric_limits<double>::infinity();
      WinogradKernels<Arch, T>::weight({.w = w.data(),
                                        .rows = count,
                                        .width = width,
                                        .turned = filters.turned,
                                        .u = {u.data + first * PanelTile<Arch, T>::lanes, u.cell, u.part}});
    }
  });
  return *std::max_element(largest.data(), largest.data() + parts);
}

/// y (image, output, pixel) of the block's first image on = turned (image, pixel, output).
template <class Arch, class T>
void unstage(const TileConvolution& c, const PixelBlock& block, std::int64_t rows, const T* turned, std::int64_t width,
             T* y) {
  for (std::int64_t k = 0; k < block.images; ++k) {
    const std::int64_t pixels = rows * c.out_width;
    PanelsKernels<Arch, T>::transpose(
        {.x = turned + k * pixels * width,
         .x_stride = width,
         .columns = pixels,
         .steps = c.outputs,
         .b = y + k * c.outputs * c.out_plane() + kWinogradTile * block.first_row * c.out_width,
         .b_stride = c.out_plane(),
         .width = pixels});
  }
}

template <class Arch, class T>
void convolve_on(const TileConvolution& c, const T* source, const T* weight, const T* bias, T* y) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kBlockTiles = 64, kBlocks = 4;
  const std::int64_t inputs = c.source.planes, in_width = round_up(inputs, kLanes);
  const std::int64_t out_width = round_up(c.outputs, kLanes);
  CellSpace<T> u(inputs, out_width, kLanes);
  Workspace<T> biases(out_width);
  const WinogradFilters<T> filters{.weight = weight, .inputs = inputs, .outputs = c.outputs, .turned = c.turned};
  const double largest_weight = transform_weight<Arch>(filters, out_width, u.cells());
  std::fill_n(biases.data(), out_width, T(0));
  if (bias != nullptr) {
    std::copy_n(bias, c.outputs, biases.data());
  }
  const std::int64_t at_once = cached_tiles<T>(in_width + out_width);
  const BlockPlan plan = plan_tiles(c.batch, c.out_height, c.out_width, kBlockTiles, kBlocks);
  const std::int64_t units = plan.count(), work = c.batch * c.out_plane() * inputs * c.outputs * 9 / 4;
  parallel_for(0, units, work_grain(work, units), [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t block_rows = std::min(kWinogradTile * plan.rows, c.out_height);
    Workspace<T> staged(plan.images * c.source.block_cells(plan.rows) * in_width);
    Workspace<T> turned(plan.images * block_rows * c.out_width * out_width);
    Workspace<WinogradTile> tiles(plan.images * plan.rows * c.tile_columns());
    CellSpace<T> v(at_once, in_width, kLanes), m(at_once, out_width, kLanes);
    PlainTiles<Arch, T> plain(filters, in_width, out_width, largest_weight);
    for (std::int64_t i = begin; i < end; ++i) {
      const PixelBlock block = plan.block(i);
      const std::int64_t rows = std::min(kWinogradTile * block.rows, c.out_height - kWinogradTile * block.first_row);
      WinogradSpread<T> spread =
          stage_windows<Arch>(c.source, block, source + block.image * inputs * c.source.height * c.source.width, inputs,
                              in_width, staged.data());
      spread.v = v.cells();
      WinogradOutput<T> output{.m = m.read(),
                               .width = out_width,
                               .bias = biases.data(),
                               .y = turned.data(),
                               .image_stride = rows * c.out_width * out_width,
                               .rows = rows,
                               .columns = c.out_width};
      const std::int64_t count = list_tiles(block, c.tile_columns(), tiles.data());
      const std::int64_t fast = plain.set_apart(spread, output, block.images, tiles.data(), count);
      plain.compute(spread, output, tiles.data() + fast, count - fast);
      for (std::int64_t first = 0; first < fast; first += at_once) {
        spread.tiles = output.tiles = tiles.data() + first;
        spread.tile_count = output.tile_count = std::min(at_once, fast - first);
        WinogradKernels<Arch, T>::input(spread);
        WinogradKernels<Arch, T>::multiply({.rows = spread.tile_count,
                                            .steps = inputs,
                                            .width = out_width,
                                            .a = v.read(),
                                            .b = u.read(),
                                            .c = m.cells()});
        WinogradKernels<Arch, T>::output(output);
      }
      unstage<Arch>(c, block, rows, turned.data(), out_width, y + block.image * c.outputs * c.out_plane());
    }
  });
}

}  // namespace

template <class T>
void WinogradConv<T>::forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  dispatch_isa([&]<class Arch>() { convolve_on<Arch>(forward_tiles(g), x, weight, bias, y); });
}

template <class T>
void WinogradConv<T>::input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  dispatch_isa([&]<class Arch>() { convolve_on<Arch>(gradient_tiles(g), dy, weight, bias, dx); });
}

template struct WinogradConv<float>;
template struct WinogradConv<double>;

}  // namespace evenkeel::kernels
