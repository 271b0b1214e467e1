#include "evenkeel/nn/activation.hpp"

#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/repr.hpp"

#include <typeinfo>

namespace evenkeel::nn {
namespace {

/// Not a view that an op made, such as a norm's that ends in reshape: autograd refuses to overwrite it.
bool may_overwrite(const Tensor& x) { return x.meta() == nullptr || x.meta()->view_of == nullptr; }

/// `form`, unless `layer` is of a derived class, whose forward may be another one.
template <class T>
std::optional<FusedActivation> unless_derived(const T& layer, const std::optional<FusedActivation>& form) {
  return typeid(layer) == typeid(T) ? form : std::nullopt;
}

}  // namespace

std::optional<FusedActivation> ReLU::fused() const { return unless_derived(*this, fused_form(relu)); }

std::optional<FusedActivation> SiLU::fused() const { return unless_derived(*this, fused_form(silu)); }

std::optional<FusedActivation> LeakyReLU::fused() const {
  return unless_derived(*this, fused_form(leaky_relu, negative_slope));
}

std::optional<FusedActivation> Hardswish::fused() const { return unless_derived(*this, fused_form(hardswish)); }

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

std::string Softplus::extra_repr() const {
  return concat("beta=", repr_number(beta), ", threshold=", repr_number(threshold));
}

Tensor add(const Tensor& a, const Tensor& b, const Activation& act) {
  const std::optional<FusedActivation> form = act.fused();
  return form && form->f == NormActivation::relu ? add_relu(a, b) : act(a + b);
}

}  // namespace evenkeel::nn
