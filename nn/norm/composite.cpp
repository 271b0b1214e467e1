#include "evenkeel/nn/norm/composite.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/norm_base.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn::composite {

std::int64_t checked_groups(const char* layer, std::int64_t channels, std::optional<std::int64_t> groups) {
  const std::int64_t chosen = choose_gn_groups(channels);
  const std::int64_t count = groups.value_or(chosen);
  require(count > 0 && channels % count == 0, layer, "the number of channels must be divisible by num_groups, got ",
          channels, " channels and ", count, " groups; choose_gn_groups(", channels, ") gives ", chosen);
  return count;
}

std::string repr_momentum(std::optional<double> momentum) { return momentum ? repr(*momentum) : "None"; }

Array value_if(bool wanted, std::int64_t channels, double value) {
  return wanted ? Array::full({channels}, value) : Array();
}

void check_channels(const Module& layer, const Tensor& x, std::int64_t channels, int rank) {
  if (!x.defined()) {
    fail(error_name(layer), "the input is an undefined tensor");
  }
  if (rank == 0 ? x.rank() < 2 : x.rank() != rank) {
    fail(error_name(layer), "expected ", rank == 0 ? "at least 2D" : concat(rank, "D"), " input (got ", x.rank(),
         "D input of shape ", x.shape(), ")");
  }
  if (x.size(1) != channels) {
    fail(error_name(layer), "expected ", channels, " channels, got ", x.size(1), " (input of shape ", x.shape(), ")");
  }
}

void check_count(const Module& layer, const Tensor& x, std::int64_t elements, const char* per) {
  if (elements == 1) {
    fail(error_name(layer), "Expected more than 1 value per ", per, " when training, got input size ", x.shape());
  }
}

Tensor per_channel(const Tensor& parameter, int rank) {
  Shape shape = Shape::filled(rank, 1);
  shape[1] = parameter.numel();
  return reshape(parameter, shape);
}

Tensor scale_and_shift(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (!weight.defined() && !bias.defined()) {
    return x;
  }
  const std::int64_t channels = x.size(1);
  if (x.numel() == 0) {
    const Tensor y = weight.defined() ? x * per_channel(weight, x.rank()) : x;
    return bias.defined() ? y + per_channel(bias, x.rank()) : y;
  }
  // One pass each way, instead of four and sums over two of them: as if standardized by mean 0 and variance 1.
  const Tensor mean(Array::zeros({channels}, x.dtype()));
  const Tensor var(Array::ones({channels}, x.dtype()));
  return normalize_with(x, mean, var, weight, bias, {channels, x.numel() / (x.size(0) * channels)}, 0);
}

Tensor in_double(const Tensor& x) { return x.dtype() == DType::float64 ? clone(x) : to(x, DType::float64); }

Tensor times_weight(const Tensor& scale, const Tensor& weight) {
  if (!weight.defined()) {
    return scale;
  }
  const std::int64_t channels = weight.numel();
  const Tensor w = in_double(weight);
  return scale.numel() == 1 ? scale * w : flatten(reshape(scale, {scale.numel() / channels, channels}) * w);
}

Tensor empty_output(const Tensor& x, std::initializer_list<Tensor> parameters) {
  Tensor y = x * 1.0;
  for (const Tensor& parameter : parameters) {
    if (parameter.defined()) {
      y = y + sum(parameter) * 0.0;
    }
  }
  return y;
}

double count_batch(Tensor& num_batches_tracked, std::optional<double> momentum) {
  std::int64_t& count = *num_batches_tracked.mutable_array().mutable_data<std::int64_t>();
  ++count;
  return momentum ? *momentum : 1 / static_cast<double>(count);
}

void move_toward(Tensor& running, const Array& batch, double factor, double t) {
  nn::move_toward(running, batch.to(DType::float64).contiguous(), factor, t);
}

}  // namespace evenkeel::nn::composite
