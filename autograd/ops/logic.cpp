#include "evenkeel/autograd/ops/logic.hpp"

#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/core/elementwise.hpp"

#include <limits>

namespace evenkeel {
namespace {

Array truth(bool value) { return Array::full({}, value ? 1 : 0, DType::boolean); }

/// F::test(|x|, infinity), or of integers `otherwise`.
template <class F>
Tensor beside_infinity(std::string_view op, const Tensor& x, bool otherwise) {
  check_defined(op, x);
  if (!is_floating(x.dtype())) {
    return Tensor(Array::full(x.shape(), otherwise ? 1 : 0, DType::boolean));
  }
  const Array infinity = Array::full({}, std::numeric_limits<double>::infinity(), x.dtype());
  return Tensor(compare<F>(map<kernels::Abs>(x.array()), infinity));
}

void check_logical(std::string_view op, const Tensor& a, const Tensor& b) {
  check_defined(op, a);
  check_defined(op, b);
  broadcast_shapes(a.shape(), b.shape(), op);
}

}  // namespace

Tensor isnan(const Tensor& x) {
  check_defined("isnan", x);
  return Tensor(compare<kernels::NotEqual>(x.array(), x.array()));
}

Tensor isinf(const Tensor& x) { return beside_infinity<kernels::Equal>("isinf", x, false); }

Tensor isfinite(const Tensor& x) { return beside_infinity<kernels::Less>("isfinite", x, true); }

Tensor logical_not(const Tensor& x) {
  check_defined("logical_not", x);
  return Tensor(compare<kernels::Equal>(x.array().to(DType::boolean), truth(false)));
}

Tensor logical_and(const Tensor& a, const Tensor& b) {
  check_logical("logical_and", a, b);
  return Tensor(where(a.array().to(DType::boolean), b.array().to(DType::boolean), truth(false)));
}

Tensor logical_or(const Tensor& a, const Tensor& b) {
  check_logical("logical_or", a, b);
  return Tensor(where(a.array().to(DType::boolean), truth(true), b.array().to(DType::boolean)));
}

}  // namespace evenkeel
