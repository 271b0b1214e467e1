#include "evenkeel/core/kernels/matmul/own_gemm.hpp"

#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

constexpr std::int64_t kSteps = 288;     // of a panel: three registers each, about the first-level cache
constexpr std::int64_t kMostRows = 512;  // of A that pass by a panel, from the second-level cache

/// Lengths of about equal parts of at most `most`, in multiples of `unit`.
std::int64_t part_length(std::int64_t length, std::int64_t most, std::int64_t unit) {
  return std::min(length, round_up(ceil_div(length, ceil_div(length, most)), unit));
}

/// The columns [first, first + columns) of a panel, and the registers that hold them.
struct PanelColumns {
  std::int64_t first, columns, segments;
};

/// Panel i of those, about equally wide, that n columns are cut into.
PanelColumns panel_columns(std::int64_t n, std::int64_t i, std::int64_t panels, std::int64_t lanes) {
  const std::int64_t segments = ceil_div(n, lanes);
  const std::int64_t first = segments * i / panels, last = segments * (i + 1) / panels;
  return {first * lanes, std::min(n, last * lanes) - first * lanes, last - first};
}

/// Where a product finds its panel of B, from step `first` on: in place where one tile of rows passes by; else packed
/// into `panel`, by the first tile on its way where whole registers lie in B.
template <class Arch, class T>
void place_panel(const GemmJob<T>& job, const PanelColumns& at, std::int64_t first, T* panel, TileProduct<T>& product) {
  const std::int64_t width = at.segments * PanelTile<Arch, T>::lanes;
  const T* const b = job.b + first * job.b_step + at.first * job.b_column;
  product.copy = nullptr;
  if (job.b_column == 1 && at.columns == width) {
    product.b = b;
    product.b_step = job.b_step;
    product.copy = product.rows > PanelTile<Arch, T>::rows ? panel : nullptr;
    return;
  }
  product.b = panel;
  product.b_step = width;
  if (job.b_column == 1) {
    OwnGemmKernels<Arch, T>::pack_columns(
        {.columns = at.columns, .steps = product.steps, .b = b, .b_step = job.b_step, .panel = panel, .width = width});
  } else {
    PanelsKernels<Arch, T>::transpose({.x = b,
                                       .x_stride = job.b_column,
                                       .columns = at.columns,
                                       .steps = product.steps,
                                       .b = panel,
                                       .b_stride = width,
                                       .width = width});
  }
}

/// How C is cut into blocks, and K into parts. Only the parts decide the order of each sum: so results do not depend on
/// the blocks, which may depend on the number of threads.
struct GemmCut {
  std::int64_t rows = 0, panels = 0, all_panels = 0, steps = 0;
  bool packs_a = false;
  std::int64_t across() const { return ceil_div(all_panels, panels); }
};

/// A block of C: some rows by some neighbouring panels.
template <class T>
struct GemmBlock {
  std::int64_t row, rows, first_panel, last_panel;
  T* c;
  std::int64_t ldc;
};

/// Smaller blocks for several threads, until each has two or more and about as much as the others. First fewer panels:
/// rows pack the panels once more for each block.
template <class Arch, class T>
void cut_for_threads(const GemmJob<T>& job, GemmCut& cut) {
  using Tile = PanelTile<Arch, T>;
  constexpr std::int64_t kMinWork = 500'000, kMinRows = 64;
  const std::int64_t threads = in_parallel() ? 1 : num_threads(), all = job.m * cut.all_panels;
  const std::int64_t min_panels = cut.packs_a ? 4 : 1;  // that a packed row passes by
  while (threads > 1) {
    const std::int64_t blocks = ceil_div(job.m, cut.rows) * cut.across();
    const std::int64_t longest = ceil_div(blocks, threads) * cut.rows * cut.panels;
    if ((blocks >= 2 * threads && 20 * longest * threads <= 21 * all) ||
        job.m * job.n * job.k / (2 * blocks) < kMinWork) {
      return;
    }
    if (cut.panels > min_panels) {
      cut.panels = ceil_div(cut.panels, 2);
    } else if (cut.rows >= 2 * kMinRows) {
      cut.rows = round_up(ceil_div(cut.rows, 2), Tile::rows);
    } else {
      return;
    }
  }
}

/// The largest blocks whose rows of A stay in the second-level cache: each packs the panels that it reads. A is packed
/// where each of its steps lies in a page of its own.
template <class Arch, class T>
GemmCut cut_product(const GemmJob<T>& job, std::int64_t most_rows) {
  using Tile = PanelTile<Arch, T>;
  constexpr std::int64_t kElement = sizeof(T), kPackedBytes = std::int64_t{192} * 1024, kPage = 4096, kMinPanels = 4;
  const std::int64_t panels = ceil_div(ceil_div(job.n, Tile::lanes), std::int64_t{Tile::segments});
  GemmCut cut{.panels = panels, .all_panels = panels, .steps = part_length(job.k, kSteps, 16)};
  cut.packs_a = job.a_row == 1 && job.a_step * kElement >= kPage && job.m > Tile::rows && panels >= kMinPanels;
  cut.rows = part_length(job.m, cut.packs_a ? kPackedBytes / kElement / cut.steps : most_rows, Tile::rows);
  cut_for_threads<Arch>(job, cut);
  return cut;
}

/// Multiplies the block by all of K, a part at a time, each of which has A's rows packed or in place, and a panel.
template <class Arch, class T>
void multiply_block(const GemmJob<T>& job, const GemmCut& cut, const GemmBlock<T>& block, T* panel, T* rows) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const std::int64_t column = panel_columns(job.n, block.first_panel, cut.all_panels, kLanes).first;
  for (std::int64_t first = 0; first < job.k; first += cut.steps) {
    TileProduct<T> product{.rows = block.rows,
                           .steps = std::min(cut.steps, job.k - first),
                           .a = job.a + block.row * job.a_row + first * job.a_step,
                           .a_row = job.a_row,
                           .a_step = job.a_step,
                           .a_packed = cut.packs_a,
                           .ldc = block.ldc,
                           .alpha = job.alpha,
                           .beta = first > 0 ? T(1) : job.beta,
                           .row_bias = first > 0 || job.row_bias == nullptr ? nullptr : job.row_bias + block.row};
    if (cut.packs_a) {
      OwnGemmKernels<Arch, T>::pack_rows(
          {.rows = block.rows, .steps = product.steps, .a = product.a, .a_step = job.a_step, .packed = rows});
      product.a = rows;
    }
    for (std::int64_t i = block.first_panel; i < block.last_panel; ++i) {
      const PanelColumns at = panel_columns(job.n, i, cut.all_panels, kLanes);
      product.columns = at.columns;
      product.segments = at.segments;
      product.c = block.c + (at.first - column);
      product.bias = first > 0 || job.bias == nullptr ? nullptr : job.bias + at.first;
      place_panel<Arch>(job, at, first, panel, product);
      OwnGemmKernels<Arch, T>::multiply(product);
    }
  }
}

/// Calls body(block without c, panel, rows) for every block of C, in parallel; panel and rows: scratch memory.
template <class Arch, class T, class Body>
void for_blocks(const GemmJob<T>& job, const GemmCut& cut, const Body& body) {
  constexpr std::int64_t kWidth = PanelTile<Arch, T>::lanes * PanelTile<Arch, T>::segments;
  const std::int64_t units = cut.across() * ceil_div(job.m, cut.rows);
  parallel_for(0, units, work_grain(job.m * job.n * job.k, units), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> panel(cut.steps * kWidth), rows(cut.packs_a ? cut.rows * cut.steps : 0);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t row = unit / cut.across() * cut.rows, first_panel = unit % cut.across() * cut.panels;
      body(GemmBlock<T>{row, std::min(cut.rows, job.m - row), first_panel,
                        std::min(first_panel + cut.panels, cut.all_panels), nullptr, job.ldc},
           panel.data(), rows.data());
    }
  });
}

template <class Arch, class T>
void run_panels(const GemmJob<T>& job) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const GemmCut cut = cut_product<Arch>(job, kMostRows);
  for_blocks<Arch>(job, cut, [&](GemmBlock<T> block, T* panel, T* rows) {
    block.c = job.c + block.row * job.ldc + panel_columns(job.n, block.first_panel, cut.all_panels, kLanes).first;
    multiply_block<Arch>(job, cut, block, panel, rows);
  });
}

template <class Arch, class T>
void run_transposed_panels(const GemmJob<T>& job) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const GemmJob<T> swapped{.m = job.n,
                           .n = job.m,
                           .k = job.k,
                           .a = job.b,
                           .a_row = job.b_column,
                           .a_step = job.b_step,
                           .b = job.a,
                           .b_step = job.a_step,
                           .b_column = job.a_row,
                           .alpha = job.alpha,
                           .row_bias = job.bias};
  const GemmCut cut = cut_product<Arch>(swapped, kMostRows / 2);
  for_blocks<Arch>(swapped, cut, [&](GemmBlock<T> block, T* panel, T* rows) {
    const PanelColumns from = panel_columns(swapped.n, block.first_panel, cut.all_panels, kLanes);
    const PanelColumns to = panel_columns(swapped.n, block.last_panel - 1, cut.all_panels, kLanes);
    block.ldc = to.first + to.columns - from.first;
    Workspace<T> product(block.rows * block.ldc);
    block.c = product.data();
    multiply_block<Arch>(swapped, cut, block, panel, rows);
    PanelsKernels<Arch, T>::transpose({.x = product.data(),
                                       .x_stride = block.ldc,
                                       .columns = block.rows,
                                       .steps = block.ldc,
                                       .b = job.c + from.first * job.ldc + block.row,
                                       .b_stride = job.ldc,
                                       .width = block.rows});
  });
}

template <class T>
bool adds_to_start(const GemmJob<T>& job) {
  return job.bias != nullptr || job.beta != T(0);
}

/// Fills a block of C with what the product is added to, if anything but C as it is.
template <class T>
void start_block(const GemmJob<T>& job, std::int64_t row, std::int64_t rows, std::int64_t column,
                 std::int64_t columns) {
  for (std::int64_t i = row; i < row + rows && adds_to_start(job) && job.beta != T(1); ++i) {
    T* c = job.c + i * job.ldc + column;
    if (job.bias != nullptr) {
      std::copy_n(job.bias + column, columns, c);
    } else {
      std::for_each(c, c + columns, [&](T& value) { value *= job.beta; });
    }
  }
}

/// Blocks per chunk of a parallel loop: enough memory to read or write to be worth waking a thread.
std::int64_t memory_grain(std::int64_t elements, std::int64_t blocks) {
  return elements < 2 * kElementGrain ? blocks : std::max<std::int64_t>(1, kElementGrain * blocks / elements);
}

template <class Arch, class T>
void run_dots(const GemmJob<T>& job) {
  constexpr std::int64_t kMany = 16;  // rows of the longer factor per block
  const bool few_rows = job.m <= job.n;
  const std::int64_t many = std::max(job.m, job.n), few = std::min(job.m, job.n), blocks = ceil_div(many, kMany);
  const T* x = few_rows ? job.a : job.b;
  const T* y = few_rows ? job.b : job.a;
  const std::int64_t x_stride = few_rows ? job.a_row : job.b_column, y_stride = few_rows ? job.b_column : job.a_row;
  const std::int64_t c_few = few_rows ? job.ldc : 1, c_many = few_rows ? 1 : job.ldc;
  parallel_for(0, blocks, memory_grain(many * job.k, blocks), [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kMany, count = std::min(many, end * kMany) - first;
    if (few_rows) {
      start_block(job, 0, few, first, count);
    } else {
      start_block(job, first, count, 0, few);
    }
    OwnGemmKernels<Arch, T>::dots({.x = x,
                                   .x_stride = x_stride,
                                   .few = few,
                                   .y = y + first * y_stride,
                                   .y_stride = y_stride,
                                   .many = count,
                                   .steps = job.k,
                                   .c = job.c + first * c_many,
                                   .c_few = c_few,
                                   .c_many = c_many,
                                   .alpha = job.alpha,
                                   .accumulate = adds_to_start(job)});
  });
}

template <class Arch, class T>
void run_row_sums(const GemmJob<T>& job) {
  constexpr std::int64_t kBlockRows = 8, kBlockColumns = 1024;  // of C, in the first-level cache
  const std::int64_t columns = part_length(job.n, kBlockColumns, 64);
  const std::int64_t across = ceil_div(job.n, columns), blocks = ceil_div(job.m, kBlockRows) * across;
  const std::int64_t elements = std::max(job.m, job.k) * job.n;
  parallel_for(0, blocks, memory_grain(elements, blocks), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t row = block / across * kBlockRows, column = block % across * columns;
      const std::int64_t row_count = std::min(kBlockRows, job.m - row), width = std::min(columns, job.n - column);
      start_block(job, row, row_count, column, width);
      OwnGemmKernels<Arch, T>::add_rows({.rows = row_count,
                                         .columns = width,
                                         .steps = job.k,
                                         .a = job.a + row * job.a_row,
                                         .a_row = job.a_row,
                                         .a_step = job.a_step,
                                         .b = job.b + column,
                                         .b_step = job.b_step,
                                         .c = job.c + row * job.ldc + column,
                                         .ldc = job.ldc,
                                         .alpha = job.alpha,
                                         .accumulate = adds_to_start(job)});
    }
  });
}

}  // namespace

template <class T>
void OwnGemm<T>::panels(const GemmJob<T>& job) {
  dispatch_isa([&]<class Arch>() { run_panels<Arch>(job); });
}

template <class T>
void OwnGemm<T>::transposed_panels(const GemmJob<T>& job) {
  dispatch_isa([&]<class Arch>() { run_transposed_panels<Arch>(job); });
}

template <class T>
void OwnGemm<T>::dots(const GemmJob<T>& job) {
  dispatch_isa([&]<class Arch>() { run_dots<Arch>(job); });
}

template <class T>
void OwnGemm<T>::row_sums(const GemmJob<T>& job) {
  dispatch_isa([&]<class Arch>() { run_row_sums<Arch>(job); });
}

template struct OwnGemm<float>;
template struct OwnGemm<double>;

}  // namespace evenkeel::kernels
