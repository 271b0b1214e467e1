#pragma once

#include "evenkeel/core/kernels/elementwise/optimizer.hpp"
#include "evenkeel/core/kernels/simd/double_sum.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One rule's loops.
template <class Arch, class T, class Rule>
struct RuleLoops {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  static constexpr int kStates = Rule::kStates;

  static void step(const void* numbers, std::int64_t n, const T* g, T* p, T* const* state) {
    const Rule rule = *static_cast<const Rule*>(numbers);
    const auto formula = rule.template formula<V>();
    const V sign(rule.maximize ? T(-1) : T(1));
    V kept(T(1)), decay(T(0));
    if constexpr (requires { rule.weight_decay; }) {
      kept = lanes<V>(1 - rule.lr * rule.weight_decay);
      decay = lanes<V>(rule.weight_decay);
    }
    T* arrays[kStates];
    unrolled<kStates>([&](int k) __attribute__((always_inline)) { arrays[k] = state[k]; });
    L::each(
        n, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
          V value = L::load(p + i, tag);
          V d = L::load(g + i, tag) * sign;
          if constexpr (requires { rule.weight_decay; }) {
            if (rule.decoupled) {
              value = value * kept;
            } else if (rule.weight_decay != 0) {
              d = d + decay * value;
            }
          }
          V s[kStates];
          load(arrays, i, tag, s);
          L::store(p + i, formula(value, d, s), tag);
          unrolled<kStates>([&](int k) __attribute__((always_inline)) {
            if (arrays[k] != nullptr) {
              L::store(arrays[k] + i, s[k], tag);
            }
          });
        });
  }

  static void add_squares(const void* numbers, std::int64_t n, const T* g, const T* p, T* const* state, double* sums) {
    if constexpr (LayerwiseRule<Rule>) {
      const Rule rule = *static_cast<const Rule*>(numbers);
      const auto measure = rule.template measure<V>();
      const V sign(rule.maximize ? T(-1) : T(1));
      DoubleSum<Arch, T> of_p, of_measured;
      L::each(n, [&](std::int64_t i, auto tag) {
        V s[kStates];
        load(state, i, tag, s);
        const V value = L::load(p + i, tag);
        const V measured = L::filled(measure(value, L::load(g + i, tag) * sign, s), tag);
        of_p.add_product(value, value);
        of_measured.add_product(measured, measured);
      });
      sums[0] += of_p.total();
      sums[1] += of_measured.total();
    }
  }

 private:
  template <class Tag>
  [[gnu::always_inline]] static void load(T* const* arrays, std::int64_t i, Tag tag, V* s) {
    unrolled<kStates>([&](int k) __attribute__((always_inline)) {
      s[k] = arrays[k] != nullptr ? L::load(arrays[k] + i, tag) : V(0);
    });
  }
};

template <class Arch, class T, class List>
struct RuleTable;
template <class Arch, class T, class... Rule>
struct RuleTable<Arch, T, OpList<Rule...>> {
  static constexpr decltype(&RuleLoops<Arch, T, SgdStep>::step) step[] = {&RuleLoops<Arch, T, Rule>::step...};
  static constexpr decltype(&RuleLoops<Arch, T, SgdStep>::add_squares) add_squares[] = {
      &RuleLoops<Arch, T, Rule>::add_squares...};
};

}  // namespace simd

template <class Arch, class T>
void OptimizerKernels<Arch, T>::step(std::size_t rule, const void* numbers, std::int64_t n, const T* g, T* p,
                                     T* const* state) {
  simd::RuleTable<Arch, T, OptimizerRules>::step[rule](numbers, n, g, p, state);
}

template <class Arch, class T>
void OptimizerKernels<Arch, T>::add_squares(std::size_t rule, const void* numbers, std::int64_t n, const T* g,
                                            const T* p, T* const* state, double* sums) {
  simd::RuleTable<Arch, T, OptimizerRules>::add_squares[rule](numbers, n, g, p, state, sums);
}

}  // namespace evenkeel::kernels
