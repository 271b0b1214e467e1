#include "nn/norm/adaptive_instance_norm.hpp"

#include "autograd/ops.hpp"
#include "nn/norm/composite.hpp"
#include "nn/norm/norm_common.hpp"

namespace evenkeel::nn::functional {
namespace {

constexpr const char* kName = "adaptive_instance_norm";

void check_input(const Tensor& x, const char* what) {
  require(x.defined(), kName, what, " is an undefined tensor");
  require(x.rank() >= 3, kName, what, " must be (N, C, *) with at least 3 dims, got shape ", x.shape());
  require(spatial_size(x.shape()) != 1, kName, "expected more than 1 spatial element, ", what, " has shape ",
          x.shape());
}

Tensor planes(const Tensor& x) { return reshape(x, {x.size(0), x.size(1), spatial_size(x.shape())}); }

}  // namespace

Tensor adaptive_instance_norm(const Tensor& x, const Tensor& style, double eps) {
  checked_eps(kName, eps);
  check_input(x, "the content");
  check_input(style, "the style");
  require(style.size(1) == x.size(1) && (style.size(0) == x.size(0) || style.size(0) == 1), kName, "a style of shape ",
          style.shape(), " does not fit content of shape ", x.shape());
  if (x.numel() == 0) {
    return x * 1.0;
  }
  const auto deviation = [eps](const Tensor& centred) { return sqrt(var(centred, {2}, 1, true) + eps); };
  const Tensor content = composite::centred(planes(x), {2});
  const Tensor target = planes(style);
  const Tensor standard = (content - mean(content, {2}, true)) / deviation(content);
  return reshape(standard * deviation(composite::centred(target, {2})) + mean(target, {2}, true), x.shape());
}

}  // namespace evenkeel::nn::functional
