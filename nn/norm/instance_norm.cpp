#include "evenkeel/nn/norm/instance_norm.hpp"

#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"

namespace evenkeel::nn {

InstanceNormBase::InstanceNormBase(std::string_view layer, int dims, std::int64_t num_features,
                                   const InstanceNormOptions& options)
    : NormBase(layer, {dims + 1, dims + 2}, num_features,
               {.eps = options.eps,
                .momentum = options.momentum,
                .affine = options.affine,
                .track_running_stats = options.track_running_stats}) {}

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

void InstanceNormBase::check_input(const Tensor& x, const Tensor& samples) const {
  if (samples.size(1) != num_features) {
    fail<ShapeError>(type_name(), "expected input's size at dim=", x.rank() == samples.rank() ? 1 : 0,
                     " to match num_features (", num_features, "), but got: ", samples.size(1), " (input of shape ",
                     x.shape(), ")");
  }
  if (uses_input_stats() && spatial_size(samples.shape()) == 1) {
    const bool single = x.rank() < samples.rank();  // which GroupNorm and BatchNorm don't take
    const std::string group_norm = single ? "" : advised_group_norm(num_features);
    fail<ShapeError>(type_name(), "Expected more than 1 spatial element when training, got input size ", x.shape(),
                     "; use larger maps", group_norm.empty() ? "" : ", ", group_norm, " or ",
                     advised_batch_norm(samples.size(0)));
  }
}

Tensor InstanceNormBase::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_rank(*this, x, ranks_);
  const bool single = x.rank() == ranks_.min;
  const Tensor samples = single ? unsqueeze(x, 0) : x;
  check_input(x, samples);
  const Tensor y = functional::instance_norm(
      samples, running_mean, running_var, weight, bias,
      {.use_input_stats = uses_input_stats(), .momentum = *options.momentum, .eps = options.eps}, activation);
  return single ? squeeze(y, 0) : y;
}

}  // namespace evenkeel::nn
