#include "evenkeel/autograd/ops/local_response.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/kernels/norm/local_response.hpp"

#include <algorithm>

namespace evenkeel {
namespace {

/// Of (N, C, L): the sums over channels c - before to c + after.
Tensor window_sums(const Tensor& x, std::int64_t before, std::int64_t after) {
  const std::int64_t channels = x.size(1);
  const Tensor padded = pad(x, {0, 0, before, after});
  Tensor sum = slice(padded, 1, 0, channels);
  for (std::int64_t shift = 1; shift <= before + after; ++shift) {
    sum = sum + slice(padded, 1, shift, shift + channels);
  }
  return sum;
}

/// dx in differentiable ops, of (N, C, L).
Tensor twin(const kernels::LocalResponse& s, const Tensor& x, const Tensor& dy) {
  const Tensor d = window_sums(square(x), s.before, s.after) * s.a + s.k;
  const Tensor sums = window_sums(dy * x * pow(d, -s.beta - 1), s.after, s.before);
  return dy * pow(d, -s.beta) - x * sums * (2 * s.a * s.beta);
}

}  // namespace

/// dx_c = dy_c d_c^(-beta) - 2 a beta x_c sum dy_j x_j d_j^(-beta - 1) over the j whose windows hold c,
/// d the sum in brackets, a = alpha / size
Tensor local_response(const Tensor& x, std::int64_t size, double alpha, double beta, double k) {
  constexpr const char* kOp = "local_response_norm";
  require<ShapeError>(x.defined() && x.rank() >= 3, kOp, "Expected 3D or higher dimensionality input (got ",
                      x.defined() ? concat(x.rank(), " dimensions, shape ", x.shape()) : "an undefined tensor", ")");
  require(size > 0, kOp, "size must be positive, got ", size);
  check_float(kOp, x);
  const std::int64_t farthest = std::max<std::int64_t>(x.size(1) - 1, 0);
  const std::int64_t planes = x.size(0) * x.size(1);
  const kernels::LocalResponse s{.batch = x.numel() == 0 ? 0 : x.size(0),
                                 .channels = x.size(1),
                                 .plane = x.numel() == 0 ? 0 : x.numel() / planes,
                                 .before = std::min(size / 2, farthest),
                                 .after = std::min((size - 1) / 2, farthest),
                                 .a = alpha / static_cast<double>(size),
                                 .beta = beta,
                                 .k = k};
  Array y = Array::empty(x.shape(), x.dtype());
  const bool recorded = grad_enabled() && x.requires_grad();
  Array powers = recorded ? Array::empty(x.shape(), x.dtype()) : Array();
  dispatch_float(x.dtype(), kOp, [&]<class T>() {
    const Array in = x.array().contiguous();
    kernels::local_response<T>(s, in.data<T>(), y.mutable_data<T>(), recorded ? powers.mutable_data<T>() : nullptr);
  });
  return record({.name = "local_response", .inputs = {x}, .keep = Keep::input(0) | Keep::extra(powers)}, std::move(y),
                [s](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0);
                  if (grad_enabled() && v.numel() > 0) {
                    const Shape flat{s.batch, s.channels, s.plane};
                    return {reshape(twin(s, reshape(v, flat), reshape(dy, flat)), v.shape())};
                  }
                  Array dx = Array::empty(v.shape(), v.dtype());
                  dispatch_float(v.dtype(), kOp, [&]<class T>() {
                    const Array in = v.array().contiguous(), kept = saved.extra(0), from = dy.array().contiguous();
                    kernels::local_response_gradient<T>(s, in.data<T>(), kept.data<T>(), from.data<T>(),
                                                        dx.mutable_data<T>());
                  });
                  return {Tensor(std::move(dx))};
                });
}

}  // namespace evenkeel
