#include "evenkeel/nn/norm/unit_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

#include <limits>

namespace evenkeel::nn {

Tensor functional::normalize(const Tensor& x, const UnitNormOptions& options) {
  require(x.defined(), "normalize", "the input is an undefined tensor");
  const Tensor length = norm(x, options.p, {options.dim}, true);
  return x * reciprocal(clamp(length, options.eps, std::numeric_limits<double>::infinity()));
}

UnitNorm::UnitNorm(Options options) : options(checked("UnitNorm", options)) {
  require(options.p >= 1, "UnitNorm", "p must be at least 1, got ", options.p);
}

std::string UnitNorm::extra_repr() const {
  return concat("p=", repr(options.p), ", dim=", options.dim, repr_options(options));
}

Tensor UnitNorm::forward(const Tensor& x) {
  if (!x.defined()) {
    fail(type_name(), "the input is an undefined tensor");
  }
  if (options.dim >= x.rank() || options.dim < -x.rank()) {
    fail<ShapeError>(type_name(), "expected input with a dim ", options.dim, " (got ", x.rank(), "D input of shape ",
                     x.shape(), ")");
  }
  return functional::normalize(x, options);
}

}  // namespace evenkeel::nn
