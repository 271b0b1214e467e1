#include "evenkeel/nn/norm/norm_base.hpp"

#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
namespace {

/// The start value of running statistics.
Array running(const BatchNormOptions& options, const Shape& shape, std::int64_t num_features, double value) {
  return value_if(options.track_running_stats, shape.empty() ? Shape{num_features} : shape, value);
}

}  // namespace

template <class Base>
NormBase<Base>::NormBase(std::string_view layer, RankRange ranks, std::int64_t num_features, BatchNormOptions options,
                         Start start)
    : num_features(checked_channels(layer, "num_features", num_features)),
      options(checked(layer, options)),
      weight(this->parameter("weight", value_if(options.affine, {num_features}, 1))),
      bias(this->parameter("bias", value_if(options.affine, {num_features}, 0))),
      running_mean(this->buffer("running_mean", running(options, start.mean_shape, num_features, 0))),
      running_var(this->buffer("running_var", running(options, start.var_shape, num_features, start.var))),
      num_batches_tracked(this->optional_buffer(
          "num_batches_tracked", options.track_running_stats ? Array::zeros({}, DType::int64) : Array())),
      ranks_(ranks),
      first_var_(start.var) {}

template <class Base>
std::string NormBase<Base>::extra_repr() const {
  return concat(num_features, repr_options(options), ", track_running_stats=", repr(options.track_running_stats));
}

template <class Base>
void NormBase<Base>::reset_running_stats() {
  if (!running_mean.defined()) {
    return;
  }
  running_mean.mutable_array().fill_(0);
  running_var.mutable_array().fill_(first_var_);
  num_batches_tracked.mutable_array().fill_(0);
}

template <class Base>
void NormBase<Base>::move_running_stats(const Array& mean, const Array& var, double var_factor) {
  move_and_count({{running_mean, mean}, {running_var, var, var_factor}}, num_batches_tracked, options.momentum);
}

template class NormBase<FusibleNorm>;
template class NormBase<Layer>;

}  // namespace evenkeel::nn
