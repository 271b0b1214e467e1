#pragma once

#include "core/kernels/simd/batch.hpp"

namespace evenkeel::kernels::simd {

/// Sums in double of values in registers of T, lane by lane.
template <class Arch, class T>
class DoubleSum {
 public:
  using V = Batch<Arch, T>;
  using D = Batch<Arch, double>;

  DoubleSum() {
    for (D& sum : sums_) {
      sum = D(0);
    }
  }

  void add(V value) {
    if constexpr (sizeof(T) == sizeof(double)) {
      sums_[0] += value;
    } else if constexpr (std::is_same_v<Arch, Avx512>) {
      sums_[0] += D(_mm512_cvtps_pd(_mm512_castps512_ps256(value)));
      sums_[1] += D(_mm512_cvtps_pd(_mm512_extractf32x8_ps(value, 1)));
    } else if constexpr (std::is_same_v<Arch, Avx2>) {
      sums_[0] += D(_mm256_cvtps_pd(_mm256_castps256_ps128(value)));
      sums_[1] += D(_mm256_cvtps_pd(_mm256_extractf128_ps(value, 1)));
    } else {
      sums_[0] += D(_mm_cvtps_pd(value));
      sums_[1] += D(_mm_cvtps_pd(_mm_movehl_ps(value, value)));
    }
  }

  void merge(const DoubleSum& other) {
    for (int k = 0; k < kParts; ++k) {
      sums_[k] += other.sums_[k];
    }
  }

  /// Of all lanes.
  double total() const {
    D sum = sums_[0];
    if constexpr (kParts == 2) {
      sum += sums_[1];
    }
    return xsimd::hadd(sum);
  }

  /// One sum per lane.
  void store(double* sums) const {
    for (int k = 0; k < kParts; ++k) {
      sums_[k].store_unaligned(sums + k * kLanes<Arch, double>);
    }
  }

 private:
  static constexpr int kParts = sizeof(double) / sizeof(T);
  D sums_[kParts];
};

}  // namespace evenkeel::kernels::simd
