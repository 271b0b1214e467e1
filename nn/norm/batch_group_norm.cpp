#include "evenkeel/nn/norm/batch_group_norm.hpp"

#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/nn/norm/composite.hpp"
#include "evenkeel/nn/norm/norm_base.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

BatchGroupNorm::BatchGroupNorm(std::int64_t channels, BatchGroupNormOptions opts)
    : num_channels(checked_channels("BatchGroupNorm", "num_channels", channels)),
      num_groups(composite::checked_groups("BatchGroupNorm", channels, opts.num_groups)),
      options{opts.num_groups, checked_eps("BatchGroupNorm", opts.eps),
              checked_momentum("BatchGroupNorm", opts.momentum), opts.affine},
      weight(parameter("weight", composite::value_if(opts.affine, channels, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, channels, 0))),
      running_mean(buffer("running_mean", Array::zeros({num_groups}))),
      running_var(buffer("running_var", Array::ones({num_groups}))),
      num_batches_tracked(optional_buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {}

std::string BatchGroupNorm::extra_repr() const {
  return concat(num_channels, ", groups=", num_groups, ", eps=", repr(options.eps),
                ", momentum=", composite::repr_momentum(options.momentum), ", affine=", repr(options.affine));
}

Tensor BatchGroupNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  composite::check_channels(*this, x, num_channels, 0);
  const std::int64_t inner = spatial_size(x.shape());
  const std::int64_t width = num_channels / num_groups;
  const AffineView affine{num_channels, inner};
  if (!training()) {
    const auto by_channel = [&](const Tensor& running) {
      return Tensor(running.array().reshape({num_groups, 1}).expand({num_groups, width}).contiguous().flatten());
    };
    return normalize_with(x, by_channel(running_mean), by_channel(running_var), weight, bias, affine, options.eps,
                          activation);
  }
  const std::int64_t count = x.size(0) * width * inner;
  composite::check_count(*this, x, count, "group");
  const Normalized result = normalize_groups(x, weight, bias, {1, x.size(0), num_groups, width * inner}, affine,
                                             {.eps = options.eps}, activation);
  if (count > 0) {
    const auto n = static_cast<double>(count);
    const double t = composite::count_batch(num_batches_tracked, options.momentum);
    composite::move_toward(running_mean, result.mean, 1, t);
    composite::move_toward(running_var, result.var, n / (n - 1), t);
  }
  return result.y;
}

}  // namespace evenkeel::nn
