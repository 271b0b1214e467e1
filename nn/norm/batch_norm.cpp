#include "nn/norm/batch_norm.hpp"

#include "nn/functional.hpp"
#include "nn/norm/group_norm.hpp"
#include "nn/norm/norm_common.hpp"
#include "nn/repr.hpp"

namespace evenkeel::nn {
namespace {

BatchNormOptions checked(const char* layer, BatchNormOptions options) {
  checked_eps(layer, options.eps);
  if (options.momentum) {
    require(*options.momentum >= 0 && *options.momentum <= 1, layer, "momentum must lie in [0, 1], got ",
            *options.momentum,
            "; it weighs the new value: running = (1 - momentum) * running + momentum * batch. Keras and Flax give the "
            "old value's weight m: pass 1 - m (0.01 for their 0.99)");
  }
  return options;
}

Array value_if(bool wanted, std::int64_t features, double value) {
  return wanted ? Array::full({features}, value) : Array();
}

}  // namespace

BatchNormBase::BatchNormBase(const char* layer, std::int64_t features, BatchNormOptions opts)
    : num_features(checked_channels(layer, "num_features", features)),
      options(checked(layer, opts)),
      weight(parameter("weight", value_if(options.affine, features, 1))),
      bias(parameter("bias", value_if(options.affine, features, 0))),
      running_mean(buffer("running_mean", value_if(options.track_running_stats, features, 0))),
      running_var(buffer("running_var", value_if(options.track_running_stats, features, 1))),
      num_batches_tracked(optional_buffer("num_batches_tracked",
                                          options.track_running_stats ? Array::zeros({}, DType::int64) : Array())) {}

std::string BatchNormBase::extra_repr() const {
  return concat(num_features, ", eps=", repr(options.eps),
                ", momentum=", options.momentum ? repr(*options.momentum) : "None", ", affine=", repr(options.affine),
                ", track_running_stats=", repr(options.track_running_stats));
}

void BatchNormBase::check_input(const Tensor& x) const {
  if (!x.defined()) {
    fail(error_name(*this), "the input is an undefined tensor");
  }
  if (!accepts_rank(x.rank())) {
    fail(error_name(*this), "expected ", expected_rank(), " input (got ", x.rank(), "D input of shape ", x.shape(),
         ")");
  }
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
  Tensor y = functional::batch_norm(x, running_mean, running_var, weight, bias,
                                    {.training = training() || !tracks,
                                     .momentum = options.momentum.value_or(1.0 / static_cast<double>(seen)),
                                     .eps = options.eps});
  if (updates) {
    *num_batches_tracked.mutable_array().mutable_data<std::int64_t>() = seen;
  }
  return y;
}

void BatchNormBase::reset_running_stats() {
  if (!running_mean.defined()) {
    return;
  }
  running_mean.mutable_array().fill_(0);
  running_var.mutable_array().fill_(1);
  num_batches_tracked.mutable_array().fill_(0);
}

}  // namespace evenkeel::nn
