#include "evenkeel/autograd/ops/statistics.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/kernels/norm/normalize.hpp"

#include <vector>

namespace evenkeel {
namespace {

/// dx as dy - b - (x - m) k, in one pass.
Tensor fused_gradient(const Tensor& x, const GroupView& view, const Array& centre, const Tensor& dy,
                      const Tensor& dmean, const Tensor& dvar) {
  const auto n = static_cast<double>(view.count());
  const auto scaled = [&](const Tensor& t, double factor) {
    std::vector<double> values(static_cast<std::size_t>(view.statistics()));
    if (t.defined()) {
      values = t.array().contiguous().to_vector<double>();
      for (double& value : values) {
        value *= factor;
      }
    }
    return values;
  };
  const std::vector<double> b = scaled(dmean, -1 / n), k = scaled(dvar, -2 / n);
  const std::vector<double> one(b.size(), 1.0);
  const Array xs = x.array().contiguous();
  Array dx = dy.defined() && may_reuse(dy) ? dy.array() : Array::empty(x.shape(), x.dtype());
  const Array from = dy.defined() ? dy.array().contiguous() : Array::zeros(x.shape(), x.dtype());
  const kernels::NormalizeSpec spec{view, {}, {.eps = 0}, true};
  dispatch_float(x.dtype(), "statistics", [&]<class T>() {
    T* to = dx.mutable_data<T>();
    kernels::normalize_input_gradient<T>(spec, xs.span<T>(), from.span<T>(), {}, centre.span<double>(), one, b, k,
                                         std::span<T>(to, static_cast<std::size_t>(dx.numel())));
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

Statistics statistics(const Tensor& x, GroupView view, bool center) {
  require(x.defined(), "statistics", "the input is an undefined tensor");
  require(x.numel() > 0 && view.numel() == x.numel(), "statistics", "input of shape ", x.shape(), " has ", x.numel(),
          " elements, the view ", view.numel());
  const Moments found = moments(x, view, {.center = center});
  const std::vector<Tensor> results =
      record({.name = "statistics", .inputs = {x}, .keep = Keep::input(0)},
             std::vector<Array>{x.array(), found.mean, found.var},
             [=](const Saved& saved, const std::vector<Tensor>& dy) -> Grads {
               const Tensor v = saved.input(0);
               const Tensor dmean = center ? dy[1] : Tensor();
               return {grad_enabled() ? twin(v, view, center, dy[0], dmean, dy[2])
                                      : fused_gradient(v, view, found.mean, dy[0], dmean, dy[2])};
             });
  return {results[0], center ? results[1] : Tensor(), results[2]};
}

}  // namespace evenkeel
