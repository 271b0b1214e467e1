#include "evenkeel/autograd/ops/loss.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/class_loss.hpp"
#include "evenkeel/core/loss.hpp"

#include <limits>

namespace evenkeel {
namespace {

Tensor reduced(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return losses;
    case Reduction::sum:
      return sum(losses);
    default:
      return mean(losses);
  }
}

/// factor x, both broadcast, but 0 where the factor is exactly 0 and x infinite: what has no weight adds nothing.
Tensor weighted(const Tensor& factor, const Tensor& x) {
  const Tensor zero = constant(0, x), infinite = eq(abs(x), constant(std::numeric_limits<double>::infinity(), x));
  return factor * where(infinite, where(eq(factor, zero), zero, x), x);
}

/// As in PyTorch, and so that no loss has another dtype than its input.
void check_weight_dtype(std::string_view op, std::string_view name, const Tensor& weight, const Tensor& input) {
  require<DtypeError>(!weight.defined() || weight.dtype() == input.dtype(), op, name, " must be ", input.dtype(),
                      ", as the input, got ", weight.defined() ? weight.dtype() : input.dtype());
}

ClassLoss classes_of(std::string_view op, const Tensor& input, const Tensor& weight) {
  check_float(op, input);
  require<ShapeError>(input.rank() >= 1, op, "the input must be of shape (C), (N, C) or (N, C, d1, ...), got ",
                      input.shape());
  ClassLoss k;
  k.dim = input.rank() == 1 ? 0 : 1;
  k.count = input.size(k.dim);
  for (int d = k.dim + 1; d < input.rank(); ++d) {
    k.inner *= input.size(d);
  }
  if (weight.defined()) {
    check_float(op, weight);
    require<ShapeError>(weight.shape() == Shape{k.count}, op, "weight must be of shape [", k.count,
                        "], one number per class, got ", weight.shape());
    check_weight_dtype(op, "weight", weight, input);
    k.weights = weight.array().to(DType::float64).to_vector<double>();
  }
  return k;
}

/// Checks class indices before any of them is used to address memory.
void check_indices(std::string_view op, const ClassLoss& k, const Tensor& input, const Tensor& target) {
  require<DtypeError>(target.dtype() == DType::int64, op, "the target must hold int64 class indices, got ",
                      target.dtype(), " of shape ", target.shape());
  Shape samples = input.shape();
  samples.erase(k.dim);
  require<ShapeError>(target.shape() == samples, op, "the target must have shape ", samples,
                      " (the input's without its class axis), got ", target.shape());
  check_targets(op, k, target.array());
}

/// The losses of all samples, reduced; the mean divides by the weights of the targets that are not ignored.
Array reduced(const ClassLoss& k, const Array& losses, const Array& target, Reduction reduction, DType dtype) {
  if (reduction == Reduction::none) {
    return losses.to(dtype);
  }
  const double total = sum_of_losses(losses);
  return Array::full({}, reduction == Reduction::sum ? total : total / target_weight(k, target), dtype);
}

/// What the reduction multiplies dy with. With every target ignored the mean is NaN, but the gradient is 0.
double gradient_scale(const ClassLoss& k, const Array& target, Reduction reduction) {
  if (reduction != Reduction::mean) {
    return 1;
  }
  const double total = target_weight(k, target);
  return total == 0 ? 0 : 1 / total;
}

/// dy as one gradient per sample (or one for all), broadcast over the classes.
Tensor sample_gradient(const ClassLoss& k, const Array& target, Reduction reduction, const Tensor& dy) {
  return reduction == Reduction::none ? unsqueeze(dy, k.dim) : dy * gradient_scale(k, target, reduction);
}

/// loss = -sum_c q_c w_c log softmax(x)_c with class probabilities q, in differentiable ops. A class of probability 0
/// adds nothing, even where the logit is -inf.
Tensor cross_entropy_probabilities(const Tensor& input, const Tensor& target, const ClassLoss& k,
                                   const CrossEntropyOptions& options) {
  require<DtypeError>(target.dtype() == input.dtype(), "cross_entropy", "target probabilities must be ", input.dtype(),
                      ", as the input, got ", target.dtype());
  require(options.ignore_index < 0, "cross_entropy", "ignore_index must be negative beside target probabilities, got ",
          options.ignore_index);
  Tensor q = target;
  if (k.smoothing > 0) {
    q = target * (1 - k.smoothing) + k.smoothing / static_cast<double>(k.count);
  }
  if (options.weight.defined()) {
    Shape per_class = Shape::filled(input.rank(), 1);
    per_class[k.dim] = k.count;
    q = q * Tensor(options.weight.array().to(input.dtype()).reshape(per_class));
  }
  return reduced(-sum(weighted(q, log_softmax(input, k.dim)), {k.dim}), options.reduction);
}

}  // namespace

Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyOptions& options) {
  ClassLoss k = classes_of("cross_entropy", input, options.weight);
  require(target.defined(), "cross_entropy", "got an undefined target");
  require(options.label_smoothing >= 0 && options.label_smoothing <= 1, "cross_entropy",
          "label_smoothing must lie in [0, 1], got ", options.label_smoothing);
  k.ignore_index = options.ignore_index;
  k.smoothing = options.label_smoothing;
  if (is_floating(target.dtype()) && target.shape() == input.shape()) {
    return cross_entropy_probabilities(input, target, k, options);
  }
  check_indices("cross_entropy", k, input, target);
  const SoftmaxStatistics statistics = softmax_statistics(input.array(), k.dim);
  const Array losses = class_losses(k, input.array(), statistics, target.array());
  const Keep keep = Keep::inputs(2) | Keep::extra(statistics.largest, statistics.total);
  return record({.name = "cross_entropy", .inputs = {input, target}, .keep = keep},
                reduced(k, losses, target.array(), options.reduction, input.dtype()),
                [k, reduction = options.reduction](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor x = saved.input(0);
                  const Array t = saved.input(1).array();
                  if (!grad_enabled()) {
                    const SoftmaxStatistics of_x{saved.extra(0), saved.extra(1)};
                    const double scale = gradient_scale(k, t, reduction);
                    return {Tensor(cross_entropy_gradient(k, x.array(), of_x, t, dy.array(), scale)), Tensor()};
                  }
                  const Tensor q(class_coefficients(k, t, x.shape(), x.dtype())), all = sum(q, {k.dim}, true);
                  return {sample_gradient(k, t, reduction, dy) * (all * softmax(x, k.dim) - q), Tensor()};
                });
}

/// dx_c = -dy weight_c [c = target]
Tensor nll_loss(const Tensor& input, const Tensor& target, const NllOptions& options) {
  ClassLoss k = classes_of("nll_loss", input, options.weight);
  require(target.defined(), "nll_loss", "got an undefined target");
  k.ignore_index = options.ignore_index;
  check_indices("nll_loss", k, input, target);
  const Array losses = class_losses(k, input.array(), target.array());
  return record(
      {.name = "nll_loss", .inputs = {input, target}, .keep = Keep::input(1)},
      reduced(k, losses, target.array(), options.reduction, input.dtype()),
      [k, reduction = options.reduction, shape = input.shape()](const Saved& saved, const Tensor& dy) -> Grads {
        const Array t = saved.input(1).array();
        if (!grad_enabled()) {
          const double scale = gradient_scale(k, t, reduction);
          return {Tensor(nll_gradient(k, t, dy.array(), scale, shape)), Tensor()};
        }
        const Tensor q(class_coefficients(k, t, shape, dy.dtype()));
        return {-(sample_gradient(k, t, reduction, dy) * q), Tensor()};
      });
}

namespace {
void check_pair(std::string_view op, const Tensor& input, const Tensor& target) {
  check_float(op, input);
  check_float(op, target);
  require<ShapeError>(input.shape() == target.shape(), op, "input and target must have one shape, got ", input.shape(),
                      " and ", target.shape());
  require<DtypeError>(input.dtype() == target.dtype(), op, "input and target must have one dtype, got ", input.dtype(),
                      " and ", target.dtype());
}

/// dx in differentiable ops; a: the loss's number.
using LossTwin = Tensor (*)(const Tensor& x, const Tensor& t, const Tensor& dy, double a);

/// loss = F::f(x, t) of every element, reduced;  dx = dy F::df(x, t),  dt = -dx, or -dy x for the one loss that is no
/// function of x - t. `twin` is the same dx in differentiable ops.
template <class F>
Tensor elementwise_loss(const Tensor& input, const Tensor& target, Reduction reduction, LossTwin twin, double a = 0) {
  check_pair(F::kName, input, target);
  const double divisor = reduction == Reduction::mean ? static_cast<double>(input.numel()) : 1;
  Array loss = reduction == Reduction::none
                   ? loss_values<F>(input.array(), target.array(), a)
                   : Array::full({}, loss_sum<F>(input.array(), target.array(), a) / divisor, input.dtype());
  return record({.name = F::kName, .inputs = {input, target}, .keep = Keep::inputs(2)}, std::move(loss),
                [=](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor x = saved.input(0), t = saved.input(1), g = divisor == 1 ? dy : dy / divisor;
                  const Tensor dx =
                      grad_enabled() ? twin(x, t, g, a) : Tensor(loss_gradient<F>(g.array(), x.array(), t.array(), a));
                  if (!saved.needs(1)) {
                    return {dx, Tensor()};
                  }
                  return {dx, F::kOfDifference ? -dx : -weighted(g, x)};
                });
}

/// dy sign(x - t)
Tensor absolute_twin(const Tensor& x, const Tensor& t, const Tensor& dy, double) {
  const Tensor zero = constant(0, x);
  return where(gt(x, t), dy, where(lt(x, t), -dy, zero));
}
}  // namespace

/// loss = d^2,  d = input - target
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return elementwise_loss<kernels::SquaredError>(
      input, target, reduction,
      [](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return dy * ((x - t) * 2); });
}

/// loss = |d|
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return elementwise_loss<kernels::AbsoluteError>(input, target, reduction, absolute_twin);
}

/// loss = d^2 / (2 beta) where |d| < beta, else |d| - beta / 2;  the second derivative at d = 0 is 1 / beta
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, Reduction reduction, double beta) {
  require(beta >= 0, "smooth_l1_loss", "beta must be at least 0, got ", beta);
  return elementwise_loss<kernels::SmoothAbsoluteError>(
      input, target, reduction,
      [](const Tensor& x, const Tensor& t, const Tensor& dy, double a) {
        if (a == 0) {
          return absolute_twin(x, t, dy, a);
        }
        const Tensor d = x - t;
        return where(lt(abs(d), constant(a, d)), dy * (d / a), absolute_twin(x, t, dy, a));
      },
      beta);
}

namespace {
/// -log s(x) = softplus(-x) and -log(1 - s(x)) = softplus(x), whose sum of two terms of one sign does not cancel.
Tensor weighted_logistic_losses(const Tensor& x, const Tensor& target, const Tensor& pos_weight) {
  const double threshold = 40;  // from here on log(1 + exp x) is x in float64
  return weighted(pos_weight, weighted(target, softplus(-x, 1, threshold))) +
         weighted(1 - target, softplus(x, 1, threshold));
}
}  // namespace

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const BceOptions& options) {
  const std::string_view op = "binary_cross_entropy_with_logits";
  check_pair(op, input, target);
  check_weight_dtype(op, "weight", options.weight, input);
  check_weight_dtype(op, "pos_weight", options.pos_weight, input);
  const bool has_weight = options.weight.defined();
  Tensor losses;
  if (options.pos_weight.defined()) {
    losses = weighted_logistic_losses(input, target, options.pos_weight);
  } else {
    losses = elementwise_loss<kernels::LogisticCrossEntropy>(
        input, target, has_weight ? Reduction::none : options.reduction,
        [](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return dy * (sigmoid(x) - t); });
    if (!has_weight) {
      return losses;
    }
  }
  if (has_weight) {
    losses = weighted(options.weight, losses);
  }
  require<ShapeError>(losses.shape() == input.shape(), op, "weight and pos_weight must broadcast to ", input.shape());
  return reduced(losses, options.reduction);
}

}  // namespace evenkeel
