#pragma once

#include "evenkeel/core/kernels/elementwise/op_list.hpp"

#include <cstddef>

namespace evenkeel::kernels {

// One struct per rule: the numbers of one step of a parameter, with defaults under which they do nothing, and
// formula<V>(), which broadcasts them and returns f(p, d, s): the new values of p where the gradient is d. V is a SIMD
// batch of float or double; s are the rule's kStates arrays, which f updates in place; uses() says which of them these
// numbers need. What optim's classes say of weight decay and maximize has happened to p and d before, for every rule
// that has weight_decay. A new rule is its struct and one word in OptimizerRules.

/// The largest kStates.
inline constexpr std::size_t kMostStates = 3;

/// A number in every lane.
template <class V>
V lanes(double number) {
  return V(static_cast<typename V::value_type>(number));
}

/// optim::SGD. s: momentum buffer
struct SgdStep {
  static constexpr int kStates = 1;
  double lr = 0, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
  bool decoupled = false;
  bool maximize = false;
  bool first = false;  ///< the buffer has no value yet and becomes the gradient, undampened

  bool uses(int) const { return momentum != 0; }
  template <class V>
  auto formula() const {
    const V kept = lanes<V>(momentum), undampened = lanes<V>(1 - dampening), rate = lanes<V>(lr);
    return [ =, *this ](V p, V d, V * s) __attribute__((always_inline)) {
      if (momentum != 0) {
        s[0] = first ? d : fused(s[0], kept, undampened * d);
        d = nesterov ? V(d + kept * s[0]) : s[0];
      }
      return V(p - rate * d);
    };
  }
};

/// optim::Adam and AdamW. s: averages of the gradient and of its square, the largest of the latter
struct AdamStep {
  static constexpr int kStates = 3;
  double lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  double bias_correction1 = 1;       ///< 1 - beta1^step
  double root_bias_correction2 = 1;  ///< sqrt(1 - beta2^step)
  bool amsgrad = false;
  bool decoupled = false;  ///< AdamW: weight decay acts on the parameter, not on the gradient
  bool maximize = false;

  bool uses(int state) const { return state < 2 || amsgrad; }
  template <class V>
  auto formula() const {
    const V old1 = lanes<V>(beta1), new1 = lanes<V>(1 - beta1), old2 = lanes<V>(beta2), new2 = lanes<V>(1 - beta2);
    const V rate = lanes<V>(lr / bias_correction1), correction = lanes<V>(root_bias_correction2), more = lanes<V>(eps);
    return [ =, largest = amsgrad ](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = fused(s[0], old1, new1 * d);
      s[1] = fused(s[1], old2, new2 * d * d);
      V square = s[1];
      if (largest) {
        square = s[2] = max(s[2], square);
      }
      // eps stands outside the root and after the bias correction
      return V(p - rate * (s[0] / (sqrt(square) / correction + more)));
    };
  }
};

/// optim::NAdam. s: averages of the gradient and of its square
struct NAdamStep {
  static constexpr int kStates = 2;
  double lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  double gradient_rate = 0, mean_rate = 0;  ///< lr (1 - mu) / (1 - mu_product), lr mu_next / (1 - next mu_product)
  double bias_correction2 = 1;              ///< 1 - beta2^step
  double kept_number = 1;                   ///< mu_product after the step
  bool decoupled = false;
  bool maximize = false;

  bool uses(int) const { return true; }
  template <class V>
  auto formula() const {
    const V old1 = lanes<V>(beta1), new1 = lanes<V>(1 - beta1), old2 = lanes<V>(beta2), new2 = lanes<V>(1 - beta2);
    const V of_d = lanes<V>(gradient_rate), of_mean = lanes<V>(mean_rate);
    const V correction = lanes<V>(bias_correction2), more = lanes<V>(eps);
    return [=](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = fused(s[0], old1, new1 * d);
      s[1] = fused(s[1], old2, new2 * d * d);
      return V(p - fused(of_d, d, of_mean * s[0]) / (sqrt(s[1] / correction) + more));
    };
  }
};

/// optim::RAdam. s: averages of the gradient and of its square
struct RAdamStep {
  static constexpr int kStates = 2;
  double lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  double rate = 0;         ///< of the average of gradients, with its bias correction and, if rectified, with that
  bool rectified = false;  ///< the variance is known well enough to divide by it
  bool decoupled = false;
  bool maximize = false;

  bool uses(int) const { return true; }
  template <class V>
  auto formula() const {
    const V old1 = lanes<V>(beta1), new1 = lanes<V>(1 - beta1), old2 = lanes<V>(beta2), new2 = lanes<V>(1 - beta2);
    const V of_mean = lanes<V>(rate), more = lanes<V>(eps);
    return [ =, divides = rectified ](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = fused(s[0], old1, new1 * d);
      s[1] = fused(s[1], old2, new2 * d * d);
      V change = of_mean * s[0];
      if (divides) {
        change = change / (sqrt(s[1]) + more);
      }
      return V(p - change);
    };
  }
};

/// optim::Adamax. s: average of the gradient, its largest size, which fades
struct AdamaxStep {
  static constexpr int kStates = 2;
  double lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  double bias_correction1 = 1;  ///< 1 - beta1^step
  static constexpr bool decoupled = false;
  bool maximize = false;

  bool uses(int) const { return true; }
  template <class V>
  auto formula() const {
    const V old1 = lanes<V>(beta1), new1 = lanes<V>(1 - beta1), fading = lanes<V>(beta2);
    const V rate = lanes<V>(lr / bias_correction1), more = lanes<V>(eps);
    return [=](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = fused(s[0], old1, new1 * d);
      s[1] = max(fading * s[1], abs(d) + more);
      return V(p - rate * s[0] / s[1]);
    };
  }
};

/// optim::RMSprop. s: averages of the gradient's square and of the gradient, momentum buffer
struct RmsPropStep {
  static constexpr int kStates = 3;
  double lr = 0, alpha = 0, eps = 0, weight_decay = 0, momentum = 0;
  bool centered = false;
  static constexpr bool decoupled = false;
  bool maximize = false;

  bool uses(int state) const { return state == 0 || (state == 1 ? centered : momentum > 0); }
  template <class V>
  auto formula() const {
    const V old_part = lanes<V>(alpha), new_part = lanes<V>(1 - alpha), kept = lanes<V>(momentum);
    const V rate = lanes<V>(lr), more = lanes<V>(eps);
    return [ =, *this ](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = fused(s[0], old_part, new_part * d * d);
      V square = s[0];
      if (centered) {
        s[1] = fused(s[1], old_part, new_part * d);
        square = max(V(0), square - s[1] * s[1]);
      }
      V change = d / (sqrt(square) + more);
      if (momentum > 0) {
        change = s[2] = kept * s[2] + change;
      }
      return V(p - rate * change);
    };
  }
};

/// optim::Adagrad. s: sum of the gradient's squares
struct AdagradStep {
  static constexpr int kStates = 1;
  double lr = 0, eps = 0, weight_decay = 0;
  static constexpr bool decoupled = false;
  bool maximize = false;

  bool uses(int) const { return true; }
  template <class V>
  auto formula() const {
    const V rate = lanes<V>(lr), more = lanes<V>(eps);
    return [=](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = s[0] + d * d;
      return V(p - rate * d / (sqrt(s[0]) + more));
    };
  }
};

/// optim::Adadelta. s: averages of the gradient's square and of the change's
struct AdadeltaStep {
  static constexpr int kStates = 2;
  double lr = 0, rho = 0, eps = 0, weight_decay = 0;
  static constexpr bool decoupled = false;
  bool maximize = false;

  bool uses(int) const { return true; }
  template <class V>
  auto formula() const {
    const V old_part = lanes<V>(rho), new_part = lanes<V>(1 - rho), rate = lanes<V>(lr), more = lanes<V>(eps);
    return [=](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = fused(s[0], old_part, new_part * d * d);
      const V change = sqrt(s[1] + more) / sqrt(s[0] + more) * d;
      s[1] = fused(s[1], old_part, new_part * change * change);
      return V(p - rate * change);
    };
  }
};

/// optim::Lion. s: average of the gradient
struct LionStep {
  static constexpr int kStates = 1;
  double lr = 0, beta1 = 0, beta2 = 0, weight_decay = 0;
  static constexpr bool decoupled = true;
  bool maximize = false;

  bool uses(int) const { return true; }
  template <class V>
  auto formula() const {
    const V old1 = lanes<V>(beta1), new1 = lanes<V>(1 - beta1), old2 = lanes<V>(beta2), new2 = lanes<V>(1 - beta2);
    const V rate = lanes<V>(lr);
    return [=](V p, V d, V * s) __attribute__((always_inline)) {
      const V between = fused(s[0], old1, new1 * d);
      s[0] = fused(s[0], old2, new2 * d);
      return V(p - select(between > V(0), rate, select(between < V(0), V(-rate), V(0))));
    };
  }
};

/// training::AveragedModel: p is an average and d what it goes towards.
struct AverageStep {
  static constexpr int kStates = 1;
  double weight = 0;  ///< of d
  static constexpr bool maximize = false;

  bool uses(int) const { return false; }
  template <class V>
  auto formula() const {
    const V part = lanes<V>(weight);
    return [=](V p, V d, V*) __attribute__((always_inline)) { return fma(part, d - p, p); };
  }
};

// Rules whose rate depends on the 2-norms of a whole parameter and of measure<V>()'s f(p, d, s), where d is the
// gradient without weight decay: with_norms() puts them into the numbers.

/// optim::LARS. s: momentum buffer
struct LarsStep {
  static constexpr int kStates = 1;
  double lr = 0, momentum = 0, weight_decay = 0, trust_coefficient = 0, eps = 0;
  double rate = 0;  ///< lr, times the trust ratio if it adapts
  bool adapt = true;
  static constexpr bool decoupled = false;
  bool maximize = false;

  bool uses(int) const { return true; }
  LarsStep with_norms(double of_p, double of_gradient) const {
    LarsStep result = *this;
    if (adapt && of_p > 0 && of_gradient > 0) {
      result.rate = lr * trust_coefficient * of_p / (of_gradient + weight_decay * of_p + eps);
    }
    return result;
  }
  template <class V>
  auto measure() const {
    return [](V, V d, V*) __attribute__((always_inline)) { return d; };
  }
  template <class V>
  auto formula() const {
    const V kept = lanes<V>(momentum), now = lanes<V>(rate);
    return [=](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = fused(s[0], kept, now * d);
      return V(p - s[0]);
    };
  }
};

/// optim::LAMB. s: averages of the gradient and of its square
struct LambStep {
  static constexpr int kStates = 2;
  double lr = 0, beta1 = 0, beta2 = 0, eps = 0;
  double pull = 0;  ///< the weight decay, which is part of what is measured
  double bias_correction1 = 1, bias_correction2 = 1;
  double rate = 0;  ///< lr, times the trust ratio if it adapts
  bool adapt = true;
  bool maximize = false;

  bool uses(int) const { return true; }
  LambStep with_norms(double of_p, double of_change) const {
    LambStep result = *this;
    if (adapt && of_p > 0 && of_change > 0) {
      result.rate = lr * of_p / of_change;
    }
    return result;
  }
  /// The change at a rate of 1.
  template <class V>
  auto measure() const {
    const V old1 = lanes<V>(beta1), new1 = lanes<V>(1 - beta1), old2 = lanes<V>(beta2), new2 = lanes<V>(1 - beta2);
    const V correction1 = lanes<V>(bias_correction1), correction2 = lanes<V>(bias_correction2);
    const V more = lanes<V>(eps), decay = lanes<V>(pull);
    return [=](V p, V d, V * s) __attribute__((always_inline)) {
      s[0] = fused(s[0], old1, new1 * d);
      s[1] = fused(s[1], old2, new2 * d * d);
      return fused(decay, p, s[0] / correction1 / (sqrt(s[1] / correction2) + more));
    };
  }
  template <class V>
  auto formula() const {
    return [ change = measure<V>(), now = lanes<V>(rate) ](V p, V d, V * s) __attribute__((always_inline)) {
      return V(p - now * change(p, d, s));
    };
  }
};

using OptimizerRules = OpList<SgdStep, AdamStep, NAdamStep, RAdamStep, AdamaxStep, RmsPropStep, AdagradStep,
                              AdadeltaStep, LionStep, AverageStep, LarsStep, LambStep>;

/// Whether a rule's rate depends on norms.
template <class Rule>
concept LayerwiseRule = requires(const Rule& rule) {
  rule.with_norms(0.0, 0.0);
};

}  // namespace evenkeel::kernels
