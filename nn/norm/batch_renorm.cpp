#include "evenkeel/nn/norm/batch_renorm.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/repr.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace evenkeel::nn {
namespace {

BatchNormOptions base_options(const BatchRenormOptions& o) {
  return {.eps = o.eps, .momentum = o.momentum, .affine = o.affine, .track_running_stats = o.track_running_stats};
}

BatchRenormOptions checked_renorm(std::string_view layer, const BatchRenormOptions& o) {
  require(o.rmax >= 1, layer, "rmax must be at least 1, got ", o.rmax);
  require(o.dmax >= 0, layer, "dmax must be at least 0, got ", o.dmax);
  require(o.warmup_steps >= 0, layer, "warmup_steps must be at least 0, got ", o.warmup_steps);
  require(o.hold_steps >= 0, layer, "hold_steps must be at least 0, got ", o.hold_steps);
  const std::int64_t rmax_steps = o.rmax_steps.value_or(o.warmup_steps);
  const std::int64_t dmax_steps = o.dmax_steps.value_or(o.warmup_steps);
  require(rmax_steps >= o.hold_steps && dmax_steps >= o.hold_steps, layer,
          "rmax_steps and dmax_steps (by default warmup_steps) must be at least hold_steps, ", o.hold_steps, ", got ",
          rmax_steps, " and ", dmax_steps);
  require(o.renorm_momentum >= 0 && o.renorm_momentum <= 1, layer, "renorm_momentum must lie in [0, 1], got ",
          o.renorm_momentum, "; it weighs the new value: pass 1 - Keras's");
  return o;
}

/// What of `bound`, which may be infinite, holds in training call t.
double ramped(double bound, std::int64_t t, std::int64_t hold, std::int64_t end) {
  if (t <= hold || t >= end) {
    return t <= hold ? 0 : bound;
  }
  return static_cast<double>(t - hold) / static_cast<double>(end - hold) * bound;
}

bool gathers_deviation(RenormStatistics statistics) {
  return statistics == RenormStatistics::deviation || statistics == RenormStatistics::keras;
}

bool keeps_two_sets(const BatchRenormOptions& o) {
  return o.statistics == RenormStatistics::keras && o.track_running_stats;
}

std::vector<double> doubles(const Tensor& x) { return x.array().to(DType::float64).to_vector<double>(); }

/// sqrt(var + eps) of every channel.
Array deviations(const Array& var, double eps) {
  Array result = var.clone();
  for (double& v : result.mutable_span<double>()) {
    v = std::sqrt(v + eps);
  }
  return result;
}

}  // namespace

BatchRenormOptions paper_renorm_options() {
  return {.momentum = 0.01,
          .statistics = RenormStatistics::deviation,
          .hold_steps = 5000,
          .rmax_steps = 40000,
          .dmax_steps = 25000};
}

BatchRenormBase::BatchRenormBase(std::string_view layer, RankRange ranks, std::int64_t num_features,
                                 const BatchRenormOptions& options)
    : BatchNormBase(layer, ranks, num_features, base_options(options)),
      renorm(checked_renorm(layer, options)),
      renorm_mean(buffer("renorm_mean", value_if(keeps_two_sets(options), {num_features}, 0))),
      renorm_stddev(buffer("renorm_stddev", value_if(keeps_two_sets(options), {num_features}, 1))) {
  BatchRenormBase::reset_running_stats();
}

void BatchRenormBase::reset_running_stats() {
  BatchNormBase::reset_running_stats();
  if (running_var.defined() && gathers_deviation(renorm.statistics)) {
    running_var.mutable_array().fill_(1 - options.eps);  // deviation 1
  }
  if (renorm_mean.defined()) {
    renorm_mean.mutable_array().fill_(0);
    renorm_stddev.mutable_array().fill_(1);
  }
}

std::string BatchRenormBase::extra_repr() const {
  static constexpr const char* kNames[] = {"", ", statistics=unbiased", ", statistics=deviation", ", statistics=keras"};
  const auto steps = [](const char* name, const std::optional<std::int64_t>& value) {
    return value ? concat(", ", name, "=", *value) : "";
  };
  return concat(BatchNormBase::extra_repr(), ", rmax=", repr(renorm.rmax), ", dmax=", repr(renorm.dmax),
                ", warmup_steps=", renorm.warmup_steps,
                renorm.hold_steps > 0 ? concat(", hold_steps=", renorm.hold_steps) : "",
                steps("rmax_steps", renorm.rmax_steps), steps("dmax_steps", renorm.dmax_steps),
                kNames[static_cast<std::size_t>(renorm.statistics)]);
}

auto BatchRenormBase::correction(const Array& batch_mean, const Array& batch_var) const -> Correction {
  const bool keras = renorm_mean.defined();
  const std::int64_t t = num_batches_tracked.array().item_int64() + 1;
  const std::int64_t hold = renorm.hold_steps, warm = renorm.warmup_steps;
  const double rmax = 1 + ramped(renorm.rmax - 1, t, hold, renorm.rmax_steps.value_or(warm));
  const double dmax = ramped(renorm.dmax, t, hold, renorm.dmax_steps.value_or(warm));
  const std::vector<double> mean = doubles(keras ? renorm_mean : running_mean);
  const std::vector<double> spread = doubles(keras ? renorm_stddev : running_var);
  const auto means = batch_mean.span<double>();
  const auto vars = batch_var.span<double>();
  Array r = Array::empty({num_features}, DType::float64);
  Array d = Array::empty({num_features}, DType::float64);
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double deviation = keras ? std::max(spread[c], std::sqrt(options.eps)) : std::sqrt(spread[c] + options.eps);
    const double ratio = std::sqrt(vars[c] + options.eps) / deviation;
    r.mutable_data<double>()[c] = std::clamp(ratio, 1 / rmax, rmax);
    d.mutable_data<double>()[c] = std::clamp((means[c] - mean[c]) / deviation, -dmax, dmax);
  }
  return {Tensor(r.to(running_mean.dtype())), Tensor(d.to(running_mean.dtype()))};
}

Tensor BatchRenormBase::normalize_batch(const Tensor& x, const FusedActivation& activation) {
  if (!training()) {
    fail<StateError>(type_name(),
                     "track_running_stats=False leaves no running statistics for eval(); build the layer with "
                     "track_running_stats = true");
  }
  if (!running_mean.defined() || x.numel() == 0) {
    return BatchNormBase::normalize_batch(x, activation);  // nothing to correct
  }
  const std::int64_t inner = spatial_size(x.shape());
  const GroupView view{1, x.size(0), num_features, inner};
  const auto count = static_cast<double>(view.count());
  check_count(count, x);
  const Moments batch = moments(x, view);
  const auto [r, d] = correction(batch.mean, batch.var);
  const Tensor scale = weight.defined() ? weight * r : r;
  const Tensor shift = weight.defined() ? weight * d + bias : d;
  Tensor y = normalize_groups(x, scale, shift, view, {num_features, inner}, {.eps = options.eps}, activation).y;
  track(batch.mean, batch.var, count);
  return y;
}

void BatchRenormBase::move_statistics(const Array& mean, const Array& var, double count, double t) {
  if (renorm.statistics == RenormStatistics::unbiased) {
    BatchNormBase::move_statistics(mean, var, count, t);
    return;
  }
  if (renorm.statistics == RenormStatistics::variance) {
    move_toward({{running_mean, mean}, {running_var, var}}, t);
    return;
  }
  const Array batch = deviations(var, options.eps);
  Tensor running(deviations(running_var.array().to(DType::float64), options.eps));
  move_toward({{running_mean, mean}, {running, batch}}, t);
  Array& next = running.mutable_array();
  for (double& value : next.mutable_span<double>()) {
    value = std::max(0.0, value * value - options.eps);
  }
  running_var.mutable_array().copy_(next);
  if (renorm_mean.defined()) {
    move_toward({{renorm_mean, mean}, {renorm_stddev, batch}}, renorm.renorm_momentum);
  }
}

}  // namespace evenkeel::nn
