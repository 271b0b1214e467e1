#include "evenkeel/nn/activation.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

LayerCases activation_rows() {
  const Shape shape = {2, 3, 4};
  return {
      {.layer = "ReLU6", .make = plain<ReLU6>(), .input = shape, .printed = "ReLU6()", .range = 9},
      {.layer = "Mish", .make = plain<Mish>(), .input = shape, .printed = "Mish()"},
      {.layer = "SELU", .make = plain<SELU>(), .input = shape, .printed = "SELU()"},
      {.layer = "CELU", .make = plain<CELU>(), .input = shape, .printed = "CELU(alpha=1.0)"},
      {.layer = "CELU", .variant = "2", .make = plain<CELU>(2.0), .input = shape, .printed = "CELU(alpha=2.0)"},
      {.layer = "Hardsigmoid", .make = plain<Hardsigmoid>(), .input = shape, .printed = "Hardsigmoid()", .range = 4.5},
      {.layer = "Hardtanh",
       .make = plain<Hardtanh>(),
       .input = shape,
       .printed = "Hardtanh(min_val=-1.0, max_val=1.0)"},
      {.layer = "Hardtanh",
       .variant = "uneven",
       .make = plain<Hardtanh>(-2.0, 0.5),
       .input = shape,
       .printed = "Hardtanh(min_val=-2.0, max_val=0.5)",
       .range = 3},
      {.layer = "Softsign", .make = plain<Softsign>(), .input = shape, .printed = "Softsign()"},
      {.layer = "LogSigmoid", .make = plain<LogSigmoid>(), .input = shape, .printed = "LogSigmoid()"},
      {.layer = "Softshrink", .make = plain<Softshrink>(), .input = shape, .printed = "Softshrink(0.5)"},
      {.layer = "Softshrink",
       .variant = "1.5",
       .make = plain<Softshrink>(1.5),
       .input = shape,
       .printed = "Softshrink(1.5)"},
      {.layer = "Hardshrink", .make = plain<Hardshrink>(), .input = shape, .printed = "Hardshrink(0.5)"},
      {.layer = "Hardshrink",
       .variant = "1",
       .make = plain<Hardshrink>(1.0),
       .input = shape,
       .printed = "Hardshrink(1.0)"},
      {.layer = "Tanhshrink", .make = plain<Tanhshrink>(), .input = shape, .printed = "Tanhshrink()"},
      {.layer = "Threshold",
       .make = plain<Threshold>(0.1, 20.0),
       .input = shape,
       .printed = "Threshold(threshold=0.1, value=20)"},
      {.layer = "PReLU",
       .make = plain<PReLU>(),
       .input = shape,
       .printed = "PReLU(num_parameters=1)",
       .state = {"weight"}},
      {.layer = "PReLU",
       .variant = "per channel",
       .make = plain<PReLU>(3, 0.1),
       .input = shape,
       .printed = "PReLU(num_parameters=3)",
       .state = {"weight"}},
      {.layer = "GLU", .make = plain<GLU>(), .input = shape, .output = {2, 3, 2}, .printed = "GLU(dim=-1)"},
      {.layer = "GLU",
       .variant = "channels",
       .make = plain<GLU>(1),
       .input = {2, 6, 1, 3},
       .output = {2, 3, 1, 3},
       .printed = "GLU(dim=1)"},
  };
}

const LayerCaseFile activation_file{activation_rows};

}  // namespace
}  // namespace evenkeel::test
