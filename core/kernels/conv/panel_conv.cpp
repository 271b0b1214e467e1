#include "evenkeel/core/kernels/conv/panel_conv.hpp"

#include "evenkeel/core/kernels/conv/correlation.hpp"
#include "evenkeel/core/kernels/conv/panel_plan.hpp"
#include "evenkeel/core/kernels/conv/stage.hpp"
#include "evenkeel/core/kernels/conv/stage_shape.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <iterator>

namespace evenkeel::kernels {
namespace {

/// Products whose share of a panel (three registers per product) stays in the first-level cache.
constexpr std::int64_t kPanelSteps = 288;
/// Products of an output that are summed in registers where no panel is packed; more are cut into parts of as many as
/// keep float32's digits.
constexpr std::int64_t kMostSteps = 8192, kPartSteps = 512;

/// Where a group of a unit has its memory.
template <class T>
struct UnitGroup {
  const T* staged;
  const T* weight;  // of the first output
  const T* bias;    // of the first output, or null
  T* y;             // the first output's plane of the block's first image
};

/// One unit of parallel work: outputs of one group, or some whole groups.
template <class T>
struct Unit {
  const Correlation& c;
  const StepTables& tables;
  const std::int64_t* weight_rows;
  PixelBlock block;
  bool packed;
  std::int64_t image_stride;  // of the staged input
  std::int64_t group_stride;
  UnitGroup<T> first;
  std::int64_t groups, outputs;  // and outputs of each group

  UnitGroup<T> group(std::int64_t k) const {
    return {.staged = first.staged + k * group_stride,
            .weight = first.weight + k * c.weight_group,
            .bias = first.bias != nullptr ? first.bias + k * outputs : nullptr,
            .y = first.y + k * outputs * c.out_plane()};
  }
};

/// Calls run() with the product of all steps, or of as many at a time as keep their panel in the cache, or float32's
/// digits.
template <class T, class Run>
void for_steps(const StepTables::Table& table, PanelProduct<T>& product, const Run& run) {
  const std::int64_t most_steps = product.packed ? kPanelSteps : table.count > kMostSteps ? kPartSteps : kMostSteps;
  product.accumulate = false;
  std::int64_t first = 0;
  do {  // once also without any product
    product.steps = table.steps + first;
    product.step_count = std::min(most_steps, table.count - first);
    run();
    product.accumulate = true;
    first += product.step_count;
  } while (first < table.count);
}

/// c (outputs, the panel's pixels) = the correlation of one phase. Packed, `b` holds a panel.
template <class Arch, class T>
void multiply_panel(const Unit<T>& unit, const UnitGroup<T>& group, const Panel& panel, std::int64_t phase, T* b,
                    PanelProduct<T>& product) {
  product.a = group.weight;
  product.bias = group.bias;
  product.b = product.packed ? b : group.staged;
  for_steps(unit.tables[phase], product, [&] {
    if (product.packed) {
      StageKernels<Arch, T>::pack({.x = group.staged,
                                   .steps = product.steps,
                                   .step_count = product.step_count,
                                   .runs = panel.runs,
                                   .run_count = panel.run_count,
                                   .segments = panel.segments,
                                   .b = b});
    }
    PanelsKernels<Arch, T>::multiply(product);
  });
}

/// Copies the results of a row of phases, (phase, output, pixel of the panel), to their places in y.
template <class T>
void scatter_panel(const Unit<T>& unit, const UnitGroup<T>& group, const Panel& panel, std::int64_t row_phase,
                   const T* results, std::int64_t c_stride) {
  const Correlation& c = unit.c;
  for (std::int64_t r = 0; r < panel.run_count; ++r) {
    const PanelRun& run = panel.runs[r];
    const PanelRow& at = panel.rows[r];
    const std::int64_t row = (unit.block.first_row + at.row) * c.out_stride_h + row_phase;
    if (row >= c.out_height) {
      continue;
    }
    write_phases<T>(c,
                    {.results = results + run.to,
                     .phase_stride = unit.outputs * c_stride,
                     .row_stride = c_stride,
                     .rows = unit.outputs,
                     .column = at.column,
                     .count = run.length},
                    group.y + at.image * c.groups * c.outputs * c.out_plane() + row * c.out_width, c.out_plane());
  }
}

/// Sends the panel's results straight to their places in y if each register's are consecutive pixels of one image;
/// otherwise returns false and leaves the product as it is.
template <class T>
bool place_in_y(const Unit<T>& unit, const Panel& panel, std::int64_t lanes, PanelProduct<T>& product) {
  const Correlation& c = unit.c;
  if (c.out_stride_h != 1 || c.out_stride_w != 1) {
    return false;
  }
  std::int64_t run = 0, run_end = 0, places[std::size(PanelProduct<T>().segment)];
  for (std::int64_t s = 0; s < panel.segments; ++s) {
    const std::int64_t first = s * lanes, last = first + product.segment[s].columns - 1;
    while (panel.runs[run].to + panel.runs[run].length <= first) {
      ++run;
    }
    for (run_end = run; panel.runs[run_end].to + panel.runs[run_end].length <= last;) {
      ++run_end;
    }
    const PanelRow& at = panel.rows[run];
    if (at.image != panel.rows[run_end].image) {
      return false;
    }
    places[s] = at.image * c.groups * c.outputs * c.out_plane() + (unit.block.first_row + at.row) * c.out_width +
                at.column + first - panel.runs[run].to;
  }
  for (std::int64_t s = 0; s < panel.segments; ++s) {
    product.segment[s].c = places[s];
  }
  product.c_stride = c.out_plane();
  return true;
}

/// The registers of the block's pixels, row by row: their places in the stage and in y. Where nothing is added to y
/// later, the last one of a row overlaps the one before instead of being partly filled: 3 to 64 channels 3x3 at 28x28
/// 88 GFLOP/s instead of 69 with AVX2, 91 instead of 83 with AVX-512.
template <class T>
void list_segments(const Unit<T>& unit, std::int64_t lanes, PanelSegment* segment) {
  const Correlation& c = unit.c;
  const bool overlap = c.out_width >= lanes && unit.tables[0].count <= kMostSteps;
  for (std::int64_t line = 0; line < unit.block.images * unit.block.rows; ++line) {
    const std::int64_t image = line / unit.block.rows, row = line % unit.block.rows;
    const std::int64_t from = image * unit.image_stride + row * c.stage.row_step() * c.stage.row_stride();
    const std::int64_t to = image * c.groups * c.outputs * c.out_plane() + (unit.block.first_row + row) * c.out_width;
    for (std::int64_t column = 0; column < c.out_width; column += lanes) {
      const std::int64_t j = overlap ? std::min(column, c.out_width - lanes) : column;
      *segment++ = {.b = from + j, .c = to + j, .columns = std::min(lanes, c.out_width - j)};
    }
  }
}

/// Where neither pixels are packed nor results scattered. A tile's outputs pass over all pixels whose staged rows stay
/// in the first-level cache, so that their planes are written in whole lines from front to back. 3x3 of 3 channels at
/// 32x32, GFLOP/s before and since with AVX2 (AVX-512): 64 images to 64 channels 77 and 89 (78, 88), to 16 80 and 96
/// (86, 98).
template <class Arch, class T>
void sweep_unit(const Unit<T>& unit) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kSegments = PanelTile<Arch, T>::segments;
  constexpr std::int64_t kSweepBytes = 24L * 1024;
  const Correlation& c = unit.c;
  const std::int64_t per_row = ceil_div(c.out_width, kLanes), count = unit.block.images * unit.block.rows * per_row;
  const std::int64_t row_bytes = c.inputs * c.stage.row_stride() * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t rows = (kSweepBytes / row_bytes - c.stage.span_h) / c.stage.row_step() + 1;
  const std::int64_t most = std::max(rows * per_row / kSegments, std::int64_t{1}) * kSegments;
  Workspace<PanelSegment> segments(count);
  list_segments(unit, kLanes, segments.data());
  for (std::int64_t k = 0; k < unit.groups; ++k) {
    const UnitGroup<T> group = unit.group(k);
    PanelProduct<T> product{.a = group.weight,
                            .a_rows = unit.weight_rows,
                            .rows = unit.outputs,
                            .b = group.staged,
                            .c = group.y,
                            .c_stride = c.out_plane(),
                            .bias = group.bias};
    for (std::int64_t first = 0; first < count; first += most) {
      for_steps(unit.tables[0], product, [&] {
        PanelsKernels<Arch, T>::sweep(product, segments.data() + first, std::min(most, count - first));
      });
    }
  }
}

template <class Arch, class T>
void run_unit(const Unit<T>& unit) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kSegments = PanelTile<Arch, T>::segments;
  constexpr std::int64_t kWidth = kSegments * kLanes;
  const Correlation& c = unit.c;
  if (!unit.packed && c.out_stride_h == 1 && c.out_stride_w == 1) {
    sweep_unit<Arch>(unit);
    return;
  }
  Workspace<T> b(unit.packed ? kPanelSteps * kWidth + kLanes : 0);
  Workspace<T> results(c.phases_w * unit.outputs * kWidth);
  PanelCutter cutter(unit.block, c.stage, unit.image_stride, {kLanes, kSegments}, !unit.packed);
  while (const Panel* panel = cutter.next()) {
    PanelProduct<T> product{.a_rows = unit.weight_rows,
                            .rows = unit.outputs,
                            .packed = unit.packed,
                            .segments = panel->segments,
                            .c_stride = kWidth};
    for (std::int64_t s = 0; s < panel->segments; ++s) {
      const PanelRun& run = panel->runs[unit.packed ? 0 : s];
      const std::int64_t columns = unit.packed ? std::min(kLanes, panel->pixels - s * kLanes) : run.length;
      product.segment[s] = {.b = run.from, .c = s * kLanes, .columns = columns};
    }
    const bool placed = place_in_y(unit, *panel, kLanes, product);
    for (std::int64_t k = 0; k < unit.groups; ++k) {
      const UnitGroup<T> group = unit.group(k);
      if (placed) {
        product.c = group.y;
        multiply_panel<Arch>(unit, group, *panel, 0, b.data(), product);
        continue;
      }
      for (std::int64_t row_phase = 0; row_phase < c.phases_h; ++row_phase) {
        for (std::int64_t phase = 0; phase < c.phases_w; ++phase) {
          product.c = results.data() + phase * unit.outputs * kWidth;
          multiply_panel<Arch>(unit, group, *panel, row_phase * c.phases_w + phase, b.data(), product);
        }
        scatter_panel(unit, group, *panel, row_phase, results.data(), kWidth);
      }
    }
  }
}

/// How a correlation is cut: blocks by groups, some together, by parts of a group's outputs. Where several units read
/// the same rows, these are staged once for all of them, in planes of whole images.
struct CorrelationPlan {
  BlockPlan blocks;
  std::int64_t parts, outputs;  ///< of a group's outputs, and outputs of a part
  std::int64_t groups;          ///< of a unit; the last unit may have fewer
  bool shared;
  std::int64_t plane_stride, image_stride;  ///< of the stage

  std::int64_t bundles(std::int64_t all) const { return ceil_div(all, groups); }
};

CorrelationPlan correlation_plan(const Correlation& c, std::int64_t work, std::int64_t element_bytes) {
  constexpr std::int64_t kUnits = 16;    // at least, where there is enough work
  constexpr std::int64_t kOutputs = 64;  // of a unit, which packs for itself: parts of 32 took 145 us instead of 114
  constexpr std::int64_t kSharedBytes = 2L * 1024 * 1024;
  constexpr std::int64_t kGroupBytes = 64L * 1024;  // of the staged groups of a unit
  const std::int64_t wanted = std::clamp<std::int64_t>(work / kChunkWork, 1, kUnits);
  CorrelationPlan plan{};
  plan.blocks = plan_blocks(c.stage, c.batch, c.rows(), c.inputs * element_bytes, ceil_div(wanted, c.groups));
  const std::int64_t blocks = plan.blocks.count() * c.groups;
  plan.outputs = ceil_div(c.outputs, std::clamp<std::int64_t>(wanted / blocks, 1, ceil_div(c.outputs, kOutputs)));
  plan.outputs = round_up(plan.outputs, 8);
  plan.parts = ceil_div(c.outputs, plan.outputs);
  const std::int64_t image_bytes = c.groups * c.inputs * c.stage.plane_stride(c.rows()) * element_bytes;
  plan.shared = plan.parts * plan.blocks.bands() > 1 && c.batch * image_bytes <= kSharedBytes;
  plan.plane_stride = c.stage.plane_stride(plan.shared ? c.rows() : plan.blocks.rows);
  plan.groups = 1;
  if (plan.parts == 1) {  // groups of few outputs share the cutting of panels
    const std::int64_t group_bytes = plan.blocks.images * c.inputs * plan.plane_stride * element_bytes;
    plan.groups = std::clamp<std::int64_t>(std::min(blocks / wanted, kGroupBytes / group_bytes), 1, c.groups);
  }
  plan.image_stride = (plan.shared ? c.groups : plan.groups) * c.inputs * plan.plane_stride;
  return plan;
}

/// Stages all of the source: (image, group, plane of the group).
template <class T>
void stage_images(const Correlation& c, const CorrelationPlan& plan, const T* source, T* staged) {
  const std::int64_t planes = c.batch * c.groups * c.inputs;
  parallel_for(0, planes, grain_of(plan.plane_stride), [&](std::int64_t first, std::int64_t last) {
    fill_stage(c.stage, source + first * c.stage.source_stride, last - first, 0, c.rows(), plan.plane_stride,
               staged + first * plan.plane_stride);
  });
}

template <class Arch, class T>
void correlate_on(Correlation c, bool packed, std::int64_t work, const T* source, const T* weight, const T* bias,
                  T* y) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kRowUnit = 8;
  if (!packed) {  // whole registers are loaded; rows of whole halves of lines gain 2 to 7% of 3 channels' outputs
    c.stage.slack = round_up(c.stage.columns, kLanes) - c.stage.columns;
    c.stage.slack += round_up(c.stage.phase_stride(), kRowUnit) - c.stage.phase_stride();
  }
  const CorrelationPlan plan = correlation_plan(c, work, static_cast<std::int64_t>(sizeof(T)));
  const StepTables tables(c, plan.plane_stride);
  Workspace<std::int64_t> weight_rows(plan.outputs);
  for (std::int64_t o = 0; o < plan.outputs; ++o) {
    weight_rows.data()[o] = o * c.weight_output;
  }
  Workspace<T> images(plan.shared ? c.batch * plan.image_stride + kLanes : 0);
  if (plan.shared) {
    stage_images(c, plan, source, images.data());
  }
  const bool same_zeros = plan.blocks.bands() == 1;
  const std::int64_t bundles = plan.bundles(c.groups), units = plan.blocks.count() * bundles * plan.parts;
  parallel_for(0, units, work_grain(work, units), [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t size = plan.shared ? 0 : plan.blocks.images * plan.image_stride + kLanes;
    Workspace<T> own(size);
    std::fill_n(own.data(), same_zeros ? size : 0, T(0));
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const PixelBlock block = plan.blocks.block(unit / (bundles * plan.parts));
      const std::int64_t group = unit / plan.parts % bundles * plan.groups, first = unit % plan.parts * plan.outputs;
      const std::int64_t groups = std::min(plan.groups, c.groups - group), group_stride = c.inputs * plan.plane_stride;
      const T* staged = own.data();
      if (plan.shared) {
        staged = images.data() + block.image * plan.image_stride + group * group_stride +
                 block.first_row * c.stage.row_step() * c.stage.row_stride();
      }
      for (std::int64_t k = 0; k < block.images && !plan.shared; ++k) {
        const std::int64_t plane = (block.image + k) * c.stage.planes + group * c.inputs;
        fill_stage(c.stage, source + plane * c.stage.source_stride, groups * c.inputs, block.first_row, block.rows,
                   plan.plane_stride, own.data() + k * plan.image_stride, same_zeros);
      }
      const std::int64_t output = group * c.outputs + first;
      run_unit<Arch, T>({.c = c,
                         .tables = tables,
                         .weight_rows = weight_rows.data(),
                         .block = block,
                         .packed = packed,
                         .image_stride = plan.image_stride,
                         .group_stride = group_stride,
                         .first = {.staged = staged,
                                   .weight = weight + group * c.weight_group + first * c.weight_output,
                                   .bias = bias != nullptr ? bias + output : nullptr,
                                   .y = y + (block.image * c.groups * c.outputs + output) * c.out_plane()},
                         .groups = groups,
                         .outputs = std::min(plan.outputs, c.outputs - first)});
    }
  });
}

}  // namespace

template <class T>
void PanelConv<T>::forward(const ConvGeometry& g, ConvAlgorithm algorithm, const T* x, const T* weight, const T* bias,
                           T* y) {
  const bool packed = algorithm == ConvAlgorithm::panels;
  dispatch_isa([&]<class Arch>() {
    correlate_on<Arch>(forward_correlation(g), packed, g.y_size() * g.patch(), x, weight, bias, y);
  });
}

template <class T>
void PanelConv<T>::input_gradient(const ConvGeometry& g, ConvAlgorithm algorithm, const T* dy, const T* weight,
                                  const T* bias, T* dx) {
  const bool packed = algorithm == ConvAlgorithm::panels;
  dispatch_isa([&]<class Arch>() {
    correlate_on<Arch>(gradient_correlation(g), packed, g.y_size() * g.patch(), dy, weight, bias, dx);
  });
}

template void PanelConv<float>::forward(const ConvGeometry&, ConvAlgorithm, const float*, const float*, const float*,
                                        float*);
template void PanelConv<double>::forward(const ConvGeometry&, ConvAlgorithm, const double*, const double*,
                                         const double*, double*);
template void PanelConv<float>::input_gradient(const ConvGeometry&, ConvAlgorithm, const float*, const float*,
                                               const float*, float*);
template void PanelConv<double>::input_gradient(const ConvGeometry&, ConvAlgorithm, const double*, const double*,
                                                const double*, double*);

}  // namespace evenkeel::kernels
