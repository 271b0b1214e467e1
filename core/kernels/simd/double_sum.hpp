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
    return lane_sum(sum);
  }

  /// f(sum) of each lane, f a function of registers of double.
  template <class F>
  V map(const F& f) const {
    if constexpr (kParts == 1) {
      return f(sums_[0]);
    } else {
      return Set<Arch, T>::narrow(f(sums_[0]), f(sums_[1]));
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
    if constexpr (kParts == 1) {
      return value;
    } else {
      return Set<Arch, T>::widen(value, k);
    }
  }

  D sums_[kParts];
};

}  // namespace evenkeel::kernels::simd
