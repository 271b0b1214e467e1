#include "evenkeel/nn/norm/adaptive_instance_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

namespace evenkeel::nn::functional {
namespace {

constexpr const char* kAdaptiveName = "adaptive_instance_norm";

void check_input(const Tensor& x, const char* what) {
  require(x.defined(), kAdaptiveName, what, " is an undefined tensor");
  require<ShapeError>(x.rank() >= 3, kAdaptiveName, what, " must be (N, C, *) with at least 3 dims, got shape ",
                      x.shape());
  require<ShapeError>(spatial_size(x.shape()) != 1, kAdaptiveName, "expected more than 1 spatial element, ", what,
                      " has shape ", x.shape());
}

GroupMoments of_planes(const Tensor& x) {
  return group_moments(x, {1, 1, x.size(0) * x.size(1), spatial_size(x.shape())});
}

/// sqrt(unbiased variance + eps) as (N, C).
Tensor deviation(const Tensor& x, const GroupMoments& planes, double eps) {
  const auto n = static_cast<double>(spatial_size(x.shape()));
  return sqrt(reshape(planes.var, {x.size(0), x.size(1)}) * (n / (n - 1)) + eps);
}

}  // namespace

Tensor adaptive_instance_norm(const Tensor& x, const Tensor& style, double eps) {
  check_eps(kAdaptiveName, eps);
  check_input(x, "the content");
  check_input(style, "the style");
  require<ShapeError>(style.size(1) == x.size(1) && (style.size(0) == x.size(0) || style.size(0) == 1), kAdaptiveName,
                      "a style of shape ", style.shape(), " does not fit content of shape ", x.shape());
  if (x.numel() == 0) {
    return x * 1.0;
  }
  const GroupMoments content = of_planes(x), target = of_planes(style);
  const Tensor scale = deviation(style, target, eps) / deviation(x, content, eps);
  return affine_rows(content.x, spatial_size(x.shape()), content.mean, scale, target.mean);
}

}  // namespace evenkeel::nn::functional
