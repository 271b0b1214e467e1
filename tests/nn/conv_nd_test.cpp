#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/fuse.hpp"
#include "evenkeel/nn/pad.hpp"
#include "evenkeel/nn/unfold.hpp"
#include "tests/support/layer_replay.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

const NamedLayers kLayers = {
    {"conv1d", drawn<Conv1d>(3, 4, Conv1dOptions{.kernel_size = 3, .padding = 1})},
    {"conv1d_uneven",
     drawn<Conv1d>(
         4, 6, Conv1dOptions{.kernel_size = 4, .stride = 3, .padding = 2, .dilation = 2, .groups = 2, .bias = false})},
    {"conv1d_same_unbatched", drawn<Conv1d>(2, 3, Conv1dOptions{.kernel_size = 4, .padding = "same"})},
    {"conv1d_reflect",
     drawn<Conv1d>(2, 3, Conv1dOptions{.kernel_size = 3, .padding = 2, .padding_mode = PadMode::reflect})},
    {"conv2d_circular", drawn<Conv2d>(2, 4,
                                      Conv2dOptions{.kernel_size = {3, 2},
                                                    .stride = {2, 1},
                                                    .padding = {2, 1},
                                                    .groups = 2,
                                                    .padding_mode = PadMode::circular})},
    {"conv2d_replicate_same",
     drawn<Conv2d>(
         2, 3,
         Conv2dOptions{
             .kernel_size = {2, 3}, .padding = "same", .dilation = {3, 1}, .padding_mode = PadMode::replicate})},
    {"conv3d", drawn<Conv3d>(2, 3, Conv3dOptions{.kernel_size = 3, .padding = 1})},
    {"conv3d_uneven", drawn<Conv3d>(4, 2,
                                    Conv3dOptions{.kernel_size = {2, 1, 3},
                                                  .stride = {2, 3, 1},
                                                  .padding = {1, 0, 2},
                                                  .dilation = {2, 1, 1},
                                                  .groups = 2,
                                                  .bias = false})},
    {"conv3d_slices", drawn<Conv3d>(2, 3, Conv3dOptions{.kernel_size = {1, 3, 2}})},
    {"conv3d_circular",
     drawn<Conv3d>(1, 2,
                   Conv3dOptions{.kernel_size = {2, 3, 1}, .padding = {1, 2, 1}, .padding_mode = PadMode::circular})},
    {"conv3d_reflect_same_unbatched",
     drawn<Conv3d>(1, 2, Conv3dOptions{.kernel_size = {4, 3, 2}, .padding = "same", .padding_mode = PadMode::reflect})},
    {"conv_transpose1d",
     drawn<ConvTranspose1d>(3, 4,
                            ConvTranspose1dOptions{.kernel_size = 4, .stride = 3, .padding = 1, .output_padding = 2})},
    {"conv_transpose1d_groups",
     drawn<ConvTranspose1d>(4, 6, ConvTranspose1dOptions{.kernel_size = 3, .dilation = 2, .groups = 2, .bias = false})},
    {"conv_transpose3d",
     drawn<ConvTranspose3d>(2, 3,
                            ConvTranspose3dOptions{.kernel_size = 3, .stride = 2, .padding = 1, .output_padding = 1})},
    {"conv_transpose3d_uneven",
     drawn<ConvTranspose3d>(
         4, 2,
         ConvTranspose3dOptions{.kernel_size = {3, 1, 2}, .stride = {1, 2, 3}, .dilation = {2, 1, 1}, .groups = 2})},
    {"constant_pad1d", layer<ConstantPad1d>(Size2(2, -1), 1.5)},
    {"constant_pad3d", layer<ConstantPad3d>(SizeND<6>(1, 0, -1, 2, 0, 1), -0.5)},
    {"zero_pad1d", layer<ZeroPad1d>(2)},
    {"zero_pad2d", layer<ZeroPad2d>(SizeND<4>(1, 2, 0, 3))},
    {"reflection_pad1d", layer<ReflectionPad1d>(Size2(3, 1))},
    {"reflection_pad2d", layer<ReflectionPad2d>(SizeND<4>(1, 2, 2, -1))},
    {"reflection_pad3d", layer<ReflectionPad3d>(SizeND<6>(2, 1, 0, 1, 1, 1))},
    {"replication_pad1d", layer<ReplicationPad1d>(Size2(5, 1))},
    {"replication_pad2d", layer<ReplicationPad2d>(SizeND<4>(1, -2, 4, 0))},
    {"replication_pad3d", layer<ReplicationPad3d>(SizeND<6>(1, 1, 0, 2, 3, 0))},
    {"circular_pad1d", layer<CircularPad1d>(Size2(3, -1))},
    {"circular_pad2d", layer<CircularPad2d>(SizeND<4>(1, 3, 2, 1))},
    {"circular_pad3d", layer<CircularPad3d>(SizeND<6>(1, 0, 2, 1, 1, 2))},
    {"unfold",
     layer<Unfold>(UnfoldOptions{.kernel_size = {3, 2}, .dilation = {1, 2}, .padding = {2, 0}, .stride = {2, 1}})},
    {"unfold_unbatched", layer<Unfold>(2)},
    {"fold",
     layer<Fold>(Size2(5, 4),
                 UnfoldOptions{.kernel_size = {2, 3}, .dilation = {3, 1}, .padding = {1, 2}, .stride = {2, 1}})},
    {"fold_unbatched", layer<Fold>(3, UnfoldOptions{.kernel_size = 2})},
};

TEST_CASE("convolutions of lines and volumes, padding, unfold and fold reproduce PyTorch's values and gradients") {
  replay_layers("conv_nd.safetensors", kLayers, {.steps = [](const Layer&) { return 1; }});
}

TEST_CASE("weights and biases over lines and volumes start uniform in 1/sqrt(fan_in)") {
  Generator generator(3);
  const auto check_start = [](const WeightedLayer& layer, double bound) {
    for (const Tensor& parameter : {layer.weight, layer.bias}) {
      double largest = 0;
      for (const double value : doubles(parameter)) {
        largest = std::max(largest, std::abs(value));
      }
      CHECK(largest <= bound + 1e-7);
      CHECK(largest > 0.95 * bound);
    }
  };
  check_start(Conv1d(8, 200, generator, {.kernel_size = 5, .groups = 2}), 1 / std::sqrt(4 * 5));
  check_start(Conv3d(4, 200, generator, {.kernel_size = {3, 1, 2}}), 1 / std::sqrt(4 * 6));
  check_start(ConvTranspose1d(4, 200, generator, {.kernel_size = 3}), 1 / std::sqrt(200 * 3));
  check_start(ConvTranspose3d(2, 100, generator, {.kernel_size = 2}), 1 / std::sqrt(100 * 8));
}

TEST_CASE("norms are folded into convolutions over lines and volumes") {
  Generator generator(4);
  Sequential lines, volumes;
  lines.append<Conv1d>(3, 4, generator, {.kernel_size = 3, .padding = 2, .padding_mode = PadMode::circular})
      .append<BatchNorm1d>(4);
  volumes.append<ConvTranspose3d>(2, 3, generator, {.kernel_size = {2, 1, 3}, .stride = 2})
      .append<BatchNorm3d>(3)
      .append<Conv3d>(3, 2, generator, {.kernel_size = 2, .bias = false})
      .append<BatchNorm3d>(2);
  const auto check_folded = [](Sequential& net, const Tensor& x) {
    net.to(DType::float64);
    net(x);  // statistics that are not 0 and 1
    net.eval();
    const Tensor expected = net(x);
    const std::size_t norms = net.size() / 2;
    CHECK(fuse_conv_bn(net, x).size() == 2 * norms);
    check_close(net(x), expected, 1e-12);
  };
  check_folded(lines, random({2, 3, 6}, 1));
  check_folded(volumes, random({2, 2, 3, 2, 2}, 2));
}

TEST_CASE("an unbatched volume of one slice may come from a norm of images") {
  Generator generator(5);
  BatchNorm2d norm(1);
  const Conv3d conv(8, 8, generator, {.kernel_size = {1, 3, 3}, .padding = {0, 1, 1}, .bias = false});
  const Tensor images = random({8, 1, 24, 24}, 3, DType::float32);
  const Tensor values(norm(images).array().clone());
  const ConvNdOptions<3> options{.padding = {0, 1, 1}};
  check_close(conv3d(norm(images), conv.weight, {}, options), conv3d(values, conv.weight, {}, options), 0);
}

}  // namespace
}  // namespace evenkeel::test
