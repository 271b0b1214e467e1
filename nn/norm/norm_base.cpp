#include "evenkeel/nn/norm/norm_base.hpp"

#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
namespace {

BatchNormOptions checked(const char* layer, const BatchNormOptions& options) {
  checked_eps(layer, options.eps);
  checked_momentum(layer, options.momentum);
  return options;
}

Array value_if(bool wanted, std::int64_t features, double value) {
  return wanted ? Array::full({features}, value) : Array();
}

}  // namespace

NormBase::NormBase(const char* layer, std::int64_t features, BatchNormOptions opts)
    : num_features(checked_channels(layer, "num_features", features)),
      options(checked(layer, opts)),
      weight(parameter("weight", value_if(options.affine, features, 1))),
      bias(parameter("bias", value_if(options.affine, features, 0))),
      running_mean(buffer("running_mean", value_if(options.track_running_stats, features, 0))),
      running_var(buffer("running_var", value_if(options.track_running_stats, features, 1))),
      num_batches_tracked(optional_buffer("num_batches_tracked",
                                          options.track_running_stats ? Array::zeros({}, DType::int64) : Array())) {}

std::string NormBase::extra_repr() const {
  return concat(num_features, ", eps=", repr(options.eps),
                ", momentum=", options.momentum ? repr(*options.momentum) : "None", ", affine=", repr(options.affine),
                ", track_running_stats=", repr(options.track_running_stats));
}

void check_rank(const Module& layer, const Tensor& x, bool accepted, std::string_view expected) {
  if (!x.defined()) {
    fail(error_name(layer), "the input is an undefined tensor");
  }
  if (!accepted) {
    fail(error_name(layer), "expected ", expected, " input (got ", x.rank(), "D input of shape ", x.shape(), ")");
  }
}

void NormBase::check_rank(const Tensor& x) const {
  nn::check_rank(*this, x, x.defined() && accepts_rank(x.rank()), expected_rank());
}

void NormBase::reset_running_stats() {
  if (!running_mean.defined()) {
    return;
  }
  running_mean.mutable_array().fill_(0);
  running_var.mutable_array().fill_(1);
  num_batches_tracked.mutable_array().fill_(0);
}

std::optional<double> checked_momentum(const char* layer, std::optional<double> momentum) {
  require(!momentum || (*momentum >= 0 && *momentum <= 1), layer, "momentum must lie in [0, 1], got ",
          momentum.value_or(0),
          "; it weighs the new value: running = (1 - momentum) * running + momentum * batch. Keras and Flax give the "
          "old value's weight m: pass 1 - m (0.01 for their 0.99)");
  return momentum;
}

void move_toward(Tensor& running, const Array& batch, double factor, double t) {
  Array& array = running.mutable_array();
  dispatch_float(array.dtype(), "running statistics", [&]<class T>() {
    const std::span<T> values = array.mutable_span<T>();
    const std::span<const double> news = batch.span<double>();
    const double samples = static_cast<double>(news.size()) / static_cast<double>(values.size());
    for (std::size_t c = 0; c < values.size(); ++c) {
      double sum = 0;
      for (std::size_t i = c; i < news.size(); i += values.size()) {
        sum += news[i];
      }
      values[c] = static_cast<T>((1 - t) * static_cast<double>(values[c]) + t * (sum / samples * factor));
    }
  });
}

}  // namespace evenkeel::nn
