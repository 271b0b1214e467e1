#include "nn/norm/batch_norm.hpp"

#include "nn/functional.hpp"
#include "nn/norm/group_norm.hpp"
#include "nn/norm/norm_common.hpp"

namespace evenkeel::nn {

void BatchNormBase::check_input(const Tensor& x) const {
  check_rank(x);
  const std::int64_t c = x.size(1);
  if (c != num_features) {
    const char* which = options.track_running_stats ? "running_mean" : options.affine ? "weight" : "num_features";
    fail(error_name(*this), which, " should contain ", c, " elements not ", num_features, " (input of shape ",
         x.shape(), ")");
  }
  const bool batch_statistics = training() || !running_mean.defined();
  if (batch_statistics && x.numel() == c) {
    fail(error_name(*this), "Expected more than 1 value per channel when training, got input size ", x.shape(),
         "; call eval(), take a larger batch, let the loader drop the last one (drop_last), or use GroupNorm(",
         choose_gn_groups(c), ", ", c, ")");
  }
}

Tensor BatchNormBase::forward(const Tensor& x) {
  check_input(x);
  const bool tracks = running_mean.defined();
  const bool updates = training() && tracks && x.numel() > 0;
  const std::int64_t seen = updates ? num_batches_tracked.array().item_int64() + 1 : 1;
  const Tensor y = functional::batch_norm(x, running_mean, running_var, weight, bias,
                                          {.training = training() || !tracks,
                                           .momentum = options.momentum.value_or(1.0 / static_cast<double>(seen)),
                                           .eps = options.eps});
  if (updates) {
    *num_batches_tracked.mutable_array().mutable_data<std::int64_t>() = seen;
  }
  return y;
}

}  // namespace evenkeel::nn
