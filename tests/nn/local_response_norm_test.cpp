#include "evenkeel/nn/norm/local_response_norm.hpp"

#include "evenkeel/nn/functional.hpp"
#include "tests/support/values.hpp"

#include <cmath>

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("LocalResponseNorm: the window reaches size / 2 back and (size - 1) / 2 forward") {
  const Tensor x = tensor<double>({1, 2, 3, 4, 5}, {1, 5, 1});
  const auto reach = [&](std::int64_t size) {
    const Tensor y = functional::local_response_norm(x, size, {.alpha = static_cast<double>(size), .beta = 1, .k = 0});
    std::vector<double> sums;
    for (std::size_t c = 0; c < 5; ++c) {
      sums.push_back(std::round(doubles(x)[c] / doubles(y)[c]));
    }
    return sums;
  };
  CHECK(reach(1) == std::vector<double>{1, 4, 9, 16, 25});
  CHECK(reach(2) == std::vector<double>{1, 5, 13, 25, 41});
  CHECK(reach(3) == std::vector<double>{5, 14, 29, 50, 41});
  CHECK(reach(4) == std::vector<double>{5, 14, 30, 54, 50});
  CHECK(reach(100) == std::vector<double>(5, 55));
  CHECK_THROWS_WITH(LocalResponseNorm(3)(ones({2, 3})),
                    "LocalResponseNorm: Expected 3D or higher dimensionality input (got 2 dimensions, shape [2, 3])");
  CHECK_THROWS_WITH(LocalResponseNorm(0), Contains("LocalResponseNorm: size must be positive, got 0"));
  CHECK_THROWS_WITH(functional::local_response_norm(x, -1), "local_response_norm: size must be positive, got -1");
}

}  // namespace
}  // namespace evenkeel::test
