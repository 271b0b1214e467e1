#include "evenkeel/nn/norm/frozen_batch_norm.hpp"

#include "evenkeel/nn/norm/batch_norm.hpp"

namespace evenkeel::nn {
namespace {

using NamedNorms = std::vector<std::pair<std::string, BatchNormBase*>>;

NamedNorms batch_norms(Module& model) {
  NamedNorms result;
  for (const auto& [name, module] : model.named_modules()) {
    if (auto* norm = dynamic_cast<BatchNormBase*>(module)) {
      result.emplace_back(name, norm);
    }
  }
  return result;
}

}  // namespace

FrozenBatchNorm::FrozenBatchNorm(std::string_view layer, RankRange ranks, std::int64_t num_features, Options options)
    : num_features(checked_channels(layer, "num_features", num_features)),
      options(checked(layer, options)),
      weight(buffer("weight", Array::ones({num_features}))),
      bias(buffer("bias", Array::zeros({num_features}))),
      running_mean(buffer("running_mean", Array::zeros({num_features}))),
      running_var(buffer("running_var", Array::ones({num_features}))),
      ranks_(ranks) {}

std::string FrozenBatchNorm::extra_repr() const { return concat(num_features, repr_options(options)); }

Tensor FrozenBatchNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_rank(*this, x, ranks_);
  check_channels_at(*this, x, num_features, false);
  return normalize_with(x, running_mean, running_var, weight, bias, {num_features, spatial_size(x.shape())},
                        options.eps, activation);
}

void FrozenBatchNorm::upgrade_state(const std::string& prefix, StateDict& state) const {
  std::erase_if(state, [&](const auto& entry) { return entry.first == prefix + "num_batches_tracked"; });
}

std::vector<std::string> freeze_batchnorm_stats(Module& model, FreezeOptions options) {
  const NamedNorms norms = batch_norms(model);
  for (const auto& [name, norm] : norms) {
    require<StateError>(norm->running_mean.defined(), "freeze_batchnorm_stats", name.empty() ? "the model" : name,
                        " (a ", norm->type_name(), ") has no running statistics to freeze (track_running_stats=False)");
  }
  std::vector<std::string> names;
  for (const auto& [name, norm] : norms) {
    norm->freeze_statistics();
    norm->requires_grad_(options.train_affine);
    names.push_back(name);
  }
  return names;
}

std::vector<std::string> unfreeze_batchnorm_stats(Module& model) {
  std::vector<std::string> names;
  for (const auto& [name, norm] : batch_norms(model)) {
    if (norm->statistics_frozen()) {
      norm->freeze_statistics(false);
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace evenkeel::nn
