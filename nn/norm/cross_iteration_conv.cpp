#include "evenkeel/nn/norm/cross_iteration_conv.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/reduce.hpp"

#include <utility>

namespace evenkeel::nn {
namespace {

constexpr const char* kName = "CrossIterationConv2d";

const Conv2dOptions& without_bias(const Conv2dOptions& options) {
  require(!options.bias, kName, "the convolution must have no bias: the norm's bias takes its place");
  return options;
}

template <class T>
T at_least(T least, std::string_view name, T value) {
  require(value >= least, kName, name, " must be at least ", least, ", got ", value);
  return value;
}

/// sum(slope (now - then)) per filter, as (1, C, 1).
Tensor change(const Array& slope, const Array& now, const Array& then) {
  const Tensor difference = sum(Tensor(slope) * (Tensor(now) - Tensor(then)), {1, 2, 3});
  return reshape(difference, {1, difference.numel(), 1});
}

}  // namespace

CrossIterationConv2d::CrossIterationConv2d(std::int64_t in_channels, std::int64_t out_channels, Generator& generator,
                                           const Conv2dOptions& conv_options, Options options)
    : NormBase(kName, kImages, out_channels,
               {.eps = options.eps, .momentum = options.momentum, .affine = options.affine}),
      window(at_least(1, "window", options.window)),
      burn_in(at_least<std::int64_t>(0, "burn_in", options.burn_in)),
      conv(add<Conv2d>("conv", in_channels, out_channels, generator, without_bias(conv_options))) {}

std::string CrossIterationConv2d::extra_repr() const {
  return concat(repr_options(options).substr(2), ", window=", window, ", burn_in=", burn_in);
}

std::unique_ptr<Module> CrossIterationConv2d::clone_structure() const {
  return std::make_unique<CrossIterationConv2d>(
      conv->in_channels, conv->out_channels, unused_generator(), conv->options,
      Options{options.eps, options.momentum, options.affine, window, burn_in});
}

void CrossIterationConv2d::on_clone(const Module& original) {
  past_ = dynamic_cast<const CrossIterationConv2d&>(original).past_;
}

/// mean, var: (1, C, 1), with a graph down to the convolution's weight. A filter's statistics depend on that filter
/// only, so the derivative of their sum holds the derivative of each.
void CrossIterationConv2d::remember(const Tensor& mean, const Tensor& var) {
  const Tensor& w = conv->weight;
  const auto slope = [&w](const Tensor& of) { return grad({sum(of)}, {w}, {}, {.retain_graph = true})[0].array(); };
  past_.push_front({mean.array().clone(), var.array().clone(), slope(mean), slope(var), w.array().clone()});
  while (past_.size() >= static_cast<std::size_t>(window)) {
    past_.pop_back();
  }
}

/// Of z: (N, C, L), in training.
Tensor CrossIterationConv2d::standardized(const Tensor& z) {
  const auto n = static_cast<double>(z.size(0) * z.size(2));
  const Tensor constant(mean(z.array(), {0, 2}, true));  // what is near 0 stays exact in float32
  const Tensor near_zero = z - constant;
  const Tensor batch_mean = mean(near_zero, {0, 2}, true), batch_var = var(near_zero, {0, 2}, 0, true);
  const Array& w = conv->weight.array();
  if (!past_.empty() && past_.front().mean.dtype() != z.dtype()) {
    past_.clear();
  }
  std::vector<Tensor> means = {batch_mean}, vars = {batch_var};
  for (const Iteration& past : past_) {
    const Tensor step = change(past.mean_slope, w, past.conv_weight);
    const Tensor moved = Tensor(past.var) + change(past.var_slope, w, past.conv_weight) - square(step);
    means.push_back(Tensor(past.mean) + step - constant);
    vars.push_back(relu(moved));
  }
  const Tensor all = cat(means, 0);
  const Tensor m = mean(all, {0}, true);
  const Tensor v = mean(cat(vars, 0), {0}, true) + var(all, {0}, 0, true);
  if (window > 1 && grad_enabled() && batch_mean.requires_grad() &&
      num_batches_tracked.array().item_int64() >= burn_in && conv->weight.requires_grad()) {
    remember(batch_mean + constant, batch_var);
  }
  Tensor y = (near_zero - m) * rsqrt(v + options.eps);
  move_running_stats(constant.array(), batch_var.array(), n / (n - 1));
  return y;
}

Tensor CrossIterationConv2d::forward(const Tensor& x) {
  require(!conv->parametrized(), kName, "the convolution's weight must be a parameter, not computed");
  const Tensor z = conv(x);
  require<ShapeError>(z.rank() == 4, kName, "expected 4D input (got ", x.rank(), "D input of shape ", x.shape(), ")");
  const std::int64_t inner = spatial_size(z.shape());
  if (!training()) {
    return normalize_with(z, running_mean, running_var, weight, bias, {num_features, inner}, options.eps);
  }
  check_count(*this, z, z.size(0) * inner, "channel");
  if (z.numel() == 0) {
    return empty_output(z, {weight, bias});
  }
  check_dtypes(*this, z, weight, bias);
  const Tensor y = standardized(reshape(z, {z.size(0), num_features, inner}));
  return scale_and_shift(reshape(y, z.shape()), weight, bias);
}

}  // namespace evenkeel::nn
