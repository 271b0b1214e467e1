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

const Array& checked_weight(const Array& weight, const Array& bias) {
  require<ShapeError>(weight.defined() && weight.rank() == 2, "Linear", "the weight must have 2 dims, got ",
                      weight.defined() ? concat("shape ", weight.shape()) : "an undefined array");
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{weight.size(0)}, "Linear", "the bias must have shape [",
                      weight.size(0), "], got ", bias.defined() ? bias.shape() : Shape{});
  return weight;
}

}  // namespace

Linear::Linear(std::int64_t in_features, std::int64_t out_features, Generator& generator, LinearOptions options)
    : WeightedLayer(empty_weight(in_features, out_features), options.bias ? Array::empty({out_features}) : Array{}),
      in_features(in_features),
      out_features(out_features),
      options(options) {
  reset_parameters(generator);
}

Linear::Linear(const Array& weight, const Array& bias)
    : WeightedLayer(checked_weight(weight, bias), bias),
      in_features(weight.size(1)),
      out_features(weight.size(0)),
      options{.bias = bias.defined()} {}

void Linear::reset_parameters(Generator& generator) { init::default_weight_and_bias_(weight, bias, generator); }

std::string Linear::extra_repr() const {
  return concat("in_features=", in_features, ", out_features=", out_features, ", bias=", repr(options.bias));
}

Tensor Linear::forward(const Tensor& x) { return linear(x, effective_weight(), bias); }

std::int64_t Linear::macs(const std::vector<Shape>& /*inputs*/, const std::vector<Shape>& outputs) const {
  return numel(outputs[0]) * in_features;
}

}  // namespace evenkeel::nn
