#include "evenkeel/autograd/ops/activation.hpp"

#include "evenkeel/autograd/ops/elementwise.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/core/deferred.hpp"
#include "evenkeel/core/softmax.hpp"

#include <algorithm>
#include <iterator>
#include <numbers>

namespace evenkeel {
namespace {
/// relu' = [y > 0]; a NaN lets the gradient pass, as in PyTorch
Tensor relu_twin(const Tensor& y, const Tensor& dy, const Scalars&) {
  return where(le(y, constant(0, y)), constant(0, dy), dy);
}

/// silu' = s (1 + x (1 - s)),  s = sigmoid(x)
Tensor silu_twin(const Tensor& x, const Tensor& dy, const Scalars&) {
  const Tensor s = sigmoid(x);
  return dy * (s * (1 + x * (1 - s)));
}

}  // namespace

Tensor relu(const Tensor& x) { return of_output<kernels::Relu>("relu", x, relu_twin); }
Tensor& relu_(Tensor& x) { return elementwise_<kernels::Relu>("relu_", x, relu_twin); }

/// y = relu(a + b);  da = db = dy [y > 0], the same tensor
Tensor add_relu(const Tensor& a, const Tensor& b) {
  check_float("add_relu", a);
  check_float("add_relu", b);
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    return relu(add(a, b));
  }
  return record({.name = "add_relu", .inputs = {a, b}, .keep = Keep::output()}, add_arrays(a.array(), b.array(), true),
                [](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor y = saved.output();
                  const Tensor dx = grad_enabled() ? relu_twin(y, dy, {}) : fused_gradient<kernels::Relu>(dy, y);
                  return {dx, dx};
                });
}

/// y = 1 / (1 + exp(-x));  y' = y (1 - y)
Tensor sigmoid(const Tensor& x) {
  return of_output<kernels::Sigmoid>(
      "sigmoid", x, [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy * (y * (1 - y)); });
}

/// tanh' = 1 - tanh^2
Tensor tanh(const Tensor& x) {
  return of_output<kernels::Tanh>("tanh", x,
                                  [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy * (1 - y * y); });
}

Tensor silu(const Tensor& x) { return of_input<kernels::Silu>("silu", x, silu_twin); }
Tensor& silu_(Tensor& x) { return elementwise_<kernels::Silu>("silu_", x, silu_twin); }

namespace {
/// Exact: y = x Phi(x);  y' = Phi(x) + x phi(x), Phi and phi the normal distribution and its density
Tensor gelu_twin(const Tensor& x, const Tensor& dy, const Scalars&) {
  const double root_half = 1 / std::numbers::sqrt2;
  const Tensor distribution = (1 + erf(x * root_half)) * 0.5;
  const Tensor density = exp(square(x) * -0.5) * (root_half * std::numbers::inv_sqrtpi);
  return dy * (distribution + x * density);
}

/// y = x (1 + t) / 2,  t = tanh(k (x + c x^3));  y' = (1 + t) / 2 + x (1 - t^2) k (1 + 3 c x^2) / 2
Tensor gelu_tanh_twin(const Tensor& x, const Tensor& dy, const Scalars&) {
  const double k = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, c = 0.044715;
  const Tensor x2 = square(x);
  const Tensor t = tanh(x * (1 + x2 * c) * k);
  return dy * ((1 + t) * 0.5 + x * (1 - t * t) * (1 + x2 * (3 * c)) * (k / 2));
}
}  // namespace

/// arXiv:1606.08415
Tensor gelu(const Tensor& x, GeluApproximation approximate) {
  if (approximate == GeluApproximation::tanh) {
    return of_input<kernels::GeluTanh>("gelu", x, gelu_tanh_twin);
  }
  return of_input<kernels::Gelu>("gelu", x, gelu_twin);
}

namespace {
Tensor leaky_relu_twin(const Tensor& x, const Tensor& dy, const Scalars& s) {
  return where(gt(x, constant(0, x)), dy, dy * s.a);
}

Tensor hardswish_twin(const Tensor& x, const Tensor& dy, const Scalars&) {
  const Tensor inner = dy * (x / 3 + 0.5);
  return where(lt(x, constant(-3, x)), constant(0, x), where(gt(x, constant(3, x)), dy, inner));
}
}  // namespace

/// y = x > 0 ? x : a x;  y' = x > 0 ? 1 : a
Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return of_input<kernels::LeakyRelu>("leaky_relu", x, leaky_relu_twin, {.a = negative_slope});
}

namespace {
/// y = x > 0 ? x : a (exp(b x) - 1);  y' = x > 0 ? 1 : a b exp(b x)
Tensor exponential_unit(std::string_view op, const Tensor& x, double a, double b) {
  return of_input<kernels::Elu>(op, x,
                                [](const Tensor& v, const Tensor& dy, const Scalars& s) {
                                  const Tensor positive = gt(v, 0);
                                  return where(positive, dy, dy * (exp(where(positive, 0, v) * s.b) * (s.a * s.b)));
                                },
                                {.a = a, .b = b});
}
}  // namespace

Tensor elu(const Tensor& x, double alpha) { return exponential_unit("elu", x, alpha, 1); }

Tensor celu(const Tensor& x, double alpha) {
  require(alpha != 0, "celu", "alpha cannot be 0 for CELU");
  return exponential_unit("celu", x, alpha, 1 / alpha);
}

Tensor selu(const Tensor& x) { return exponential_unit("selu", x, 1.6732632423543772848, 1) * 1.0507009873554804934; }

/// y = x t, t = tanh(softplus(x));  y' = t + x (1 - t^2) sigmoid(x)
Tensor mish(const Tensor& x) {
  return of_input<kernels::Mish>("mish", x, [](const Tensor& v, const Tensor& dy, const Scalars&) {
    const Tensor t = tanh(softplus(v));
    return dy * (t + v * (1 - t * t) * sigmoid(v));
  });
}

/// y = x clamp(x + 3, 0, 6) / 6;  y' = 0 for x < -3, 1 for x > 3, else x / 3 + 1/2
Tensor hardswish(const Tensor& x) { return of_input<kernels::Hardswish>("hardswish", x, hardswish_twin); }

/// y = x / (1 + |x|);  y' = 1 / (1 + |x|)^2
Tensor softsign(const Tensor& x) {
  return of_input<kernels::Softsign>("softsign", x, [](const Tensor& v, const Tensor& dy, const Scalars&) {
    return dy * square(reciprocal(1 + abs(v)));
  });
}

Tensor tanhshrink(const Tensor& x) {
  check_float("tanhshrink", x);
  return x - tanh(x);
}

/// y = log(sigmoid(x));  y' = sigmoid(-x)
Tensor logsigmoid(const Tensor& x) {
  return of_input<kernels::LogSigmoid>(
      "logsigmoid", x, [](const Tensor& v, const Tensor& dy, const Scalars&) { return dy * sigmoid(-v); });
}

namespace {
/// dy where a < x < b and at NaN
Tensor hardtanh_twin(const Tensor& x, const Tensor& dy, const Scalars& s) {
  return where(le(x, s.a), 0, where(ge(x, s.b), 0, dy));
}
/// dy where |x| > a and at NaN
Tensor shrink_twin(const Tensor& x, const Tensor& dy, const Scalars& s) { return where(le(abs(x), s.a), 0, dy); }
}  // namespace

/// y = min(max(x, a), b);  y' = [a < x < b]
Tensor hardtanh(const Tensor& x, double min_val, double max_val) {
  require(min_val <= max_val, "hardtanh", "min_val must not be greater than max_val, got ", min_val, " and ", max_val);
  return of_input<kernels::Hardtanh>("hardtanh", x, hardtanh_twin, {.a = min_val, .b = max_val});
}

Tensor relu6(const Tensor& x) { return of_input<kernels::Hardtanh>("relu6", x, hardtanh_twin, {.a = 0, .b = 6}); }

/// y = clamp(x + 3, 0, 6) / 6;  y' = [|x| < 3] / 6
Tensor hardsigmoid(const Tensor& x) {
  return of_input<kernels::Hardsigmoid>("hardsigmoid", x, [](const Tensor& v, const Tensor& dy, const Scalars&) {
    return select_gradient(lt(abs(v), 3), dy / 6);
  });
}

/// y = x - clamp(x, -a, a);  y' = [|x| > a]
Tensor softshrink(const Tensor& x, double lambda) {
  require(lambda >= 0, "softshrink", "lambda must be at least 0, got ", lambda);
  return of_input<kernels::Softshrink>("softshrink", x, shrink_twin, {.a = lambda});
}

/// y = |x| > a ? x : 0;  y' = [|x| > a]
Tensor hardshrink(const Tensor& x, double lambda) {
  return of_input<kernels::Hardshrink>("hardshrink", x, shrink_twin, {.a = lambda});
}

Tensor threshold(const Tensor& x, double threshold, double value) {
  check_float("threshold", x);
  return where(le(x, threshold), value, x);
}

namespace {
/// The weight as it broadcasts along x's channels.
Tensor along_channels(const Tensor& weight, const Tensor& x) {
  const std::int64_t count = weight.numel();
  require<ShapeError>(weight.rank() <= 1, "prelu", "weight must be a scalar or 1D tensor, got shape ", weight.shape());
  require<ShapeError>(count == 1 || x.rank() > 0, "prelu", "Not allow zero-dim input tensor.");
  const std::int64_t channels = x.rank() > 1 ? x.size(1) : 1;
  require<ShapeError>(count == 1 || count == channels, "prelu",
                      "Mismatch of parameter numbers and input channel size. Found parameter numbers = ", count,
                      " and channel size = ", channels, ".");
  Shape shape = Shape::filled(x.rank(), 1);
  if (count > 1) {
    shape[1] = count;
  }
  return reshape(weight, shape);
}
}  // namespace

/// y = x > 0 ? x : w x;  dx = x > 0 ? dy : w dy, dw = x > 0 ? 0 : x dy
Tensor prelu(const Tensor& x, const Tensor& weight) {
  check_float("prelu", x);
  check_float("prelu", weight);
  require<DtypeError>(x.dtype() == weight.dtype(), "prelu", "weight must be ", x.dtype(), ", as the input, got ",
                      weight.dtype());
  const Tensor w = along_channels(weight, x);
  return record({.name = "prelu", .inputs = {x, w}, .keep = Keep::inputs(2)}, zip<kernels::Prelu>(x.array(), w.array()),
                [](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0), slope = saved.input(1), positive = gt(v, 0);
                  return {saved.needs(0) ? where(positive, dy, dy * slope) : Tensor(),
                          saved.needs(1) ? where(positive, 0, dy) * where(positive, 0, v) : Tensor()};
                });
}

Tensor glu(const Tensor& x, std::int64_t dim) {
  check_float("glu", x);
  require<ShapeError>(x.rank() > 0, "glu", "does not support scalars because halving size must be even");
  dim = normalize_dim(dim, x.rank(), "glu");
  const std::int64_t size = x.size(dim);
  require<ShapeError>(size % 2 == 0, "glu", "Halving dimension must be even, but dimension ", dim, " is size ", size);
  return slice(x, dim, 0, size / 2) * sigmoid(slice(x, dim, size / 2, size));
}

/// y = log(1 + exp(b x)) / b, or x where b x > threshold;  y' = sigmoid(b x), or 1
Tensor softplus(const Tensor& x, double beta, double threshold) {
  require(beta != 0, "softplus", "beta must not be 0");
  return of_input<kernels::Softplus>("softplus", x,
                                     [](const Tensor& v, const Tensor& dy, const Scalars& s) {
                                       const Tensor z = v * s.a;
                                       return where(gt(z, constant(s.b, v)), dy, dy * sigmoid(z));
                                     },
                                     {.a = beta, .b = threshold});
}

namespace {

/// All that autograd knows of an activation which a norm can take into its pass; the loops stand in core/kernels/norm.
struct Fusible {
  NormActivation f;
  std::string_view op;
  Tensor (*function)(const Tensor& x);  ///< null for one with a slope
  Tensor (*sloped)(const Tensor& x, double slope);
  Twin twin;
};
constexpr Fusible kFusible[] = {
    {NormActivation::relu, "relu", relu, nullptr, relu_twin},  // of x as well as of y: x > 0 just where y > 0
    {NormActivation::leaky_relu, "leaky_relu", nullptr, leaky_relu, leaky_relu_twin},
    {NormActivation::silu, "silu", silu, nullptr, silu_twin},
    {NormActivation::hardswish, "hardswish", hardswish, nullptr, hardswish_twin},
};

/// The row that `matches`, or null.
template <class F>
const Fusible* find_fusible(const F& matches) {
  const auto* row = std::find_if(std::begin(kFusible), std::end(kFusible), matches);
  return row == std::end(kFusible) ? nullptr : row;
}

}  // namespace

std::optional<FusedActivation> fused_form(Tensor (*function)(const Tensor& x)) {
  const Fusible* row = find_fusible([&](const Fusible& r) { return r.function != nullptr && r.function == function; });
  return row == nullptr ? std::nullopt : std::optional(FusedActivation{row->f});
}

std::optional<FusedActivation> fused_form(Tensor (*function)(const Tensor& x, double slope), double slope) {
  const Fusible* row = find_fusible([&](const Fusible& r) { return r.sloped != nullptr && r.sloped == function; });
  return row == nullptr ? std::nullopt : std::optional(FusedActivation{row->f, slope});
}

bool is_fusible(std::string_view op) {
  return find_fusible([&](const Fusible& r) {
           return op == r.op || (op.starts_with(r.op) && op.substr(r.op.size()) == "_");
         }) != nullptr;
}

Tensor activate(const Tensor& x, const FusedActivation& activation) {
  const Fusible* row = find_fusible([&](const Fusible& r) { return r.f == activation.f; });
  return row == nullptr ? x : row->sloped == nullptr ? row->function(x) : row->sloped(x, activation.slope);
}

Tensor activation_gradient(const Tensor& x, const Tensor& dy, const FusedActivation& activation) {
  const Fusible* row = find_fusible([&](const Fusible& r) { return r.f == activation.f; });
  return row == nullptr ? dy : row->twin(x, dy, {.a = activation.slope});
}

/// y_i = exp(x_i) / sum_j exp(x_j);  dx = y (dy - sum(dy y))
Tensor softmax(const Tensor& x, std::int64_t dim) {
  check_float("softmax", x);
  dim = normalize_dim(dim, x.rank(), "softmax");
  return record({.name = "softmax", .inputs = {x}, .keep = Keep::output()}, softmax(x.array(), dim),
                [dim](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor y = saved.output();
                  if (!grad_enabled()) {
                    return {Tensor(softmax_gradient(dy.array(), y.array(), dim))};
                  }
                  return {y * (dy - sum(dy * y, {dim}, true))};
                });
}

/// y = x - log sum_j exp(x_j);  dx = dy - exp(y) sum(dy)
Tensor log_softmax(const Tensor& x, std::int64_t dim) {
  check_float("log_softmax", x);
  dim = normalize_dim(dim, x.rank(), "log_softmax");
  return record({.name = "log_softmax", .inputs = {x}, .keep = Keep::output()}, log_softmax(x.array(), dim),
                [dim](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor y = saved.output();
                  if (!grad_enabled()) {
                    return {Tensor(log_softmax_gradient(dy.array(), y.array(), dim))};
                  }
                  return {dy - exp(y) * sum(dy, {dim}, true)};
                });
}

}  // namespace evenkeel
