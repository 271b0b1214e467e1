#include "evenkeel/autograd/ops/loss_elementwise.hpp"

#include "evenkeel/autograd/ops/loss_parts.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/loss.hpp"
#include "evenkeel/core/reduce.hpp"

#include <cmath>
#include <numbers>

namespace evenkeel {
namespace {

/// dx or dt in differentiable ops; a: the loss's number.
using LossTwin = Tensor (*)(const Tensor& x, const Tensor& t, const Tensor& dy, double a);

/// What differentiates a loss. No `dt`: the loss is a function of x - t, so that dt = -dx.
struct LossTwins {
  LossTwin dx;
  LossTwin dt = nullptr;
};

/// loss = F::f(x, t) of every element, reduced;  dx = dy F::df(x, t), by its twin where that is to be differentiated.
template <class F>
Tensor elementwise_loss(const Tensor& input, const Tensor& target, Reduction reduction, LossTwins twins, double a = 0) {
  check_pair(F::kName, input, target);
  const double divisor = divisor_of(input.shape(), reduction);
  Array loss = reduction == Reduction::none
                   ? loss_values<F>(input.array(), target.array(), a)
                   : Array::full({}, loss_sum<F>(input.array(), target.array(), a) / divisor, input.dtype());
  return record({.name = F::kName, .inputs = {input, target}, .keep = Keep::inputs(2)}, std::move(loss),
                [=](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor x = saved.input(0), t = saved.input(1), g = divisor == 1 ? dy : dy / divisor;
                  const Tensor dx = grad_enabled() ? twins.dx(x, t, g, a)
                                                   : Tensor(loss_gradient<F>(g.array(), x.array(), t.array(), a));
                  if (!saved.needs(1)) {
                    return {dx, Tensor()};
                  }
                  return {dx, twins.dt == nullptr ? -dx : twins.dt(x, t, g, a)};
                });
}

/// dy sign(x - t)
Tensor absolute_twin(const Tensor& x, const Tensor& t, const Tensor& dy, double) {
  const Tensor zero = constant(0, x);
  return where(gt(x, t), dy, where(lt(x, t), -dy, zero));
}

/// The losses of all elements times their weights, if there are some, which broadcast to them.
Tensor weighed(std::string_view op, const Tensor& weight, const Tensor& losses) {
  check_weight_dtype(op, "weight", weight, losses);
  Tensor all = weight.defined() ? weighted(weight, losses) : losses;
  require<ShapeError>(all.shape() == losses.shape(), op, "weight must broadcast to ", losses.shape(), ", got ",
                      weight.defined() ? weight.shape() : Shape{});
  return all;
}

/// errors(reduction), or with weights of the input's shape, by whose sum the mean divides then.
template <class Errors>
Tensor weighted_mean(std::string_view op, const Tensor& weight, Reduction reduction, const Errors& errors) {
  if (!weight.defined()) {
    return errors(reduction);
  }
  const Tensor each = errors(Reduction::none);
  check_weight_dtype(op, "weight", weight, each);
  require<ShapeError>(weight.shape() == each.shape(), op, "Weights and input must have the same size, got ",
                      weight.shape(), " and ", each.shape());
  const Tensor all = weighted(weight, each);
  return reduction == Reduction::mean ? sum(all) / sum(weight) : reduced(all, reduction);
}

}  // namespace

/// loss = d^2,  d = input - target
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction, const Tensor& weight) {
  return weighted_mean("mse_loss", weight, reduction, [&](Reduction first) {
    return elementwise_loss<kernels::SquaredError>(
        input, target, first,
        {[](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return dy * ((x - t) * 2); }});
  });
}

/// loss = |d|
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction, const Tensor& weight) {
  return weighted_mean("l1_loss", weight, reduction, [&](Reduction first) {
    return elementwise_loss<kernels::AbsoluteError>(input, target, first, {absolute_twin});
  });
}

/// loss = d^2 / (2 beta) where |d| < beta, else |d| - beta / 2;  the second derivative at d = 0 is 1 / beta
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, Reduction reduction, double beta) {
  require(beta >= 0, "smooth_l1_loss", "beta must be at least 0, got ", beta);
  return elementwise_loss<kernels::SmoothAbsoluteError>(
      input, target, reduction, {[](const Tensor& x, const Tensor& t, const Tensor& dy, double a) {
        if (a == 0) {
          return absolute_twin(x, t, dy, a);
        }
        const Tensor d = x - t;
        return where(lt(abs(d), constant(a, d)), dy * (d / a), absolute_twin(x, t, dy, a));
      }},
      beta);
}

/// loss = d^2 / 2 where |d| < delta, else delta (|d| - delta / 2)
Tensor huber_loss(const Tensor& input, const Tensor& target, Reduction reduction, double delta, const Tensor& weight) {
  require(delta > 0, "huber_loss", "delta must be positive, got ", delta);
  const Tensor losses = elementwise_loss<kernels::HuberError>(
      input, target, weight.defined() ? Reduction::none : reduction,
      {[](const Tensor& x, const Tensor& t, const Tensor& dy, double a) {
        const Tensor d = x - t;
        return where(lt(abs(d), constant(a, d)), dy * d, absolute_twin(x, t, dy * a, a));
      }},
      delta);
  return weight.defined() ? reduced(weighed("huber_loss", weight, losses), reduction) : losses;
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
        {.dx = [](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return dy * (sigmoid(x) - t); },
         .dt = [](const Tensor& x, const Tensor&, const Tensor& dy, double) { return -weighted(dy, x); }});
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

Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const WeightedLossOptions& options) {
  const std::string_view op = "multilabel_soft_margin_loss";
  check_pair(op, input, target);
  require<ShapeError>(input.rank() >= 1, op, "the input must have a dim of classes, got shape ", input.shape());
  const Tensor losses = binary_cross_entropy_with_logits(input, target, {.reduction = Reduction::none});
  return reduced(mean(weighed(op, options.weight, losses), {-1}), options.reduction);
}

namespace {
/// Throws unless all of x lies in [0, 1]; NaN does not.
void check_probabilities(std::string_view op, std::string_view name, const Array& x) {
  if (x.numel() > 0) {
    const double least = amin(x).item(), most = amax(x).item();
    require(least >= 0 && most <= 1, op, "all elements of ", name, " must lie in [0, 1], got ",
            least >= 0 ? most : least);
  }
}
}  // namespace

/// dt = dy (log(1 - x) - log x)
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const WeightedLossOptions& options) {
  const std::string_view op = "binary_cross_entropy";
  check_pair(op, input, target);
  check_probabilities(op, "the input", input.array());
  check_probabilities(op, "the target", target.array());
  const Reduction first = options.weight.defined() ? Reduction::none : options.reduction;
  const Tensor losses = elementwise_loss<kernels::BinaryCrossEntropy>(
      input, target, first,
      {.dx = [](const Tensor& x, const Tensor& t, const Tensor& dy,
                double) { return dy * (x - t) / at_least((1 - x) * x, 1e-12f); },
       .dt = [](const Tensor& x, const Tensor&, const Tensor& dy, double) { return dy * (log(1 - x) - log(x)); }});
  return options.weight.defined() ? reduced(weighed(op, options.weight, losses), options.reduction) : losses;
}

/// dx = -dy t,  dt = dy (log t + 1 - x);  log_target: dx = -dy exp t,  dt = dy exp t (t + 1 - x)
Tensor kl_div(const Tensor& input, const Tensor& target, const KlDivOptions& options) {
  if (options.log_target) {
    return elementwise_loss<kernels::LogKlDivergence>(
        input, target, options.reduction,
        {.dx = [](const Tensor&, const Tensor& t, const Tensor& dy, double) { return -(dy * exp(t)); },
         .dt = [](const Tensor& x, const Tensor& t, const Tensor& dy,
                  double) { return weighted(dy * exp(t), t + 1 - x); }});
  }
  return elementwise_loss<kernels::KlDivergence>(
      input, target, options.reduction,
      {.dx = [](const Tensor&, const Tensor& t, const Tensor& dy, double) { return -(dy * t); },
       .dt = [](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return dy * (log(t) + 1 - x); }});
}

/// dx = -dy t s(-t x),  dt = -dy x s(-t x)
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return elementwise_loss<kernels::SoftMargin>(
      input, target, reduction,
      {.dx = [](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return -(dy * t * sigmoid(-(t * x))); },
       .dt = [](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return -(dy * x * sigmoid(-(t * x))); }});
}

namespace {
/// t log t - t + log(2 pi t) / 2 where t > 1, else 0: log t! but for less than 0.09.
Tensor stirling(const Tensor& t) {
  const Tensor one = constant(1, t), above = gt(t, one), safe = where(above, t, one);
  return where(above, safe * log(safe) - safe + log(safe * (2 * std::numbers::pi)) * 0.5, constant(0, t));
}
}  // namespace

Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNllOptions& options) {
  const Reduction first = options.full ? Reduction::none : options.reduction;
  const Tensor losses =
      options.log_input
          ? elementwise_loss<kernels::LogPoisson>(
                input, target, first,
                {.dx = [](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return dy * (exp(x) - t); },
                 .dt = [](const Tensor& x, const Tensor&, const Tensor& dy, double) { return -(dy * x); }})
          : elementwise_loss<kernels::Poisson>(
                input, target, first,
                {.dx = [](const Tensor& x, const Tensor& t, const Tensor& dy,
                          double a) { return dy * (1 - t / (x + a)); },
                 .dt = [](const Tensor& x, const Tensor&, const Tensor& dy, double a) { return -(dy * log(x + a)); }},
                options.eps);
  return options.full ? reduced(losses + stirling(target), options.reduction) : losses;
}

namespace {
/// `var` so that it broadcasts to the input's shape in the ways that gaussian_nll_loss takes.
Tensor checked_variance(const Tensor& input, const Tensor& var) {
  check_float("gaussian_nll_loss", var);
  check_weight_dtype("gaussian_nll_loss", "var", var, input);
  require(var.numel() == 0 || !(amin(var.array()).item() < 0), "gaussian_nll_loss", "var has negative entry/entries");
  const Shape& shape = input.shape();
  bool fits = var.rank() == shape.rank();
  int others = 0;
  for (int d = 0; fits && d < shape.rank(); ++d) {
    others += var.size(d) != shape[d] ? 1 : 0;
    fits = var.size(d) == shape[d] || var.size(d) == 1;
  }
  if (fits && others <= 1) {
    return var;
  }
  Shape without_last = shape;
  if (!without_last.empty()) {
    without_last.erase(shape.rank() - 1);
  }
  require<ShapeError>(!shape.empty() && var.shape() == without_last, "gaussian_nll_loss",
                      "var is of incorrect size: it must have the shape ", shape,
                      " with at most one size replaced by 1, or without the last, got ", var.shape());
  return unsqueeze(var, -1);
}

/// max(var, eps), with the gradient of var itself everywhere.
Tensor floored(const Tensor& var, double eps) {
  return record({.name = "gaussian_nll_loss", .inputs = {var}},
                map<kernels::Clamp>(var.array(), {.a = eps, .b = std::numeric_limits<double>::infinity()}),
                [](const Saved&, const Tensor& dy) -> Grads { return {dy}; });
}
}  // namespace

Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var,
                         const GaussianNllOptions& options) {
  check_pair("gaussian_nll_loss", input, target);
  require(options.eps >= 0, "gaussian_nll_loss", "eps must be at least 0, got ", options.eps);
  const Tensor v = floored(checked_variance(input, var), options.eps);
  Tensor losses = (log(v) + square(input - target) / v) * 0.5;
  if (options.full) {
    losses = losses + 0.5 * std::log(2 * std::numbers::pi);
  }
  return reduced(losses, options.reduction);
}

Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, double var, const GaussianNllOptions& options) {
  check_float("gaussian_nll_loss", input);
  return gaussian_nll_loss(input, target, expand(constant(var, input), input.shape()), options);
}

}  // namespace evenkeel
