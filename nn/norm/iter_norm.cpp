#include "nn/norm/iter_norm.hpp"

#include "autograd/ops.hpp"
#include "nn/norm/composite.hpp"
#include "nn/norm/norm_base.hpp"
#include "nn/norm/norm_common.hpp"
#include "nn/repr.hpp"

namespace evenkeel::nn {
namespace {

int checked_iterations(int iterations) {
  require(iterations >= 0, "IterNorm", "iterations must be at least 0, got ", iterations);
  return iterations;
}

/// (1, size, size)
Array identity(std::int64_t size, DType dtype) {
  std::vector<double> values(static_cast<std::size_t>(size * size), 0.0);
  for (std::int64_t i = 0; i < size; ++i) {
    values[static_cast<std::size_t>(i * (size + 1))] = 1;
  }
  return Array::from(values, {1, size, size}).to(dtype);
}

}  // namespace

IterNorm::IterNorm(std::int64_t features, IterNormOptions opts)
    : num_features(checked_channels("IterNorm", "num_features", features)),
      num_groups(composite::checked_groups("IterNorm", features, opts.num_groups.value_or(1))),
      options{opts.num_groups, checked_iterations(opts.iterations), checked_eps("IterNorm", opts.eps),
              checked_momentum("IterNorm", opts.momentum), opts.affine},
      weight(parameter("weight", composite::value_if(opts.affine, features, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, features, 0))),
      running_mean(buffer("running_mean", Array::zeros({num_groups, features / num_groups, 1}))),
      running_wm(buffer("running_wm", identity(features / num_groups, DType::float32)
                                          .expand({num_groups, features / num_groups, features / num_groups})
                                          .contiguous())),
      num_batches_tracked(optional_buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {}

std::string IterNorm::extra_repr() const {
  return concat(num_features, ", groups=", num_groups, ", iterations=", options.iterations, ", eps=", repr(options.eps),
                ", momentum=", composite::repr_momentum(options.momentum), ", affine=", repr(options.affine));
}

/// Of deviations (groups, D, M).
Tensor IterNorm::whitening_matrix(const Tensor& deviation) const {
  const Tensor eye(identity(deviation.size(1), deviation.dtype()));
  const Tensor covariance =
      matmul(deviation, transpose(deviation, 1, 2)) / static_cast<double>(deviation.size(2)) + eye * options.eps;
  const Tensor inverse_trace = reciprocal(sum(covariance * eye, {1, 2}, true));
  const Tensor s = covariance * inverse_trace;
  Tensor p = expand(eye, s.shape());
  for (int i = 0; i < options.iterations; ++i) {
    p = p * 1.5 - matmul(matmul(matmul(p, p), p), s) * 0.5;
  }
  return p * sqrt(inverse_trace);
}

/// Of (groups, D, M).
Tensor IterNorm::whitened(const Tensor& groups) {
  if (!training()) {
    return matmul(Tensor(running_wm.array().clone()), groups - Tensor(running_mean.array()));
  }
  const Tensor near_zero = composite::centred(groups, {2});
  const Tensor deviation = near_zero - mean(near_zero, {2}, true);
  const Tensor matrix = whitening_matrix(deviation);
  const double t = composite::count_batch(num_batches_tracked, options.momentum);
  composite::move_toward(running_mean, mean(groups.detach(), {2}).array(), 1, t);
  composite::move_toward(running_wm, matrix.array(), 1, t);
  return matmul(matrix, deviation);
}

Tensor IterNorm::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_features, 0);
  const std::int64_t n = x.size(0), inner = spatial_size(x.shape());
  if (training()) {
    composite::check_count(*this, x, n * inner, "channel");
  }
  if (x.numel() == 0) {
    return composite::empty_output(x, {weight, bias});
  }
  const Tensor channels_first = transpose(reshape(x, {n, num_features, inner}), 0, 1);
  const Tensor groups = reshape(channels_first, {num_groups, num_features / num_groups, n * inner});
  const Tensor y = transpose(reshape(whitened(groups), {num_features, n, inner}), 0, 1);
  return composite::scale_and_shift(reshape(y, x.shape()), weight, bias);
}

}  // namespace evenkeel::nn
