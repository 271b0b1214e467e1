#include "evenkeel/nn/norm/filter_response_norm.hpp"

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/group_moments.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/autograd/ops/row_function.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

FilterResponseNorm::FilterResponseNorm(std::int64_t num_channels, Options options)
    : num_channels(checked_channels("FilterResponseNorm", "num_channels", num_channels)),
      options(checked("FilterResponseNorm", options)),
      weight(parameter("weight", value_if(options.affine, {num_channels}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_channels}, 0))),
      tau(parameter("tau", value_if(options.tlu, {num_channels}, 0))),
      learned_eps(parameter("learned_eps", value_if(options.learn_eps, {1}, 1e-4))) {}

std::string FilterResponseNorm::extra_repr() const {
  return concat(num_channels, repr_options(options), ", tlu=", repr(options.tlu),
                ", learn_eps=", repr(options.learn_eps));
}

Tensor FilterResponseNorm::forward(const Tensor& x) {
  check_channels(*this, x, num_channels, kImages);
  check_dtypes(*this, x, weight, bias, tau, learned_eps);
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias, tau, learned_eps});
  }
  const std::int64_t inner = spatial_size(x.shape());
  const GroupView planes{1, 1, x.size(0) * num_channels, inner};
  if (!options.learn_eps && !options.tlu) {
    return normalize_groups(x, weight, bias, planes, {num_channels, inner}, {.eps = options.eps, .center = false}).y;
  }
  const GroupMoments s = group_moments(x, planes, false);
  Tensor v = s.var + options.eps;
  if (options.learn_eps) {
    v = v + abs(in_double(learned_eps));
  }
  const Tensor scale = times_weight(rsqrt(v), weight);
  return threshold_rows(s.x, inner, scale, bias, tau);
}

}  // namespace evenkeel::nn
