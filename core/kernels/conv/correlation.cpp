#include "evenkeel/core/kernels/conv/correlation.hpp"

#include "evenkeel/core/kernels/conv/stage.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

/// Cell u of x meets cell (u + pad - p dilation) / stride of dy through tap p, if that is whole. Lists the offsets to
/// u / stride, per remainder of u and tap; no offset: kNone.
constexpr std::int64_t kNone = std::int64_t{1} << 62;
std::vector<std::int64_t> gradient_offsets(std::int64_t phases, std::int64_t kernel, std::int64_t stride,
                                           std::int64_t pad, std::int64_t dilation, std::int64_t& least,
                                           std::int64_t& span) {
  std::vector<std::int64_t> offsets;
  std::int64_t most = 0;
  bool found = false;
  for (std::int64_t u = 0; u < phases; ++u) {
    for (std::int64_t p = 0; p < kernel; ++p) {
      const std::int64_t distance = u + pad - p * dilation;
      offsets.push_back(distance % stride == 0 ? distance / stride : kNone);
      if (offsets.back() != kNone) {
        least = found ? std::min(least, offsets.back()) : offsets.back();
        most = found ? std::max(most, offsets.back()) : offsets.back();
        found = true;
      }
    }
  }
  span = most - least + 1;
  return offsets;
}

std::int64_t step_count(const Correlation& c) {
  std::int64_t count = 0;
  for (const Phase& phase : c.phases) {
    count += c.inputs * static_cast<std::int64_t>(phase.taps.size());
  }
  return count;
}

}  // namespace

Correlation forward_correlation(const ConvGeometry& g) {
  Correlation c{.stage = input_stage(g),
                .batch = g.batch,
                .groups = g.groups,
                .inputs = g.group_channels(),
                .outputs = g.group_outputs(),
                .out_height = g.out_height,
                .out_width = g.out_width,
                .out_stride_h = 1,
                .out_stride_w = 1,
                .phases_h = 1,
                .phases_w = 1,
                .phases = {Phase{}},
                .weight_group = g.group_outputs() * g.patch(),
                .weight_output = g.patch(),
                .weight_input = g.taps()};
  for (std::int64_t tap = 0; tap < g.taps(); ++tap) {
    c.phases[0].taps.push_back({tap / g.kernel_w * g.dilation_h, tap % g.kernel_w * g.dilation_w, tap});
  }
  return c;
}

Correlation gradient_correlation(const ConvGeometry& g) {
  Correlation c{.stage = {.planes = g.out_channels,
                          .height = g.out_height,
                          .width = g.out_width,
                          .source_stride = g.pixels(),
                          .columns = ceil_div(g.width, g.stride_w)},
                .batch = g.batch,
                .groups = g.groups,
                .inputs = g.group_outputs(),
                .outputs = g.group_channels(),
                .out_height = g.height,
                .out_width = g.width,
                .out_stride_h = g.stride_h,
                .out_stride_w = g.stride_w,
                .phases_h = std::min(g.stride_h, g.height),
                .phases_w = std::min(g.stride_w, g.width),
                .phases = {},
                .weight_group = g.group_outputs() * g.patch(),
                .weight_output = g.taps(),
                .weight_input = g.patch()};
  std::int64_t top = 0, left = 0;
  const std::vector<std::int64_t> rows =
      gradient_offsets(c.phases_h, g.kernel_h, g.stride_h, g.pad_top, g.dilation_h, top, c.stage.span_h);
  const std::vector<std::int64_t> columns =
      gradient_offsets(c.phases_w, g.kernel_w, g.stride_w, g.pad_left, g.dilation_w, left, c.stage.span_w);
  c.stage.pad_top = -top;
  c.stage.pad_left = -left;
  for (std::int64_t phase = 0; phase < c.phases_h * c.phases_w; ++phase) {
    Phase& taps = c.phases.emplace_back();
    for (std::int64_t tap = 0; tap < g.taps(); ++tap) {
      const std::int64_t row = rows[static_cast<std::size_t>(phase / c.phases_w * g.kernel_h + tap / g.kernel_w)];
      const std::int64_t column = columns[static_cast<std::size_t>(phase % c.phases_w * g.kernel_w + tap % g.kernel_w)];
      if (row != kNone && column != kNone) {
        taps.taps.push_back({row - top, column - left, tap});
      }
    }
  }
  return c;
}

StepTables::StepTables(const Correlation& c, std::int64_t plane_stride) : steps_(step_count(c)) {
  PanelStep* step = steps_.data();
  for (const Phase& phase : c.phases) {
    tables_.push_back({step, c.inputs * static_cast<std::int64_t>(phase.taps.size())});
    for (std::int64_t input = 0; input < c.inputs; ++input) {
      for (const Tap& tap : phase.taps) {
        *step++ = {input * c.weight_input + tap.index, input * plane_stride + c.stage.offset(tap.row, tap.column)};
      }
    }
  }
}

template <class T>
void write_phases(const Correlation& c, const PhaseResults<T>& from, T* out, std::int64_t out_stride) {
  const std::int64_t first = from.column * c.out_stride_w;
  if (c.out_stride_w == 2 && c.phases_w == 2) {
    const PhaseZip<T> zip{.even = from.results,
                          .odd = from.results + from.phase_stride,
                          .out = out + first,
                          .rows = from.rows,
                          .columns = std::min(2 * from.count, c.out_width - first),
                          .row_stride = from.row_stride,
                          .out_stride = out_stride};
    dispatch_isa([&]<class Arch>() { StageKernels<Arch, T>::zip(zip); });
    return;
  }
  for (std::int64_t i = 0; i < from.rows; ++i) {
    if (c.out_stride_w == 1) {
      std::copy_n(from.results + i * from.row_stride, from.count, out + i * out_stride + first);
      continue;
    }
    for (std::int64_t phase = 0; phase < c.phases_w; ++phase) {
      const T* results = from.results + phase * from.phase_stride + i * from.row_stride;
      T* row = out + i * out_stride + phase;
      for (std::int64_t j = 0, at = first; j < from.count && at + phase < c.out_width; ++j, at += c.out_stride_w) {
        row[at] = results[j];
      }
    }
  }
}

template void write_phases(const Correlation&, const PhaseResults<float>&, float*, std::int64_t);
template void write_phases(const Correlation&, const PhaseResults<double>&, double*, std::int64_t);

}  // namespace evenkeel::kernels
