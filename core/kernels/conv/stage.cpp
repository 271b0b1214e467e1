#include "evenkeel/core/kernels/conv/stage.hpp"

#include "evenkeel/core/kernels/conv/stage_shape.hpp"

namespace evenkeel::kernels {
namespace {

struct Range {
  std::int64_t first, last;
};

/// The j in [0, count) for which cell j step - before is one of [0, size).
Range inside_range(std::int64_t before, std::int64_t step, std::int64_t size, std::int64_t count) {
  const std::int64_t end = size + before;
  const std::int64_t first = std::min(before > 0 ? ceil_div(before, step) : 0, count);
  return {first, std::clamp(end > 0 ? ceil_div(end, step) : 0, first, count)};
}

/// Whether all columns are staged, those of even and those of odd number in a phase each.
bool copies_all_by_two(const StageShape& shape, std::int64_t length) {
  if (shape.stride_w != 2 || shape.span_w < 2 || shape.width % 2 != 0) {
    return false;
  }
  for (std::int64_t phase = 0; phase < 2; ++phase) {
    const auto [from, to] = inside_range(shape.pad_left - phase, 2, shape.width, length);
    if (to - from != shape.width / 2) {
      return false;
    }
  }
  return true;
}

}  // namespace

StageShape input_stage(const ConvGeometry& g) {
  return {.planes = g.channels,
          .height = g.height,
          .width = g.width,
          .source_stride = g.plane(),
          .stride_h = g.stride_h,
          .stride_w = g.stride_w,
          .pad_top = g.pad_top,
          .pad_left = g.pad_left,
          .span_h = g.dilation_h * (g.kernel_h - 1) + 1,
          .span_w = g.dilation_w * (g.kernel_w - 1) + 1,
          .columns = g.out_width};
}

template <class T>
void fill_stage(const StageShape& shape, const T* source, std::int64_t planes, std::int64_t first_row,
                std::int64_t rows, std::int64_t plane_stride, T* staged, bool zeroed) {
  const std::int64_t length = shape.phase_stride(), phases = std::min(shape.stride_w, shape.span_w);
  const std::int64_t staged_rows = shape.staged_rows(rows);
  const std::int64_t source_step = shape.stride_h / shape.row_step();
  // Staged row r is row r source_step - above of the source; rows [top, bottom) are inside it.
  const std::int64_t above = shape.pad_top - first_row * shape.stride_h;
  const auto [top, bottom] = inside_range(above, source_step, shape.height, staged_rows);
  StageCopy<T> copy{.planes = planes,
                    .rows = bottom - top,
                    .stride = shape.stride_w,
                    .x_plane = shape.source_stride,
                    .x_row = source_step * shape.width,
                    .out_plane = plane_stride,
                    .out_row = shape.row_stride()};
  bool covered = zeroed || copy.rows == staged_rows;
  for (std::int64_t phase = 0; phase < phases; ++phase) {
    const auto [from, to] = inside_range(shape.pad_left - phase, shape.stride_w, shape.width, length);
    covered = zeroed || (covered && to - from == length);
  }
  for (std::int64_t c = 0; c < planes && !covered; ++c) {
    std::fill_n(staged + c * plane_stride, staged_rows * shape.row_stride(), T(0));
  }
  if (copy.rows == 0) {
    return;
  }
  const T* const x = source + (top * source_step - above) * shape.width;
  T* const out = staged + top * shape.row_stride();
  if (copies_all_by_two(shape, length)) {
    const std::int64_t odd_phase = (shape.pad_left + 1) & 1, even_phase = 1 - odd_phase;
    copy.columns = shape.width / 2;
    copy.x = x;
    copy.out = out + even_phase * length + (shape.pad_left - even_phase) / 2;
    copy.odd_out = out + odd_phase * length + (shape.pad_left - odd_phase + 1) / 2;
    dispatch_isa([&]<class Arch>() { StageKernels<Arch, T>::copy(copy); });
    return;
  }
  for (std::int64_t phase = 0; phase < phases; ++phase) {
    const std::int64_t before = shape.pad_left - phase;
    const auto [from, to] = inside_range(before, shape.stride_w, shape.width, length);
    copy.columns = to - from;
    copy.x = x + (from * shape.stride_w - before);
    copy.out = out + phase * length + from;
    if (copy.columns > 0) {
      dispatch_isa([&]<class Arch>() { StageKernels<Arch, T>::copy(copy); });
    }
  }
}

template void fill_stage(const StageShape&, const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         float*, bool);
template void fill_stage(const StageShape&, const double*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         double*, bool);

}  // namespace evenkeel::kernels
