#include "evenkeel/nn/activation.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
namespace {

/// Not a view that an op made, such as a norm's that ends in reshape: following what it views costs more than a copy.
bool may_overwrite(const Tensor& x) { return !x.is_view(); }

std::int64_t checked_count(std::int64_t num_parameters) {
  require(num_parameters > 0, "PReLU", "num_parameters must be positive, got ", num_parameters);
  return num_parameters;
}

}  // namespace

Tensor ReLU::forward(const Tensor& x) {
  if (!options.inplace || !may_overwrite(x)) {
    return relu(x);
  }
  Tensor y = x;
  return relu_(y);
}

Tensor SiLU::forward(const Tensor& x) {
  if (!options.inplace || !may_overwrite(x)) {
    return silu(x);
  }
  Tensor y = x;
  return silu_(y);
}

std::string GELU::extra_repr() const {
  return approximate == GeluApproximation::tanh ? "approximate='tanh'" : "approximate='none'";
}

std::string LeakyReLU::extra_repr() const { return concat("negative_slope=", repr(negative_slope)); }

std::string ELU::extra_repr() const { return concat("alpha=", repr(alpha)); }

std::string CELU::extra_repr() const { return concat("alpha=", repr(alpha)); }

std::string Softshrink::extra_repr() const { return repr(lambda); }

std::string Hardshrink::extra_repr() const { return repr(lambda); }

Hardtanh::Hardtanh(double min_val, double max_val) : min_val(min_val), max_val(max_val) {
  require(max_val > min_val, "Hardtanh", "max_val (", max_val, ") must be greater than min_val (", min_val, ")");
}

std::string Hardtanh::extra_repr() const { return concat("min_val=", repr(min_val), ", max_val=", repr(max_val)); }

std::string Threshold::extra_repr() const {
  return concat("threshold=", repr_number(threshold), ", value=", repr_number(value));
}

PReLU::PReLU(std::int64_t num_parameters, double init)
    : num_parameters(checked_count(num_parameters)), weight(parameter("weight", Array::full({num_parameters}, init))) {}

std::string Softplus::extra_repr() const {
  return concat("beta=", repr_number(beta), ", threshold=", repr_number(threshold));
}

Tensor add(const Tensor& a, const Tensor& b, const Activation& act) {
  const std::optional<FusedActivation> form = act.fused();
  return form && form->f == NormActivation::relu ? add_relu(a, b) : act(a + b);
}

}  // namespace evenkeel::nn
