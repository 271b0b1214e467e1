#include "evenkeel/nn/norm/batch_group_norm.hpp"

#include "evenkeel/autograd/ops/normalize_groups.hpp"

namespace evenkeel::nn {

BatchGroupNorm::BatchGroupNorm(std::int64_t num_channels, const Options& options)
    : NormBase(
          "BatchGroupNorm", kAnyRank, checked_channels("BatchGroupNorm", "num_channels", num_channels),
          {.eps = options.eps, .momentum = options.momentum, .affine = options.affine},
          per_group(checked_groups("BatchGroupNorm", num_channels, options.num_groups, options.channels_per_group))),
      num_groups(running_mean.numel()) {}

std::string BatchGroupNorm::extra_repr() const {
  return concat(num_features, ", groups=", num_groups, repr_options(options));
}

Tensor BatchGroupNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_channels(*this, x, num_features, ranks_);
  const std::int64_t inner = spatial_size(x.shape());
  const std::int64_t width = num_features / num_groups;
  const AffineView affine{num_features, inner};
  if (!training()) {
    const auto by_channel = [&](const Tensor& running) {
      return Tensor(running.array().reshape({num_groups, 1}).expand({num_groups, width}).contiguous().flatten());
    };
    return normalize_with(x, by_channel(running_mean), by_channel(running_var), weight, bias, affine, options.eps,
                          activation);
  }
  const std::int64_t count = x.size(0) * width * inner;
  check_count(*this, x, count, "group");
  const Normalized result = normalize_groups(x, weight, bias, {1, x.size(0), num_groups, width * inner}, affine,
                                             {.eps = options.eps}, activation);
  if (count > 0) {
    const auto n = static_cast<double>(count);
    move_running_stats(result.mean, result.var, n / (n - 1));
  }
  return result.y;
}

}  // namespace evenkeel::nn
