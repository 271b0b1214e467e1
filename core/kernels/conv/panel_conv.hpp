#pragma once

#include "evenkeel/core/kernels/conv/algorithms.hpp"
#include "evenkeel/core/kernels/conv/panel_plan.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <algorithm>
#include <cstdint>

namespace evenkeel::kernels {

/// Convolutions by the register tile of matmul/panels.hpp over a staged copy of the input; algorithm: direct, whose
/// tiles read rows of the stage in place, or panels, which packs them.
template <class T>
struct PanelConv {
  static void forward(const ConvGeometry& g, ConvAlgorithm algorithm, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, ConvAlgorithm algorithm, const T* dy, const T* weight,
                             const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight, T* dbias);
};

/// Calls run(first, last), which sets `size` sums of turns [first, last) in T. Of more turns than keep float32's
/// digits, runs are summed so, and added up in double.
template <class T, class Run>
void sum_turns(std::int64_t first, std::int64_t last, std::int64_t size, T* sums, const Run& run) {
  constexpr std::int64_t kMost = 64, kRun = 16;
  if (last - first <= kMost) {
    run(first, last);
    return;
  }
  Workspace<double> totals(size);
  std::fill_n(totals.data(), size, 0.0);
  for (std::int64_t i = first; i < last; i += kRun) {
    run(i, std::min(i + kRun, last));
    std::transform(sums, sums + size, totals.data(), totals.data(), [](T sum, double total) { return total + sum; });
  }
  std::transform(totals.data(), totals.data() + size, sums, [](double total) { return static_cast<T>(total); });
}

/// out = the sum of `parts` arrays of `size` elements, in order; out may be the first of them.
template <class T>
void add_parts(std::int64_t parts, std::int64_t size, const T* sums, T* out);

/// dweight (output, product) of each group = the sum over parts of sums (part, group, product, output); changes sums.
template <class T>
void finish_weight_gradient(const ConvGeometry& g, std::int64_t parts, T* sums, T* dweight);

}  // namespace evenkeel::kernels
