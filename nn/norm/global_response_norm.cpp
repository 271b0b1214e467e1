#include "evenkeel/nn/norm/global_response_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

namespace evenkeel::nn {
namespace {

/// The square root, with a gradient of 0 at 0.
Tensor root(const Tensor& x) {
  const Tensor zero = constant(0, x), positive = gt(x, zero);
  return where(positive, sqrt(where(positive, x, constant(1, x))), zero);
}

}  // namespace

GlobalResponseNorm::GlobalResponseNorm(std::int64_t num_channels, Options options)
    : num_channels(checked_channels("GlobalResponseNorm", "num_channels", num_channels)),
      options(checked("GlobalResponseNorm", options)),
      weight(parameter("weight", Array::zeros({num_channels}))),
      bias(parameter("bias", Array::zeros({num_channels}))) {}

std::string GlobalResponseNorm::extra_repr() const { return concat(num_channels, repr_options(options)); }

Tensor GlobalResponseNorm::forward(const Tensor& x) {
  check_channels(*this, x, num_channels, kImages);
  check_dtypes(*this, x, weight, bias);
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias});
  }
  const std::int64_t inner = spatial_size(x.shape());
  const GroupMoments s = group_moments(x, {1, 1, x.size(0) * num_channels, inner}, false);
  const Tensor g = root(reshape(s.var * static_cast<double>(inner), {x.size(0), num_channels}));
  const Tensor n = g / (mean(g, {1}, true) + options.eps);
  return affine_rows(s.x, inner, {}, times_weight(flatten(n), weight) + 1.0, bias);
}

}  // namespace evenkeel::nn
