#include "nn/norm/instance_norm.hpp"

#include "autograd/ops/shape.hpp"
#include "nn/functional.hpp"
#include "nn/norm/group_norm.hpp"
#include "nn/norm/norm_common.hpp"

namespace evenkeel::nn {

InstanceNormBase::InstanceNormBase(const char* layer, std::int64_t features, InstanceNormOptions opts)
    : NormBase(layer, features,
               {.eps = opts.eps,
                .momentum = opts.momentum,
                .affine = opts.affine,
                .track_running_stats = opts.track_running_stats}) {}

void InstanceNormBase::upgrade_state(const std::string& prefix, StateDict& state) const {
  if (options.track_running_stats) {
    return;
  }
  std::string found;
  for (const auto& [name, value] : state) {
    if (name == prefix + "running_mean" || name == prefix + "running_var") {
      found += (found.empty() ? "\"" : " and \"") + name + "\"";
    }
  }
  require(found.empty(), "load_state_dict", "Unexpected running stats buffer(s) ", found, " for ", type_name(),
          " with track_running_stats=False. Files from before PyTorch 0.4 have them though they were not used: remove "
          "these keys from the state. If they are wanted, build the layer with track_running_stats = true");
}

void InstanceNormBase::check_input(const Tensor& x) const {
  check_rank(x);
  const bool batched = !accepts_rank(x.rank() + 1);
  const int channel_dim = batched ? 1 : 0;
  if (x.size(channel_dim) != num_features) {
    fail(error_name(*this), "expected input's size at dim=", channel_dim, " to match num_features (", num_features,
         "), but got: ", x.size(channel_dim), " (input of shape ", x.shape(), ")");
  }
  const std::int64_t instances = (batched ? x.size(0) : 1) * num_features;
  if ((training() || !running_mean.defined()) && x.numel() == instances && x.numel() > 0) {
    const std::int64_t groups = choose_gn_groups(num_features);
    fail(error_name(*this), "Expected more than 1 spatial element when training, got input size ", x.shape(),
         "; use larger maps", groups < num_features ? concat(", GroupNorm(", groups, ", ", num_features, ")") : "",
         " or BatchNorm");
  }
}

Tensor InstanceNormBase::forward(const Tensor& x) {
  check_input(x);
  if (accepts_rank(x.rank() + 1)) {
    return squeeze(forward(unsqueeze(x, 0)), 0);
  }
  return functional::instance_norm(
      x, running_mean, running_var, weight, bias,
      {.use_input_stats = training() || !running_mean.defined(), .momentum = *options.momentum, .eps = options.eps});
}

}  // namespace evenkeel::nn
