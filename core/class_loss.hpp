#pragma once

#include "evenkeel/core/array.hpp"
#include "evenkeel/core/softmax.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace evenkeel {

// The values that losses over classes and their gradients consist of. Sample i = (n, s) has its classes at
// x[(n count + c) inner + s]; a target is its class, or ignore_index. For a target t
//   q_c w_c = ((1 - smoothing) [c = t] + smoothing / count) weights_c
// are the coefficients of its loss  -sum_c q_c w_c log p_c.

struct ClassLoss {
  std::int64_t count = 0, inner = 1;
  int dim = 0;                  ///< of the classes in the input
  std::vector<double> weights;  ///< one per class, or none: all are 1
  std::int64_t ignore_index = -100;
  double smoothing = 0;

  double weight(std::int64_t c) const { return weights.empty() ? 1 : weights[static_cast<std::size_t>(c)]; }
  double target_part(std::int64_t t) const { return (1 - smoothing) * weight(t); }
  double smooth_part(std::int64_t c) const { return smoothing / static_cast<double>(count) * weight(c); }
};

/// Throws in `op`'s name unless every target (int64) is a class or ignored: to be called before all below.
void check_targets(std::string_view op, const ClassLoss& k, const Array& target);

/// The sum of the weights of the targets that are not ignored.
double target_weight(const ClassLoss& k, const Array& target);

/// Every sample's loss in float64, of target's shape; 0 for ignored samples. A term of weight 0 is left out, so that a
/// log-probability of -inf there does no harm.
Array class_losses(const ClassLoss& k, const Array& log_p, const Array& target);
/// The same with log p_c = (x_c - largest) - log total, from logits and their statistics along k.dim.
Array class_losses(const ClassLoss& k, const Array& x, const SoftmaxStatistics& statistics, const Array& target);
/// Their sum, in the order of the samples.
double sum_of_losses(const Array& losses);

/// q_c w_c of every sample, in an array of the input's shape; 0 for ignored samples.
Array class_coefficients(const ClassLoss& k, const Array& target, const Shape& shape, DType dtype);

/// dx_c = g (p_c sum_j q_j w_j - q_c w_c) in one pass over the logits x, with g = scale dy of the sample, dy being one
/// number or one per sample; 0 for ignored samples.
Array cross_entropy_gradient(const ClassLoss& k, const Array& x, const SoftmaxStatistics& statistics,
                             const Array& target, const Array& dy, double scale);
/// dx_c = -g q_c w_c, likewise, in an array of the input's shape.
Array nll_gradient(const ClassLoss& k, const Array& target, const Array& dy, double scale, const Shape& shape);

/// How often each class is in its list: of lists (int64) of classes along the last dim, each up to its first -1, an
/// array of their shape. Throws in `op`'s name for a class out of range.
Array listed_classes(std::string_view op, const Array& lists, DType dtype);

}  // namespace evenkeel
