#include "evenkeel/nn/linear.hpp"

#include "evenkeel/autograd/ops/linalg.hpp"
#include "evenkeel/nn/init.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

namespace {

Array empty_weight(std::int64_t in, std::int64_t out) {
  require(in >= 0 && out >= 0, "Linear", "in_features and out_features must not be negative, got ", in, " and ", out);
  return Array::empty({out, in});
}

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, Generator& generator, LinearOptions opts)
    : WeightedLayer(empty_weight(in, out), opts.bias ? Array::empty({out}) : Array{}),
      in_features(in),
      out_features(out),
      options(opts) {
  reset_parameters(generator);
}

void Linear::reset_parameters(Generator& generator) { init::default_weight_and_bias_(weight, bias, generator); }

std::string Linear::extra_repr() const {
  return concat("in_features=", in_features, ", out_features=", out_features, ", bias=", repr(bias.defined()));
}

Tensor Linear::forward(const Tensor& x) { return linear(x, effective_weight(), bias); }

std::int64_t Linear::macs(const std::vector<Shape>& /*inputs*/, const std::vector<Shape>& outputs) const {
  return numel(outputs[0]) * in_features;
}

}  // namespace evenkeel::nn
