#include "core/kernels/conv_algorithms.hpp"
#include "core/kernels/conv_panel_plan.hpp"
#include "core/kernels/conv_panels.hpp"
#include "core/kernels/conv_stage_shape.hpp"
#include "core/kernels/conv_winograd.hpp"
#include "core/kernels/workspace.hpp"
#include "core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

// Per cell, n (channels, outputs) = sum over tiles of v (channels, tiles) e (tiles, outputs).

constexpr std::int64_t kCells = 16;

/// As in the plain weight gradient: turns are summed in order within a part, parts at the end; channels are cut too.
struct TilePlan {
  BlockPlan turns;
  std::int64_t turn_parts, channel_parts, channels;
  std::int64_t most_tiles;  ///< of a turn
};

TilePlan tile_plan(const ConvGeometry& g, const StageShape& stage) {
  constexpr std::int64_t kTurnTiles = 64, kUnits = 8;
  constexpr std::int64_t kChannels = 32;  // of one part at least, since each part transforms dy anew
  const std::int64_t tile_rows = ceil_div(g.out_height, 2);
  TilePlan plan{};
  plan.turns = {.batch = g.batch,
                .height = tile_rows,
                .images = std::clamp<std::int64_t>(kTurnTiles / (tile_rows * stage.columns), 1, g.batch),
                .rows = std::clamp<std::int64_t>(kTurnTiles / stage.columns, 1, tile_rows)};
  plan.channels = ceil_div(g.channels, std::clamp<std::int64_t>(g.channels / kChannels, 1, 4));
  plan.channel_parts = ceil_div(g.channels, plan.channels);
  plan.turn_parts = std::clamp<std::int64_t>(kUnits / plan.channel_parts, 1, plan.turns.count());
  plan.most_tiles = plan.turns.images * plan.turns.rows * stage.columns;
  return plan;
}

/// The sizes and buffers of one unit of work: channels of a group of images.
template <class Arch, class T>
class TileGradient {
 public:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kSegments = PanelTile<Arch, T>::segments;

  TileGradient(const ConvGeometry& g, const StageShape& stage, const TilePlan& plan)
      : g_(g),
        stage_(stage),
        plane_stride_(stage.plane_stride(plan.turns.rows)),
        image_stride_(plan.channels * plane_stride_),
        width_(ceil_div(plan.most_tiles, kLanes) * kLanes),
        v_cell_(plan.channels * width_ + kLanes),
        e_cell_(plan.most_tiles * kSegments * kLanes + kLanes),
        n_cell_(plan.channels * g.out_channels + kLanes),
        staged_(plan.turns.images * image_stride_),
        v_(kCells * v_cell_),
        e_(kCells * e_cell_),
        n_(kCells * n_cell_),
        turned_(2 * plan.turns.rows * g.out_width * kSegments * kLanes),
        runs_(plan.turns.images * plan.turns.rows * ceil_div(stage.columns, kLanes)),
        rows_(plan.channels),
        steps_(plan.most_tiles) {
    for (std::int64_t c = 0; c < plan.channels; ++c) {
      rows_.data()[c] = c * width_;
    }
    for (std::int64_t tile = 0; tile < plan.most_tiles; ++tile) {
      steps_.data()[tile] = {.a = tile};
    }
  }

  /// n (+)= the share of one turn; x and dy are the turn's first image, x from the unit's first channel on.
  void add_turn(const PixelBlock& turn, std::int64_t channels, const T* x, const T* dy, bool accumulate) {
    transform_input(turn, channels, x);
    std::int64_t segments_left = ceil_div(g_.out_channels, kLanes);
    std::int64_t panels_left = ceil_div(segments_left, kSegments);
    for (std::int64_t o = 0; panels_left > 0;) {
      const std::int64_t segments = ceil_div(segments_left, panels_left--);
      const std::int64_t outputs = std::min(segments * kLanes, g_.out_channels - o);
      transform_gradient(turn, dy + o * g_.pixels(), outputs, segments * kLanes);
      PanelProduct<T> product{.a_rows = rows_.data(),
                              .steps = steps_.data(),
                              .rows = channels,
                              .step_count = turn.images * turn.rows * stage_.columns,
                              .packed = true,
                              .segments = segments,
                              .c_stride = g_.out_channels,
                              .accumulate = accumulate};
      for (std::int64_t s = 0; s < segments; ++s) {
        product.segment[s] = {.c = s * kLanes, .columns = std::min(kLanes, outputs - s * kLanes)};
      }
      for (std::int64_t cell = 0; cell < kCells; ++cell) {
        product.a = v_.data() + cell * v_cell_;
        product.b = e_.data() + cell * e_cell_;
        product.c = n_.data() + cell * n_cell_ + o;
        ConvPanelsKernels<Arch, T>::multiply(product);
      }
      segments_left -= segments;
      o += outputs;
    }
  }

  /// Sums of the products (channel, tap) by outputs.
  void finish(std::int64_t channels, T* sums) {
    ConvWinogradKernels<Arch, T>::weight_gradient(
        {.n = n_.data(), .n_cell = n_cell_, .channels = channels, .outputs = g_.out_channels, .dw = sums});
  }

 private:
  void transform_input(const PixelBlock& turn, std::int64_t channels, const T* x) {
    std::int64_t count = 0, tile = 0;
    for (std::int64_t k = 0; k < turn.images; ++k) {
      fill_stage(stage_, x + k * g_.channels * g_.plane(), channels, turn.first_row, turn.rows, plane_stride_,
                 staged_.data() + k * image_stride_);
      for (std::int64_t i = 0; i < turn.rows; ++i) {
        for (std::int64_t j = 0; j < stage_.columns; j += kLanes) {
          const std::int64_t tiles = std::min(kLanes, stage_.columns - j);
          runs_.data()[count++] = {
              .x = k * image_stride_ + 2 * i * stage_.row_stride() + j, .column = tile, .tiles = tiles};
          tile += tiles;
        }
      }
    }
    ConvWinogradKernels<Arch, T>::input({.x = staged_.data(),
                                         .channels = channels,
                                         .x_plane = plane_stride_,
                                         .x_row = stage_.row_stride(),
                                         .x_odd = stage_.phase_stride(),
                                         .runs = runs_.data(),
                                         .run_count = count,
                                         .v = v_.data(),
                                         .v_cell = v_cell_,
                                         .width = width_});
  }

  void transform_gradient(const PixelBlock& turn, const T* dy, std::int64_t outputs, std::int64_t width) {
    const std::int64_t first = 2 * turn.first_row, rows = std::min(2 * turn.rows, g_.out_height - first);
    for (std::int64_t k = 0; k < turn.images; ++k) {
      ConvPanelsKernels<Arch, T>::transpose({.x = dy + k * g_.out_channels * g_.pixels() + first * g_.out_width,
                                             .x_stride = g_.pixels(),
                                             .columns = outputs,
                                             .steps = rows * g_.out_width,
                                             .b = turned_.data(),
                                             .b_stride = width,
                                             .width = width});
      ConvWinogradKernels<Arch, T>::output_gradient({.dy = turned_.data(),
                                                     .rows = rows,
                                                     .columns = g_.out_width,
                                                     .tile_rows = turn.rows,
                                                     .tile_columns = stage_.columns,
                                                     .width = width,
                                                     .e = e_.data() + k * turn.rows * stage_.columns * width,
                                                     .e_cell = e_cell_});
    }
  }

  const ConvGeometry& g_;
  const StageShape& stage_;
  // Cells lie a register more than their size apart, or whole pages would often separate them.
  const std::int64_t plane_stride_, image_stride_, width_, v_cell_, e_cell_, n_cell_;
  Workspace<T> staged_, v_, e_, n_, turned_;
  Workspace<WinogradRun> runs_;
  Workspace<std::int64_t> rows_;
  Workspace<PanelStep> steps_;
};

template <class Arch, class T>
void weight_gradient_on(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  StageShape stage = winograd_stage(input_stage(g), g.out_width);
  stage.slack = PanelTile<Arch, T>::lanes;  // whole registers are loaded
  const TilePlan plan = tile_plan(g, stage);
  const std::int64_t parts = plan.turn_parts, turns = plan.turns.count(), units = parts * plan.channel_parts;
  Workspace<T> sums(parts * g.weight_size());
  parallel_for(0, units, work_grain(g.y_size() * g.channels * 4, units), [&](std::int64_t begin, std::int64_t end) {
    TileGradient<Arch, T> gradient(g, stage, plan);
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
  dispatch_isa([&]<class Arch>() { weight_gradient_on<Arch>(g, x, dy, dweight); });
}

template void WinogradConv<float>::weight_gradient(const ConvGeometry&, const float*, const float*, float*);
template void WinogradConv<double>::weight_gradient(const ConvGeometry&, const double*, const double*, double*);

}  // namespace evenkeel::kernels
