#pragma once

#include "evenkeel/core/kernels/elementwise/optimizer.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::optimizer {

/// Loads up to one register of values; the rest of it is zero.
template <class Arch, class T>
Batch<Arch, T> load_part(const T* from, std::int64_t count) {
  T values[Batch<Arch, T>::size] = {};
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = from[i];
  }
  return Batch<Arch, T>::load_unaligned(values);
}

template <class Arch, class T>
void store_part(const Batch<Arch, T>& batch, T* to, std::int64_t count) {
  T values[Batch<Arch, T>::size];
  batch.store_unaligned(values);
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = values[i];
  }
}

template <class Arch, class T>
Batch<Arch, T> load(const T* from, std::int64_t count) {
  constexpr auto kWidth = static_cast<std::int64_t>(Batch<Arch, T>::size);
  return count >= kWidth ? Batch<Arch, T>::load_unaligned(from) : load_part<Arch, T>(from, count);
}

template <class Arch, class T>
void store(const Batch<Arch, T>& batch, T* to, std::int64_t count) {
  constexpr auto kWidth = static_cast<std::int64_t>(Batch<Arch, T>::size);
  if (count >= kWidth) {
    batch.store_unaligned(to);
  } else {
    store_part<Arch, T>(batch, to, count);
  }
}

}  // namespace simd::optimizer

template <class Arch, class T>
void OptimizerKernels<Arch, T>::sgd(const SgdStep& step, std::int64_t n, const T* g, T* p, T* buffer) {
  using V = simd::Batch<Arch, T>;
  const V sign(step.maximize ? T(-1) : T(1));
  const V decay(static_cast<T>(step.weight_decay));
  const V momentum(static_cast<T>(step.momentum));
  const V undampened(static_cast<T>(1 - step.dampening));
  const V rate(static_cast<T>(step.lr));
  for (std::int64_t i = 0; i < n; i += static_cast<std::int64_t>(V::size)) {
    V value = simd::optimizer::load<Arch, T>(p + i, n - i);
    V d = simd::optimizer::load<Arch, T>(g + i, n - i) * sign;
    if (step.weight_decay != 0) {
      d = d + decay * value;
    }
    if (buffer != nullptr) {
      V b = d;
      if (!step.first) {
        b = simd::optimizer::load<Arch, T>(buffer + i, n - i) * momentum + undampened * d;
      }
      simd::optimizer::store<Arch, T>(b, buffer + i, n - i);
      d = step.nesterov ? V(d + momentum * b) : b;
    }
    simd::optimizer::store<Arch, T>(value - rate * d, p + i, n - i);
  }
}

template <class Arch, class T>
void OptimizerKernels<Arch, T>::adam(const AdamStep& step, std::int64_t n, const T* g, T* p, T* m, T* v, T* v_max) {
  using V = simd::Batch<Arch, T>;
  const V sign(step.maximize ? T(-1) : T(1));
  const V decay(static_cast<T>(step.weight_decay));
  const V kept(static_cast<T>(1 - step.lr * step.weight_decay));
  const V beta1(static_cast<T>(step.beta1)), new1(static_cast<T>(1 - step.beta1));
  const V beta2(static_cast<T>(step.beta2)), new2(static_cast<T>(1 - step.beta2));
  const V rate(static_cast<T>(step.lr / step.bias_correction1));
  const V root_correction(static_cast<T>(step.root_bias_correction2));
  const V eps(static_cast<T>(step.eps));
  for (std::int64_t i = 0; i < n; i += static_cast<std::int64_t>(V::size)) {
    V value = simd::optimizer::load<Arch, T>(p + i, n - i);
    V d = simd::optimizer::load<Arch, T>(g + i, n - i) * sign;
    if (step.decoupled) {
      value = value * kept;
    } else if (step.weight_decay != 0) {
      d = d + decay * value;
    }
    const V mean = simd::optimizer::load<Arch, T>(m + i, n - i) * beta1 + new1 * d;
    const V square = simd::optimizer::load<Arch, T>(v + i, n - i) * beta2 + new2 * d * d;
    simd::optimizer::store<Arch, T>(mean, m + i, n - i);
    simd::optimizer::store<Arch, T>(square, v + i, n - i);
    V largest = square;
    if (v_max != nullptr) {
      largest = xsimd::max(simd::optimizer::load<Arch, T>(v_max + i, n - i), square);
      simd::optimizer::store<Arch, T>(largest, v_max + i, n - i);
    }
    // eps stands outside the root and after the bias correction
    value = value - rate * (mean / (xsimd::sqrt(largest) / root_correction + eps));
    simd::optimizer::store<Arch, T>(value, p + i, n - i);
  }
}

}  // namespace evenkeel::kernels
