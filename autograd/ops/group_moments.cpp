#include "evenkeel/autograd/ops/group_moments.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/kernels/norm/normalize.hpp"

#include <vector>

namespace evenkeel {
namespace {

/// dx as dy - b - (x - m) k, in one pass.
Tensor fused_gradient(const Tensor& x, const GroupView& view, const Array& centre, const Tensor& dy,
                      const Tensor& dmean, const Tensor& dvar) {
  const auto n = static_cast<double>(view.count());
  const auto scaled = [&](const Tensor& t, double factor) {
    return t.defined() ? map<kernels::MulScalar>(t.array(), {.a = factor})
                       : Array::zeros({view.statistics()}, DType::float64);
  };
  const Array b = scaled(dmean, -1 / n), k = scaled(dvar, -2 / n);
  const Array one = Array::ones({view.statistics()}, DType::float64);
  const Array xs = x.array().contiguous();
  Array dx = dy.defined() && may_reuse(dy) ? dy.array() : Array::empty(x.shape(), x.dtype());
  const Array from = dy.defined() ? dy.array().contiguous() : Array::zeros(x.shape(), x.dtype());
  const kernels::NormalizeSpec spec{view, {}, {.eps = 0}, true};
  dispatch_float(x.dtype(), "group_moments", [&]<class T>() {
    kernels::normalize_input_gradient<T>(spec, xs.span<T>(), from.span<T>(), {}, centre.span<double>(),
                                         one.span<double>(), b.span<double>(), k.span<double>(), dx.mutable_span<T>());
  });
  return Tensor(std::move(dx));
}

/// The same in differentiable ops.
Tensor twin(const Tensor& x, const GroupView& view, bool center, const Tensor& dy, const Tensor& dmean,
            const Tensor& dvar) {
  const auto n = static_cast<double>(view.count());
  const Shape by_group{view.slices, 1, view.groups, 1};
  Tensor dx = dy.defined() ? dy : zeros(x.shape(), {.dtype = x.dtype()});
  dx = reshape(dx, {view.slices, view.outer, view.groups, view.inner});
  if (dmean.defined()) {
    dx = dx + reshape(to(dmean / n, x.dtype()), by_group);
  }
  if (dvar.defined()) {
    const Tensor four = reshape(x, {view.slices, view.outer, view.groups, view.inner});
    const Tensor xc = center ? four - mean(four, {1, 3}, true) : four;
    dx = dx + xc * reshape(to(dvar * (2 / n), x.dtype()), by_group);
  }
  return reshape(dx, x.shape());
}

}  // namespace

GroupMoments group_moments(const Tensor& x, GroupView view, bool center) {
  check_float("group_moments", x);
  require<ShapeError>(x.numel() > 0 && view.numel() == x.numel(), "group_moments", "input of shape ", x.shape(),
                      " has ", x.numel(), " elements, the view ", view.numel());
  const Moments found = moments(x, view, {.center = center});
  const std::vector<Tensor> results =
      record({.name = "group_moments", .inputs = {x}, .keep = Keep::input(0) | Keep::output(1)},
             std::vector<Array>{x.array(), found.mean, found.var},
             [view, center](const Saved& saved, const std::vector<Tensor>& dy) -> Grads {
               const Tensor v = saved.input(0);
               const Tensor dmean = center ? dy[1] : Tensor();
               return {grad_enabled() ? twin(v, view, center, dy[0], dmean, dy[2])
                                      : fused_gradient(v, view, saved.output(1).array(), dy[0], dmean, dy[2])};
             });
  return {results[0], center ? results[1] : Tensor(), results[2]};
}

}  // namespace evenkeel
