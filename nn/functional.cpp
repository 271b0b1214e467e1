#include "nn/functional.hpp"

#include "nn/norm/norm_common.hpp"

namespace evenkeel::nn::functional {

namespace {

void check_channels(const char* op, const Tensor& x) {
  require(x.defined() && x.rank() >= 2, op, "expected input of at least 2 dims (N, C, *), got ",
          x.defined() ? concat("shape ", x.shape()) : "an undefined tensor");
}

void check_statistics(const Tensor& x, const Tensor& mean, const Tensor& var, bool training) {
  constexpr const char* kOp = "batch_norm";
  require(mean.defined() == var.defined(), kOp, "give running_mean and running_var, or neither");
  require(training || mean.defined(), kOp, "Expected running_mean and running_var to be defined when training=False");
  for (const Tensor& running : {mean, var}) {
    require(!running.defined() || running.shape() == Shape{x.size(1)}, kOp, "running statistics should contain ",
            x.size(1), " elements, one per channel of the input of shape ", x.shape(), ", got shape ",
            running.defined() ? running.shape() : Shape{});
  }
  require(!training || x.numel() != x.size(1), kOp,
          "Expected more than 1 value per channel when training, got input size ", x.shape());
}

/// running = (1 - t) running + t factor batch
void move_toward(Tensor& running, const Array& batch, double factor, double t) {
  Array& array = running.mutable_array();
  dispatch_float(array.dtype(), "batch_norm", [&]<class T>() {
    const std::span<T> values = array.mutable_span<T>();
    const double* news = batch.data<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<T>((1 - t) * static_cast<double>(values[i]) + t * (news[i] * factor));
    }
  });
}

}  // namespace

Tensor batch_norm(const Tensor& x, Tensor running_mean, Tensor running_var, const Tensor& weight, const Tensor& bias,
                  BatchNormParams params) {
  check_channels("batch_norm", x);
  check_statistics(x, running_mean, running_var, params.training);
  const std::int64_t inner = spatial_size(x.shape());
  const AffineView affine{x.size(1), inner};
  if (!params.training) {
    return normalize_with(x, running_mean, running_var, weight, bias, affine, params.eps);
  }
  const GroupView view{1, x.size(0), x.size(1), inner};
  Normalized result = normalize(x, weight, bias, view, affine, {.eps = params.eps});
  if (running_mean.defined() && x.numel() > 0) {
    const auto n = static_cast<double>(view.count());
    move_toward(running_mean, result.mean, 1, params.momentum);
    move_toward(running_var, result.var, n / (n - 1), params.momentum);  // unbiased
  }
  return result.y;
}

Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  check_channels("group_norm", x);
  const std::int64_t channels = x.size(1);
  require(num_groups > 0 && channels % num_groups == 0, "group_norm",
          "Expected number of channels in input to be divisible by num_groups, got input of shape ", x.shape(),
          " and num_groups=", num_groups);
  const std::int64_t inner = spatial_size(x.shape());
  const GroupView view{1, 1, x.size(0) * num_groups, channels / num_groups * inner};
  return normalize(x, weight, bias, view, {channels, inner}, {.eps = eps}).y;
}

}  // namespace evenkeel::nn::functional
