#include "evenkeel/nn/norm/iter_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

namespace evenkeel::nn {
namespace {

/// (1, size, size)
Array identity(std::int64_t size, DType dtype) {
  std::vector<double> values(static_cast<std::size_t>(size * size), 0.0);
  for (std::int64_t i = 0; i < size; ++i) {
    values[static_cast<std::size_t>(i * (size + 1))] = 1;
  }
  return Array::from(values, {1, size, size}).to(dtype);
}

}  // namespace

IterNorm::IterNorm(std::int64_t num_features, const Options& options)
    : num_features(checked_channels("IterNorm", "num_features", num_features)),
      num_groups(checked_groups(
          "IterNorm", num_features,
          given_groups("IterNorm", num_features, options.num_groups, options.channels_per_group).value_or(1), {})),
      options(checked("IterNorm", options)),
      weight(parameter("weight", value_if(options.affine, {num_features}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_features}, 0))),
      running_mean(buffer("running_mean", Array::zeros({num_groups, num_features / num_groups, 1}))),
      running_wm(buffer("running_wm", identity(num_features / num_groups, DType::float32)
                                          .expand({num_groups, num_features / num_groups, num_features / num_groups})
                                          .contiguous())),
      num_batches_tracked(optional_buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {
  require(options.iterations >= 0, "IterNorm", "iterations must be at least 0, got ", options.iterations);
}

std::string IterNorm::extra_repr() const {
  return concat(num_features, ", groups=", num_groups, ", iterations=", options.iterations, repr_options(options));
}

/// Of deviations (N, C, L): (groups, D, D).
Tensor IterNorm::whitening_matrix(const Tensor& deviation) const {
  const Tensor eye(identity(num_features / num_groups, deviation.dtype()));
  const auto count = static_cast<double>(deviation.size(0) * deviation.size(2));
  const Tensor covariance = gram(deviation, num_groups) / count + eye * options.eps;
  const Tensor inverse_trace = reciprocal(sum(covariance * eye, {1, 2}, true));
  const Tensor s = covariance * inverse_trace;
  Tensor p = options.iterations == 0 ? expand(eye, s.shape()) : eye * 1.5 - s * 0.5;  // P_0 = I, or P_1
  for (int i = 1; i < options.iterations; ++i) {
    p = p * 1.5 - matmul(matmul(matmul(p, p), p), s) * 0.5;
  }
  return p * sqrt(inverse_trace);
}

/// W deviation * weight + bias, of (N, C, L). As a 1x1 convolution, whose kernel takes the weight and adds the bias.
Tensor IterNorm::transformed(const Tensor& deviation, const Tensor& matrix) const {
  Tensor kernel = reshape(matrix, {num_features, num_features / num_groups, 1, 1});
  if (weight.defined()) {
    kernel = kernel * reshape(weight, {num_features, 1, 1, 1});
  }
  return conv2d(unsqueeze(deviation, 2), kernel, bias, {.groups = num_groups});
}

Tensor IterNorm::forward(const Tensor& x) {
  check_channels(*this, x, num_features, kAnyRank);
  const std::int64_t n = x.size(0), inner = spatial_size(x.shape());
  if (training()) {
    check_count(*this, x, n * inner, "channel");
  }
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias});
  }
  const auto less = [&](const Tensor& input, const Tensor& m) {
    return reshape(affine_rows(input, inner, m, {}, {}), {n, num_features, inner});
  };
  if (!training()) {
    const Tensor deviation = less(x, in_double(running_mean.detach()));
    return reshape(transformed(deviation, Tensor(running_wm.array().clone())), x.shape());
  }
  const GroupMoments channels = group_moments(x, {1, n, num_features, inner});
  const Tensor deviation = less(channels.x, channels.mean);
  const Tensor matrix = whitening_matrix(deviation);
  Tensor y = reshape(transformed(deviation, matrix), x.shape());
  move_and_count({{running_mean, channels.mean.array()}, {running_wm, matrix.array()}}, num_batches_tracked,
                 options.momentum);
  return y;
}

}  // namespace evenkeel::nn
