#include "evenkeel/autograd/ops/loss.hpp"

#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/autograd/ops/loss_parts.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/class_loss.hpp"

namespace evenkeel {
namespace {

ClassLoss classes_of(std::string_view op, const Tensor& input, const Tensor& weight, Reduction reduction) {
  check_float(op, input);
  require(reduction != Reduction::batchmean, op, "batchmean is not a valid value for reduction");
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
  ClassLoss k = classes_of("cross_entropy", input, options.weight, options.reduction);
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
  ClassLoss k = classes_of("nll_loss", input, options.weight, options.reduction);
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

Tensor multi_margin_loss(const Tensor& input, const Tensor& target, const MultiMarginOptions& options) {
  const std::string_view op = "multi_margin_loss";
  ClassLoss k = classes_of(op, input, options.weight, options.reduction);
  require<ShapeError>(input.rank() <= 2 && k.count > 0, op, "the input must be of shape (C) or (N, C), got ",
                      input.shape());
  require(options.p == 1 || options.p == 2, op, "only p == 1 and p == 2 supported, got ", options.p);
  require(target.defined(), op, "got an undefined target");
  k.ignore_index = 0;  // a class: none is ignored
  check_indices(op, k, input, target);
  const Tensor own = gather(input, k.dim, unsqueeze(target, k.dim)), near = relu(options.margin - own + input);
  const Tensor classes = Tensor(Array::arange(0, static_cast<double>(k.count), 1, DType::int64));
  const Tensor powers = options.p == 1 ? near : square(near);
  const Tensor others = where(eq(classes, unsqueeze(target, k.dim)), constant(0, input), powers);
  Tensor losses = sum(others, {k.dim}) / static_cast<double>(k.count);
  if (options.weight.defined()) {
    losses = losses * reshape(index_select(options.weight.detach(), 0, reshape(target, {-1})), losses.shape());
  }
  return reduced(losses, options.reduction);
}

Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  const std::string_view op = "multilabel_margin_loss";
  classes_of(op, input, {}, reduction);
  require<ShapeError>(input.rank() <= 2 && input.size(-1) > 0, op, "the input must be of shape (C) or (N, C), got ",
                      input.shape());
  require(target.defined(), op, "got an undefined target");
  require<DtypeError>(target.dtype() == DType::int64, op, "the target must hold int64 class indices, got ",
                      target.dtype(), " of shape ", target.shape());
  require<ShapeError>(target.shape() == input.shape(), op, "the target must have shape ", input.shape(),
                      ", as the input, got ", target.shape());
  const Tensor count(listed_classes(op, target.array(), input.dtype())), zero = constant(0, input);
  const Tensor near = relu(1 - unsqueeze(input, -1) + unsqueeze(input, -2));  // of a listed class, another class
  const Tensor others = where(eq(unsqueeze(count, -2), zero), near * unsqueeze(count, -1), zero);
  return reduced(sum(others, {-2, -1}) / static_cast<double>(input.size(-1)), reduction);
}

}  // namespace evenkeel
