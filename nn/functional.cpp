#include "evenkeel/nn/functional.hpp"

#include "evenkeel/nn/norm/norm_common.hpp"

#include <limits>
#include <utility>

namespace evenkeel::nn::functional {

namespace {

void check_rank(const char* op, const Tensor& x) {
  require<ShapeError>(x.defined() && x.rank() >= 2, op, "expected input of at least 2 dims (N, C, *), got ",
                      x.defined() ? concat("shape ", x.shape()) : "an undefined tensor");
}

/// read: they are what to normalize with; else they are moved.
void check_running(const char* op, const Tensor& x, const Tensor& mean, const Tensor& var, bool read) {
  require(mean.defined() == var.defined(), op, "give running_mean and running_var, or neither");
  require(!read || mean.defined(), op, "Expected running_mean and running_var to be defined when ",
          op == std::string_view("batch_norm") ? "training" : "use_input_stats", "=False");
  if (!mean.defined()) {
    return;
  }
  for (const auto& [name, running] : {std::pair("running_mean", mean), std::pair("running_var", var)}) {
    require<ShapeError>(running.shape() == Shape{x.size(1)}, op, "running statistics should contain ", x.size(1),
                        " elements, one per channel of the input of shape ", x.shape(), ", got shape ",
                        running.shape());
    require<DtypeError>(is_floating(running.dtype()), op, name, " must be float32 or float64, got ", running.dtype());
    require(read || !running.array().has_overlap(), op, name, " is moved, but its elements share memory (shape ",
            running.shape(), ", strides ", running.array().strides(), "); clone() it first");
  }
}

/// How many elements `normalized_shape` has, if x ends in it and the parameters have it.
std::int64_t checked_trailing(const char* op, const Tensor& x, const Shape& normalized_shape, const Tensor& weight,
                              const Tensor& bias) {
  require(!normalized_shape.empty(), op,
          "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
          "normalized_shape=[]");
  require(x.defined(), op, "the input is an undefined tensor");
  const std::string mismatch = trailing_mismatch(x.shape(), normalized_shape);
  require<ShapeError>(mismatch.empty(), op, mismatch.c_str());
  for (const auto& [name, parameter] : {std::pair("weight", weight), std::pair("bias", bias)}) {
    require<ShapeError>(!parameter.defined() || parameter.shape() == normalized_shape, op, "Expected ", name,
                        " to be of same shape as normalized_shape, but got ", name, " of shape ",
                        parameter.defined() ? parameter.shape() : Shape{}, " and normalized_shape=", normalized_shape);
  }
  return numel(normalized_shape);
}

/// The distance from 1 to the next number.
double machine_epsilon(DType dtype) {
  return dtype == DType::float32 ? static_cast<double>(std::numeric_limits<float>::epsilon())
                                 : std::numeric_limits<double>::epsilon();
}

Tensor normalize_trailing(const Tensor& x, std::int64_t count, const Tensor& weight, const Tensor& bias,
                          const Normalization& how, const FusedActivation& activation) {
  const GroupView view{1, 1, count > 0 ? x.numel() / count : 0, count};
  return normalize_groups(x, weight, bias, view, {count, 1}, how, activation).y;
}

}  // namespace

Tensor batch_norm(const Tensor& x, Tensor running_mean, Tensor running_var, const Tensor& weight, const Tensor& bias,
                  BatchNormOptions options, const FusedActivation& activation) {
  check_rank("batch_norm", x);
  check_running("batch_norm", x, running_mean, running_var, !options.training);
  require<ShapeError>(!options.training || x.numel() != x.size(1), "batch_norm",
                      "Expected more than 1 value per channel when training, got input size ", x.shape());
  const std::int64_t inner = spatial_size(x.shape());
  const AffineView affine{x.size(1), inner};
  if (!options.training) {
    return normalize_with(x, running_mean, running_var, weight, bias, affine, options.eps, activation);
  }
  const GroupView view{1, x.size(0), x.size(1), inner};
  Normalized result = normalize_groups(x, weight, bias, view, affine, {.eps = options.eps}, activation);
  if (running_mean.defined() && x.numel() > 0) {
    const auto n = static_cast<double>(view.count());
    move_toward({{running_mean, result.mean}, {running_var, result.var, n / (n - 1)}}, options.momentum);  // unbiased
  }
  return result.y;
}

Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps,
                  const FusedActivation& activation) {
  check_rank("group_norm", x);
  const std::int64_t channels = x.size(1);
  require<ShapeError>(num_groups > 0 && channels % num_groups == 0, "group_norm",
                      "Expected number of channels in input to be divisible by num_groups, got input of shape ",
                      x.shape(), " and num_groups=", num_groups);
  const std::int64_t inner = spatial_size(x.shape());
  const GroupView view{1, 1, x.size(0) * num_groups, channels / num_groups * inner};
  require<ShapeError>(x.size(0) != 1 || view.inner != 1, "group_norm",
                      "Expected more than 1 value per channel when training, got input size ", x.shape());
  return normalize_groups(x, weight, bias, view, {channels, inner}, {.eps = eps}, activation).y;
}

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias, double eps,
                  const FusedActivation& activation) {
  const std::int64_t count = checked_trailing("layer_norm", x, normalized_shape, weight, bias);
  return normalize_trailing(x, count, weight, bias, {.eps = eps}, activation);
}

Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, std::optional<double> eps,
                const FusedActivation& activation) {
  const std::int64_t count = checked_trailing("rms_norm", x, normalized_shape, weight, {});
  return normalize_trailing(x, count, weight, {}, {.eps = eps.value_or(machine_epsilon(x.dtype())), .center = false},
                            activation);
}

Tensor instance_norm(const Tensor& x, Tensor running_mean, Tensor running_var, const Tensor& weight, const Tensor& bias,
                     InstanceNormOptions options, const FusedActivation& activation) {
  check_rank("instance_norm", x);
  check_running("instance_norm", x, running_mean, running_var, !options.use_input_stats);
  const std::int64_t inner = spatial_size(x.shape());
  const AffineView affine{x.size(1), inner};
  if (!options.use_input_stats) {
    return normalize_with(x, running_mean, running_var, weight, bias, affine, options.eps, activation);
  }
  require<ShapeError>(inner != 1, "instance_norm",
                      "Expected more than 1 spatial element when training, got input size ", x.shape());
  Normalized result =
      normalize_groups(x, weight, bias, {1, 1, x.size(0) * x.size(1), inner}, affine, {.eps = options.eps}, activation);
  if (running_mean.defined() && x.numel() > 0) {
    const auto n = static_cast<double>(inner);
    move_toward({{running_mean, result.mean}, {running_var, result.var, n / (n - 1)}}, options.momentum);  // unbiased
  }
  return result.y;
}

/// x (k + alpha mean)^-beta; mean_c = sum of x^2 over channels c - size/2 to c + (size - 1)/2, divided by size. A sum
/// of shifted copies: channels beyond either end count as 0, and shifts that reach nothing else are left out.
Tensor local_response_norm(const Tensor& x, std::int64_t size, LocalResponseNormOptions options) {
  return local_response(x, size, options.alpha, options.beta, options.k);
}

}  // namespace evenkeel::nn::functional
