#include "evenkeel/core/kernels/pool/pool.hpp"

#include "evenkeel/core/kernels/reduce/block_sum.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <limits>

namespace evenkeel {

std::vector<PoolWindow> sliding_windows(std::int64_t size, std::int64_t outputs, std::int64_t kernel,
                                        std::int64_t stride, std::int64_t pad, std::int64_t dilation) {
  std::vector<PoolWindow> windows;
  for (std::int64_t i = 0; i < outputs; ++i) {
    const std::int64_t start = i * stride - pad;
    const std::int64_t skipped = start < 0 ? kernels::ceil_div(-start, dilation) : 0;  // cells in the padding before
    const std::int64_t first = start + skipped * dilation;
    const std::int64_t inside = first < size ? (size - 1 - first) / dilation + 1 : 0;
    const std::int64_t padded = (size + pad - 1 - start) / dilation + 1;
    windows.push_back(
        {first, std::max<std::int64_t>(0, std::min(kernel - skipped, inside)), dilation, std::min(kernel, padded)});
  }
  return windows;
}

std::vector<PoolWindow> adaptive_windows(std::int64_t size, std::int64_t outputs) {
  std::vector<PoolWindow> windows;
  for (std::int64_t i = 0; i < outputs; ++i) {
    const std::int64_t first = i * size / outputs;
    const std::int64_t last = kernels::ceil_div((i + 1) * size, outputs);
    windows.push_back({first, last - first, 1, last - first});
  }
  return windows;
}

namespace {

/// The cells of one output.
struct Window {
  const PoolWindow &slice, &row, &column;
};

/// Calls visit(output number, window) for every output of a plane.
template <class Visit>
void for_each_output(const PoolGeometry& g, const Visit& visit) {
  std::int64_t output = 0;
  for (const PoolWindow& slice : g.slices) {
    for (const PoolWindow& row : g.rows) {
      for (const PoolWindow& column : g.columns) {
        visit(output++, Window{slice, row, column});
      }
    }
  }
}

double share_of(const Window& w, PoolDivisor divisor) {
  const std::int64_t cells = divisor.fixed != 0          ? divisor.fixed
                             : divisor.count_include_pad ? w.slice.extent * w.row.extent * w.column.extent
                                                         : w.slice.count * w.row.count * w.column.count;
  return 1.0 / static_cast<double>(cells);
}

}  // namespace

std::vector<double> shares_of(const PoolGeometry& g, PoolDivisor divisor) {
  std::vector<double> shares;
  for_each_output(g, [&](std::int64_t, const Window& window) { shares.push_back(share_of(window, divisor)); });
  return shares;
}

namespace kernels {
namespace {

/// Calls body(first plane, last plane) on several threads where it pays.
template <class Body>
void for_planes(const PoolGeometry& g, const Body& body) {
  parallel_for(0, g.planes, grain_of(g.inputs() + g.outputs()), body);
}

/// Calls body(plane) for every plane.
template <class Body>
void for_each_plane(const PoolGeometry& g, const Body& body) {
  for_planes(g, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      body(plane);
    }
  });
}

/// Calls body(plane, x's numbers of it).
template <class T, class Body>
void for_each_input(const PoolGeometry& g, const MappedPlanes<T>& x, const Body& body) {
  for_planes(g, [&](std::int64_t begin, std::int64_t end) {
    PlaneReader<T> reader(x, g.inputs());
    for (std::int64_t plane = begin; plane < end; ++plane) {
      body(plane, reader.plane(plane));
    }
  });
}

/// The first cell of row `row` of slice `slice`.
std::int64_t row_start(const PoolGeometry& g, std::int64_t slice, std::int64_t row) {
  return (slice * g.height + row) * g.width;
}

template <class T>
void window_max(const T* x, const PoolGeometry& g, const Window& w, T& value, std::int64_t& index) {
  T best = -std::numeric_limits<T>::infinity();
  std::int64_t at = row_start(g, w.slice.first, w.row.first) + w.column.first;
  for (std::int64_t s = 0; s < w.slice.count; ++s) {
    for (std::int64_t p = 0; p < w.row.count; ++p) {
      std::int64_t cell = row_start(g, w.slice.first + s * w.slice.step, w.row.first + p * w.row.step) + w.column.first;
      for (std::int64_t q = 0; q < w.column.count; ++q, cell += w.column.step) {
        const T candidate = x[cell];
        const bool wins = candidate > best || candidate != candidate;
        best = wins ? candidate : best;
        at = wins ? cell : at;
      }
    }
  }
  value = best;
  index = at;
}

/// Calls visit(first cell, length) for the runs of consecutive cells of a window; rows that follow one another without
/// a gap are one run, and slices too.
template <class Visit>
inline void for_each_run(const PoolGeometry& g, const Window& w, const Visit& visit) {
  const bool whole_rows = w.column.count == g.width;
  const bool whole_slices = whole_rows && w.row.count == g.height;
  const std::int64_t slices = whole_slices ? 1 : w.slice.count;
  const std::int64_t rows = whole_rows ? 1 : w.row.count;
  const std::int64_t length = w.column.count * (whole_rows ? w.row.count : 1) * (whole_slices ? w.slice.count : 1);
  for (std::int64_t s = 0; s < slices; ++s) {
    for (std::int64_t p = 0; p < rows; ++p) {
      visit(row_start(g, w.slice.first + s, w.row.first + p) + w.column.first, length);
    }
  }
}

/// Whether the only output takes in the whole plane.
bool is_global(const PoolGeometry& g) {
  return g.outputs() == 1 && g.slices[0].count * g.rows[0].count * g.columns[0].count == g.inputs();
}

}  // namespace

template <class T>
void max_windows(const PoolGeometry& g, const std::type_identity_t<MappedPlanes<T>>& x, T* y, std::int64_t* indices) {
  for_each_input(g, x, [&](std::int64_t plane, const T* in) {
    T* out = y + plane * g.outputs();
    std::int64_t* out_indices = indices + plane * g.outputs();
    for_each_output(g,
                    [&](std::int64_t i, const Window& window) { window_max(in, g, window, out[i], out_indices[i]); });
  });
}

template <class T>
void scatter_windows(const PoolGeometry& g, const T* dy, const std::int64_t* indices, T* dx) {
  for_each_plane(g, [&](std::int64_t plane) {
    T* out = dx + plane * g.inputs();
    std::fill_n(out, g.inputs(), T(0));
    for (std::int64_t i = plane * g.outputs(); i < (plane + 1) * g.outputs(); ++i) {
      out[indices[i]] += dy[i];
    }
  });
}

template <class T>
void gather_windows(const PoolGeometry& g, const T* x, const std::int64_t* indices, T* y) {
  for_each_plane(g, [&](std::int64_t plane) {
    const T* in = x + plane * g.inputs();
    for (std::int64_t i = plane * g.outputs(); i < (plane + 1) * g.outputs(); ++i) {
      y[i] = in[indices[i]];
    }
  });
}

std::optional<std::int64_t> find_outside(std::int64_t count, const std::int64_t* indices, std::int64_t size) {
  const std::int64_t* found =
      std::find_if(indices, indices + count, [size](std::int64_t index) { return index < 0 || index >= size; });
  return found == indices + count ? std::nullopt : std::optional(*found);
}

template <class T>
void average_windows(const PoolGeometry& g, PoolDivisor divisor, const std::type_identity_t<MappedPlanes<T>>& x, T* y) {
  for_each_input(g, x, [&](std::int64_t plane, const T* in) {
    T* out = y + plane * g.outputs();
    for_each_output(g, [&](std::int64_t i, const Window& window) {
      double sum = 0;
      for_each_run(g, window, [&](std::int64_t first, std::int64_t length) {
        if (constexpr std::int64_t kShort = 16; length < kShort) {
          for (std::int64_t k = 0; k < length; ++k) {
            sum += static_cast<double>(in[first + k]);
          }
        } else {
          sum += block_sum(in + first, length);
        }
      });
      out[i] = static_cast<T>(sum * share_of(window, divisor));
    });
  });
}

template <class T>
void average_windows_gradient(const PoolGeometry& g, PoolDivisor divisor, const T* dy, T* dx) {
  for_each_plane(g, [&](std::int64_t plane) {
    const T* in = dy + plane * g.outputs();
    T* out = dx + plane * g.inputs();
    if (is_global(g)) {
      const double share = share_of({g.slices[0], g.rows[0], g.columns[0]}, divisor);
      std::fill_n(out, g.inputs(), static_cast<T>(static_cast<double>(in[0]) * share));
      return;
    }
    std::fill_n(out, g.inputs(), T(0));
    for_each_output(g, [&](std::int64_t i, const Window& window) {
      const T value = static_cast<T>(static_cast<double>(in[i]) * share_of(window, divisor));
      for_each_run(g, window, [&](std::int64_t first, std::int64_t length) {
        for (std::int64_t k = first; k < first + length; ++k) {
          out[k] += value;
        }
      });
    });
  });
}

template void max_windows(const PoolGeometry&, const MappedPlanes<float>&, float*, std::int64_t*);
template void max_windows(const PoolGeometry&, const MappedPlanes<double>&, double*, std::int64_t*);
template void scatter_windows(const PoolGeometry&, const float*, const std::int64_t*, float*);
template void scatter_windows(const PoolGeometry&, const double*, const std::int64_t*, double*);
template void gather_windows(const PoolGeometry&, const float*, const std::int64_t*, float*);
template void gather_windows(const PoolGeometry&, const double*, const std::int64_t*, double*);
template void average_windows(const PoolGeometry&, PoolDivisor, const MappedPlanes<float>&, float*);
template void average_windows(const PoolGeometry&, PoolDivisor, const MappedPlanes<double>&, double*);
template void average_windows_gradient(const PoolGeometry&, PoolDivisor, const float*, float*);
template void average_windows_gradient(const PoolGeometry&, PoolDivisor, const double*, double*);

}  // namespace kernels
}  // namespace evenkeel
