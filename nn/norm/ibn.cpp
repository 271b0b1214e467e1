#include "evenkeel/nn/norm/ibn.hpp"

#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
namespace {

std::int64_t split(std::int64_t features, double ratio) {
  const auto count = static_cast<std::int64_t>(static_cast<double>(features) * ratio);
  require(ratio > 0 && ratio < 1 && count > 0 && count < features, "IBN", "ratio ", ratio, " of ", features,
          " channels leaves one of InstanceNorm and BatchNorm without any");
  return count;
}

}  // namespace

IBN::IBN(std::int64_t num_features, Options options)
    : num_features(checked_channels("IBN", "num_features", num_features)),
      options(checked("IBN", options)),
      instance_features(split(num_features, options.ratio)),
      instance(add<InstanceNorm2d>("IN", instance_features, {.eps = options.eps, .affine = options.affine})),
      batch(add<BatchNorm2d>("BN", num_features - instance_features,
                             {.eps = options.eps, .momentum = options.momentum, .affine = options.affine})) {}

std::string IBN::extra_repr() const { return concat(num_features, ", ratio=", repr(options.ratio)); }

Tensor IBN::forward(const Tensor& x) {
  check_channels(*this, x, num_features, kImages);
  check_count(*this, x, spatial_size(x.shape()), "channel of a sample");
  return cat({instance(slice(x, 1, 0, instance_features)), batch(slice(x, 1, instance_features, num_features))}, 1);
}

}  // namespace evenkeel::nn
