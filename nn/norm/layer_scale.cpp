#include "evenkeel/nn/norm/layer_scale.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

LayerScale::LayerScale(std::int64_t num_channels, Options options)
    : num_channels(checked_channels("LayerScale", "num_channels", num_channels)),
      options(options),
      gamma(parameter("gamma", Array::full({num_channels}, options.init))) {}

std::string LayerScale::extra_repr() const {
  return concat(num_channels, ", init=", repr(options.init), ", channels_last=", repr(options.channels_last));
}

Tensor LayerScale::forward(const Tensor& x) {
  check_channels_at(*this, x, num_channels, options.channels_last);
  return options.channels_last ? x * gamma : scale_and_shift(x, gamma, {});
}

}  // namespace evenkeel::nn
