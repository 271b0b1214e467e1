// Networks whose norms run the activations behind them compute what both compute apart.

#include "evenkeel/models/cifar_resnet.hpp"
#include "evenkeel/models/conv_norm_act.hpp"
#include "evenkeel/models/resnet.hpp"
#include "tests/support/fused_activation.hpp"

using namespace evenkeel;
using test::check_fused;

TEST_CASE("blocks and networks: as one op and one after the other") {
  Generator generator(3);
  models::ConvNormAct block(3, 5, generator, {.norm = "gn"});
  check_fused(block, {2, 3, 6, 7}, DType::float64, false);
  models::BasicBlock residual(4, 6, generator, {.stride = 2});
  check_fused(residual, {3, 4, 7, 5}, DType::float64, true);
  models::CifarResNet resnet(generator, {.depth = 8, .width = 4});
  check_fused(resnet, {2, 3, 8, 8}, DType::float64, true);
}
