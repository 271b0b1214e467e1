#pragma once

#include "evenkeel/core/kernels/elementwise/optimizer_rules.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace evenkeel::kernels {

/// What one step needs of a parameter of n elements: its rule's numbers for this step, its gradient g, its values p and
/// its arrays of state, null where Rule::uses() has no need of one.
template <class T>
struct OptimizerPart {
  const void* numbers;  ///< of the rule's type
  std::int64_t n;
  const T* g;
  T* p;
  std::array<T*, kMostStates> state;
};

/// The SIMD side, per instruction set; `rule` is an index into OptimizerRules, as below.
template <class Arch, class T>
struct OptimizerKernels {
  static void step(std::size_t rule, const void* numbers, std::int64_t n, const T* g, T* p, T* const* state);
  /// Adds the sums of squares of p and of what the rule measures; only of a LayerwiseRule.
  static void add_squares(std::size_t rule, const void* numbers, std::int64_t n, const T* g, const T* p,
                          T* const* state, double* sums);
};

/// Updates all parameters in one pass: one parallel loop over the elements of all of them. SGD with momentum moves 20
/// bytes per element (p and buffer read and written, g read), on one core at 118 GB/s from the second-level cache and
/// 40 from the third (1.6 million elements), where a copy of as many bytes runs at 115 and 24.
template <class T>
void optimizer_step(std::size_t rule, std::span<const OptimizerPart<T>> parts);

/// What with_norms() of a LayerwiseRule takes: the 2-norms of p and of what the rule measures. They are sums over
/// blocks of fixed size, so they do not depend on the number of threads; `room` has norm_room(n) places for those.
template <class T>
std::array<double, 2> optimizer_norms(std::size_t rule, const OptimizerPart<T>& part, std::span<double> room);
std::size_t norm_room(std::int64_t n);

}  // namespace evenkeel::kernels
