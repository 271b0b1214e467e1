#include "evenkeel/core/kernels/matmul/own_gemm.hpp"

#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

constexpr std::int64_t kSteps = 288;      // of a panel: three registers each, about the first-level cache
constexpr std::int64_t kRowBytes = 2048;  // of a column of A; its rows pass by a panel, with its steps from the cache

/// Lengths of about equal parts of at most `most`, in multiples of `unit`.
std::int64_t part_length(std::int64_t length, std::int64_t most, std::int64_t unit) {
  return std::min(length, round_up(ceil_div(length, ceil_div(length, most)), unit));
}

/// Where A's rows and the steps of a panel find their elements.
template <class T>
struct Tables {
  Tables(const GemmJob<T>& job, std::int64_t rows, std::int64_t steps) : row_offsets(rows), step_offsets(steps) {
    for (std::int64_t i = 0; i < rows; ++i) {
      row_offsets.data()[i] = i * job.a_row;
    }
    for (std::int64_t k = 0; k < steps; ++k) {
      step_offsets.data()[k] = {.a = k * job.a_step, .b = k * job.b_step};
    }
  }
  Workspace<std::int64_t> row_offsets;
  Workspace<PanelStep> step_offsets;
};

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

/// panel (step, column) = alpha op(B), steps [first, first + steps).
template <class Arch, class T>
void pack_panel(const GemmJob<T>& job, const PanelColumns& at, std::int64_t first, const PanelStep* step_offsets,
                std::int64_t steps, T* panel) {
  const T* b = job.b + first * job.b_step + at.first * job.b_column;
  const std::int64_t width = at.segments * PanelTile<Arch, T>::lanes;
  if (job.b_column == 1) {
    const PanelRun run{.length = at.columns};
    PanelsKernels<Arch, T>::pack({.x = b,
                                  .steps = step_offsets,
                                  .step_count = steps,
                                  .runs = &run,
                                  .run_count = 1,
                                  .segments = at.segments,
                                  .b = panel});
  } else {
    PanelsKernels<Arch, T>::transpose({.x = b,
                                       .x_stride = job.b_column,
                                       .columns = at.columns,
                                       .steps = steps,
                                       .b = panel,
                                       .b_stride = width,
                                       .width = width});
  }
  if (job.alpha != T(1)) {
    std::for_each(panel, panel + steps * width, [&](T& value) { value *= job.alpha; });
  }
}

/// Whether a panel's registers are read from B itself: packing pays where many rows pass. Packed / in place, GFLOP/s
/// with AVX-512 of a factor B of 256x784: 16 rows 172 / 246, 32 rows 210 / 253, 128 rows 243 / 254, 256 rows 241 / 248,
/// but 154 / 144 for B of 16x8192.
template <class Arch, class T>
bool reads_in_place(const GemmJob<T>& job, std::int64_t rows, const PanelColumns& at) {
  constexpr std::int64_t kMostRows = 128;
  return rows <= kMostRows && job.b_column == 1 && job.alpha == T(1) &&
         at.columns == at.segments * PanelTile<Arch, T>::lanes;
}

/// c (rows from `row` on, the panel's columns) = alpha A B + (accumulate ? c : row_bias or 0).
template <class Arch, class T>
void multiply_panel(const GemmJob<T>& job, Tables<T>& tables, std::int64_t row, std::int64_t rows,
                    const PanelColumns& at, bool accumulate, const T* row_bias, T* c, std::int64_t ldc) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const bool packed = !reads_in_place<Arch>(job, rows, at);
  const std::int64_t most = part_length(job.k, kSteps, 16);
  Workspace<T> panel(packed ? most * at.segments * kLanes : 0);
  PanelProduct<T> product{.a_rows = tables.row_offsets.data(),
                          .steps = tables.step_offsets.data(),
                          .rows = rows,
                          .b = panel.data(),
                          .packed = packed,
                          .segments = at.segments,
                          .c = c,
                          .c_stride = ldc,
                          .bias = row_bias,
                          .accumulate = accumulate};
  for (std::int64_t s = 0; s < at.segments; ++s) {
    product.segment[s] = {.b = s * kLanes, .c = s * kLanes, .columns = std::min(kLanes, at.columns - s * kLanes)};
  }
  for (std::int64_t first = 0; first < job.k; first += most) {
    product.step_count = std::min(most, job.k - first);
    product.a = job.a + row * job.a_row + first * job.a_step;
    if (packed) {
      pack_panel<Arch>(job, at, first, product.steps, product.step_count, panel.data());
    } else {
      product.b = job.b + first * job.b_step + at.first;
    }
    PanelsKernels<Arch, T>::multiply(product);
    product.accumulate = true;
  }
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

template <class Arch, class T>
std::int64_t panel_count(std::int64_t n) {
  return ceil_div(ceil_div(n, PanelTile<Arch, T>::lanes), std::int64_t{PanelTile<Arch, T>::segments});
}

/// Rows per block of C; half as many where there would be too few blocks for several threads.
template <class Arch, class T>
std::int64_t block_rows(const GemmJob<T>& job, std::int64_t most) {
  constexpr std::int64_t kBlocks = 4, kMinRows = 32;
  std::int64_t rows = part_length(job.m, most, 8);
  while (rows >= 2 * kMinRows && ceil_div(job.m, rows) * panel_count<Arch, T>(job.n) < kBlocks) {
    rows = round_up(ceil_div(rows, 2), 8);
  }
  return rows;
}

/// Calls body(first row, rows, columns) for every block of C, in parallel.
template <class Arch, class T, class Body>
void for_blocks(const GemmJob<T>& job, std::int64_t rows, const Body& body) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;
  const std::int64_t panels = panel_count<Arch, T>(job.n);
  const std::int64_t units = ceil_div(job.m, rows) * panels;
  parallel_for(0, units, work_grain(job.m * job.n * job.k, units), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t row = unit / panels * rows;
      body(row, std::min(rows, job.m - row), panel_columns(job.n, unit % panels, panels, kLanes));
    }
  });
}

template <class Arch, class T>
void run_panels(const GemmJob<T>& job) {
  const std::int64_t rows = block_rows<Arch>(job, kRowBytes / std::int64_t{sizeof(T)});
  Tables<T> tables(job, rows, std::min(job.k, kSteps));
  for_blocks<Arch>(job, rows, [&](std::int64_t row, std::int64_t count, const PanelColumns& at) {
    start_block(job, row, count, at.first, at.columns);
    multiply_panel<Arch, T>(job, tables, row, count, at, adds_to_start(job), nullptr, job.c + row * job.ldc + at.first,
                            job.ldc);
  });
}

template <class Arch, class T>
void run_transposed_panels(const GemmJob<T>& job) {
  const GemmJob<T> swapped{.m = job.n,
                           .n = job.m,
                           .k = job.k,
                           .a = job.b,
                           .a_row = job.b_column,
                           .a_step = job.b_step,
                           .b = job.a,
                           .b_step = job.a_step,
                           .b_column = job.a_row,
                           .alpha = job.alpha};
  const std::int64_t rows = block_rows<Arch>(swapped, kRowBytes / 2 / std::int64_t{sizeof(T)});
  Tables<T> tables(swapped, rows, std::min(job.k, kSteps));
  for_blocks<Arch>(swapped, rows, [&](std::int64_t row, std::int64_t count, const PanelColumns& at) {
    Workspace<T> block(count * at.columns);
    multiply_panel<Arch, T>(swapped, tables, row, count, at, false, job.bias != nullptr ? job.bias + row : nullptr,
                            block.data(), at.columns);
    PanelsKernels<Arch, T>::transpose({.x = block.data(),
                                       .x_stride = at.columns,
                                       .columns = count,
                                       .steps = at.columns,
                                       .b = job.c + at.first * job.ldc + row,
                                       .b_stride = job.ldc,
                                       .width = count});
  });
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
