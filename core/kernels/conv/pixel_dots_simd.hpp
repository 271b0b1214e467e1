#pragma once

#include "evenkeel/core/kernels/conv/pixel_dots.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd::pixel_dots {

/// Products and outputs of a tile, whose sums stay in registers.
template <class Arch>
inline constexpr int kProducts = Set<Arch, float>::kRegisters >= 32 ? 4 : 3;
inline constexpr int kOutputs = 4;

/// Adds the products of one step to the sums.
template <class Arch, class T, int kP, int kO, class Tag>
[[gnu::always_inline]] inline void add_step(const PanelStep& step, const T* const* x, const T* const* dy, Tag tag,
                                            Batch<Arch, T> (&sum)[kP][kO]) {
  using L = Loop<Arch, T>;
  typename L::V left[kP];
  for (int p = 0; p < kP; ++p) {
    left[p] = L::load(x[p] + step.a, tag);
  }
  for (int o = 0; o < kO; ++o) {
    const typename L::V right = L::load(dy[o] + step.b, tag);
    for (int p = 0; p < kP; ++p) {
      sum[p][o] = fma(left[p], right, sum[p][o]);
    }
  }
}

/// The sums of kP products from `product` on and kO outputs from `output` on; behind the last one they are computed
/// again and dropped.
template <class Arch, class T, int kP, int kO>
void add_tile(const PixelDots<T>& job, std::int64_t product, std::int64_t output) {
  using V = Batch<Arch, T>;
  const T* x[kP];
  const T* dy[kO];
  V sum[kP][kO];
  for (int p = 0; p < kP; ++p) {
    x[p] = job.x + job.products[product + p < job.product_count ? product + p : job.product_count - 1];
    for (int o = 0; o < kO; ++o) {
      sum[p][o] = V(T(0));
    }
  }
  for (int o = 0; o < kO; ++o) {
    dy[o] = job.dy + (output + o < job.outputs ? output + o : job.outputs - 1) * job.dy_output;
  }
  for (const PanelStep* step = job.steps; step != job.steps + job.step_count; ++step) {
    add_step<Arch, T, kP, kO>(*step, x, dy, Whole(), sum);
  }
  for (const PanelStep* step = job.tails; step != job.tails + job.tail_count; ++step) {
    add_step<Arch, T, kP, kO>(*step, x, dy, Tail{job.tail}, sum);
  }
  for (int p = 0; p < kP && product + p < job.product_count; ++p) {
    V four[4];
    T totals[4];
    for (int o = 0; o < 4; ++o) {
      four[o] = sum[p][o < kO ? o : 0];
    }
    lane_sums(four, totals);
    T* out = job.sums + (product + p) * job.sums_stride + output;
    for (int o = 0; o < kO && output + o < job.outputs; ++o) {
      out[o] = (job.accumulate ? out[o] : T(0)) + totals[o];
    }
  }
}

template <class Arch, class T, int kP, int kO>
void add_products(const PixelDots<T>& job, std::int64_t output) {
  std::int64_t product = 0;
  for (; product + kP / 2 < job.product_count; product += kP) {
    add_tile<Arch, T, kP, kO>(job, product, output);
  }
  if (product < job.product_count) {
    add_tile<Arch, T, (kP + 1) / 2, kO>(job, product, output);
  }
}

}  // namespace simd::pixel_dots

template <class Arch, class T>
void PixelDotsKernels<Arch, T>::add(const PixelDots<T>& job) {
  constexpr int kProducts = simd::pixel_dots::kProducts<Arch>, kOutputs = simd::pixel_dots::kOutputs;
  std::int64_t output = 0;
  for (; output + kOutputs / 2 < job.outputs; output += kOutputs) {
    simd::pixel_dots::add_products<Arch, T, kProducts, kOutputs>(job, output);
  }
  if (output < job.outputs) {
    simd::pixel_dots::add_products<Arch, T, 2 * kProducts, kOutputs / 2>(job, output);
  }
}

}  // namespace evenkeel::kernels
