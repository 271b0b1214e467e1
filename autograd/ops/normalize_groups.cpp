#include "evenkeel/autograd/ops/normalize_groups.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/deferred.hpp"
#include "evenkeel/core/kernels/norm/normalize.hpp"
#include "evenkeel/core/sync_moments.hpp"

#include <vector>

namespace evenkeel {
namespace {

using kernels::NormalizeSpec;

void check_parameter(std::string_view op, std::string_view which, const Tensor& parameter, const Tensor& x,
                     std::int64_t expected) {
  if (!parameter.defined()) {
    return;
  }
  require<ShapeError>(parameter.numel() == expected, op, which, " must have ", expected,
                      " elements for input of shape ", x.shape(), ", got shape ", parameter.shape());
  require<DtypeError>(parameter.dtype() == x.dtype(), op, which, " must be ", x.dtype(), ", as the input, got ",
                      parameter.dtype());
}

void check_affine(std::string_view op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const AffineView& affine) {
  check_parameter(op, "weight", weight, x, affine.params);
  check_parameter(op, "bias", bias, x, affine.params);
  const std::int64_t period = affine.params * affine.inner;
  require<ShapeError>(period > 0 ? x.numel() % period == 0 : x.numel() == 0 || !(weight.defined() || bias.defined()),
                      op, "input of shape ", x.shape(), " does not divide into ", affine.params, " parameters for ",
                      affine.inner, " neighbouring elements each");
}

template <class T>
std::span<const T> values(const Array& array) {
  return array.defined() ? array.span<T>() : std::span<const T>();
}
template <class T>
std::span<T> writable_values(Array& array) {
  return array.defined() ? array.mutable_span<T>() : std::span<T>();
}

Array contiguous_or_undefined(const Tensor& tensor) { return tensor.defined() ? tensor.array().contiguous() : Array(); }

/// Whether y may be left to the ops that read it: a map of planes that are worth the numbers kept for each.
bool may_defer(const NormalizeSpec& spec, const Tensor& x) {
  constexpr std::int64_t kPlane = 16, kElements = 4096;
  return fusion_enabled() && x.rank() == 4 && x.numel() >= kElements && x.size(2) * x.size(3) >= kPlane &&
         kernels::is_plane_map(spec, plane_sizes(x.array()));
}

/// y without its values, but with mean and var, if the deviations allow it; else undefined.
Array deferred_forward(const NormalizeSpec& spec, const Array& x, const Array& weight, const Array& bias, Array& mean,
                       Array& var) {
  const kernels::PlaneSizes sizes = plane_sizes(x);
  const std::int64_t images = kernels::image_step_of(spec, sizes) == 0 ? 1 : sizes.batch;
  Array pieces = Array::empty({images, sizes.channels, 5}, x.dtype());
  bool fits = true;
  dispatch_float(x.dtype(), "normalize_groups", [&]<class T>() {
    if (!spec.fixed) {
      kernels::moments<T>(spec, x.span<T>(), mean.mutable_span<double>(), var.mutable_span<double>());
      fits = x.dtype() == DType::float64 || !kernels::values_need_double(spec, var.span<double>());
    }
    kernels::fill_pieces<T>(spec, sizes, values<T>(weight), values<T>(bias), mean.span<double>(), var.span<double>(),
                            reinterpret_cast<kernels::Piece<T>*>(pieces.mutable_data<T>()));
  });
  const bool relu = spec.activation.f == NormActivation::relu;
  return fits ? Array::deferred(x.shape(), x.dtype(), std::make_shared<PlaneImage>(x, pieces, relu), x) : Array();
}

Array run_forward(const NormalizeSpec& spec, const Tensor& x, const Tensor& weight, const Tensor& bias, Array& mean,
                  Array& var) {
  if (x.numel() == 0) {
    return Array::empty(x.shape(), x.dtype());
  }
  const Array xs = x.array().contiguous();
  const Array w = contiguous_or_undefined(weight);
  const Array b = contiguous_or_undefined(bias);
  if (may_defer(spec, x)) {
    if (Array y = deferred_forward(spec, xs, w, b, mean, var); y.defined()) {
      return y;
    }
  }
  Array y = Array::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(), "normalize_groups", [&]<class T>() {
    kernels::normalize<T>(spec, xs.span<T>(), values<T>(w), values<T>(b), mean.mutable_span<double>(),
                          var.mutable_span<double>(), y.mutable_span<T>());
  });
  return y;
}

/// What the ops' backward works on: inputs x, weight, bias in this order; the last two may be undefined, and bias also
/// where no activation needs it.
struct GradientInputs {
  Tensor x, weight, bias;
  const Tensor& dy;  // no second handle, so that may_reuse() can tell
  Shape weight_shape, bias_shape;
  bool needs_x, needs_weight, needs_bias;
};

Tensor zeros_if(bool wanted, const Shape& shape, DType dtype) {
  return wanted ? Tensor(Array::zeros(shape, dtype)) : Tensor();
}

/// An empty batch moves nothing.
Grads empty_gradient(const GradientInputs& in) {
  const DType dtype = in.x.dtype();
  return {zeros_if(in.needs_x, in.x.shape(), dtype), zeros_if(in.needs_weight, in.weight_shape, dtype),
          zeros_if(in.needs_bias, in.bias_shape, dtype)};
}

/// dx is written over dy where nobody else needs that: the kernel reads an element of dy before it writes dx there.
Grads fused_gradient(const NormalizeSpec& spec, const GradientInputs& in, const Array& mean, const Array& var) {
  const auto result = [&](bool wanted, const Shape& shape) {
    return wanted ? Array::empty(shape, in.x.dtype()) : Array();
  };
  Array dx = in.needs_x && may_reuse(in.dy) ? in.dy.array() : result(in.needs_x, in.x.shape());
  Array dweight = result(in.needs_weight, in.weight_shape);
  Array dbias = result(in.needs_bias, in.bias_shape);
  const Array x = in.x.array().contiguous();
  const Array dy = in.dy.array().contiguous();
  const Array weight = contiguous_or_undefined(in.weight);
  const Array bias = contiguous_or_undefined(in.bias);
  dispatch_float(x.dtype(), "normalize_groups", [&]<class T>() {
    kernels::normalize_gradient<T>(spec, x.span<T>(), dy.span<T>(), values<T>(weight), values<T>(bias),
                                   mean.span<double>(), var.span<double>(), writable_values<T>(dx),
                                   writable_values<T>(dweight), writable_values<T>(dbias));
  });
  const auto wrap = [](const Array& array) { return array.defined() ? Tensor(array) : Tensor(); };
  return {wrap(dx), wrap(dweight), wrap(dbias)};
}

/// (repeats, params, inner): the parameter's axis in the middle.
Tensor by_parameter(const Tensor& t, const AffineView& affine) {
  if (affine.params == 0) {
    return reshape(t, {t.numel(), 1, 1});
  }
  return reshape(t, {t.numel() / (affine.params * affine.inner), affine.params, affine.inner});
}

/// t weight + bias; either may be undefined.
Tensor scaled(const Tensor& t, const Tensor& weight, const Tensor& bias, const AffineView& affine) {
  if (!weight.defined() && !bias.defined()) {
    return t;
  }
  Tensor y = by_parameter(t, affine);
  if (weight.defined()) {
    y = y * reshape(weight, {1, affine.params, 1});
  }
  if (bias.defined()) {
    y = y + reshape(bias, {1, affine.params, 1});
  }
  return reshape(y, t.shape());
}

/// dz = dy f'(z), with z of x_hat.
Tensor gradient_of_z(const NormalizeSpec& spec, const GradientInputs& in, const Tensor& x_hat) {
  Tensor dy = reshape(in.dy, x_hat.shape());
  if (spec.activation.f == NormActivation::none) {
    return dy;
  }
  return activation_gradient(scaled(x_hat, in.weight, in.bias, spec.affine), dy, spec.activation);
}

/// dx, dweight = sum(dz x_hat) and dbias = sum(dz) of a parameter's elements.
Grads twin_gradients(const GradientInputs& in, const AffineView& affine, const Tensor& x_hat, const Tensor& dz,
                     const Tensor& dx) {
  Grads grads(3);
  if (in.needs_x) {
    grads[0] = reshape(dx, in.x.shape());
  }
  const Tensor by = by_parameter(dz, affine);
  if (in.needs_weight) {
    grads[1] = reshape(sum(by * by_parameter(x_hat, affine), {0, 2}), in.weight_shape);
  }
  if (in.needs_bias) {
    grads[2] = reshape(sum(by, {0, 2}), in.bias_shape);
  }
  return grads;
}

/// The formula of the header in differentiable ops.
Grads normalize_twin(const NormalizeSpec& spec, const GradientInputs& in) {
  const Normalization& how = spec.how;
  const GroupView& view = spec.view;
  const Dims group{1, 3};
  const double n = static_cast<double>(view.count());
  const Tensor x = reshape(in.x, {view.slices, view.outer, view.groups, view.inner});
  const Tensor xc = how.center ? x - mean(x, group, true) : x;
  const Tensor v = sum(square(xc), group, true) / (n - how.correction);
  Tensor s;
  Tensor k_factor;
  if (how.eps_in_root) {
    s = rsqrt(v + how.eps);
  } else {
    const Tensor varies = gt(v, constant(0, v));
    const Tensor deviation = sqrt(where(varies, v, constant(1, v)));  // a constant group: finite, then selected away
    s = where(varies, reciprocal(deviation + how.eps), constant(1 / how.eps, v));
    k_factor = where(varies, (deviation + how.eps) / deviation, constant(0, v));
  }
  const Tensor x_hat = xc * s;
  const Tensor dz = gradient_of_z(spec, in, x_hat);
  const Tensor q = scaled(dz, in.weight, {}, spec.affine);
  Tensor k = sum(q * x_hat, group, true) / (n - how.correction);
  if (k_factor.defined()) {
    k = k * k_factor;
  }
  const Tensor centred = how.center ? q - mean(q, group, true) : q;
  return twin_gradients(in, spec.affine, x_hat, dz, s * (centred - x_hat * k));
}

/// The same where the squares of a dtype leave its range.
Grads twin_in_double(const NormalizeSpec& spec, const GradientInputs& in) {
  const auto wide = [](const Tensor& t) { return t.defined() ? to(t, DType::float64) : t; };
  const Tensor dy = wide(in.dy);
  Grads grads = normalize_twin(spec, {wide(in.x), wide(in.weight), wide(in.bias), dy, in.weight_shape, in.bias_shape,
                                      in.needs_x, in.needs_weight, in.needs_bias});
  for (Tensor& grad : grads) {
    grad = grad.defined() ? to(grad, in.x.dtype()) : grad;
  }
  return grads;
}

/// The same where mean and var are given.
Grads normalize_with_twin(const NormalizeSpec& spec, const GradientInputs& in, const Array& mean, const Array& var) {
  const GroupView& view = spec.view;
  const Tensor x = reshape(in.x, {view.outer, view.groups, view.inner});
  const Shape shape{1, view.groups, 1};
  const Tensor m(mean.to(x.dtype()).reshape(shape));
  const Tensor s = rsqrt(Tensor(var.to(x.dtype()).reshape(shape)) + spec.how.eps);
  const Tensor x_hat = (x - m) * s;
  const Tensor dz = gradient_of_z(spec, in, x_hat);
  return twin_gradients(in, spec.affine, x_hat, dz, scaled(dz, in.weight, {}, spec.affine) * s);
}

/// View of (outer, params, inner): one statistic per parameter.
GroupView parameter_view(const Tensor& x, const AffineView& affine) {
  const std::int64_t period = affine.params * affine.inner;
  return {1, period > 0 ? x.numel() / period : 0, affine.params, affine.inner};
}

/// dx = s (q - sum(q)/n - x_hat sum(q x_hat)/n), with sums over all ranks and n the common count.
Grads sync_gradient(const NormalizeSpec& spec, const GradientInputs& in, const Array& mean, const Array& var, double n,
                    Communicator& ranks) {
  const Array x = in.x.array().contiguous();
  const Array dy = in.dy.array().contiguous();
  const Array weight = contiguous_or_undefined(in.weight);
  const Array weight64 = weight.defined() ? weight.to(DType::float64) : Array();
  const auto params = static_cast<std::size_t>(spec.affine.params);
  std::vector<double> dy_sums(params), dy_x_hat_sums(params);
  Grads grads = empty_gradient(in);
  dispatch_float(in.x.dtype(), "sync_normalize", [&]<class T>() {
    if (x.numel() > 0) {
      kernels::gradient_sums<T>(spec, x.span<T>(), dy.span<T>(), mean.span<double>(), var.span<double>(), dy_sums,
                                dy_x_hat_sums);
    }
    const GradientMeans means = pool_gradient_sums(ranks, n, values<double>(weight64), dy_sums, dy_x_hat_sums);
    if (in.needs_x && x.numel() > 0) {
      kernels::normalize_input_gradient<T>(spec, x.span<T>(), dy.span<T>(), values<T>(weight), mean.span<double>(),
                                           var.span<double>(), means.q, means.q_x_hat,
                                           grads[0].mutable_array().template mutable_span<T>());
    }
  });
  if (in.needs_weight) {
    grads[1] = Tensor(Array::from(dy_x_hat_sums, in.weight_shape).to(in.x.dtype()));
  }
  if (in.needs_bias) {
    grads[2] = Tensor(Array::from(dy_sums, in.bias_shape).to(in.x.dtype()));
  }
  return grads;
}

Tensor record_normalize(std::string_view op, const NormalizeSpec& spec, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, Array y, const Keep& moments) {
  const bool has_weight = weight.defined();
  const Shape weight_shape = has_weight ? weight.shape() : Shape();
  const Shape bias_shape = bias.defined() ? bias.shape() : Shape();
  const bool needs_bias = bias.defined() && spec.activation.f != NormActivation::none;
  const Keep keep = Keep::inputs(needs_bias ? 3 : 2) | moments;
  return record({.name = op, .inputs = {x, weight, bias}, .keep = keep}, std::move(y),
                [=](const Saved& saved, const Tensor& dy) -> Grads {
                  const GradientInputs in{saved.input(0),
                                          has_weight ? saved.input(1) : Tensor(),
                                          needs_bias ? saved.input(2) : Tensor(),
                                          dy,
                                          weight_shape,
                                          bias_shape,
                                          saved.needs(0),
                                          saved.needs(1),
                                          saved.needs(2)};
                  if (in.x.numel() == 0) {
                    return empty_gradient(in);
                  }
                  const Array mean = saved.extra(0), var = saved.extra(1);
                  if (grad_enabled() && !spec.fixed) {
                    return kernels::gradient_needs_double(spec, var.span<double>()) ? twin_in_double(spec, in)
                                                                                    : normalize_twin(spec, in);
                  }
                  return grad_enabled() ? normalize_with_twin(spec, in, mean, var)
                                        : fused_gradient(spec, in, mean, var);
                });
}

}  // namespace

Normalized normalize_groups(const Tensor& x, const Tensor& weight, const Tensor& bias, GroupView view,
                            AffineView affine, const Normalization& how, const FusedActivation& activation) {
  check_float("normalize_groups", x);
  require<ShapeError>(view.numel() == x.numel(), "normalize_groups", "input of shape ", x.shape(), " has ", x.numel(),
                      " elements, the view [", view.slices, ", ", view.outer, ", ", view.groups, ", ", view.inner,
                      "] has ", view.numel());
  check_affine("normalize_groups", x, weight, bias, affine);
  require<ShapeError>(x.numel() == 0 || view.count() > how.correction, "normalize_groups", "groups of ", view.count(),
                      " value have no variance with correction ", how.correction, " (input of shape ", x.shape(), ")");
  const NormalizeSpec spec{view, affine, how, false, activation};
  Array mean = Array::zeros({view.statistics()}, DType::float64);
  Array var = Array::zeros({view.statistics()}, DType::float64);
  Array y = run_forward(spec, x, weight, bias, mean, var);
  Tensor result = record_normalize("normalize_groups", spec, x, weight, bias, std::move(y), Keep::extra(mean, var));
  return {std::move(result), std::move(mean), std::move(var)};
}

/// dx = s dz weight,  dweight = sum(dz x_hat),  dbias = sum(dz),  dz = dy f'(z);  s = 1 / sqrt(var + eps)
Tensor normalize_with(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight, const Tensor& bias,
                      AffineView affine, double eps, const FusedActivation& activation) {
  check_float("normalize_with", x);
  check_affine("normalize_with", x, weight, bias, affine);
  require(mean.defined() && var.defined(), "normalize_with", "mean and var must be given");
  check_parameter("normalize_with", "mean", mean, x, affine.params);
  check_parameter("normalize_with", "var", var, x, affine.params);
  const GroupView view = parameter_view(x, affine);
  // Copies: an update of the running statistics between forward and backward changes nothing.
  Array mean64 = mean.dtype() == DType::float64 ? mean.array().clone() : mean.array().to(DType::float64);
  Array var64 = var.dtype() == DType::float64 ? var.array().clone() : var.array().to(DType::float64);
  const NormalizeSpec spec{view, affine, {.eps = eps}, true, activation};
  Array y = run_forward(spec, x, weight, bias, mean64, var64);
  return record_normalize("normalize_with", spec, x, weight, bias, std::move(y), Keep::extra(mean64, var64));
}

Moments moments(const Tensor& x, GroupView view, const Normalization& how) {
  check_float("moments", x);
  require<ShapeError>(view.numel() == x.numel(), "moments", "input of shape ", x.shape(), " has ", x.numel(),
                      " elements, the view ", view.numel());
  Moments result{Array::zeros({view.statistics()}, DType::float64), Array::zeros({view.statistics()}, DType::float64)};
  if (x.numel() > 0) {
    const Array xs = x.array().contiguous();
    dispatch_float(x.dtype(), "moments", [&]<class T>() {
      kernels::moments<T>({view, {}, how}, xs.span<T>(), result.mean.mutable_span<double>(),
                          result.var.mutable_span<double>());
    });
  }
  return result;
}

SyncNormalized sync_normalize(const Tensor& x, const Tensor& weight, const Tensor& bias, AffineView affine, double eps,
                              const std::shared_ptr<Communicator>& ranks) {
  check_float("sync_normalize", x);
  check_affine("sync_normalize", x, weight, bias, affine);
  require(ranks != nullptr, "sync_normalize", "the communicator is null");
  const GroupView view = parameter_view(x, affine);
  Moments pooled = moments(x, view);
  const double count = pool_moments(*ranks, x.numel() > 0 ? static_cast<double>(view.count()) : 0,
                                    pooled.mean.mutable_span<double>(), pooled.var.mutable_span<double>());
  const NormalizeSpec spec{view, affine, {.eps = eps}, true};
  Array y = run_forward(spec, x, weight, bias, pooled.mean, pooled.var);
  const Shape weight_shape = weight.defined() ? weight.shape() : Shape();
  const Shape bias_shape = bias.defined() ? bias.shape() : Shape();
  const bool has_weight = weight.defined();
  const Keep keep = Keep::inputs(2) | Keep::extra(pooled.mean, pooled.var);
  const OpInfo info{"sync_normalize", {x, weight, bias}, keep, false};
  Tensor result = record(info, std::move(y), [=](const Saved& saved, const Tensor& dy) -> Grads {
    const GradientInputs in{saved.input(0), has_weight ? saved.input(1) : Tensor(),
                            Tensor(),       dy,
                            weight_shape,   bias_shape,
                            saved.needs(0), saved.needs(1),
                            saved.needs(2)};
    return count == 0 ? empty_gradient(in) : sync_gradient(spec, in, saved.extra(0), saved.extra(1), count, *ranks);
  });
  return {std::move(result), pooled.mean, pooled.var, count};
}

}  // namespace evenkeel
