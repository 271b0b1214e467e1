#pragma once

#include "evenkeel/core/kernels/reduce/block_sum.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd {

/// total + value, lane by lane in double.
template <class Arch, class T>
Batch<Arch, double> add_as_doubles(const Batch<Arch, double>& total, const Batch<Arch, T>& value) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return total + value;
  } else {
    using D = Batch<Arch, double>;
    return total + (D(Set<Arch, T>::widen(value, 0)) + D(Set<Arch, T>::widen(value, 1)));
  }
}

}  // namespace simd

template <class Arch, class T>
double BlockSumKernels<Arch, T>::sum(std::int64_t n, std::int64_t runs, std::int64_t stride, const T* x) {
  using L = simd::Loop<Arch, T>;
  using V = typename L::V;
  constexpr std::int64_t kWidth = L::kWidth;
  constexpr int kSums = 4;  // so that an addition need not wait for the last one
  constexpr int kMostAdded = 16;
  V sums[kSums] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
  simd::Batch<Arch, double> total(0.0);
  int added = 0;
  const auto flush = [&] {
    total = simd::add_as_doubles(total, L::join(sums));
    for (V& sum : sums) {
      sum = V(T(0));
    }
    added = 0;
  };
  for (std::int64_t run = 0; run < runs; ++run, x += stride) {
    std::int64_t k = 0;
    for (; k + kSums * kWidth <= n; k += kSums * kWidth) {
      for (int j = 0; j < kSums; ++j) {
        sums[j] = sums[j] + V::load_unaligned(x + k + j * kWidth);
      }
      if (++added == kMostAdded) {
        flush();
      }
    }
    if (k < n) {
      for (int j = 0; j < kSums; ++j) {
        sums[j] = sums[j] + L::load(x + k + j * kWidth, simd::Some{n - k - j * kWidth});
      }
      if (++added == kMostAdded) {
        flush();
      }
    }
  }
  flush();
  return lane_sum(total);
}

template <class Arch, class T>
void BlockSumKernels<Arch, T>::sum_columns(std::int64_t count, std::int64_t runs, std::int64_t stride, const T* x,
                                           T* sums) {
  constexpr std::int64_t kWidth = simd::kLanes<Arch, double>;
  for (std::int64_t i = 0; i < count; i += kWidth) {
    alignas(64) double lanes[kWidth] = {};
    if (count - i >= kWidth) {
      simd::Batch<Arch, double> total(0.0);
      for (std::int64_t run = 0; run < runs; ++run) {
        total = total + simd::load_as_double<Arch>(x + run * stride + i);
      }
      total.store_aligned(lanes);
    } else {
      for (std::int64_t run = 0; run < runs; ++run) {
        for (std::int64_t k = i; k < count; ++k) {
          lanes[k - i] += static_cast<double>(x[run * stride + k]);
        }
      }
    }
    for (std::int64_t k = 0; k < kWidth && i + k < count; ++k) {
      sums[i + k] = static_cast<T>(lanes[k]);
    }
  }
}

}  // namespace evenkeel::kernels
