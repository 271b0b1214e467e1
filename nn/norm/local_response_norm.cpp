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
  require(x.defined(), type_name(), "the input is an undefined tensor");
  require<ShapeError>(x.rank() >= 3, type_name(), "Expected 3D or higher dimensionality input (got ", x.rank(),
                      " dimensions, shape ", x.shape(), ")");
  return functional::local_response_norm(x, size, {.alpha = options.alpha, .beta = options.beta, .k = options.k});
}

}  // namespace evenkeel::nn
