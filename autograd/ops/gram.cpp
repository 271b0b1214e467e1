#include "evenkeel/autograd/ops/gram.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/conv.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/kernels/conv/conv.hpp"

namespace evenkeel {
namespace {

/// x as the input of a 1x1 convolution, whose kernels are faster here than many small matrix products.
Tensor as_image(const Tensor& x) { return reshape(x, {x.size(0), x.size(1), 1, x.size(2)}); }

}  // namespace

/// y is the weight gradient of a 1x1 convolution of x whose result has the gradient x;  dx = (dy + dy^T) x
Tensor gram(const Tensor& x, std::int64_t groups) {
  require<ShapeError>(x.defined() && x.rank() == 3 && is_floating(x.dtype()), "gram",
                      "the input must be a float32 or float64 tensor of shape (N, C, L), got ",
                      x.defined() ? concat(x.dtype(), " ", x.shape()) : "an undefined tensor");
  require<ShapeError>(groups > 0 && x.size(1) % groups == 0, "gram", "groups must divide the ", x.size(1),
                      " channels, got ", groups);
  const std::int64_t channels = x.size(1), length = x.size(2), depth = channels / groups;
  Array y = Array::empty({groups, depth, depth}, x.dtype());
  const ConvGeometry g{.batch = x.size(0),
                       .channels = channels,
                       .width = length,
                       .out_channels = channels,
                       .out_width = length,
                       .groups = groups};
  dispatch_float(x.dtype(), "gram", [&]<class T>() {
    const Array xs = x.array().contiguous();
    kernels::conv2d_weight_gradient<T>(g, xs.data<T>(), xs.data<T>(), y.mutable_data<T>());
  });
  return record({.name = "gram", .inputs = {x}, .keep = Keep::input(0)}, std::move(y),
                [groups, channels, depth](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0);
                  if (v.numel() == 0) {
                    return {zeros(v.shape(), {.dtype = v.dtype()})};
                  }
                  const Tensor both = reshape(dy + transpose(dy, 1, 2), {channels, depth, 1, 1});
                  return {reshape(conv2d(as_image(v), both, {}, {.groups = groups}), v.shape())};
                });
}

}  // namespace evenkeel
