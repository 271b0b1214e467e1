#include "evenkeel/nn/norm/dynamic_tanh.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/row_function.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

DynamicNormBase::DynamicNormBase(std::string_view layer, std::int64_t num_channels, DynamicTanhOptions options)
    : num_channels(checked_channels(layer, "num_channels", num_channels)),
      options(options),
      alpha(parameter("alpha", Array::full({1}, options.alpha))),
      weight(parameter("weight", value_if(options.affine, {num_channels}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_channels}, 0))) {}

std::string DynamicNormBase::extra_repr() const {
  return concat(num_channels, ", alpha=", repr(options.alpha), ", affine=", repr(options.affine),
                ", channels_last=", repr(options.channels_last));
}

Tensor DynamicNormBase::forward(const Tensor& x) {
  check_channels_at(*this, x, num_channels, options.channels_last);
  check_dtypes(*this, x, alpha, weight, bias);
  if (!options.channels_last) {
    return squash(x, weight, bias);
  }
  const Tensor y = squash(x, {}, {});
  return options.affine ? y * weight + bias : y;
}

std::int64_t DynamicNormBase::row_size(const Tensor& x) const {
  return options.channels_last ? num_channels : spatial_size(x.shape());
}

Tensor DynamicTanh::squash(const Tensor& x, const Tensor& w, const Tensor& b) const {
  return tanh_rows(x, row_size(x), alpha, w, b);
}

DynamicErf::DynamicErf(std::int64_t num_channels, Options options)
    : DynamicNormBase("DynamicErf", num_channels, options), shift(parameter("shift", Array::zeros({1}))) {}

Tensor DynamicErf::squash(const Tensor& x, const Tensor& w, const Tensor& b) const {
  check_dtype(*this, x, shift);
  return erf_rows(x, row_size(x), alpha, shift, w, b);
}

}  // namespace evenkeel::nn
