#pragma once

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/loss_elementwise.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"

#include <limits>
#include <string_view>

namespace evenkeel {

// What the losses of autograd/ops/loss*.cpp share.

/// What the sum of losses of this shape is divided by.
inline double divisor_of(const Shape& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::mean:
      return static_cast<double>(numel(losses));
    case Reduction::batchmean:
      return losses.empty() ? 1 : static_cast<double>(losses[0]);
    default:
      return 1;
  }
}

inline Tensor reduced(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return losses;
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
    default:
      return sum(losses) / divisor_of(losses.shape(), reduction);
  }
}

/// factor x, both broadcast, but 0 where the factor is exactly 0 and x infinite: what has no weight adds nothing.
inline Tensor weighted(const Tensor& factor, const Tensor& x) {
  const Tensor zero = constant(0, x), infinite = eq(abs(x), constant(std::numeric_limits<double>::infinity(), x));
  return factor * where(infinite, where(eq(factor, zero), zero, x), x);
}

/// max(x, low), with the whole gradient where both are equal.
inline Tensor at_least(const Tensor& x, double low) { return clamp(x, low, std::numeric_limits<double>::infinity()); }

/// Two tensors of a loss that must be alike, by their names.
inline void check_pair(std::string_view op, const Tensor& input, const Tensor& target,
                       std::string_view names = "input and target") {
  check_float(op, input);
  check_float(op, target);
  require<ShapeError>(input.shape() == target.shape(), op, names, " must have one shape, got ", input.shape(), " and ",
                      target.shape());
  require<DtypeError>(input.dtype() == target.dtype(), op, names, " must have one dtype, got ", input.dtype(), " and ",
                      target.dtype());
}

/// As in PyTorch, and so that no loss has another dtype than its input.
inline void check_weight_dtype(std::string_view op, std::string_view name, const Tensor& weight, const Tensor& input) {
  require<DtypeError>(!weight.defined() || weight.dtype() == input.dtype(), op, name, " must be ", input.dtype(),
                      ", as the input, got ", weight.defined() ? weight.dtype() : input.dtype());
}

}  // namespace evenkeel
