#include "nn/activation.hpp"

#include "nn/repr.hpp"

namespace evenkeel::nn {

Tensor ReLU::forward(const Tensor& x) {
  if (!options.inplace) {
    return relu(x);
  }
  Tensor y = x;
  return relu_(y);
}

Tensor SiLU::forward(const Tensor& x) {
  if (!options.inplace) {
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

}  // namespace evenkeel::nn
