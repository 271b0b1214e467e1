#include "core/blas.hpp"
#include "core/kernels/conv_algorithms.hpp"
#include "core/kernels/conv_columns.hpp"
#include "core/kernels/workspace.hpp"
#include "core/parallel.hpp"

#include <algorithm>
#include <vector>

namespace evenkeel::kernels {
namespace {

/// Elements of a column block that stays in the second-level cache.
constexpr std::int64_t kBlockElements = 65536;

std::int64_t block_target(std::int64_t rows) { return std::clamp<std::int64_t>(kBlockElements / rows, 64, 4096); }

bool is_pointwise(const ConvGeometry& g) {
  return g.taps() == 1 && g.stride_h == 1 && g.stride_w == 1 && g.pad_top == 0 && g.pad_left == 0 &&
         g.out_height == g.height && g.out_width == g.width;
}

/// A matrix in memory: rows, `stride` elements apart.
template <class T>
struct Rows {
  T* data;
  std::int64_t stride;
};

/// The columns of some channels for a block: x itself where a 1x1 kernel makes them rows of x, else through im2col.
template <class T>
Rows<const T> columns_of(const ConvGeometry& g, const T* x, std::int64_t first_channel, std::int64_t channels,
                         const PixelBlock& block, T* workspace) {
  if (is_pointwise(g) && block.images == 1) {
    return {x + (block.image * g.channels + first_channel) * g.pixels() + block.first, g.pixels()};
  }
  im2col(g, x, first_channel, channels, block, workspace);
  return {workspace, block.count()};
}

/// Copies a block of y (`rows` output channels from `first_row` on) between its place and a dense matrix.
template <class T, class Copy>
void for_each_y_row(const ConvGeometry& g, std::int64_t first_row, std::int64_t rows, const PixelBlock& block, T* y,
                    T* dense, const Copy& copy) {
  const std::int64_t length = block.last - block.first;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t k = 0; k < block.images; ++k) {
      copy(y + ((block.image + k) * g.out_channels + first_row + r) * g.pixels() + block.first,
           dense + r * block.count() + k * length, length);
    }
  }
}

/// dy of one block as a matrix; copied only where the block covers several images.
template <class T>
Rows<const T> gradient_rows(const ConvGeometry& g, const T* dy, std::int64_t first_row, std::int64_t rows,
                            const PixelBlock& block, T* workspace) {
  if (block.images == 1) {
    return {dy + (block.image * g.out_channels + first_row) * g.pixels() + block.first, g.pixels()};
  }
  const auto gather = [](const T* in, T* out, std::int64_t count) { std::copy(in, in + count, out); };
  for_each_y_row<T>(g, first_row, rows, block, const_cast<T*>(dy), workspace, gather);
  return {workspace, block.count()};
}

std::int64_t largest_count(const std::vector<PixelBlock>& blocks) {
  std::int64_t count = 0;
  for (const PixelBlock& block : blocks) {
    count = std::max(count, block.count());
  }
  return count;
}

/// y of one group and one block = weight (group_outputs, patch) times columns (patch, pixels), plus bias.
template <class T>
void forward_block(const ConvGeometry& g, const T* x, const T* weight, const T* bias, std::int64_t group,
                   const PixelBlock& block, T* y) {
  const std::int64_t rows = g.group_outputs();
  const bool in_place = block.images == 1;
  const bool copied = !(in_place && is_pointwise(g));
  Workspace<T> column_space(copied ? g.patch() * block.count() : 0);
  Workspace<T> y_space(in_place ? 0 : rows * block.count());
  const Rows<const T> columns =
      columns_of(g, x, group * g.group_channels(), g.group_channels(), block, column_space.data());
  const std::int64_t first_row = group * rows;
  Rows<T> out{y_space.data(), block.count()};
  if (in_place) {
    out = {y + (block.image * g.out_channels + first_row) * g.pixels() + block.first, g.pixels()};
  }
  for (std::int64_t r = 0; r < rows && bias != nullptr; ++r) {
    std::fill_n(out.data + r * out.stride, block.count(), bias[first_row + r]);
  }
  gemm<T>({.m = rows,
           .n = block.count(),
           .k = g.patch(),
           .ldb = columns.stride,
           .ldc = out.stride,
           .beta = bias != nullptr ? 1.0 : 0.0},
          weight + first_row * g.patch(), columns.data, out.data);
  if (!in_place) {
    const auto scatter = [](T* to, const T* from, std::int64_t count) { std::copy(from, from + count, to); };
    for_each_y_row(g, first_row, rows, block, y, y_space.data(), scatter);
  }
}

/// dx of some channels of one image: the columns' gradient is weight^T dy; col2im adds it up, block by block.
template <class T>
void scatter_gradient(const ConvGeometry& g, const T* dy, const T* weight, std::int64_t image, std::int64_t group,
                      std::int64_t first_channel, std::int64_t channels, T* dx) {
  const std::int64_t rows = channels * g.taps();
  const std::vector<PixelBlock> blocks = pixel_blocks(g, image, image + 1, block_target(rows));
  Workspace<T> columns(rows * largest_count(blocks));
  const std::int64_t first_row = group * g.group_outputs();
  for (const PixelBlock& block : blocks) {
    gemm<T>({.m = rows,
             .n = block.count(),
             .k = g.group_outputs(),
             .trans_a = true,
             .lda = g.patch(),
             .ldb = g.pixels(),
             .ldc = block.count()},
            weight + first_row * g.patch() + (first_channel - group * g.group_channels()) * g.taps(),
            dy + (image * g.out_channels + first_row) * g.pixels() + block.first, columns.data());
    col2im(g, columns.data(), first_channel, channels, block, dx);
  }
}

/// One part of the weight gradient: images [first_image, last_image), channels [first, last) within one group.
struct WeightPart {
  std::int64_t first_image, last_image, group, first, last;
};

/// partial (group_outputs, patch) of the part's group, columns of its channels only: sum of dy columns^T over blocks.
template <class T>
void accumulate_weight(const ConvGeometry& g, const T* x, const T* dy, const WeightPart& part, T* partial) {
  const std::int64_t channels = part.last - part.first;
  const std::int64_t rows = channels * g.taps();
  const std::vector<PixelBlock> blocks = pixel_blocks(g, part.first_image, part.last_image, block_target(rows));
  const std::int64_t count = largest_count(blocks);
  Workspace<T> column_space(rows * count);
  Workspace<T> dy_space(blocks.front().images == 1 ? 0 : g.group_outputs() * count);
  double beta = 0;
  for (const PixelBlock& block : blocks) {
    const Rows<const T> columns =
        columns_of(g, x, part.group * g.group_channels() + part.first, channels, block, column_space.data());
    const Rows<const T> gradient =
        gradient_rows(g, dy, part.group * g.group_outputs(), g.group_outputs(), block, dy_space.data());
    gemm<T>({.m = g.group_outputs(),
             .n = rows,
             .k = block.count(),
             .trans_b = true,
             .lda = gradient.stride,
             .ldb = columns.stride,
             .ldc = g.patch(),
             .beta = beta},
            gradient.data, columns.data, partial + part.first * g.taps());
    beta = 1;
  }
}

}  // namespace

template <class T>
void ColumnConv<T>::forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const std::vector<PixelBlock> blocks = pixel_blocks(g, 0, g.batch, block_target(g.patch()));
  const auto units = static_cast<std::int64_t>(blocks.size()) * g.groups;
  const std::int64_t grain = unit_grain(g, units);
  parallel_for(0, units, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t unit = first; unit < last; ++unit) {
      forward_block(g, x, weight, bias, unit % g.groups, blocks[static_cast<std::size_t>(unit / g.groups)], y);
    }
  });
}

template <class T>
void ColumnConv<T>::input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  // Each unit owns the planes of some channels of one image, so no two threads write the same cell.
  const std::int64_t channels = std::clamp<std::int64_t>(256 / g.taps(), 1, g.group_channels());
  const std::int64_t parts = (g.group_channels() + channels - 1) / channels;
  const std::int64_t units = g.batch * g.groups * parts;
  parallel_for(0, units, unit_grain(g, units), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t image = unit / (g.groups * parts);
      const std::int64_t group = unit / parts % g.groups;
      const std::int64_t first = group * g.group_channels() + unit % parts * channels;
      const std::int64_t count = std::min(channels, (group + 1) * g.group_channels() - first);
      for (std::int64_t c = first; c < first + count; ++c) {
        std::fill_n(dx + (image * g.channels + c) * g.plane(), g.plane(), bias != nullptr ? bias[c] : T(0));
      }
      scatter_gradient(g, dy, weight, image, group, first, count, dx);
    }
  });
}

template <class T>
void ColumnConv<T>::weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  // About eight units of work: first over groups and channels, which own parts of dweight, then over ranges of images,
  // whose partial sums are added in order.
  constexpr std::int64_t kUnits = 8;
  const std::int64_t channel_parts = std::clamp<std::int64_t>(g.patch() / 128, 1, std::min(kUnits, g.group_channels()));
  const std::int64_t channels = (g.group_channels() + channel_parts - 1) / channel_parts;
  const std::int64_t image_parts = std::clamp<std::int64_t>(kUnits / (channel_parts * g.groups), 1, g.batch);
  Workspace<T> partials(image_parts > 1 ? image_parts * g.weight_size() : 0);
  const auto partial = [&](std::int64_t i) {
    return image_parts > 1 ? partials.data() + i * g.weight_size() : dweight;
  };
  const std::int64_t units = image_parts * g.groups * channel_parts;
  parallel_for(0, units, unit_grain(g, units), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t i = unit / (g.groups * channel_parts);
      const std::int64_t group = unit / channel_parts % g.groups;
      const std::int64_t first = unit % channel_parts * channels;
      const std::int64_t last = std::min(first + channels, g.group_channels());
      if (first < last) {
        accumulate_weight(g, x, dy, {g.batch * i / image_parts, g.batch * (i + 1) / image_parts, group, first, last},
                          partial(i) + group * g.group_outputs() * g.patch());
      }
    }
  });
  if (image_parts > 1) {
    add_partials(image_parts, g.weight_size(), partials.data(), dweight);
  }
}

template struct ColumnConv<float>;
template struct ColumnConv<double>;

}  // namespace evenkeel::kernels
