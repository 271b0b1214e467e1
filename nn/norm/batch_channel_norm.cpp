#include "evenkeel/nn/norm/batch_channel_norm.hpp"

#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/repr.hpp"

#include <vector>

namespace evenkeel::nn {
namespace {

std::int64_t checked_channel_groups(std::int64_t groups, std::int64_t channels) {
  checked_channels("BatchChannelNorm", "num_channels", channels);
  require(groups > 0 && channels % groups == 0, "BatchChannelNorm",
          "num_channels must be divisible by num_groups, got ", channels, " channels and ", groups, " groups");
  return groups;
}

std::unique_ptr<BatchNormBase> make_batch_norm(std::int64_t channels, const BatchChannelNormOptions& o) {
  if (o.estimate) {
    return std::make_unique<EstimatedBatchNorm>(
        channels, EstimatedBatchNormOptions{.eps = o.eps, .momentum = o.momentum, .affine = o.affine});
  }
  return std::make_unique<BatchNorm2d>(channels,
                                       BatchNormOptions{.eps = o.eps, .momentum = o.momentum, .affine = o.affine});
}

}  // namespace

EstimatedBatchNorm::EstimatedBatchNorm(std::int64_t num_features, Options options)
    : BatchNormBase("EstimatedBatchNorm", kAnyRank, num_features,
                    {.eps = options.eps, .momentum = options.momentum, .affine = options.affine}),
      estbn_moving_speed(optional_buffer("estbn_moving_speed", Array::full({1}, options.momentum))) {}

Tensor EstimatedBatchNorm::normalize_batch(const Tensor& x, const FusedActivation& activation) {
  const AffineView affine{num_features, spatial_size(x.shape())};
  check_dtypes(*this, x, weight, bias);
  if (x.numel() > 0 && x.dtype() == running_mean.dtype()) {  // another dtype is normalize_with's error
    Moments batch = moments(x, {1, x.size(0), num_features, affine.inner});
    const std::vector<double> before = running_mean.array().to(DType::float64).to_vector<double>();
    const auto mean = batch.mean.span<double>();
    const auto var = batch.var.mutable_span<double>();
    for (std::size_t c = 0; c < before.size(); ++c) {
      var[c] += (mean[c] - before[c]) * (mean[c] - before[c]);  // around the mean before
    }
    const double speed = estbn_moving_speed.array().item();
    move_and_count({{running_mean, batch.mean}, {running_var, batch.var}}, num_batches_tracked, speed);
  }
  return normalize_with(x, running_mean, running_var, weight, bias, affine, options.eps, activation);
}

BatchChannelNorm::BatchChannelNorm(std::int64_t num_groups, std::int64_t num_channels, const Options& options)
    : num_groups(checked_channel_groups(
          *given_groups("BatchChannelNorm", num_channels, num_groups, options.channels_per_group), num_channels)),
      num_channels(num_channels),
      options(checked("BatchChannelNorm", options)),
      weight(parameter("weight", value_if(options.affine, {1, num_groups, 1}, 1))),
      bias(parameter("bias", value_if(options.affine, {1, num_groups, 1}, 0))),
      bn(add("bn", make_batch_norm(num_channels, options))) {}

BatchChannelNorm::BatchChannelNorm(std::int64_t num_channels, const Options& options)
    : BatchChannelNorm(
          given_groups("BatchChannelNorm", num_channels, {}, options.channels_per_group)
              .value_or(choose_gn_groups(num_channels)),
          num_channels,
          {.eps = options.eps, .momentum = options.momentum, .affine = options.affine, .estimate = options.estimate}) {}

std::string BatchChannelNorm::extra_repr() const {
  return concat(num_groups, ", ", num_channels, ", eps=", repr(options.eps), ", affine=", repr(options.affine));
}

std::string BatchChannelNorm::cure(const Tensor& x) const {
  if (num_channels == 1) {
    return "larger maps";
  }
  const bool refused = !options.estimate && training() && x.size(0) == 1;  // by its BatchNorm
  return refused ? advised_group_norm(num_channels)
                 : concat("fewer groups, such as BatchChannelNorm(", most_groups(num_channels, 32, 2), ", ",
                          num_channels, ")");
}

Tensor BatchChannelNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_channels_at(*this, x, num_channels, false);
  check_dtypes(*this, x, weight, bias);
  const std::int64_t count = num_channels / num_groups * spatial_size(x.shape());
  if (count == 1) {
    fail<ShapeError>(type_name(), "Expected more than 1 value per channel when training, got input size ", x.shape(),
                     " for ", num_groups, " groups; take ", cure(x));
  }
  return normalize_groups(bn(x), weight, bias, {1, 1, x.size(0) * num_groups, count}, {num_groups, count},
                          {.eps = options.eps}, activation)
      .y;
}

}  // namespace evenkeel::nn
