#include "core/kernels/conv_direct.hpp"

#include "core/kernels/conv_algorithms.hpp"
#include "core/kernels/workspace.hpp"
#include "core/parallel.hpp"

#include <algorithm>
#include <vector>

namespace evenkeel::kernels {
namespace {

/// Bytes of a padded block, half of a second-level cache at most.
constexpr std::int64_t kBlockBytes = 192L * 1024;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The block of `rows` output rows of some channels.
template <class Arch, class T>
DirectBlock padded_block(const ConvGeometry& g, std::int64_t channels, std::int64_t rows) {
  constexpr std::int64_t kLanes = DirectTile<Arch, T>::lanes;
  DirectBlock block{.channels = channels,
                    .rows = rows,
                    .width = g.out_width,
                    .kernel_h = g.kernel_h,
                    .kernel_w = g.kernel_w,
                    .dilation_h = g.dilation_h,
                    .dilation_w = g.dilation_w};
  block.row_stride = ceil_div(g.out_width, kLanes) * kLanes + g.dilation_w * (g.kernel_w - 1);
  block.plane_stride = (rows + g.dilation_h * (g.kernel_h - 1)) * block.row_stride;
  return block;
}

/// Copies what output rows [first_row, ...) of the block need of x (its first channel and image) into `padded`.
template <class T>
void fill_block(const ConvGeometry& g, const DirectBlock& block, const T* x, std::int64_t first_row, T* padded) {
  const std::int64_t from = std::clamp<std::int64_t>(-g.pad_left, 0, g.width);  // columns of x that are needed
  const std::int64_t to = std::clamp(block.row_stride - g.pad_left, from, g.width);
  const std::int64_t left = std::clamp<std::int64_t>(g.pad_left, 0, block.row_stride);
  const std::int64_t rows = block.plane_stride / block.row_stride;
  for (std::int64_t c = 0; c < block.channels; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) {
      T* out = padded + c * block.plane_stride + r * block.row_stride;
      T* const end = out + block.row_stride;
      const std::int64_t row = first_row + r - g.pad_top;
      if (row >= 0 && row < g.height) {
        const T* in = x + c * g.plane() + row * g.width;
        out = std::copy(in + from, in + to, std::fill_n(out, left, T(0)));
      }
      std::fill(out, end, T(0));
    }
  }
}

/// weight (outputs, products) of one group -> tiles (tile, product, output in the tile), filled up with 0.
template <class Arch, class T>
void pack_weight(const ConvGeometry& g, const T* weight, T* packed) {
  constexpr std::int64_t kTile = DirectTile<Arch, T>::outputs;
  for (std::int64_t first = 0; first < g.group_outputs(); first += kTile) {
    const std::int64_t count = std::min(kTile, g.group_outputs() - first);
    for (std::int64_t k = 0; k < g.patch(); ++k, packed += kTile) {
      for (std::int64_t o = 0; o < kTile; ++o) {
        packed[o] = o < count ? weight[(first + o) * g.patch() + k] : T(0);
      }
    }
  }
}

template <class Arch, class T>
void forward_on(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  constexpr std::int64_t kTile = DirectTile<Arch, T>::outputs;
  const std::int64_t outputs = g.group_outputs();
  const std::int64_t filled = ceil_div(outputs, kTile) * kTile;
  Workspace<T> packed(g.groups * filled * g.patch());
  Workspace<T> biases(g.groups * filled);
  std::fill_n(biases.data(), g.groups * filled, T(0));
  for (std::int64_t group = 0; group < g.groups; ++group) {
    pack_weight<Arch>(g, weight + group * outputs * g.patch(), packed.data() + group * filled * g.patch());
    if (bias != nullptr) {
      std::copy_n(bias + group * outputs, outputs, biases.data() + group * filled);
    }
  }
  // Rows per unit: as many as the cache holds, and at least four units.
  const std::int64_t row_bytes = padded_block<Arch, T>(g, g.group_channels(), 1).row_stride * g.group_channels() *
                                 static_cast<std::int64_t>(sizeof(T));
  const std::int64_t fitting = std::max<std::int64_t>(4, kBlockBytes / row_bytes - g.dilation_h * (g.kernel_h - 1));
  const std::int64_t parts =
      std::max(ceil_div(g.out_height, fitting), std::min(g.out_height, ceil_div(4, g.batch * g.groups)));
  const std::int64_t rows = ceil_div(g.out_height, parts);
  const std::int64_t units = g.batch * g.groups * parts;
  parallel_for(0, units, unit_grain(g, units), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> padded(padded_block<Arch, T>(g, g.group_channels(), rows).plane_stride * g.group_channels());
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t image = unit / (g.groups * parts);
      const std::int64_t group = unit / parts % g.groups;
      const std::int64_t first = unit % parts * rows;
      if (first >= g.out_height) {
        continue;
      }
      const DirectBlock block = padded_block<Arch, T>(g, g.group_channels(), std::min(rows, g.out_height - first));
      fill_block(g, block, x + (image * g.channels + group * g.group_channels()) * g.plane(), first, padded.data());
      ConvDirectKernels<Arch, T>::forward(
          {.block = block,
           .x = padded.data(),
           .weight = packed.data() + group * filled * g.patch(),
           .bias = biases.data() + group * filled,
           .y = y + (image * g.out_channels + group * outputs) * g.pixels() + first * g.out_width,
           .outputs = outputs,
           .y_plane = g.pixels()});
    }
  });
}

/// Output rows [row, row + rows) of some images: what one call of the kernel sums over.
struct GradientTurn {
  std::int64_t image, images, row, rows;
};

/// How the weight gradient is cut up: parts of the list of turns, whose sums are added in order, by parts of the
/// channels, which own their cells of dw.
struct GradientPlan {
  std::vector<GradientTurn> turns;
  std::int64_t turn_parts, channel_parts, channels;
};

template <class Arch, class T>
GradientPlan gradient_plan(const ConvGeometry& g) {
  constexpr std::int64_t kUnits = 8;
  constexpr std::int64_t kSegments = 128;  // that a tile sums before its registers are added up across their lanes
  const std::int64_t row_segments = ceil_div(g.out_width, DirectTile<Arch, T>::lanes);
  const std::int64_t image_segments = g.out_height * row_segments;
  const std::int64_t images = std::min(g.batch, ceil_div(kSegments, image_segments));
  const std::int64_t rows = image_segments < 2 * kSegments ? g.out_height : ceil_div(kSegments, row_segments);
  GradientPlan plan{};
  for (std::int64_t image = 0; image < g.batch; image += images) {
    for (std::int64_t row = 0; row < g.out_height; row += rows) {
      plan.turns.push_back({image, std::min(images, g.batch - image), row, std::min(rows, g.out_height - row)});
    }
  }
  const auto turns = static_cast<std::int64_t>(plan.turns.size());
  const std::int64_t plane_bytes =
      padded_block<Arch, T>(g, 1, rows).plane_stride * images * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t fitting = std::max<std::int64_t>(1, kBlockBytes / plane_bytes);
  const std::int64_t wanted = std::min(g.group_channels(), ceil_div(4, turns * g.groups));
  plan.channels = ceil_div(g.group_channels(), std::max(ceil_div(g.group_channels(), fitting), wanted));
  plan.channel_parts = ceil_div(g.group_channels(), plan.channels);
  plan.turn_parts = std::clamp<std::int64_t>(kUnits / (plan.channel_parts * g.groups), 1, turns);
  return plan;
}

/// Copies the rows of one tile of dy, filled up with zeros to `row_stride`.
template <class T>
void fill_gradient_rows(const ConvGeometry& g, const GradientTurn& turn, const T* dy, std::int64_t outputs,
                        std::int64_t row_stride, T* rows) {
  for (std::int64_t k = 0; k < turn.images * outputs; ++k) {
    const T* in = dy + (k / outputs * g.out_channels + k % outputs) * g.pixels();
    for (std::int64_t r = 0; r < turn.rows; ++r, in += g.out_width, rows += row_stride) {
      std::fill(std::copy(in, in + g.out_width, rows), rows + row_stride, T(0));
    }
  }
}

/// Adds the turn's share to dw (group_outputs, patch) of one group, channels [first, first + count).
template <class Arch, class T>
void add_weight_gradient(const ConvGeometry& g, const GradientTurn& turn, const T* x, const T* dy, std::int64_t group,
                         std::int64_t first, std::int64_t count, T* dw) {
  constexpr std::int64_t kTile = DirectTile<Arch, T>::grad_outputs;
  constexpr std::int64_t kLanes = DirectTile<Arch, T>::lanes;
  const DirectBlock block = padded_block<Arch, T>(g, count, turn.rows);
  const std::int64_t x_image = block.plane_stride * count;
  const std::int64_t dy_row = ceil_div(g.out_width, kLanes) * kLanes;
  const bool whole = dy_row == g.out_width;  // else the rows of dy are copied
  Workspace<T> padded(turn.images * x_image);
  Workspace<T> dy_rows(whole ? 0 : turn.images * kTile * turn.rows * dy_row);
  for (std::int64_t k = 0; k < turn.images; ++k) {
    const std::int64_t channel = (turn.image + k) * g.channels + group * g.group_channels() + first;
    fill_block(g, block, x + channel * g.plane(), turn.row, padded.data() + k * x_image);
  }
  for (std::int64_t o = 0; o < g.group_outputs(); o += kTile) {
    const std::int64_t outputs = std::min(kTile, g.group_outputs() - o);
    const std::int64_t channel = turn.image * g.out_channels + group * g.group_outputs() + o;
    const T* gradient = dy + channel * g.pixels() + turn.row * g.out_width;
    if (!whole) {
      fill_gradient_rows(g, turn, gradient, outputs, dy_row, dy_rows.data());
    }
    ConvDirectKernels<Arch, T>::weight_gradient(
        {.block = block,
         .images = turn.images,
         .x_image = x_image,
         .dy_image = whole ? g.out_channels * g.pixels() : outputs * turn.rows * dy_row,
         .x = padded.data(),
         .dy = whole ? gradient : dy_rows.data(),
         .outputs = outputs,
         .dy_plane = whole ? g.pixels() : turn.rows * dy_row,
         .dy_row = dy_row,
         .dw = dw + o * g.patch() + first * g.taps(),
         .dw_row = g.patch()});
  }
}

template <class Arch, class T>
void weight_gradient_on(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  const GradientPlan plan = gradient_plan<Arch, T>(g);
  const std::int64_t parts = plan.turn_parts;
  const auto turns = static_cast<std::int64_t>(plan.turns.size());
  Workspace<T> partials(parts > 1 ? parts * g.weight_size() : 0);
  T* const sums = parts > 1 ? partials.data() : dweight;
  std::fill_n(sums, parts * g.weight_size(), T(0));
  const std::int64_t units = parts * g.groups * plan.channel_parts;
  parallel_for(0, units, unit_grain(g, units), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t part = unit / (g.groups * plan.channel_parts);
      const std::int64_t group = unit / plan.channel_parts % g.groups;
      const std::int64_t first = unit % plan.channel_parts * plan.channels;
      const std::int64_t count = std::min(plan.channels, g.group_channels() - first);
      T* dw = sums + part * g.weight_size() + group * g.group_outputs() * g.patch();
      for (std::int64_t turn = turns * part / parts; turn < turns * (part + 1) / parts; ++turn) {
        add_weight_gradient<Arch>(g, plan.turns[static_cast<std::size_t>(turn)], x, dy, group, first, count, dw);
      }
    }
  });
  if (parts > 1) {
    add_partials(parts, g.weight_size(), partials.data(), dweight);
  }
}

}  // namespace

template <class T>
void DirectConv<T>::forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  dispatch_isa([&]<class Arch>() { forward_on<Arch>(g, x, weight, bias, y); });
}

template <class T>
void DirectConv<T>::weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  dispatch_isa([&]<class Arch>() { weight_gradient_on<Arch>(g, x, dy, dweight); });
}

template struct DirectConv<float>;
template struct DirectConv<double>;

}  // namespace evenkeel::kernels
