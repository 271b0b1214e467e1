#include "evenkeel/nn/norm/local_response_norm.hpp"

#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

LocalResponseNorm::LocalResponseNorm(std::int64_t size, Options options)
    : size(checked_channels("LocalResponseNorm", "size", size)), options(options) {}

std::string LocalResponseNorm::extra_repr() const {
  return concat(size, ", alpha=", repr(options.alpha), ", beta=", repr(options.beta), ", k=", repr(options.k));
}

Tensor LocalResponseNorm::forward(const Tensor& x) {
  if (!x.defined() || x.rank() < 3) {
    fail<ShapeError>(type_name(), "Expected 3D or higher dimensionality input (got ",
                     x.defined() ? concat(x.rank(), " dimensions, shape ", x.shape()) : "an undefined tensor", ")");
  }
  return functional::local_response_norm(x, size, {.alpha = options.alpha, .beta = options.beta, .k = options.k});
}

}  // namespace evenkeel::nn
