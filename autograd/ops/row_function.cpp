#include "evenkeel/autograd/ops/row_function.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/row_function.hpp"

#include <algorithm>
#include <vector>

namespace evenkeel {
namespace {

/// Rows of fewer elements cost less in plain ops.
constexpr std::int64_t kShortRow = 4;

/// The same function in differentiable ops, of x as (rows, inner) and parameters as (rows, 1).
using Formula = Tensor (*)(const Tensor& x, std::span<const Tensor> p);

/// How x is cut, and where each row's numbers are.
struct Rows {
  std::int64_t rows, inner;
  std::vector<std::int64_t> sizes;  ///< elements of each parameter; 0: left out
};

std::vector<Array> arrays_of(std::span<const Tensor> tensors) {
  std::vector<Array> arrays;
  for (const Tensor& t : tensors) {
    arrays.push_back(t.defined() ? t.array() : Array());
  }
  return arrays;
}

/// One gradient for x and one for each parameter; undefined where not wanted. dx may take dy's place.
template <class F>
Grads gradient(const Rows& cut, std::span<const Tensor> inputs, const Array& kept, const Tensor& dy,
               const Saved& saved) {
  std::vector<Array> found(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (saved.needs(i)) {
      const bool over_dy = i == 0 && may_reuse(dy);
      found[i] = over_dy ? dy.array() : Array::empty(inputs[i].shape(), inputs[i].dtype());
    }
  }
  row_function_gradient<F>(inputs[0].array(), cut.inner, arrays_of(inputs.subspan(1)), kept, dy.array(), found[0],
                           std::span(found).subspan(1));
  Grads grads;
  for (Array& gradient : found) {
    grads.push_back(gradient.defined() ? Tensor(std::move(gradient)) : Tensor());
  }
  return grads;
}

/// The function in differentiable ops; inputs: x and the parameters.
template <class F>
Tensor composed(const Rows& cut, Formula formula, std::span<const Tensor> inputs) {
  Tensor x = reshape(inputs[0], {cut.rows, cut.inner});
  std::vector<Tensor> p;
  for (std::size_t k = 0; k < F::kParams; ++k) {
    if (const std::int64_t size = cut.sizes[k]; size > 0) {
      p.push_back(reshape(expand(reshape(inputs[1 + k], {1, size}), {cut.rows / size, size}), {cut.rows, 1}));
    } else {
      p.push_back(constant(F::kDefaults[k], x));
    }
  }
  if (F::kCentred && p[0].dtype() != x.dtype()) {
    const Tensor high = to(p[0].detach(), x.dtype());
    x = x - high;
    p[0] = p[0] - to(high, p[0].dtype());
  }
  for (Tensor& number : p) {
    number = to(number, x.dtype());
  }
  return reshape(formula(x, p), inputs[0].shape());
}

/// The gradients of that. Identities stand before it: what x and the parameters owe to each other is not this op's.
template <class F>
Grads twin(const Rows& cut, Formula formula, std::span<const Tensor> inputs, const Tensor& dy) {
  std::vector<Tensor> own, wanted;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    own.push_back(inputs[i].defined() ? inputs[i] * 1.0 : Tensor());
    if (own.back().defined() && own.back().requires_grad()) {
      wanted.push_back(own.back());
      places.push_back(i);
    }
  }
  const Tensor y = composed<F>(cut, formula, own);
  const std::vector<Tensor> found = grad({y}, wanted, {dy}, {.create_graph = true, .allow_unused = true});
  Grads grads(inputs.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    grads[places[i]] = found[i];
  }
  return grads;
}

Rows cut_of(std::string_view op, const Tensor& x, std::int64_t inner, std::span<const Tensor> parameters) {
  check_float(op, x);
  require<ShapeError>(x.numel() == 0 || (inner > 0 && x.numel() % inner == 0), op, "input of shape ", x.shape(),
                      " has no rows of ", inner, " elements");
  Rows cut{x.numel() == 0 ? 0 : x.numel() / inner, inner, {}};
  for (const Tensor& p : parameters) {
    cut.sizes.push_back(p.defined() ? p.numel() : 0);
    if (p.defined()) {
      require<ShapeError>(p.numel() > 0 && cut.rows % p.numel() == 0, op, "a parameter of shape ", p.shape(),
                          " does not fit ", cut.rows, " rows (input of shape ", x.shape(), ")");
      require<DtypeError>(p.dtype() == x.dtype() || p.dtype() == DType::float64, op, "a parameter must be ", x.dtype(),
                          ", as the input, or float64, got ", p.dtype());
    }
  }
  return cut;
}

template <class F>
Tensor row_function(std::string_view op, const Tensor& x, std::int64_t inner, std::vector<Tensor> parameters,
                    Formula formula) {
  const Rows cut = cut_of(op, x, inner, parameters);
  parameters.insert(parameters.begin(), x);
  if (cut.rows > 0 && inner < kShortRow) {
    return composed<F>(cut, formula, parameters);
  }
  const bool recorded = grad_enabled() && std::any_of(parameters.begin(), parameters.end(),
                                                      [](const Tensor& t) { return t.requires_grad(); });
  Array kept;
  Array y = row_function<F>(x.array(), inner, arrays_of(std::span(parameters).subspan(1)),
                            F::kKeeps && recorded ? &kept : nullptr);
  const Keep keep = Keep::inputs(1 + F::kParams) | Keep::extra(kept);
  return record({.name = op, .inputs = OpInputs(std::move(parameters)), .keep = keep}, std::move(y),
                [cut, formula](const Saved& saved, const Tensor& dy) -> Grads {
                  std::vector<Tensor> inputs{saved.input(0)};
                  for (std::size_t k = 0; k < F::kParams; ++k) {
                    inputs.push_back(cut.sizes[k] == 0 ? Tensor() : saved.input(1 + k));
                  }
                  if (grad_enabled() && cut.rows > 0) {
                    return twin<F>(cut, formula, inputs, dy);
                  }
                  return gradient<F>(cut, inputs, saved.extra(0), dy, saved);
                });
}

}  // namespace

Tensor affine_rows(const Tensor& x, std::int64_t inner, const Tensor& mean, const Tensor& weight, const Tensor& bias) {
  return row_function<kernels::RowAffine>(
      "affine_rows", x, inner, {mean, weight, bias},
      [](const Tensor& v, std::span<const Tensor> p) { return (v - p[0]) * p[1] + p[2]; });
}

Tensor tanh_rows(const Tensor& x, std::int64_t inner, const Tensor& alpha, const Tensor& weight, const Tensor& bias) {
  return row_function<kernels::RowTanh>(
      "tanh_rows", x, inner, {alpha, weight, bias},
      [](const Tensor& v, std::span<const Tensor> p) { return tanh(v * p[0]) * p[1] + p[2]; });
}

Tensor erf_rows(const Tensor& x, std::int64_t inner, const Tensor& alpha, const Tensor& shift, const Tensor& weight,
                const Tensor& bias) {
  return row_function<kernels::RowErf>(
      "erf_rows", x, inner, {alpha, shift, weight, bias},
      [](const Tensor& v, std::span<const Tensor> p) { return erf(v * p[0] + p[1]) * p[2] + p[3]; });
}

Tensor threshold_rows(const Tensor& x, std::int64_t inner, const Tensor& weight, const Tensor& bias,
                      const Tensor& tau) {
  return row_function<kernels::RowThreshold>(
      "threshold_rows", x, inner, {weight, bias, tau},
      [](const Tensor& v, std::span<const Tensor> p) { return maximum(v * p[0] + p[1], p[2]); });
}

Tensor swish_rows(const Tensor& x, std::int64_t inner, const Tensor& v, const Tensor& weight, const Tensor& bias) {
  return row_function<kernels::RowSwish>(
      "swish_rows", x, inner, {v, weight, bias},
      [](const Tensor& z, std::span<const Tensor> p) { return z * sigmoid(z * p[0]) * p[1] + p[2]; });
}

Tensor divide_rows_by_larger(const Tensor& x, std::int64_t inner, const Tensor& left, const Tensor& v,
                             const Tensor& right, const Tensor& weight, const Tensor& bias) {
  return row_function<kernels::RowDivideByLarger>(
      "divide_rows_by_larger", x, inner, {left, v, right, weight, bias},
      [](const Tensor& z, std::span<const Tensor> p) { return z / maximum(p[0], z * p[1] + p[2]) * p[3] + p[4]; });
}

}  // namespace evenkeel
