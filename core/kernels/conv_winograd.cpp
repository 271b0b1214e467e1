#include "core/kernels/conv_winograd.hpp"

#include "core/kernels/conv_algorithms.hpp"
#include "core/kernels/conv_panel_plan.hpp"
#include "core/kernels/conv_panels.hpp"
#include "core/kernels/conv_stage_shape.hpp"
#include "core/kernels/workspace.hpp"
#include "core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

constexpr std::int64_t kCells = 16;

/// A 3x3 convolution of stride 1 in tiles: conv2d itself, or its input gradient, which is the convolution of dy with
/// the weight transposed and turned by 180 degrees.
struct TileConvolution {
  StageShape stage;  ///< windows of 4x4, two cells apart
  std::int64_t batch, inputs, outputs, out_height, out_width;
  std::int64_t weight_output, weight_input;  ///< distances in one cell of the transformed weight
  bool turned;

  std::int64_t tile_rows() const { return ceil_div(out_height, 2); }
  std::int64_t out_plane() const { return out_height * out_width; }
  /// Turning the weight swaps rows 0 and 3, and columns 0 and 3, of the transformed one.
  std::int64_t weight_cell(std::int64_t cell) const {
    constexpr std::int64_t kTurned[] = {3, 1, 2, 0};
    return turned ? kTurned[cell / 4] * 4 + kTurned[cell % 4] : cell;
  }
};

TileConvolution forward_tiles(const ConvGeometry& g) {
  return {.stage = winograd_stage(input_stage(g), g.out_width),
          .batch = g.batch,
          .inputs = g.channels,
          .outputs = g.out_channels,
          .out_height = g.out_height,
          .out_width = g.out_width,
          .weight_output = g.channels,
          .weight_input = 1,
          .turned = false};
}

TileConvolution gradient_tiles(const ConvGeometry& g) {
  const StageShape dy{.planes = g.out_channels,
                      .height = g.out_height,
                      .width = g.out_width,
                      .source_stride = g.pixels(),
                      .pad_top = 2 - g.pad_top,
                      .pad_left = 2 - g.pad_left};
  return {.stage = winograd_stage(dy, g.width),
          .batch = g.batch,
          .inputs = g.out_channels,
          .outputs = g.channels,
          .out_height = g.height,
          .out_width = g.width,
          .weight_output = 1,
          .weight_input = g.channels,
          .turned = true};
}

template <class T>
void transform_weight(const ConvGeometry& g, const T* weight, T* u) {
  constexpr std::int64_t kGrain = 1024;
  const std::int64_t filters = g.out_channels * g.channels;
  parallel_for(0, filters, kGrain, [&](std::int64_t first, std::int64_t last) {
    dispatch_isa([&]<class Arch>() {
      ConvWinogradKernels<Arch, T>::weight(
          {.w = weight + first * 9, .filters = last - first, .u = u + first, .u_cell = filters});
    });
  });
}

/// The runs of a panel, cut to registers.
std::int64_t winograd_runs(const TileConvolution& c, const PixelBlock& block, const Panel& panel, std::int64_t lanes,
                           WinogradRun* runs) {
  std::int64_t count = 0;
  for (std::int64_t r = 0; r < panel.run_count; ++r) {
    const PanelRun& run = panel.runs[r];
    for (std::int64_t j = 0; j < run.length; j += lanes) {
      const PanelRow& at = panel.rows[r];
      const std::int64_t row = 2 * (block.first_row + at.row), column = 2 * (at.column + j);
      const std::int64_t tiles = std::min(lanes, run.length - j);
      runs[count++] = {.x = run.from + j,
                       .column = run.to + j,
                       .tiles = tiles,
                       .y = at.image * c.outputs * c.out_plane() + row * c.out_width + column,
                       .y_rows = std::min<std::int64_t>(2, c.out_height - row),
                       .y_columns = std::min(2 * tiles, c.out_width - column)};
    }
  }
  return count;
}

/// Tables and buffers of one unit of work.
template <class T>
struct TileUnit {
  const TileConvolution& c;
  const T *staged, *u, *bias;
  const std::int64_t* weight_rows;
  const PanelStep* steps;
  std::int64_t plane_stride;
  T *v, *m, *y;
};

template <class Arch, class T>
void run_panel(const TileUnit<T>& unit, const PixelBlock& block, const Panel& panel) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const TileConvolution& c = unit.c;
  const std::int64_t width = panel.segments * kLanes;
  // A register more per cell, or the cells would often lie whole pages apart and evict each other from the cache.
  const std::int64_t v_cell = c.inputs * width + kLanes, m_cell = c.outputs * width + kLanes;
  WinogradRun runs[Panel::kMaxRuns];
  const std::int64_t run_count = winograd_runs(c, block, panel, kLanes, runs);
  ConvWinogradKernels<Arch, T>::input({.x = unit.staged,
                                       .channels = c.inputs,
                                       .x_plane = unit.plane_stride,
                                       .x_row = c.stage.row_stride(),
                                       .x_odd = c.stage.phase_stride(),
                                       .runs = runs,
                                       .run_count = run_count,
                                       .v = unit.v,
                                       .v_cell = v_cell,
                                       .width = width});
  // Columns behind the tiles of the panel may hold anything: they are multiplied, but never written to y.
  PanelProduct<T> product{.a_rows = unit.weight_rows,
                          .steps = unit.steps,
                          .rows = c.outputs,
                          .step_count = c.inputs,
                          .packed = true,
                          .segments = panel.segments,
                          .c_stride = width};
  for (std::int64_t s = 0; s < panel.segments; ++s) {
    product.segment[s] = {.c = s * kLanes, .columns = kLanes};
  }
  for (std::int64_t cell = 0; cell < kCells; ++cell) {
    product.a = unit.u + c.weight_cell(cell) * c.inputs * c.outputs;
    product.b = unit.v + cell * v_cell;
    product.c = unit.m + cell * m_cell;
    ConvPanelsKernels<Arch, T>::multiply(product);
  }
  ConvWinogradKernels<Arch, T>::output({.m = unit.m,
                                        .m_cell = m_cell,
                                        .width = width,
                                        .outputs = c.outputs,
                                        .bias = unit.bias,
                                        .runs = runs,
                                        .run_count = run_count,
                                        .y = unit.y,
                                        .y_plane = c.out_plane(),
                                        .y_row = c.out_width});
}

template <class Arch, class T>
void convolve_on(TileConvolution c, const T* source, const T* u, const T* bias, T* y) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kSegments = PanelTile<Arch, T>::segments;
  c.stage.slack = kLanes;  // whole registers are loaded
  const BlockPlan plan = plan_blocks(c.stage, c.batch, c.tile_rows(), c.inputs * static_cast<std::int64_t>(sizeof(T)));
  const std::int64_t plane_stride = c.stage.plane_stride(plan.rows), image_stride = c.inputs * plane_stride;
  Workspace<std::int64_t> weight_rows(c.outputs);
  Workspace<PanelStep> steps(c.inputs);
  for (std::int64_t o = 0; o < c.outputs; ++o) {
    weight_rows.data()[o] = o * c.weight_output;
  }
  for (std::int64_t i = 0; i < c.inputs; ++i) {
    steps.data()[i] = {.a = i * c.weight_input};
  }
  const std::int64_t units = plan.count(), work = c.batch * c.out_plane() * c.inputs * c.outputs * 4;
  parallel_for(0, units, work_grain(work, units), [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kWidth = kSegments * kLanes;
    Workspace<T> staged(plan.images * image_stride);
    Workspace<T> v(kCells * (c.inputs * kWidth + kLanes)), m(kCells * (c.outputs * kWidth + kLanes));
    for (std::int64_t i = begin; i < end; ++i) {
      const PixelBlock block = plan.block(i);
      for (std::int64_t k = 0; k < block.images; ++k) {
        fill_stage(c.stage, source + (block.image + k) * c.inputs * c.stage.source_stride, c.inputs, block.first_row,
                   block.rows, plane_stride, staged.data() + k * image_stride);
      }
      const TileUnit<T> unit{.c = c,
                             .staged = staged.data(),
                             .u = u,
                             .bias = bias,
                             .weight_rows = weight_rows.data(),
                             .steps = steps.data(),
                             .plane_stride = plane_stride,
                             .v = v.data(),
                             .m = m.data(),
                             .y = y + block.image * c.outputs * c.out_plane()};
      PanelCutter cutter(block, c.stage, image_stride, {kLanes, kSegments}, false);
      while (const Panel* panel = cutter.next()) {
        run_panel<Arch>(unit, block, *panel);
      }
    }
  });
}

template <class T>
void convolve(const ConvGeometry& g, const TileConvolution& c, const T* source, const T* weight, const T* bias, T* y) {
  Workspace<T> u(kCells * g.out_channels * g.channels);
  transform_weight(g, weight, u.data());
  dispatch_isa([&]<class Arch>() { convolve_on<Arch>(c, source, u.data(), bias, y); });
}

}  // namespace

template <class T>
void WinogradConv<T>::forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  convolve(g, forward_tiles(g), x, weight, bias, y);
}

template <class T>
void WinogradConv<T>::input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  convolve(g, gradient_tiles(g), dy, weight, bias, dx);
}

template struct WinogradConv<float>;
template struct WinogradConv<double>;

}  // namespace evenkeel::kernels
