#pragma once

#include "evenkeel/nn/container.hpp"

#include <functional>
#include <memory>

namespace evenkeel::examples {

/// Makes the norm for that many channels.
using MakeNorm = std::function<std::unique_ptr<nn::Layer>(std::int64_t channels)>;

/// A network on which the choice of norm shows: four times (3x3 convolution with stride 2 and no bias, norm, ReLU) with
/// 16, 32, 64 and 64 channels, global average pooling, Linear. On 32x32 images the maps shrink to 2x2, so that the last
/// norm has only 4 values per image and channel. Weights depend on `generator` alone, not on the norm.
///   x: (N, channels, H, W), y: (N, classes); 61,402 parameters with BatchNorm, 3 channels and 10 classes.
std::unique_ptr<nn::Sequential> strided_net(Generator& generator, const MakeNorm& make_norm, std::int64_t channels = 3,
                                            std::int64_t classes = 10);

}  // namespace evenkeel::examples
