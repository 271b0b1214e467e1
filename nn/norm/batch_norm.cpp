#include "evenkeel/nn/norm/batch_norm.hpp"

#include "evenkeel/nn/norm/group_norm.hpp"

#include <algorithm>

namespace evenkeel::nn {

void BatchNormBase::check_input(const Tensor& x) const {
  check_rank(*this, x, ranks_);
  const std::int64_t c = x.size(1);
  if (c != num_features) {
    const char* which = options.track_running_stats ? "running_mean" : options.affine ? "weight" : "num_features";
    fail<ShapeError>(type_name(), which, " should contain ", c, " elements not ", num_features, " (input of shape ",
                     x.shape(), ")");
  }
}

void BatchNormBase::check_count(double count, const Tensor& x) const {
  if (count == 1) {
    const std::string group_norm = advised_group_norm(num_features);
    fail<ShapeError>(
        type_name(), "Expected more than 1 value per channel when training, got input size ", x.shape(), "; ",
        running_mean.defined() ? "call eval(), " : "",
        "take a larger batch, let the DataLoader drop the last one or merge it with the one before (LastBatch::drop, "
        "LastBatch::merge), or use ",
        group_norm.empty() ? "larger maps: of a single element no GroupNorm could be taken" : group_norm);
  }
}

Tensor BatchNormBase::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_input(x);
  if (training() || !running_mean.defined()) {
    return normalize_batch(x, activation);
  }
  return normalize_with(x, running_mean, running_var, weight, bias, {num_features, spatial_size(x.shape())},
                        options.eps, activation);
}

Tensor BatchNormBase::normalize_batch(const Tensor& x, const FusedActivation& activation) {
  const std::int64_t inner = spatial_size(x.shape());
  const GroupView view{1, x.size(0), num_features, inner};
  const auto count = static_cast<double>(view.count());
  check_count(count, x);
  Normalized result = normalize_groups(x, weight, bias, view, {num_features, inner}, {.eps = options.eps}, activation);
  track(result.mean, result.var, count);
  return result.y;
}

void BatchNormBase::track(const Array& mean, const Array& var, double count) {
  if (!training() || !running_mean.defined() || count == 0) {
    return;
  }
  const std::int64_t seen = num_batches_tracked.array().item_int64() + 1;
  move_statistics(mean, var, count, options.momentum.value_or(1.0 / static_cast<double>(seen)));
  *num_batches_tracked.mutable_array().mutable_data<std::int64_t>() = seen;
}

void BatchNormBase::move_statistics(const Array& mean, const Array& var, double count, double t) {
  move_toward({{running_mean, mean}, {running_var, var, count / (count - 1)}}, t);  // unbiased
}

bool BatchNormBase::has_new_statistics() const {
  if (!running_mean.defined() || num_batches_tracked.array().item_int64() != 0) {
    return false;
  }
  const std::vector<double> mean = running_mean.array().to(DType::float64).to_vector<double>();
  return std::all_of(mean.begin(), mean.end(), [](double value) { return value == 0; });
}

std::string BatchNormBase::remark() const {
  return !frozen_ ? "" : has_new_statistics() ? "statistics frozen before the first batch" : "statistics frozen";
}

void BatchNormBase::on_clone(const Module& original) { frozen_ = dynamic_cast<const BatchNormBase&>(original).frozen_; }

void BatchNormBase::freeze_statistics(bool frozen) {
  require<StateError>(!frozen || running_mean.defined(), type_name(),
                      "has no running statistics to freeze (track_running_stats=False)");
  frozen_ = frozen;
  training_ = training_ && !frozen;
}

}  // namespace evenkeel::nn
