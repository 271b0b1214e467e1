#include "evenkeel/nn/norm/group_norm.hpp"

#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

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

std::int64_t largest_proper_divisor(std::int64_t n) {
  std::int64_t d = n / 2;
  while (n % d != 0) {
    --d;
  }
  return d;
}

std::int64_t checked_groups(std::int64_t groups, std::int64_t channels) {
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

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, GroupNormOptions opts)
    : num_groups(checked_groups(groups, channels)),
      num_channels(channels),
      options{checked_eps("GroupNorm", opts.eps), opts.affine},
      weight(parameter("weight", opts.affine ? Array::ones({channels}) : Array())),
      bias(parameter("bias", opts.affine ? Array::zeros({channels}) : Array())) {}

std::string GroupNorm::extra_repr() const {
  return concat(num_groups, ", ", num_channels, ", eps=", repr(options.eps), ", affine=", repr(options.affine));
}

void GroupNorm::check_input(const Tensor& x) const {
  if (!x.defined()) {
    fail(error_name(*this), "the input is an undefined tensor");
  }
  if (x.rank() < 2) {
    fail(error_name(*this), "expected at least 2D input (got ", x.rank(), "D input of shape ", x.shape(), ")");
  }
  if (x.size(1) != num_channels) {
    fail(error_name(*this), "expected ", num_channels, " channels, got ", x.size(1), " (input of shape ", x.shape(),
         ")");
  }
  if (num_channels == num_groups && spatial_size(x.shape()) == 1 && x.numel() > 0) {
    fail(error_name(*this), "Expected more than 1 value per channel when training, got input size ", x.shape(),
         ": each of the ", num_groups, " groups has a single element; use ",
         num_channels > 1 ? concat("fewer groups, such as GroupNorm(", largest_proper_divisor(num_channels), ", ",
                                   num_channels, "), ")
                          : "",
         "larger maps or BatchNorm");
  }
}

Tensor GroupNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_input(x);
  return functional::group_norm(x, num_groups, weight, bias, options.eps, activation);
}

}  // namespace evenkeel::nn
