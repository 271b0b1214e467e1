#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <string_view>

namespace evenkeel {

// What ops ask of their inputs; the errors begin with the op's name.

/// Throws for an undefined tensor.
inline void check_defined(std::string_view op, const Tensor& x) { require(x.defined(), op, "got an undefined tensor"); }

/// Throws for an undefined tensor and for one that holds neither float32 nor float64.
inline void check_float(std::string_view op, const Tensor& x) {
  check_defined(op, x);
  require<DtypeError>(is_floating(x.dtype()), op, "dtype must be float32 or float64, got ", x.dtype());
}

}  // namespace evenkeel
