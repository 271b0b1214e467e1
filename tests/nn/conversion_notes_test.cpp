// What conversions say beside the layers that they replaced.

#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/fuse.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::nn;

namespace {

using Texts = std::vector<std::string>;

/// Two pairs of convolution and BatchNorm2d, and a third norm without affine: 7 parameters.
std::unique_ptr<Sequential> network() {
  Generator generator(3);
  auto inner = std::make_unique<Sequential>();
  inner->append<Conv2d>(4, 4, generator, Conv2dOptions{.kernel_size = 1});
  inner->append<BatchNorm2d>(4);
  auto net = std::make_unique<Sequential>();
  net->append<Conv2d>(3, 4, generator, Conv2dOptions{.kernel_size = 3, .bias = false}).append<BatchNorm2d>(4);
  net->append(std::move(inner)).append<BatchNorm2d>(4, BatchNormOptions{.affine = false});
  return net;
}

}  // namespace

TEST_CASE("a conversion says what an optimizer of before knows no more") {
  const auto net = network();
  const Conversions frozen = convert_bn_to_frozen(*net);
  CHECK(frozen.removed_parameters == 4);  // of two norms; the third has none
  CHECK(frozen.new_parameters == 0);
  CHECK(frozen.notes ==
        Texts{"of the model's 7 parameters 4 are gone, 0 are new: make an optimizer of before anew from "
              "model.parameters()",
              "the statistics of 3 of 3 layers never saw a batch (num_batches_tracked 0), the first: 1"});
  CHECK(concat(frozen).starts_with("1: BatchNorm2d -> FrozenBatchNorm2d\n2.1: BatchNorm2d"));
  CHECK(concat(frozen).find("\nnote: of the model's 7 parameters 4 are gone") != std::string::npos);

  const Conversions kept = convert_bn_to_gn(*network(), 2);
  CHECK(kept.removed_parameters == 0);
  CHECK(kept.new_parameters == 0);
  CHECK(kept.notes.empty());
  const Conversions reset = convert_bn_to_gn(*network(), 2, AffineValues::reset);
  CHECK(reset.removed_parameters == 4);
  CHECK(reset.new_parameters == 6);
  CHECK(convert_bn_to_gn(*network()).notes == Texts{"3 of 3 GroupNorms have one channel per group, as InstanceNorm"});

  std::unique_ptr<Layer> whole = std::make_unique<BatchNorm2d>(2);
  CHECK(convert_bn_to_frozen(whole).removed_parameters == 2);
  CHECK(convert_conv_to_ws(*network(), {.mode = WeightStandardization::scaled}).new_parameters == 2);  // the gains
  const auto fused = network();
  fused->eval();
  CHECK(fuse_conv_bn(*fused, ones({2, 3, 6, 5})).removed_parameters > 0);
}

TEST_CASE("frozen: statistics that never saw a batch are noted, loaded and trained ones are not") {
  Sequential net;
  net.append<BatchNorm2d>(3).append<BatchNorm2d>(3).append<BatchNorm2d>(3);
  net.get_buffer("0.running_mean").mutable_array().fill_(0.5);  // of a file that had no num_batches_tracked
  (*net.child<BatchNorm2d>("1"))(ones({2, 3, 4, 4}));
  const Conversions done = convert_bn_to_frozen(net);
  REQUIRE(done.notes.size() == 2);
  CHECK(done.notes[1] == "the statistics of 1 of 3 layers never saw a batch (num_batches_tracked 0), the first: 2");
}
