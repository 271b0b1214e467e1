#pragma once

#include "evenkeel/core/kernels/simd/batch.hpp"

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
    for (int k = 0; k < kParts; ++k) {
      sums_[k] += part(value, k);
    }
  }
  /// Adds a b, exact for floats.
  void add_product(V a, V b) {
    for (int k = 0; k < kParts; ++k) {
      sums_[k] = fma(part(a, k), part(b, k), sums_[k]);
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

  /// f(sum) of each lane, f a function of registers of double.
  template <class F>
  V map(const F& f) const {
    if constexpr (sizeof(T) == sizeof(double)) {
      return f(sums_[0]);
    } else if constexpr (std::is_same_v<Arch, Avx512>) {
      const __m512 low = _mm512_castps256_ps512(_mm512_cvtpd_ps(f(sums_[0])));
      return _mm512_insertf32x8(low, _mm512_cvtpd_ps(f(sums_[1])), 1);
    } else if constexpr (std::is_same_v<Arch, Avx2>) {
      const __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps(f(sums_[0])));
      return _mm256_insertf128_ps(low, _mm256_cvtpd_ps(f(sums_[1])), 1);
    } else {
      return _mm_movelh_ps(_mm_cvtpd_ps(f(sums_[0])), _mm_cvtpd_ps(f(sums_[1])));
    }
  }

  /// One sum per lane.
  void store(double* sums) const {
    for (int k = 0; k < kParts; ++k) {
      sums_[k].store_unaligned(sums + k * kLanes<Arch, double>);
    }
  }

 private:
  static constexpr int kParts = sizeof(double) / sizeof(T);

  /// The lower or upper half of the lanes, as doubles.
  static D part(V value, int k) {
    if constexpr (sizeof(T) == sizeof(double)) {
      return value;
    } else if constexpr (std::is_same_v<Arch, Avx512>) {
      return _mm512_cvtps_pd(k == 0 ? _mm512_castps512_ps256(value) : _mm512_extractf32x8_ps(value, 1));
    } else if constexpr (std::is_same_v<Arch, Avx2>) {
      return _mm256_cvtps_pd(k == 0 ? _mm256_castps256_ps128(value) : _mm256_extractf128_ps(value, 1));
    } else {
      return _mm_cvtps_pd(k == 0 ? __m128(value) : _mm_movehl_ps(value, value));
    }
  }

  D sums_[kParts];
};

}  // namespace evenkeel::kernels::simd
