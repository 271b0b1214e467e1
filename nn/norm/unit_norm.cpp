#include "evenkeel/nn/norm/unit_norm.hpp"

#include "evenkeel/autograd/ops/similarity.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

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
  return normalize(x, options.p, options.dim, options.eps);
}

}  // namespace evenkeel::nn
