#include "evenkeel/nn/norm/unit_norm.hpp"

#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("UnitNorm of a zero vector: 0, and a finite gradient") {
  UnitNorm norm;
  Tensor x = zeros({2, 3}, {.requires_grad = true});
  const Tensor y = norm(x);
  CHECK(y.to_vector<float>() == std::vector<float>(6, 0));
  y.backward(full({2, 3}, 2));
  for (const float g : x.grad().to_vector<float>()) {
    CHECK(g == doctest::Approx(2e12));
  }
}

}  // namespace
}  // namespace evenkeel::test
