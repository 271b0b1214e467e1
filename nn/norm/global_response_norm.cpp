#include "nn/norm/global_response_norm.hpp"

#include "autograd/ops/arithmetic.hpp"
#include "autograd/ops/reduce.hpp"
#include "nn/norm/composite.hpp"
#include "nn/norm/norm_common.hpp"
#include "nn/repr.hpp"

namespace evenkeel::nn {

GlobalResponseNorm::GlobalResponseNorm(std::int64_t channels, GlobalResponseNormOptions opts)
    : num_channels(checked_channels("GlobalResponseNorm", "num_channels", channels)),
      options{checked_eps("GlobalResponseNorm", opts.eps)},
      weight(parameter("weight", Array::zeros({channels}))),
      bias(parameter("bias", Array::zeros({channels}))) {}

std::string GlobalResponseNorm::extra_repr() const { return concat(num_channels, ", eps=", repr(options.eps)); }

Tensor GlobalResponseNorm::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_channels, 4);
  const Tensor g = norm(x, 2, {2, 3}, true);
  const Tensor n = g / (mean(g, {1}, true) + options.eps);
  return x + composite::scale_and_shift(x * n, weight, bias);
}

}  // namespace evenkeel::nn
