#include "evenkeel/nn/norm/rms_norm.hpp"

#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/composite.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
namespace {

RMSNormOptions checked(RMSNormOptions options) {
  checked_eps("RMSNorm", options.eps.value_or(0));
  return options;
}

}  // namespace

RMSNorm::RMSNorm(const Shape& shape, RMSNormOptions opts)
    : normalized_shape(checked_normalized_shape("RMSNorm", shape)),
      options(checked(opts)),
      weight(parameter("weight", opts.elementwise_affine ? Array::ones(shape) : Array())) {}

std::string RMSNorm::extra_repr() const {
  return concat(repr(normalized_shape), ", eps=", options.eps ? repr(*options.eps) : "None",
                ", elementwise_affine=", repr(options.elementwise_affine));
}

Tensor RMSNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_trailing(*this, x, normalized_shape);
  return functional::rms_norm(x, normalized_shape, weight, options.eps, activation);
}

RMSNorm2d::RMSNorm2d(std::int64_t channels, RMSNorm2dOptions opts)
    : num_channels(checked_channels("RMSNorm2d", "num_channels", channels)),
      options{checked_eps("RMSNorm2d", opts.eps), opts.affine},
      weight(parameter("weight", composite::value_if(opts.affine, channels, 1))) {}

std::string RMSNorm2d::extra_repr() const {
  return concat(num_channels, ", eps=", repr(options.eps), ", affine=", repr(options.affine));
}

Tensor RMSNorm2d::forward_activated(const Tensor& x, const FusedActivation& activation) {
  composite::check_channels(*this, x, num_channels, 4);
  return normalize_pixels(x, weight, {}, {.eps = options.eps, .center = false}, activation);
}

}  // namespace evenkeel::nn
