#include "nn/norm/filter_response_norm.hpp"

#include "autograd/ops/activation.hpp"
#include "autograd/ops/arithmetic.hpp"
#include "autograd/ops/reduce.hpp"
#include "nn/norm/composite.hpp"
#include "nn/norm/norm_common.hpp"
#include "nn/repr.hpp"

namespace evenkeel::nn {

FilterResponseNorm::FilterResponseNorm(std::int64_t channels, FilterResponseNormOptions opts)
    : num_channels(checked_channels("FilterResponseNorm", "num_channels", channels)),
      options{checked_eps("FilterResponseNorm", opts.eps), opts.affine, opts.tlu, opts.learn_eps},
      weight(parameter("weight", composite::value_if(opts.affine, channels, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, channels, 0))),
      tau(parameter("tau", composite::value_if(opts.tlu, channels, 0))),
      learned_eps(parameter("learned_eps", composite::value_if(opts.learn_eps, 1, 1e-4))) {}

std::string FilterResponseNorm::extra_repr() const {
  return concat(num_channels, ", eps=", repr(options.eps), ", affine=", repr(options.affine),
                ", tlu=", repr(options.tlu), ", learn_eps=", repr(options.learn_eps));
}

Tensor FilterResponseNorm::normalized(const Tensor& x) const {
  if (!options.learn_eps) {
    const std::int64_t inner = spatial_size(x.shape());
    const GroupView view{1, 1, x.size(0) * x.size(1), inner};
    return normalize(x, weight, bias, view, {x.size(1), inner}, {.eps = options.eps, .center = false}).y;
  }
  if (x.numel() == 0) {
    return composite::empty_output(x, {weight, bias, learned_eps});
  }
  const Tensor scale = rsqrt(mean(square(x), {2, 3}, true) + (abs(learned_eps) + options.eps));
  return composite::scale_and_shift(x * scale, weight, bias);
}

Tensor FilterResponseNorm::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_channels, 4);
  const Tensor y = normalized(x);
  return options.tlu ? maximum(y, composite::per_channel(tau, x.rank())) : y;
}

}  // namespace evenkeel::nn
