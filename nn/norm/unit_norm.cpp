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

UnitNorm::UnitNorm(UnitNormOptions opts) : options{opts.p, opts.dim, checked_eps("UnitNorm", opts.eps)} {
  require(opts.p >= 1, "UnitNorm", "p must be at least 1, got ", opts.p);
}

std::string UnitNorm::extra_repr() const {
  return concat("p=", repr(options.p), ", dim=", options.dim, ", eps=", repr(options.eps));
}

Tensor UnitNorm::forward(const Tensor& x) {
  if (!x.defined()) {
    fail(error_name(*this), "the input is an undefined tensor");
  }
  if (options.dim >= x.rank() || options.dim < -x.rank()) {
    fail(error_name(*this), "expected input with a dim ", options.dim, " (got ", x.rank(), "D input of shape ",
         x.shape(), ")");
  }
  return functional::normalize(x, options);
}

}  // namespace evenkeel::nn
