#pragma once

#include "evenkeel/core/kernels/elementwise/optimizer.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
template <class Arch, class T>
void OptimizerKernels<Arch, T>::sgd(const SgdStep& step, std::int64_t n, const T* g, T* p, T* buffer) {
  using L = simd::Loop<Arch, T>;
  using V = typename L::V;
  const V sign(step.maximize ? T(-1) : T(1));
  const V decay(static_cast<T>(step.weight_decay));
  const V momentum(static_cast<T>(step.momentum));
  const V undampened(static_cast<T>(1 - step.dampening));
  const V rate(static_cast<T>(step.lr));
  L::each(n, [&](std::int64_t i, auto tag) {
    V value = L::load(p + i, tag);
    V d = L::load(g + i, tag) * sign;
    if (step.weight_decay != 0) {
      d = d + decay * value;
    }
    if (buffer != nullptr) {
      V b = d;
      if (!step.first) {
        b = fused(L::load(buffer + i, tag), momentum, undampened * d);
      }
      L::store(buffer + i, b, tag);
      d = step.nesterov ? V(d + momentum * b) : b;
    }
    L::store(p + i, value - rate * d, tag);
  });
}

template <class Arch, class T>
void OptimizerKernels<Arch, T>::adam(const AdamStep& step, std::int64_t n, const T* g, T* p, T* m, T* v, T* v_max) {
  using L = simd::Loop<Arch, T>;
  using V = typename L::V;
  const V sign(step.maximize ? T(-1) : T(1));
  const V decay(static_cast<T>(step.weight_decay));
  const V kept(static_cast<T>(1 - step.lr * step.weight_decay));
  const V beta1(static_cast<T>(step.beta1)), new1(static_cast<T>(1 - step.beta1));
  const V beta2(static_cast<T>(step.beta2)), new2(static_cast<T>(1 - step.beta2));
  const V rate(static_cast<T>(step.lr / step.bias_correction1));
  const V root_correction(static_cast<T>(step.root_bias_correction2));
  const V eps(static_cast<T>(step.eps));
  L::each(n, [&](std::int64_t i, auto tag) {
    V value = L::load(p + i, tag);
    V d = L::load(g + i, tag) * sign;
    if (step.decoupled) {
      value = value * kept;
    } else if (step.weight_decay != 0) {
      d = d + decay * value;
    }
    const V mean = fused(L::load(m + i, tag), beta1, new1 * d);
    const V square = fused(L::load(v + i, tag), beta2, new2 * d * d);
    L::store(m + i, mean, tag);
    L::store(v + i, square, tag);
    V largest = square;
    if (v_max != nullptr) {
      largest = max(L::load(v_max + i, tag), square);
      L::store(v_max + i, largest, tag);
    }
    // eps stands outside the root and after the bias correction
    value = value - rate * (mean / (sqrt(largest) / root_correction + eps));
    L::store(p + i, value, tag);
  });
}

}  // namespace evenkeel::kernels
