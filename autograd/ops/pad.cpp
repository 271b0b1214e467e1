#include "evenkeel/autograd/ops/pad.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/shape.hpp"

namespace evenkeel {
namespace {

/// The adjoint of pad, whose adjoint is pad.
Tensor pad_adjoint(const Tensor& y, const Shape& shape, const std::vector<std::int64_t>& padding, PadMode mode) {
  return record({.name = "pad_backward", .inputs = {y}}, pad_adjoint(y.array(), shape, padding, mode),
                [padding, mode](const Saved&, const Tensor& dx) -> Grads { return {pad(dx, padding, mode)}; });
}

}  // namespace

/// dx: the sum of the cells that show x's
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& padding, PadMode mode, double value) {
  if (mode == PadMode::constant) {
    return pad(x, padding, value);
  }
  check_defined("pad", x);
  require(value == 0, "pad", "Padding mode \"", mode, "\" doesn't take in value argument, got ", value);
  return record({.name = "pad", .inputs = {x}}, pad(x.array(), padding, mode),
                [shape = x.shape(), padding, mode](const Saved&, const Tensor& dy) -> Grads {
                  return {pad_adjoint(dy, shape, padding, mode)};
                });
}

}  // namespace evenkeel
