#include "evenkeel/autograd/ops/create.hpp"

#include "evenkeel/autograd/ops/checks.hpp"

#include <algorithm>
#include <vector>

namespace evenkeel {
namespace {

TensorOptions options_of(std::string_view op, const Tensor& x, const InferredOptions& options) {
  check_defined(op, x);
  return {.dtype = options.dtype.value_or(x.dtype()), .requires_grad = options.requires_grad};
}

}  // namespace

Tensor zeros_like(const Tensor& x, const InferredOptions& options) {
  const TensorOptions all = options_of("zeros_like", x, options);
  return zeros(x.shape(), all);
}

Tensor ones_like(const Tensor& x, const InferredOptions& options) {
  const TensorOptions all = options_of("ones_like", x, options);
  return ones(x.shape(), all);
}

Tensor full_like(const Tensor& x, double value, const InferredOptions& options) {
  const TensorOptions all = options_of("full_like", x, options);
  return full(x.shape(), value, all);
}

Tensor rand_like(const Tensor& x, Generator& generator, const InferredOptions& options) {
  const TensorOptions all = options_of("rand_like", x, options);
  return rand(x.shape(), generator, all);
}

Tensor randn_like(const Tensor& x, Generator& generator, const InferredOptions& options) {
  const TensorOptions all = options_of("randn_like", x, options);
  return randn(x.shape(), generator, all);
}

Tensor eye(std::int64_t n, TensorOptions options) { return eye(n, n, options); }

Tensor eye(std::int64_t n, std::int64_t m, TensorOptions options) {
  require<ShapeError>(n >= 0 && m >= 0, "eye", "n and m must not be negative, got ", n, " and ", m);
  Array matrix = Array::zeros({n, m}, options.dtype);
  if (const std::int64_t count = std::min(n, m); count > 0) {
    matrix.as_strided({count}, {m + 1}, 0).fill_(1);
  }
  return Tensor(std::move(matrix), options.requires_grad);
}

Tensor linspace(double start, double end, std::int64_t steps, TensorOptions options) {
  require(steps >= 0, "linspace", "number of steps must be non-negative, got ", steps);
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(steps));
  for (std::int64_t i = 0; i < steps; ++i) {
    values.push_back(i < steps / 2 || steps == 1 ? start + step * static_cast<double>(i)
                                                 : end - step * static_cast<double>(steps - 1 - i));
  }
  return Tensor(Array::from(values, {steps}).to(options.dtype), options.requires_grad);
}

}  // namespace evenkeel
