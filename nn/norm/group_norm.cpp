#include "evenkeel/nn/norm/group_norm.hpp"

#include "evenkeel/nn/functional.hpp"

#include <algorithm>

namespace evenkeel::nn {
namespace {

/// "1, 2, 3, 6"
std::string divisors(std::int64_t n) {
  std::string text;
  for (std::int64_t d = 1; d <= n; ++d) {
    if (n % d == 0) {
      text += (d == 1 ? "" : ", ") + std::to_string(d);
    }
  }
  return text;
}

std::int64_t checked_num_groups(std::int64_t groups, std::int64_t channels) {
  checked_channels("GroupNorm", "num_channels", channels);
  require(groups > 0 && channels % groups == 0, "GroupNorm", "num_channels must be divisible by num_groups, got ",
          channels, " channels and ", groups, " groups; num_groups may be ", divisors(channels));
  return groups;
}

}  // namespace

std::int64_t choose_gn_groups(std::int64_t channels) {
  checked_channels("choose_gn_groups", "channels", channels);
  std::int64_t groups = 32;
  while (channels % groups != 0) {
    groups /= 2;
  }
  return groups;
}

std::int64_t most_groups(std::int64_t channels, std::int64_t most, std::int64_t width) {
  std::int64_t groups = std::clamp<std::int64_t>(channels / width, 1, most);
  while (channels % groups != 0) {
    --groups;
  }
  return groups;
}

std::string advised_group_norm(std::int64_t channels) {
  return channels == 1 ? "" : concat("GroupNorm(", most_groups(channels, 32, 2), ", ", channels, ")");
}

std::string advised_batch_norm(std::int64_t batch) {
  return batch == 1 ? "BatchNorm with a larger batch" : "BatchNorm";
}

GroupNorm::GroupNorm(std::int64_t num_groups, std::int64_t num_channels, const Options& options)
    : num_groups(checked_num_groups(*given_groups("GroupNorm", num_channels, num_groups, options.channels_per_group),
                                    num_channels)),
      num_channels(num_channels),
      options(checked("GroupNorm", options)),
      weight(parameter("weight", value_if(options.affine, {num_channels}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_channels}, 0))) {}

GroupNorm::GroupNorm(std::int64_t num_channels, const Options& options)
    : GroupNorm(given_groups("GroupNorm", num_channels, {}, options.channels_per_group)
                    .value_or(choose_gn_groups(num_channels)),
                num_channels, {.eps = options.eps, .affine = options.affine}) {}

std::string GroupNorm::extra_repr() const { return concat(num_groups, ", ", num_channels, repr_options(options)); }

void GroupNorm::check_input(const Tensor& x) const {
  check_channels(*this, x, num_channels, kAnyRank);
  if (num_channels == num_groups && spatial_size(x.shape()) == 1 && x.numel() > 0) {
    fail<ShapeError>(type_name(), "Expected more than 1 value per channel when training, got input size ", x.shape(),
                     ": each of the ", num_groups, " groups has a single element; use ",
                     num_channels > 1 ? concat("fewer groups, such as ", advised_group_norm(num_channels), ", ") : "",
                     "larger maps or ", advised_batch_norm(x.size(0)));
  }
}

Tensor GroupNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_input(x);
  return functional::group_norm(x, num_groups, weight, bias, options.eps, activation);
}

}  // namespace evenkeel::nn
