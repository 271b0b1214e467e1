#include "evenkeel/nn/norm/filter_response_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/layer_formula.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("FilterResponseNorm and its TLU against max(weight x / sqrt(mean x^2 + eps) + bias, tau)") {
  const auto frn = [](const Tensor& x, const Tensor& eps) { return x / sqrt(mean(x * x, {2, 3}, true) + eps); };
  const auto tlu = [](const Tensor& y, const Tensor& tau) {
    const Tensor t = by_channel(tau) + y * 0.0;
    return where(gt(y, t), y, t);
  };
  const Tensor eps(Array::full({1}, 0.05, DType::float64));
  const Shape shape = {2, 3, 5, 4};
  check_formula(FilterResponseNorm(3, {.eps = 0.05}), shape, [&](const Tensor& x, const std::vector<Tensor>& p) {
    return tlu(frn(x, eps) * by_channel(p[0]) + by_channel(p[1]), p[2]);
  });
  check_formula(FilterResponseNorm(3, {.eps = 0.05, .learn_eps = true}), shape,
                [&](const Tensor& x, const std::vector<Tensor>& p) {
                  const Tensor learned = p[3] * (p[3].to_vector<double>()[0] < 0 ? -1.0 : 1.0);
                  return tlu(frn(x, eps + learned) * by_channel(p[0]) + by_channel(p[1]), p[2]);
                });
  check_formula(FilterResponseNorm(3, {.eps = 0.05, .affine = false, .tlu = false}), shape,
                [&](const Tensor& x, const std::vector<Tensor>&) { return frn(x, eps); });
}

}  // namespace
}  // namespace evenkeel::test
