#include "evenkeel/nn/norm/act_norm.hpp"

#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <cmath>
#include <vector>

namespace evenkeel::nn {

ActNorm::ActNorm(std::int64_t num_features, Options options)
    : num_features(checked_channels("ActNorm", "num_features", num_features)),
      options(checked("ActNorm", options)),
      weight(parameter("weight", Array::ones({num_features}))),
      bias(parameter("bias", Array::zeros({num_features}))),
      initialized(buffer("initialized", Array::zeros({}, DType::int64))) {}

std::string ActNorm::extra_repr() const { return concat(num_features, repr_options(options)); }

void ActNorm::initialize(const Tensor& x) {
  const std::int64_t inner = spatial_size(x.shape());
  check_count(*this, x, x.size(0) * inner, "channel");
  const Moments batch = moments(x, {1, x.size(0), num_features, inner});
  std::vector<double> scale, shift;
  for (std::int64_t c = 0; c < num_features; ++c) {
    scale.push_back(1 / (std::sqrt(batch.var.span<double>()[static_cast<std::size_t>(c)]) + options.eps));
    shift.push_back(-batch.mean.span<double>()[static_cast<std::size_t>(c)] * scale.back());
  }
  const Array first_weight = Array::from(scale, {num_features}), first_bias = Array::from(shift, {num_features});
  weight.mutable_array().copy_(first_weight);
  bias.mutable_array().copy_(first_bias);
  initialized.mutable_array().fill_(1);
}

Tensor ActNorm::forward(const Tensor& x) {
  check_channels(*this, x, num_features, kAnyRank);
  check_dtypes(*this, x, weight, bias);
  if (training() && x.numel() > 0 && initialized.array().item_int64() == 0) {
    initialize(x);
  }
  return scale_and_shift(x, weight, bias);
}

}  // namespace evenkeel::nn
