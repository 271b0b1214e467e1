#include "autograd/ops/activation.hpp"
#include "tests/support/cases.hpp"

#include <cmath>

namespace evenkeel::testing {
namespace {

const CaseFile rows{[]() -> OpCases {
  return {
      {.name = "silu",
       .shapes = {{2, 3, 5}},
       .fn = [](std::span<const Tensor> x) { return silu(x[0]); },
       .scalar_reference = [](double x) { return x / (1 + std::exp(-x)); },
       .keeps = "0"},
  };
}};

}  // namespace
}  // namespace evenkeel::testing
