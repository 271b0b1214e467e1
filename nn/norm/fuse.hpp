#pragma once

#include "evenkeel/nn/norm/convert.hpp"

#include <memory>

namespace evenkeel::nn {

/// A copy of `layer` (a Conv, ConvTranspose, Linear or one that standardizes its weight) followed by `norm` in eval, as
/// one layer with a bias:
///   weight' = weight s, bias' = (bias - running_mean) s + norm.bias;  s = norm.weight / sqrt(running_var + eps)
/// `norm`: a FrozenBatchNorm, or a BatchNorm kind in eval with running statistics. Throws otherwise, and if the
/// channels differ. Parametrized parameters come in as they are computed. The result equals the two up to rounding.
std::unique_ptr<Layer> fused_conv_bn(WeightedLayer& layer, Layer& norm);

/// For inference: folds every norm that fused_conv_bn takes into the layer in front of it, and leaves an Identity in
/// its place. What stands in front is seen by running `example` through the model: pairs where only the norm reads the
/// layer's output, both called once. The model must be in eval. Runs the model again afterwards; if its output is not
/// the same up to rounding (a forward that also uses the layer's output elsewhere), everything is put back and it
/// throws. A forward that takes other ways for other inputs or settings (DomainBatchNorm2d) is folded as `example`
/// went. The new layers' parameters are new: an optimizer must be made anew, and would train without the norms.
Conversions fuse_conv_bn(Layer& model, const Tensor& example);

}  // namespace evenkeel::nn
