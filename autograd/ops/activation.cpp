#include "evenkeel/autograd/ops/activation.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/deferred.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/softmax.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

namespace evenkeel {
namespace {

using Twin = Tensor (*)(const Tensor& v, const Tensor& dy, const Scalars& s);

/// dx = dy F::df(v) in one pass; over dy where nobody else needs that.
template <class F>
Tensor fused_gradient(const Tensor& dy, const Tensor& v, const Scalars& s = {}) {
  if (!may_reuse(dy)) {
    return Tensor(map_gradient<F>(dy.array(), v.array(), s));
  }
  Array dx = dy.array();
  map_gradient_<F>(dx, v.array(), s);
  return Tensor(std::move(dx));
}

/// y = F::f(x), dx = dy F::df(v) with v the input or, by F::kDerivativeOfOutput, the output; one of them is kept.
/// `twin` is the same dx in differentiable ops.
template <class F>
Tensor elementwise(std::string_view op, const Tensor& x, Twin twin, const Scalars& s = {}) {
  check_float(op, x);
  constexpr bool kOfOutput = F::kDerivativeOfOutput;
  return record({.name = op, .inputs = {x}, .keep = kOfOutput ? Keep::output() : Keep::input(0)}, map<F>(x.array(), s),
                [twin, s](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = kOfOutput ? saved.output() : saved.input(0);
                  if (!grad_enabled()) {
                    return {fused_gradient<F>(dy, v, s)};
                  }
                  return {twin(v, dy, s)};
                });
}

/// Functions whose derivative is written in the input x, or in the output y.
template <class F>
Tensor of_input(std::string_view op, const Tensor& x, Twin twin, const Scalars& s = {}) {
  static_assert(!F::kDerivativeOfOutput);
  return elementwise<F>(op, x, twin, s);
}
template <class F>
Tensor of_output(std::string_view op, const Tensor& x, Twin twin, const Scalars& s = {}) {
  static_assert(F::kDerivativeOfOutput);
  return elementwise<F>(op, x, twin, s);
}

/// dy where the condition holds, else 0: selected, so that an infinite dy does not become NaN.
Tensor select_gradient(const Tensor& condition, const Tensor& dy) { return where(condition, dy, constant(0, dy)); }

}  // namespace

/// exp' = exp
Tensor exp(const Tensor& x) {
  return of_output<kernels::Exp>("exp", x, [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy * y; });
}

/// log' x = 1 / x
Tensor log(const Tensor& x) {
  return of_input<kernels::Log>("log", x, [](const Tensor& v, const Tensor& dy, const Scalars&) { return dy / v; });
}

/// sqrt' = 1 / (2 sqrt)
Tensor sqrt(const Tensor& x) {
  return of_output<kernels::Sqrt>("sqrt", x,
                                  [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy / (y * 2); });
}

/// y = x^(-1/2);  y' = -y^3 / 2
Tensor rsqrt(const Tensor& x) {
  return of_output<kernels::Rsqrt>(
      "rsqrt", x, [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy * (y * y * y * -0.5); });
}

/// |x|' = sign x
Tensor abs(const Tensor& x) {
  return of_input<kernels::Abs>("abs", x, [](const Tensor& v, const Tensor& dy, const Scalars&) {
    const Tensor zero = constant(0, v);
    return where(gt(v, zero), dy, where(lt(v, zero), -dy, zero));
  });
}

/// (x^2)' = 2 x
Tensor square(const Tensor& x) {
  return of_input<kernels::Square>("square", x,
                                   [](const Tensor& v, const Tensor& dy, const Scalars&) { return dy * (v * 2); });
}

/// y = 1 / x;  y' = -y^2
Tensor reciprocal(const Tensor& x) {
  return of_output<kernels::Reciprocal>(
      "reciprocal", x, [](const Tensor& y, const Tensor& dy, const Scalars&) { return -(dy * (y * y)); });
}

/// erf' x = 2 / sqrt(pi) exp(-x^2)
Tensor erf(const Tensor& x) {
  return of_input<kernels::Erf>("erf", x, [](const Tensor& v, const Tensor& dy, const Scalars&) {
    return dy * (exp(-square(v)) * (2 * std::numbers::inv_sqrtpi));
  });
}

/// y = min(max(x, a), b);  y' = [a <= x <= b]
Tensor clamp(const Tensor& x, double min, double max) {
  return of_input<kernels::Clamp>("clamp", x,
                                  [](const Tensor& v, const Tensor& dy, const Scalars& s) {
                                    return select_gradient(ge(v, constant(s.a, v)),
                                                           select_gradient(le(v, constant(s.b, v)), dy));
                                  },
                                  {.a = min, .b = max});
}

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

/// y = F::f(x) in place. Where the derivative needs the input, that is copied first (no memory is saved then).
template <class F>
Tensor& elementwise_(std::string_view op, Tensor& x, Twin twin) {
  check_float(op, x);
  check_in_place(op, x);
  constexpr bool kOfOutput = F::kDerivativeOfOutput;
  const bool copy = !kOfOutput && grad_enabled() && x.requires_grad();
  const Tensor before = copy ? clone(x) : x;
  map_<F>(x.mutable_array());
  record_in_place({.name = op, .inputs = {before}, .keep = kOfOutput ? Keep::output() : Keep::input(0)}, x,
                  [twin](const Saved& saved, const Tensor& dy) -> Grads {
                    const Tensor v = kOfOutput ? saved.output() : saved.input(0);
                    if (!grad_enabled()) {
                      return {fused_gradient<F>(dy, v)};
                    }
                    return {twin(v, dy, {})};
                  });
  return x;
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

/// y = x > 0 ? x : a (exp(x) - 1);  y' = x > 0 ? 1 : a exp(x)
Tensor elu(const Tensor& x, double alpha) {
  return of_input<kernels::Elu>("elu", x,
                                [](const Tensor& v, const Tensor& dy, const Scalars& s) {
                                  const Tensor zero = constant(0, v), positive = gt(v, zero);
                                  return where(positive, dy, dy * (exp(where(positive, zero, v)) * s.a));
                                },
                                {.a = alpha});
}

/// y = x clamp(x + 3, 0, 6) / 6;  y' = 0 for x < -3, 1 for x > 3, else x / 3 + 1/2
Tensor hardswish(const Tensor& x) { return of_input<kernels::Hardswish>("hardswish", x, hardswish_twin); }

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
