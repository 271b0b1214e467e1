#include "nn/norm/norm_base.hpp"

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

void NormBase::check_rank(const Tensor& x) const {
  if (!x.defined()) {
    fail(error_name(*this), "the input is an undefined tensor");
  }
  if (!accepts_rank(x.rank())) {
    fail(error_name(*this), "expected ", expected_rank(), " input (got ", x.rank(), "D input of shape ", x.shape(),
         ")");
  }
}

void NormBase::reset_running_stats() {
  if (!running_mean.defined()) {
    return;
  }
  running_mean.mutable_array().fill_(0);
  running_var.mutable_array().fill_(1);
  num_batches_tracked.mutable_array().fill_(0);
}

void move_toward(Tensor& running, const Array& batch, double factor, double t) {
  Array& array = running.mutable_array();
  dispatch_float(array.dtype(), "running statistics", [&]<class T>() {
    const std::span<T> values = array.mutable_span<T>();
    const std::span<const double> news = batch.span<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<T>((1 - t) * static_cast<double>(values[i]) + t * (news[i] * factor));
    }
  });
}

}  // namespace evenkeel::nn
