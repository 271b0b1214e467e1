#include "evenkeel/core/kernels/conv/panel_conv.hpp"
#include "evenkeel/core/kernels/conv/panel_plan.hpp"
#include "evenkeel/core/kernels/conv/pixel_dots.hpp"
#include "evenkeel/core/kernels/conv/stage_shape.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/reduce/block_sum.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

// dw^T (products, outputs) = sum over pixels of columns(x) dy^T: the pixels are the steps. A is the staged x, read in
// place: a product and a pixel each add their offset. B is dy, turned into (pixel, output).

/// Pixels of one turn, or part of a wider row, whose products are summed in registers before they are added to the sums
/// of the turns before: a longer sum would lose float32 digits.
constexpr std::int64_t kPanelPixels = 256;
constexpr std::int64_t kDotPixels = 1024;  // of a turn of dot products, which have a sum per lane

/// Whether dot products along the pixels take less time than panels: panels must turn dy, which costs most where there
/// are few products, and leave lanes empty where a group has few outputs. 3x3, batch 16, GFLOP/s dots / panels with
/// AVX2 (AVX-512): 3 to 16 channels at 32x32 98 / 76 (95 / 71), 3 to 64 102 / 80 (97 / 74), 64 in groups of 4 at 16x16
/// 74 / 26 (78 / 17), of 8 86 / 65 (88 / 41), of 16 89 / 91 (96 / 98). Rows with a tail: 1 to 32 at 28x28 63 / 48 (43 /
/// 55), 5x5 6 to 16 at 14x14 51 / 93 (37 / 100), 128 in groups of 4 at 8x8 (19 / 16).
bool suits_dots(const ConvGeometry& g, std::int64_t lanes) {
  constexpr std::int64_t kProducts = 81, kFewProducts = 9, kTailLanes = 8;
  const std::int64_t width = round_up(g.out_width, lanes), outputs = round_up(g.group_outputs(), lanes);
  if (g.out_width == width) {
    return g.patch() <= kProducts;
  }
  if (g.patch() <= kFewProducts && lanes <= kTailLanes && 8 * g.out_width >= 7 * width) {
    return true;
  }
  // a lane's use, of pixels and of outputs
  return g.patch() <= kProducts && g.out_width * outputs >= 2 * g.group_outputs() * width;
}

/// How the work is cut, as far as there is enough of it: parts of the list of turns, whose sums are added in order, by
/// parts of the channels of a group, which own their rows of dw^T.
struct GradientPlan {
  BlockPlan turns;
  std::int64_t turn_parts, channel_parts, channels;
};

GradientPlan gradient_plan(const ConvGeometry& g, std::int64_t turn_pixels) {
  constexpr std::int64_t kUnits = 32;      // two for each of 16 threads
  constexpr std::int64_t kProducts = 128;  // of one part at least, since each part turns dy anew
  constexpr std::int64_t kFewParts = 8;    // of more, each has two turns, whose sums cost little to add then
  GradientPlan plan{};
  plan.turns = {.batch = g.batch,
                .height = g.out_height,
                .images = std::clamp<std::int64_t>(turn_pixels / g.pixels(), 1, g.batch),
                .rows = std::clamp<std::int64_t>(turn_pixels / g.out_width, 1, g.out_height)};
  const std::int64_t units = std::clamp<std::int64_t>(g.y_size() * g.patch() / kChunkWork, 1, kUnits);
  plan.channel_parts = std::clamp<std::int64_t>(g.patch() / kProducts, 1, std::min(units, g.group_channels()));
  plan.channels = ceil_div(g.group_channels(), plan.channel_parts);
  plan.channel_parts = ceil_div(g.group_channels(), plan.channels);
  const std::int64_t turns = plan.turns.count(), most = std::min(turns, std::max(kFewParts, turns / 2));
  plan.turn_parts = std::clamp<std::int64_t>(units / (plan.channel_parts * g.groups), 1, most);
  return plan;
}

/// Offsets in the staged x: of the products (channel, kernel cell) and of the pixels of a turn.
struct GradientTables {
  Workspace<std::int64_t> products;
  Workspace<PanelStep> pixels;
  std::int64_t plane_stride, image_stride;

  GradientTables(const ConvGeometry& g, const GradientPlan& plan, const StageShape& stage)
      : products(plan.channels * g.taps()),
        pixels(plan.turns.images * plan.turns.rows * g.out_width),
        plane_stride(stage.plane_stride(plan.turns.rows)),
        image_stride(plan.channels * plane_stride) {
    std::int64_t* out = products.data();
    for (std::int64_t c = 0; c < plan.channels; ++c) {
      for (std::int64_t tap = 0; tap < g.taps(); ++tap) {
        *out++ = c * plane_stride + stage.offset(tap / g.kernel_w * g.dilation_h, tap % g.kernel_w * g.dilation_w);
      }
    }
    PanelStep* pixel = pixels.data();
    for (std::int64_t line = 0; line < plan.turns.images * plan.turns.rows; ++line) {
      const std::int64_t start =
          line / plan.turns.rows * image_stride + line % plan.turns.rows * stage.row_step() * stage.row_stride();
      for (std::int64_t j = 0; j < g.out_width; ++j) {
        *pixel++ = {.a = start + j};
      }
    }
  }
};

/// The registers of pixels of a turn, for dot products: in the staged x, and in dy.
struct DotTables {
  Workspace<PanelStep> steps, tails;

  DotTables(const ConvGeometry& g, const BlockPlan& turns, std::int64_t image_stride, const StageShape& stage,
            std::int64_t lanes)
      : steps(turns.images * turns.rows * (g.out_width / lanes)), tails(turns.images * turns.rows) {
    PanelStep* step = steps.data();
    for (std::int64_t line = 0; line < turns.images * turns.rows; ++line) {
      const std::int64_t image = line / turns.rows, row = line % turns.rows;
      PanelStep at{.a = image * image_stride + row * stage.row_step() * stage.row_stride(),
                   .b = image * g.out_channels * g.pixels() + row * g.out_width};
      for (std::int64_t j = 0; j + lanes <= g.out_width; j += lanes, at.a += lanes, at.b += lanes) {
        *step++ = at;
      }
      tails.data()[line] = at;
    }
  }
};

/// dw^T += the share of one turn, for all outputs of a group; `dy` is the group's first plane of the turn's image.
template <class Arch, class T>
void add_turn(const ConvGeometry& g, const PixelBlock& turn, GradientTables& tables, const T* staged, const T* dy,
              std::int64_t products, T* panel, bool accumulate, T* sums) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const std::int64_t pixels = turn.rows * g.out_width;  // of one image
  std::int64_t segments_left = ceil_div(g.group_outputs(), kLanes);
  std::int64_t panels_left = ceil_div(segments_left, PanelTile<Arch, T>::segments);
  for (std::int64_t o = 0; panels_left > 0;) {
    const std::int64_t segments = ceil_div(segments_left, panels_left--);
    const std::int64_t outputs = std::min(segments * kLanes, g.group_outputs() - o);
    for (std::int64_t k = 0; k < turn.images; ++k) {
      PanelsKernels<Arch, T>::transpose({.x = dy + (k * g.out_channels + o) * g.pixels() + turn.first_row * g.out_width,
                                         .x_stride = g.pixels(),
                                         .columns = outputs,
                                         .steps = pixels,
                                         .b = panel + k * pixels * segments * kLanes,
                                         .b_stride = segments * kLanes,
                                         .width = segments * kLanes});
    }
    PanelProduct<T> product{.a = staged,
                            .a_rows = tables.products.data(),
                            .steps = tables.pixels.data(),
                            .rows = products,
                            .b = panel,
                            .packed = true,
                            .segments = segments,
                            .c = sums + o,
                            .c_stride = g.group_outputs(),
                            .accumulate = accumulate};
    for (std::int64_t s = 0; s < segments; ++s) {
      product.segment[s] = {.c = s * kLanes, .columns = std::min(kLanes, outputs - s * kLanes)};
    }
    for (std::int64_t first = 0; first < turn.images * pixels; first += kPanelPixels) {  // of a wide row
      product.step_count = std::min(kPanelPixels, turn.images * pixels - first);
      PanelsKernels<Arch, T>::multiply(product);
      product.steps += product.step_count;
      product.b += product.step_count * segments * kLanes;
      product.accumulate = true;
    }
    segments_left -= segments;
    o += outputs;
  }
}

/// The same by dot products.
template <class Arch, class T>
void add_dots(const ConvGeometry& g, const PixelBlock& turn, GradientTables& tables, DotTables& dots, const T* staged,
              const T* dy, std::int64_t products, bool accumulate, T* sums) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const std::int64_t lines = turn.images * turn.rows, tail = g.out_width % kLanes;
  PixelDotsKernels<Arch, T>::add({.x = staged,
                                  .products = tables.products.data(),
                                  .product_count = products,
                                  .dy = dy + turn.first_row * g.out_width,
                                  .outputs = g.group_outputs(),
                                  .dy_output = g.pixels(),
                                  .steps = dots.steps.data(),
                                  .tails = dots.tails.data(),
                                  .step_count = lines * (g.out_width / kLanes),
                                  .tail_count = tail != 0 ? lines : 0,
                                  .tail = tail,
                                  .sums = sums,
                                  .sums_stride = g.group_outputs(),
                                  .accumulate = accumulate});
}

/// sums[o] += the turn's share of what channel_sums() gives for the outputs of a group. The turn has just been read:
/// both gradients of 64 images of 3 to 64 channels 3x3 at 32x32 take 2.7 ms instead of 3.0 with AVX2 where the
/// last-level cache holds dy, 2.9 instead of 3.9 where it does not.
template <class Arch, class T>
void add_channel_sums(const ConvGeometry& g, const PixelBlock& turn, const T* dy, double* sums) {
  for (std::int64_t o = 0; o < g.group_outputs(); ++o) {
    const T* first = dy + o * g.pixels() + turn.first_row * g.out_width;
    sums[o] += BlockSumKernels<Arch, T>::sum(turn.rows * g.out_width, turn.images, g.y_size() / g.batch, first);
  }
}

/// dweight (group, output, product) = sums (group, product, output).
template <class Arch, class T>
void transpose_sums(const ConvGeometry& g, const T* sums, T* dweight) {
  constexpr std::int64_t kOutputs = 16;  // at a time, so that the rows of dweight are written in whole cache lines
  const std::int64_t parts = ceil_div(g.group_outputs(), kOutputs);
  const std::int64_t grain = grain_of(kOutputs * g.patch());
  parallel_for(0, g.groups * parts, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      const std::int64_t group = part / parts * g.group_outputs() * g.patch(), o = part % parts * kOutputs;
      PanelsKernels<Arch, T>::transpose({.x = sums + group + o,
                                         .x_stride = g.group_outputs(),
                                         .columns = g.patch(),
                                         .steps = std::min(kOutputs, g.group_outputs() - o),
                                         .b = dweight + group + o * g.patch(),
                                         .b_stride = g.patch(),
                                         .width = g.patch()});
    }
  });
}

}  // namespace

template <class T>
void add_parts(std::int64_t parts, std::int64_t size, const T* sums, T* out) {
  if (parts == 1 && sums == out) {
    return;
  }
  parallel_for(0, size, kElementGrain, [&](std::int64_t first, std::int64_t last) {
    if (sums != out) {
      std::copy(sums + first, sums + last, out + first);
    }
    for (std::int64_t part = 1; part < parts; ++part) {
      for (std::int64_t i = first; i < last; ++i) {
        out[i] += sums[part * size + i];
      }
    }
  });
}

template <class T>
void finish_weight_gradient(const ConvGeometry& g, std::int64_t parts, T* sums, T* dweight) {
  add_parts(parts, g.weight_size(), sums, sums);
  dispatch_isa([&]<class Arch>() { transpose_sums<Arch>(g, sums, dweight); });
}

namespace {

template <class Arch, class T>
void panels_weight_gradient_on(const ConvGeometry& g, const T* x, const T* dy, T* dweight, T* dbias) {
  constexpr std::int64_t kWidth = PanelTile<Arch, T>::segments * PanelTile<Arch, T>::lanes;
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const bool dots = suits_dots(g, kLanes);
  const GradientPlan plan = gradient_plan(g, dots ? kDotPixels : kPanelPixels);
  const StageShape stage = input_stage(g);
  GradientTables tables(g, plan, stage);
  DotTables dot_tables(g, dots ? plan.turns : BlockPlan{}, tables.image_stride, stage, kLanes);
  const std::int64_t parts = plan.turn_parts, turns = plan.turns.count();
  Workspace<T> sums(parts * g.weight_size());
  const std::int64_t bias_size = dbias != nullptr ? parts * g.out_channels : 0;
  Workspace<double> bias_sums(bias_size);
  std::fill_n(bias_sums.data(), bias_size, 0.0);
  const std::int64_t units = parts * g.groups * plan.channel_parts;
  const bool same_zeros = plan.turns.bands() == 1;
  parallel_for(0, units, work_grain(g.y_size() * g.patch(), units), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> staged(plan.turns.images * tables.image_stride);
    std::fill_n(staged.data(), same_zeros ? plan.turns.images * tables.image_stride : 0, T(0));
    Workspace<T> panel(plan.turns.images * plan.turns.rows * g.out_width * kWidth);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t part = unit / (g.groups * plan.channel_parts);
      const std::int64_t group = unit / plan.channel_parts % g.groups;
      const std::int64_t first = unit % plan.channel_parts * plan.channels;
      const std::int64_t channels = std::min(plan.channels, g.group_channels() - first);
      T* out = sums.data() + part * g.weight_size() + (group * g.patch() + first * g.taps()) * g.group_outputs();
      const std::int64_t size = channels * g.taps() * g.group_outputs();
      sum_turns(turns * part / parts, turns * (part + 1) / parts, size, out, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t i = from; i < to; ++i) {
          const PixelBlock turn = plan.turns.block(i);
          for (std::int64_t k = 0; k < turn.images; ++k) {
            const std::int64_t plane = (turn.image + k) * g.channels + group * g.group_channels() + first;
            fill_stage(stage, x + plane * g.plane(), channels, turn.first_row, turn.rows, tables.plane_stride,
                       staged.data() + k * tables.image_stride, same_zeros);
          }
          const T* group_dy = dy + (turn.image * g.out_channels + group * g.group_outputs()) * g.pixels();
          if (dots) {
            add_dots<Arch>(g, turn, tables, dot_tables, staged.data(), group_dy, channels * g.taps(), i > from, out);
          } else {
            add_turn<Arch>(g, turn, tables, staged.data(), group_dy, channels * g.taps(), panel.data(), i > from, out);
          }
          if (dbias != nullptr && first == 0) {
            add_channel_sums<Arch>(g, turn, group_dy,
                                   bias_sums.data() + part * g.out_channels + group * g.group_outputs());
          }
        }
      });
    }
  });
  finish_weight_gradient(g, parts, sums.data(), dweight);
  if (dbias != nullptr) {
    add_parts(parts, g.out_channels, bias_sums.data(), bias_sums.data());
    std::transform(bias_sums.data(), bias_sums.data() + g.out_channels, dbias,
                   [](double sum) { return static_cast<T>(sum); });
  }
}

}  // namespace

template <class T>
void PanelConv<T>::weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight, T* dbias) {
  dispatch_isa([&]<class Arch>() { panels_weight_gradient_on<Arch>(g, x, dy, dweight, dbias); });
}

template void add_parts(std::int64_t, std::int64_t, const float*, float*);
template void add_parts(std::int64_t, std::int64_t, const double*, double*);
template void finish_weight_gradient(const ConvGeometry&, std::int64_t, float*, float*);
template void finish_weight_gradient(const ConvGeometry&, std::int64_t, double*, double*);
template void PanelConv<float>::weight_gradient(const ConvGeometry&, const float*, const float*, float*, float*);
template void PanelConv<double>::weight_gradient(const ConvGeometry&, const double*, const double*, double*, double*);

}  // namespace evenkeel::kernels
