#include "evenkeel/autograd/ops/loss.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/loss.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/reduce.hpp"
#include "evenkeel/core/softmax.hpp"

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace evenkeel {
namespace {

void check_float(std::string_view op, const Tensor& x) {
  require(x.defined(), op, "got an undefined tensor");
  require(is_floating(x.dtype()), op, "expected float32 or float64, got ", x.dtype());
}

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

/// What a loss over classes needs beside its tensors. Sample i = (n, s) has its classes at input[(n C + c) inner + s].
struct Classes {
  std::int64_t batch = 1, count = 0, inner = 1;
  int dim = 0;                  ///< of the classes in the input
  Shape samples;                ///< the input's shape without dim
  std::vector<double> weights;  ///< one per class, or none: all are 1
  std::int64_t ignore_index = -100;
  double smoothing = 0;
  Reduction reduction = Reduction::mean;

  std::int64_t first(std::int64_t sample) const { return sample / inner * count * inner + sample % inner; }
  double weight(std::int64_t c) const { return weights.empty() ? 1 : weights[static_cast<std::size_t>(c)]; }
  double weight_sum() const {
    return weights.empty() ? static_cast<double>(count) : std::accumulate(weights.begin(), weights.end(), 0.0);
  }
  double target_part(std::int64_t t) const { return (1 - smoothing) * weight(t); }
  double smooth_part(std::int64_t c) const { return smoothing / static_cast<double>(count) * weight(c); }
};

Classes classes_of(std::string_view op, const Tensor& input, const Tensor& weight) {
  check_float(op, input);
  require(input.rank() >= 1, op, "expected input of shape (C), (N, C) or (N, C, d1, ...), got ", input.shape());
  Classes k;
  k.dim = input.rank() == 1 ? 0 : 1;
  k.batch = k.dim == 0 ? 1 : input.size(0);
  k.count = input.size(k.dim);
  k.samples = input.shape();
  k.samples.erase(k.dim);
  for (int d = k.dim + 1; d < input.rank(); ++d) {
    k.inner *= input.size(d);
  }
  if (weight.defined()) {
    check_float(op, weight);
    require(weight.shape() == Shape{k.count}, op, "weight tensor should be defined either for all ", k.count,
            " classes or no classes but got weight tensor of shape ", weight.shape());
    k.weights = weight.array().to(DType::float64).to_vector<double>();
  }
  return k;
}

/// Checks class indices before any of them is used to address memory.
void check_targets(std::string_view op, const Classes& k, const Tensor& target) {
  require(target.dtype() == DType::int64, op, "expected an int64 target of class indices, got ", target.dtype(),
          " of shape ", target.shape());
  require(target.shape() == k.samples, op, "target has shape ", target.shape(), ", expected ", k.samples,
          " (the input's without its class axis)");
  const Array indices = target.array().contiguous();
  for (std::int64_t i = 0; i < indices.numel(); ++i) {
    const std::int64_t t = indices.data<std::int64_t>()[i];
    require(t == k.ignore_index || (t >= 0 && t < k.count), op, "Target ", t, " is out of bounds: target number ", i,
            ", ", k.count, " classes");
  }
}

/// The divisor of the mean: the weights of the targets that are not ignored.
double kept_weight(const Classes& k, const Array& target) {
  double total = 0;
  for (const std::int64_t t : target.span<std::int64_t>()) {
    total += t == k.ignore_index ? 0 : k.weight(t);
  }
  return total;
}

/// log p_c = (x_c - largest) - log total, with numbers of the sample.
template <class T>
struct LogProbabilities {
  const T* x;
  const T* largest = nullptr;  ///< these three are null if x holds log-probabilities
  const double* total = nullptr;
  const T* sum = nullptr;  ///< of x over the classes; or null
};

/// -sum_c q_c w_c log p_c; q is the smoothed one-hot target t. A term of weight 0 is left out, so that a
/// log-probability of -inf there does no harm.
template <class T>
double class_loss(const Classes& k, const LogProbabilities<T>& p, std::int64_t sample, std::int64_t t) {
  const T* row = p.x + k.first(sample);
  const double largest = p.largest == nullptr ? 0 : static_cast<double>(p.largest[sample]);
  const double log_total = p.total == nullptr ? 0 : std::log(p.total[sample]);
  const auto term = [&](double factor, std::int64_t c) {
    return factor == 0 ? 0 : factor * ((static_cast<double>(row[c * k.inner]) - largest) - log_total);
  };
  double loss = -term(k.target_part(t), t);
  if (k.smoothing > 0 && p.sum != nullptr) {
    const double n = static_cast<double>(k.count);
    return loss - k.smoothing * ((static_cast<double>(p.sum[sample]) / n - largest) - log_total);
  }
  for (std::int64_t c = 0; k.smoothing > 0 && c < k.count; ++c) {
    loss -= term(k.smooth_part(c), c);
  }
  return loss;
}

/// The losses of all samples, reduced.
template <class T>
Array class_losses(const Classes& k, const LogProbabilities<T>& p, const Array& target) {
  const std::int64_t* t = target.data<std::int64_t>();
  Array losses = Array::empty(k.samples, DType::float64);
  double* loss = losses.mutable_data<double>();
  parallel_for(0, target.numel(), 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      loss[i] = t[i] == k.ignore_index ? 0 : class_loss(k, p, i, t[i]);
    }
  });
  if (k.reduction == Reduction::none) {
    return losses.to(dtype_of<T>);
  }
  const double total = std::accumulate(loss, loss + target.numel(), 0.0);
  return Array::full({}, k.reduction == Reduction::sum ? total : total / kept_weight(k, target), dtype_of<T>);
}

/// What the reduction multiplies dy with. With every target ignored the mean is NaN, but the gradient is 0.
double gradient_scale(const Classes& k, const Array& target) {
  if (k.reduction != Reduction::mean) {
    return 1;
  }
  const double total = kept_weight(k, target);
  return total == 0 ? 0 : 1 / total;
}

/// dy as one gradient per sample (or one for all), broadcast over the classes.
Tensor sample_gradient(const Classes& k, const Array& target, const Tensor& dy) {
  return k.reduction == Reduction::none ? unsqueeze(dy, k.dim) : dy * gradient_scale(k, target);
}

/// q_c w_c of every sample, in the input's layout; 0 for ignored samples.
template <class T>
Array coefficients(const Classes& k, const Array& target, const Shape& shape) {
  Array result = Array::zeros(shape, dtype_of<T>);
  T* y = result.mutable_data<T>();
  const std::int64_t* t = target.data<std::int64_t>();
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    if (t[i] == k.ignore_index) {
      continue;
    }
    for (std::int64_t c = 0; k.smoothing > 0 && c < k.count; ++c) {
      y[k.first(i) + c * k.inner] = static_cast<T>(k.smooth_part(c));
    }
    y[k.first(i) + t[i] * k.inner] += static_cast<T>(k.target_part(t[i]));
  }
  return result;
}

Tensor coefficients(const Classes& k, const Array& target, const Tensor& like) {
  return dispatch_float(like.dtype(), "cross_entropy",
                        [&]<class T>() { return Tensor(coefficients<T>(k, target, like.shape())); });
}

/// dy of every sample's loss, in float64; 0 for ignored samples.
template <class T>
Array sample_gradients(const Classes& k, const Array& target, const Array& dy) {
  const double scale = gradient_scale(k, target);
  const std::int64_t* t = target.data<std::int64_t>();
  const T* upstream = dy.data<T>();
  Array gradients = Array::empty({target.numel()}, DType::float64);
  double* g = gradients.mutable_data<double>();
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    g[i] = t[i] == k.ignore_index ? 0 : scale * static_cast<double>(upstream[k.reduction == Reduction::none ? i : 0]);
  }
  return gradients;
}

/// dx -= dy q w: at the target, and where classes have weights of their own at the smoothed ones.
template <class T>
void subtract_targets(const Classes& k, const Array& target, const Array& gradients, Array& dx) {
  const std::int64_t* t = target.data<std::int64_t>();
  const double* g = gradients.data<double>();
  T* first = dx.mutable_data<T>();
  parallel_for(0, target.numel(), 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (t[i] == k.ignore_index) {
        continue;
      }
      const auto subtract = [&, row = first + k.first(i)](std::int64_t c, double part) {
        row[c * k.inner] = static_cast<T>(static_cast<double>(row[c * k.inner]) - g[i] * part);
      };
      subtract(t[i], k.target_part(t[i]));
      for (std::int64_t c = 0; k.smoothing > 0 && !k.weights.empty() && c < k.count; ++c) {
        subtract(c, k.smooth_part(c));
      }
    }
  });
}

template <class T>
void clear_ignored(const Classes& k, const Array& target, Array& dx) {
  T* x = dx.mutable_data<T>();
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    for (std::int64_t c = 0; target.data<std::int64_t>()[i] == k.ignore_index && c < k.count; ++c) {
      x[k.first(i) + c * k.inner] = 0;
    }
  }
}

/// dx_c = dy (p_c sum_j q_j w_j - q_c w_c) in one pass over x:  p_c = exp(x_c - largest) / total
template <class T>
Array cross_entropy_gradient(const Classes& k, const Array& x, const SoftmaxStatistics& statistics, const Array& target,
                             const Array& dy) {
  const double smooth = k.smoothing / static_cast<double>(k.count), all_smooth = smooth * k.weight_sum();
  const std::int64_t n = target.numel();
  const std::int64_t* t = target.data<std::int64_t>();
  const double* total = statistics.total.data<double>();
  const Array gradients = sample_gradients<T>(k, target, dy);
  const double* g = gradients.data<double>();
  Array scale = Array::empty({n}, x.dtype()), shift = Array::empty({n}, x.dtype());
  T* factor = scale.mutable_data<T>();
  T* less = shift.mutable_data<T>();
  bool ignored_nan = false;
  for (std::int64_t i = 0; i < n; ++i) {
    const bool ignored = t[i] == k.ignore_index;
    ignored_nan = ignored_nan || (ignored && std::isnan(total[i]));
    factor[i] = ignored ? T(0) : static_cast<T>(g[i] * (k.target_part(t[i]) + all_smooth) / total[i]);
    less[i] = k.weights.empty() ? static_cast<T>(g[i] * smooth) : T(0);
  }
  Array dx = scaled_exponentials(x, k.dim, statistics.largest, scale, shift);
  subtract_targets<T>(k, target, gradients, dx);
  if (ignored_nan) {  // 0 times NaN
    clear_ignored<T>(k, target, dx);
  }
  return dx;
}

/// loss = -sum_c q_c w_c log softmax(x)_c with class probabilities q, in differentiable ops. A class of probability 0
/// adds nothing, even where the logit is -inf.
Tensor cross_entropy_probabilities(const Tensor& input, const Tensor& target, const Classes& k,
                                   const CrossEntropyOptions& options) {
  require(target.dtype() == input.dtype(), "cross_entropy", "input is ", input.dtype(), ", target probabilities are ",
          target.dtype());
  require(options.ignore_index < 0, "cross_entropy", "ignore_index is not supported for floating point target");
  Tensor q = target;
  if (k.smoothing > 0) {
    q = target * (1 - k.smoothing) + k.smoothing / static_cast<double>(k.count);
  }
  if (options.weight.defined()) {
    Shape per_class = Shape::filled(input.rank(), 1);
    per_class[k.dim] = k.count;
    q = q * Tensor(options.weight.array().to(input.dtype()).reshape(per_class));
  }
  const Tensor log_p = log_softmax(input, k.dim), zero = constant(0, q);
  const Tensor impossible = eq(log_p, constant(-std::numeric_limits<double>::infinity(), q));
  const Tensor safe = where(impossible, where(eq(q, zero), zero, log_p), log_p);
  return reduced(-sum(q * safe, {k.dim}), k.reduction);
}

}  // namespace

Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyOptions& options) {
  Classes k = classes_of("cross_entropy", input, options.weight);
  require(target.defined(), "cross_entropy", "got an undefined target");
  require(options.label_smoothing >= 0 && options.label_smoothing <= 1, "cross_entropy",
          "label_smoothing must be between 0.0 and 1.0. Got: ", options.label_smoothing);
  k.ignore_index = options.ignore_index;
  k.smoothing = options.label_smoothing;
  k.reduction = options.reduction;
  if (is_floating(target.dtype()) && target.shape() == input.shape()) {
    return cross_entropy_probabilities(input, target, k, options);
  }
  check_targets("cross_entropy", k, target);
  return dispatch_float(input.dtype(), "cross_entropy", [&]<class T>() {
    const Array logits = input.array().contiguous();
    const SoftmaxStatistics statistics = softmax_statistics(logits, k.dim);
    LogProbabilities<T> p{logits.data<T>(), statistics.largest.data<T>(), statistics.total.data<double>()};
    const bool one_weight = k.smoothing > 0 && k.weights.empty();
    const Array sums = one_weight ? sum(logits, {k.dim}) : Array{};
    p.sum = one_weight ? sums.data<T>() : nullptr;
    Array loss = class_losses<T>(k, p, target.array().contiguous());
    const Keep keep = Keep::inputs(2) | Keep::extra(statistics.largest, statistics.total);
    return record({.name = "cross_entropy", .inputs = {input, target}, .keep = keep}, std::move(loss),
                  [k](const Saved& saved, const Tensor& dy) -> Grads {
                    const Tensor x = saved.input(0);
                    const Array t = saved.input(1).array().contiguous();
                    if (!grad_enabled()) {
                      const SoftmaxStatistics of_x{saved.extra(0), saved.extra(1)};
                      const Array g = dy.array().contiguous();
                      return {Tensor(cross_entropy_gradient<T>(k, x.array(), of_x, t, g)), Tensor()};
                    }
                    const Tensor q = coefficients(k, t, x), all = sum(q, {k.dim}, true);
                    return {sample_gradient(k, t, dy) * (all * softmax(x, k.dim) - q), Tensor()};
                  });
  });
}

/// dx_c = -dy weight_c [c = target]
Tensor nll_loss(const Tensor& input, const Tensor& target, const NllOptions& options) {
  Classes k = classes_of("nll_loss", input, options.weight);
  require(target.defined(), "nll_loss", "got an undefined target");
  k.ignore_index = options.ignore_index;
  k.reduction = options.reduction;
  check_targets("nll_loss", k, target);
  return dispatch_float(input.dtype(), "nll_loss", [&]<class T>() {
    const Array log_p = input.array().contiguous();
    Array loss = class_losses<T>(k, {log_p.data<T>()}, target.array().contiguous());
    return record({.name = "nll_loss", .inputs = {input, target}, .keep = Keep::input(1)}, std::move(loss),
                  [k, shape = input.shape()](const Saved& saved, const Tensor& dy) -> Grads {
                    const Array t = saved.input(1).array().contiguous();
                    if (!grad_enabled()) {
                      Array dx = Array::zeros(shape, dtype_of<T>);
                      subtract_targets<T>(k, t, sample_gradients<T>(k, t, dy.array().contiguous()), dx);
                      return {Tensor(dx), Tensor()};
                    }
                    return {-(sample_gradient(k, t, dy) * Tensor(coefficients<T>(k, t, shape))), Tensor()};
                  });
  });
}

namespace {
void check_pair(std::string_view op, const Tensor& input, const Tensor& target) {
  check_float(op, input);
  check_float(op, target);
  require(input.shape() == target.shape(), op, "input has shape ", input.shape(), ", target has shape ", target.shape(),
          "; expected equal shapes");
  require(input.dtype() == target.dtype(), op, "input is ", input.dtype(), ", target is ", target.dtype());
}

/// dx in differentiable ops; a: the loss's number.
using Twin = Tensor (*)(const Tensor& x, const Tensor& t, const Tensor& dy, double a);

/// loss = F::f(x, t) of every element, reduced;  dx = dy F::df(x, t),  dt = -dx, or -dy x for the one loss that is no
/// function of x - t. `twin` is the same dx in differentiable ops.
template <class F>
Tensor elementwise_loss(const Tensor& input, const Tensor& target, Reduction reduction, Twin twin, double a = 0) {
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
                  return {dx, F::kOfDifference ? -dx : -(x * g)};
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
  require(beta >= 0, "smooth_l1_loss", "expected beta >= 0, got ", beta);
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
  return target * softplus(-x, 1, threshold) * pos_weight + (1 - target) * softplus(x, 1, threshold);
}
}  // namespace

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const BceOptions& options) {
  const std::string_view op = "binary_cross_entropy_with_logits";
  check_float(op, input);
  check_float(op, target);
  require(input.shape() == target.shape(), op, "Target size (", target.shape(), ") must be the same as input size (",
          input.shape(), ")");
  const bool weighted = options.weight.defined();
  Tensor losses;
  if (options.pos_weight.defined()) {
    losses = weighted_logistic_losses(input, target, options.pos_weight);
  } else {
    losses = elementwise_loss<kernels::LogisticCrossEntropy>(
        input, target, weighted ? Reduction::none : options.reduction,
        [](const Tensor& x, const Tensor& t, const Tensor& dy, double) { return dy * (sigmoid(x) - t); });
    if (!weighted) {
      return losses;
    }
  }
  if (weighted) {
    losses = losses * options.weight;
  }
  require(losses.shape() == input.shape(), op, "weight and pos_weight must broadcast to ", input.shape());
  return reduced(losses, options.reduction);
}

}  // namespace evenkeel
