#include "evenkeel/autograd/ops/arithmetic.hpp"

#include "evenkeel/autograd/ops/elementary.hpp"
#include "evenkeel/autograd/ops/elementwise.hpp"
#include "evenkeel/autograd/ops/logic.hpp"
#include "evenkeel/core/deferred.hpp"

#include <cmath>

namespace evenkeel {
namespace {

/// The checks of every op on two tensors, before anything is computed.
void check_operands(std::string_view op, const Tensor& a, const Tensor& b) {
  check_defined(op, a);
  check_defined(op, b);
  require<DtypeError>(a.dtype() == b.dtype(), op, "both tensors must have one dtype, got ", a.dtype(), " and ",
                      b.dtype());
  broadcast_shapes(a.shape(), b.shape(), op);
}

void check_numbers(std::string_view op, const Tensor& a, const Tensor& b) {
  check_operands(op, a, b);
  require<DtypeError>(is_floating(a.dtype()) || a.dtype() == DType::int64, op,
                      "dtype must be float32, float64 or int64, got ", a.dtype());
}

void check_in_place(std::string_view op, const Tensor& a, const Tensor& b) {
  check_numbers(op, a, b);
  require<ShapeError>(broadcast_shapes(a.shape(), b.shape(), op) == a.shape(), op, "output with shape ", a.shape(),
                      " doesn't match the broadcast shape ", broadcast_shapes(a.shape(), b.shape(), op));
  check_in_place(op, a, OpInputs(b));
}

/// Whether a tensor of x's dtype has just this number (floating ones: the nearest).
bool can_hold(const Tensor& x, double number) {
  return is_floating(x.dtype()) || (number < 0x1p63 && constant(number, x).item() == number);
}

/// The number as a tensor of x's dtype, for ops on two tensors.
Tensor number_beside(std::string_view op, const Tensor& x, double number) {
  check_defined(op, x);
  require<DtypeError>(can_hold(x, number), op, "the number must be one that ", x.dtype(), " can hold, got ", number);
  return constant(number, x);
}

Keep keep_if(bool needed, const Keep& keep) { return needed ? keep : Keep::nothing(); }

/// b, or a copy of it if writing into a would change it.
Tensor apart_from(const Tensor& b, const Tensor& a) { return b.array().shares_storage(a.array()) ? clone(b) : b; }

}  // namespace

/// y = a + b;  da = dy, db = dy
Tensor add(const Tensor& a, const Tensor& b) {
  check_numbers("add", a, b);
  return record({.name = "add", .inputs = {a, b}}, add_arrays(a.array(), b.array(), false),
                [](const Saved&, const Tensor& dy) -> Grads {
                  return {dy, dy};
                });
}

/// y = a - b;  da = dy, db = -dy
Tensor sub(const Tensor& a, const Tensor& b) {
  check_numbers("sub", a, b);
  return record({.name = "sub", .inputs = {a, b}}, zip<kernels::Subtract>(a.array(), b.array()),
                [](const Saved& saved, const Tensor& dy) -> Grads {
                  return {dy, saved.needs(1) ? -dy : Tensor()};
                });
}

namespace {
/// da = dy b, db = dy a
Grads mul_backward(const Saved& saved, const Tensor& dy) {
  return {saved.needs(0) ? dy * saved.input(1) : Tensor(), saved.needs(1) ? dy * saved.input(0) : Tensor()};
}

Keep mul_keep(const Tensor& a, const Tensor& b) {
  return keep_if(a.requires_grad(), Keep::input(1)) | keep_if(b.requires_grad(), Keep::input(0));
}
}  // namespace

/// y = a b
Tensor mul(const Tensor& a, const Tensor& b) {
  check_numbers("mul", a, b);
  return record({.name = "mul", .inputs = {a, b}, .keep = mul_keep(a, b)}, zip<kernels::Multiply>(a.array(), b.array()),
                mul_backward);
}

/// y = a / b;  da = dy / b, db = -dy y / b
Tensor div(const Tensor& a, const Tensor& b) {
  check_operands("div", a, b);
  check_float("div", a);
  const Keep keep = Keep::input(1) | keep_if(b.requires_grad(), Keep::input(0));
  return record(
      {.name = "div", .inputs = {a, b}, .keep = keep}, zip<kernels::Divide>(a.array(), b.array()),
      [](const Saved& saved, const Tensor& dy) -> Grads {
        const Tensor& v = saved.input(1);
        return {saved.needs(0) ? dy / v : Tensor(), saved.needs(1) ? -(dy * (saved.input(0) / v / v)) : Tensor()};
      });
}

/// y = a^b;  da = dy b a^(b-1), 0 where b = 0;  db = dy y log a, 0 where a = 0 and b >= 0.
/// The guards replace the argument, not the result, so that no 0 * inf arises in a second derivative either.
Tensor pow(const Tensor& a, const Tensor& b) {
  check_operands("pow", a, b);
  check_float("pow", a);
  return record({.name = "pow", .inputs = {a, b}, .keep = Keep::inputs(2) | Keep::output()},
                zip<kernels::Power>(a.array(), b.array()), [](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor x = saved.input(0), p = saved.input(1);
                  const Tensor zero = constant(0, x), one = constant(1, x);
                  Grads grads(2);
                  if (saved.needs(0)) {
                    const Tensor base = where(logical_and(eq(p, zero), logical_or(eq(x, zero), isnan(x))), one, x);
                    grads[0] = dy * (p * pow(base, p - 1));
                  }
                  if (saved.needs(1)) {
                    const Tensor base = where(ge(p, zero), where(eq(x, zero), one, x), x);
                    grads[1] = dy * (saved.output() * log(base));
                  }
                  return grads;
                });
}

/// y = x^p;  dx = dy p x^(p-1), 0 for p = 0
Tensor pow(const Tensor& x, double exponent) {
  check_float("pow", x);
  const Scalars p{.a = exponent};
  return record({.name = "pow", .inputs = {x}, .keep = Keep::input(0)}, map<kernels::Pow>(x.array(), p),
                [p](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0);
                  if (p.a == 0) {
                    return {zeros(v.shape(), {.dtype = v.dtype()})};
                  }
                  if (!grad_enabled()) {
                    return {Tensor(map_gradient<kernels::Pow>(dy.array(), v.array(), p))};
                  }
                  return {dy * (pow(v, p.a - 1) * p.a)};
                });
}

/// y = angle of (b, a);  da = dy b / (a^2 + b^2), db = -dy a / (a^2 + b^2), 0 where a = b = 0
Tensor atan2(const Tensor& a, const Tensor& b) {
  check_operands("atan2", a, b);
  check_float("atan2", a);
  return record({.name = "atan2", .inputs = {a, b}, .keep = Keep::inputs(2)}, zip<kernels::Atan2>(a.array(), b.array()),
                [](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor u = saved.input(0), v = saved.input(1);
                  const Tensor share = divide_or_zero(dy, u * u + v * v);
                  return {saved.needs(0) ? share * v : Tensor(), saved.needs(1) ? -(share * u) : Tensor()};
                });
}

namespace {
void check_lerp(const Tensor& start, const Tensor& end) {
  check_operands("lerp", start, end);
  check_float("lerp", start);
}
}  // namespace

/// From the nearer end, so that weights 0 and 1 give start and end exactly.
Tensor lerp(const Tensor& start, const Tensor& end, double weight) {
  check_lerp(start, end);
  const bool near = std::abs(weight) < 0.5;
  return (near ? start : end) + (end - start) * (near ? weight : weight - 1);
}

Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  check_lerp(start, end);
  check_operands("lerp", start, weight);
  const Tensor near = lt(abs(weight), 0.5);
  return where(near, start, end) + (end - start) * where(near, weight, weight - 1);
}

namespace {
/// Of max(a, b): the gradient to a where a won (everything), tied (half) or lost (nothing, as selected). A NaN on
/// either side is neither a tie nor a loss: both sides get all of it, as in PyTorch. Of min(a, b): call it with b, a.
Tensor winner_gradient(const Tensor& dy, const Tensor& a, const Tensor& b) {
  if (!grad_enabled()) {
    return Tensor(zip<kernels::TakeShare>(dy.array(), zip<kernels::MaximumShare>(a.array(), b.array())));
  }
  return where(lt(a, b), constant(0, dy), where(eq(a, b), dy * 0.5, dy));
}
}  // namespace

/// y = max(a, b);  da = dy [a > b] + dy/2 [a = b]
Tensor maximum(const Tensor& a, const Tensor& b) {
  check_numbers("maximum", a, b);
  return record({.name = "maximum", .inputs = {a, b}, .keep = Keep::inputs(2)},
                zip<kernels::Maximum>(a.array(), b.array()), [](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor u = saved.input(0), v = saved.input(1);
                  return {saved.needs(0) ? winner_gradient(dy, u, v) : Tensor(),
                          saved.needs(1) ? winner_gradient(dy, v, u) : Tensor()};
                });
}

/// y = min(a, b);  da = dy [a < b] + dy/2 [a = b]
Tensor minimum(const Tensor& a, const Tensor& b) {
  check_numbers("minimum", a, b);
  return record({.name = "minimum", .inputs = {a, b}, .keep = Keep::inputs(2)},
                zip<kernels::Minimum>(a.array(), b.array()), [](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor u = saved.input(0), v = saved.input(1);
                  return {saved.needs(0) ? winner_gradient(dy, v, u) : Tensor(),
                          saved.needs(1) ? winner_gradient(dy, u, v) : Tensor()};
                });
}

Tensor maximum(const Tensor& a, double b) { return maximum(a, number_beside("maximum", a, b)); }
Tensor minimum(const Tensor& a, double b) { return minimum(a, number_beside("minimum", a, b)); }

/// y = -x;  dx = -dy
Tensor neg(const Tensor& x) {
  check_float("neg", x);
  return record({.name = "neg", .inputs = {x}}, map<kernels::Neg>(x.array()),
                [](const Saved&, const Tensor& dy) -> Grads { return {-dy}; });
}

Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
Tensor operator-(const Tensor& x) { return neg(x); }

/// y = x + b;  dx = dy
Tensor operator+(const Tensor& x, double b) {
  check_defined("add", x);
  if (!is_floating(x.dtype())) {
    return add(x, number_beside("add", x, b));
  }
  return record({.name = "add", .inputs = {x}}, map<kernels::AddScalar>(x.array(), {.a = b}),
                [](const Saved&, const Tensor& dy) -> Grads { return {dy}; });
}

/// y = x b;  dx = dy b
Tensor operator*(const Tensor& x, double b) {
  check_defined("mul", x);
  if (!is_floating(x.dtype())) {
    return mul(x, number_beside("mul", x, b));
  }
  return record({.name = "mul", .inputs = {x}}, map<kernels::MulScalar>(x.array(), {.a = b}),
                [b](const Saved&, const Tensor& dy) -> Grads { return {dy * b}; });
}

/// y = x / b;  dx = dy / b
Tensor operator/(const Tensor& x, double b) {
  check_float("div", x);
  return record({.name = "div", .inputs = {x}}, map<kernels::DivScalar>(x.array(), {.a = b}),
                [b](const Saved&, const Tensor& dy) -> Grads { return {dy / b}; });
}

/// y = a - x;  dx = -dy
Tensor operator-(double a, const Tensor& x) {
  check_defined("sub", x);
  if (!is_floating(x.dtype())) {
    return sub(number_beside("sub", x, a), x);
  }
  return record({.name = "sub", .inputs = {x}}, map<kernels::RsubScalar>(x.array(), {.a = a}),
                [](const Saved&, const Tensor& dy) -> Grads { return {-dy}; });
}

/// y = a / x;  dx = -dy a / x^2
Tensor operator/(double a, const Tensor& x) {
  check_float("div", x);
  return record({.name = "div", .inputs = {x}, .keep = Keep::input(0)}, map<kernels::RdivScalar>(x.array(), {.a = a}),
                [a](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0);
                  if (!grad_enabled()) {
                    return {Tensor(map_gradient<kernels::RdivScalar>(dy.array(), v.array(), {.a = a}))};
                  }
                  return {dy * ((-a / v) / v)};
                });
}

Tensor operator-(const Tensor& a, double b) { return a + -b; }
Tensor operator+(double a, const Tensor& b) { return b + a; }
Tensor operator*(double a, const Tensor& b) { return b * a; }

Tensor& add_(Tensor& a, const Tensor& b) {
  check_in_place("add_", a, b);
  const Tensor other = apart_from(b, a);
  zip_<kernels::Add>(a.mutable_array(), other.array());
  record_in_place({.name = "add_", .inputs = {a, other}}, a, [](const Saved&, const Tensor& dy) -> Grads {
    return {dy, dy};
  });
  return a;
}

Tensor& sub_(Tensor& a, const Tensor& b) {
  check_in_place("sub_", a, b);
  const Tensor other = apart_from(b, a);
  zip_<kernels::Subtract>(a.mutable_array(), other.array());
  record_in_place({.name = "sub_", .inputs = {a, other}}, a, [](const Saved& saved, const Tensor& dy) -> Grads {
    return {dy, saved.needs(1) ? -dy : Tensor()};
  });
  return a;
}

/// The gradient to b needs a's former values: they are copied if b wants one.
Tensor& mul_(Tensor& a, const Tensor& b) {
  check_in_place("mul_", a, b);
  const bool copy = grad_enabled() && b.requires_grad();
  const Tensor before = copy ? clone(a) : a, other = apart_from(b, a);
  const Keep keep = mul_keep(a, b);
  zip_<kernels::Multiply>(a.mutable_array(), other.array());
  record_in_place({.name = "mul_", .inputs = {before, other}, .keep = keep}, a, mul_backward);
  return a;
}

Tensor& div_(Tensor& a, const Tensor& b) {
  check_float("div_", a);
  check_in_place("div_", a, b);
  const Tensor other = apart_from(b, a);
  const Keep keep = Keep::input(1) | keep_if(b.requires_grad(), Keep::output());
  zip_<kernels::Divide>(a.mutable_array(), other.array());
  record_in_place(
      {.name = "div_", .inputs = {a, other}, .keep = keep}, a, [](const Saved& saved, const Tensor& dy) -> Grads {
        const Tensor v = saved.input(1);
        return {saved.needs(0) ? dy / v : Tensor(), saved.needs(1) ? -(dy * (saved.output() / v)) : Tensor()};
      });
  return a;
}

Tensor& add_(Tensor& a, double b) { return add_(a, number_beside("add_", a, b)); }
Tensor& sub_(Tensor& a, double b) { return sub_(a, number_beside("sub_", a, b)); }
Tensor& mul_(Tensor& a, double b) { return mul_(a, number_beside("mul_", a, b)); }
Tensor& div_(Tensor& a, double b) { return div_(a, number_beside("div_", a, b)); }

Tensor& operator+=(Tensor& a, const Tensor& b) { return add_(a, b); }
Tensor& operator-=(Tensor& a, const Tensor& b) { return sub_(a, b); }
Tensor& operator*=(Tensor& a, const Tensor& b) { return mul_(a, b); }
Tensor& operator/=(Tensor& a, const Tensor& b) { return div_(a, b); }
Tensor& operator+=(Tensor& a, double b) { return add_(a, b); }
Tensor& operator-=(Tensor& a, double b) { return sub_(a, b); }
Tensor& operator*=(Tensor& a, double b) { return mul_(a, b); }
Tensor& operator/=(Tensor& a, double b) { return div_(a, b); }

namespace {
template <class F>
Tensor comparison(std::string_view op, const Tensor& a, const Tensor& b) {
  check_operands(op, a, b);
  return Tensor(compare<F>(a.array(), b.array()));
}

template <class F>
Tensor comparison(std::string_view op, const Tensor& x, double number) {
  check_defined(op, x);
  const Array values = can_hold(x, number) ? x.array() : x.array().to(DType::float64);
  return Tensor(compare<F>(values, Array::full({}, number, values.dtype())));
}
}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) { return comparison<kernels::Equal>("eq", a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return comparison<kernels::NotEqual>("ne", a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return comparison<kernels::Less>("lt", a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return comparison<kernels::LessEqual>("le", a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return comparison<kernels::Greater>("gt", a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return comparison<kernels::GreaterEqual>("ge", a, b); }
Tensor eq(const Tensor& x, double number) { return comparison<kernels::Equal>("eq", x, number); }
Tensor ne(const Tensor& x, double number) { return comparison<kernels::NotEqual>("ne", x, number); }
Tensor lt(const Tensor& x, double number) { return comparison<kernels::Less>("lt", x, number); }
Tensor le(const Tensor& x, double number) { return comparison<kernels::LessEqual>("le", x, number); }
Tensor gt(const Tensor& x, double number) { return comparison<kernels::Greater>("gt", x, number); }
Tensor ge(const Tensor& x, double number) { return comparison<kernels::GreaterEqual>("ge", x, number); }

/// y = c ? a : b;  da = c ? dy : 0, db = c ? 0 : dy
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  check_operands("where", a, b);
  require<DtypeError>(condition.defined() && condition.dtype() == DType::boolean, "where",
                      "the condition must be a bool tensor");
  broadcast_shapes(condition.shape(), broadcast_shapes(a.shape(), b.shape(), "where"), "where");
  return record({.name = "where", .inputs = {condition, a, b}, .keep = Keep::input(0)},
                where(condition.array(), a.array(), b.array()), [](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor c = saved.input(0), zero = constant(0, dy);
                  return {Tensor(), saved.needs(1) ? where(c, dy, zero) : Tensor(),
                          saved.needs(2) ? where(c, zero, dy) : Tensor()};
                });
}

Tensor where(const Tensor& condition, const Tensor& a, double b) {
  return where(condition, a, number_beside("where", a, b));
}
Tensor where(const Tensor& condition, double a, const Tensor& b) {
  return where(condition, number_beside("where", b, a), b);
}

/// dx = dy in x's dtype
Tensor to(const Tensor& x, DType dtype) {
  check_defined("to", x);
  if (x.dtype() == dtype) {
    return x;
  }
  Array value = x.array().to(dtype);
  if (!is_floating(dtype)) {
    return Tensor(std::move(value));
  }
  return record({.name = "to", .inputs = {x}}, std::move(value),
                [from = x.dtype()](const Saved&, const Tensor& dy) -> Grads { return {to(dy, from)}; });
}

}  // namespace evenkeel
