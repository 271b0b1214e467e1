#include "evenkeel/nn/squeeze_excitation.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"

#include <algorithm>

namespace evenkeel::nn {

namespace {

std::int64_t squeezed(std::int64_t channels, double ratio) {
  require(channels > 0, "SqueezeExcitation", "channels must be positive, got ", channels);
  require(ratio > 0 && ratio <= 1, "SqueezeExcitation", "ratio must lie in (0, 1], got ", ratio);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(ratio * static_cast<double>(channels)));
}

}  // namespace

SqueezeExcitation::SqueezeExcitation(std::int64_t channels, const Drawing& generator, SqueezeExcitationOptions options)
    : options(options),
      channels(channels),
      squeezed_channels(squeezed(channels, options.ratio)),
      avgpool(add<AdaptiveAvgPool2d>("avgpool", 1)),
      fc1(add<Conv2d>("fc1", channels, squeezed_channels, generator, {.kernel_size = 1})),
      fc2(add<Conv2d>("fc2", squeezed_channels, channels, generator, {.kernel_size = 1})),
      activation(add<ReLU>("activation")),
      scale_activation(add<Sigmoid>("scale_activation")) {}

Tensor SqueezeExcitation::forward(const Tensor& x) {
  require<ShapeError>(x.rank() == 4, "SqueezeExcitation", "expected 4D input (got ", x.rank(), "D input of shape ",
                      x.shape(), ")");
  return x * scale_activation(fc2(activation(fc1(avgpool(x)))));
}

}  // namespace evenkeel::nn
