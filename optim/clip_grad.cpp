#include "optim/clip_grad.hpp"

#include "core/parallel.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace evenkeel::optim {
namespace {

/// Largest |x|; NaN if there is one.
struct Largest {
  double operator()(double value) const { return std::fabs(value); }
  static double join(double a, double b) { return a > b || std::isnan(a) ? a : b; }
};

/// Sums (|x| / scale)^p.
struct PowerSum {
  double p;
  double inverse_scale;
  double operator()(double value) const {
    const double x = std::fabs(value) * inverse_scale;
    return p == 2 ? x * x : p == 1 ? x : std::pow(x, p);
  }
  static double join(double a, double b) { return a + b; }
};

/// Joins f(x) over all elements: blocks of fixed size, so that the result does not depend on the threads.
template <class F>
double fold(const Array& x, const F& f) {
  const Array values = x.contiguous();
  std::vector<double> blocks(static_cast<std::size_t>((values.numel() + kElementGrain - 1) / kElementGrain));
  dispatch_float(values.dtype(), "clip_grad", [&]<class T>() {
    const T* data = values.data<T>();
    parallel_for(0, values.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      constexpr std::int64_t kLanes = 8;  // independent chains, for speed
      std::array<double, kLanes> lanes{};
      for (std::int64_t i = begin; i < end; ++i) {
        double& lane = lanes[static_cast<std::size_t>((i - begin) % kLanes)];
        lane = F::join(lane, f(static_cast<double>(data[i])));
      }
      double total = 0;
      for (const double lane : lanes) {
        total = F::join(total, lane);
      }
      blocks[static_cast<std::size_t>(begin / kElementGrain)] = total;
    });
  });
  double total = 0;
  for (const double block : blocks) {
    total = F::join(total, block);
  }
  return total;
}

template <class F>
double fold(const std::vector<Array>& arrays, const F& f) {
  double total = 0;
  for (const Array& array : arrays) {
    total = F::join(total, fold(array, f));
  }
  return total;
}

double total_norm(const std::vector<Array>& grads, double p) {
  if (std::isinf(p)) {
    return fold(grads, Largest{});
  }
  const double sum = fold(grads, PowerSum{p, 1});
  constexpr double kTiny = 1e-280;
  if (std::isnan(sum) || (std::isfinite(sum) && sum > kTiny)) {
    return std::pow(sum, 1 / p);
  }
  // The powers left double's range, or everything is 0: once more, relative to the largest.
  const double largest = fold(grads, Largest{});
  if (largest == 0 || !std::isfinite(largest)) {
    return largest;
  }
  const double scale = std::max(largest, std::numeric_limits<double>::min());
  return scale * std::pow(fold(grads, PowerSum{p, 1 / scale}), 1 / p);
}

/// The same for every element of a gradient, as a new array.
template <class F>
Array mapped(const Array& x, const F& f) {
  Array y = x.clone();
  dispatch_float(y.dtype(), "clip_grad", [&]<class T>() {
    T* data = y.mutable_data<T>();
    parallel_for(0, y.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      std::transform(data + begin, data + end, data + begin, f);
    });
  });
  return y;
}

}  // namespace

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  require(max_norm >= 0, "clip_grad_norm_", "max_norm is ", max_norm, ", expected a number of at least 0");
  require(norm_type > 0, "clip_grad_norm_", "norm_type is ", norm_type, ", expected a positive number or infinity");
  std::vector<Array> grads;
  for (const Tensor& parameter : parameters) {
    if (parameter.grad().defined()) {
      grads.push_back(parameter.grad().array());
    }
  }
  const double norm = total_norm(grads, norm_type);
  require(!error_if_nonfinite || std::isfinite(norm), "clip_grad_norm_", "The total norm of order ", norm_type,
          " for gradients from `parameters` is non-finite (", norm, "), so it cannot be clipped");
  const double factor = max_norm / (norm + 1e-6);
  if (factor >= 1) {
    return norm;
  }
  for (Tensor parameter : parameters) {
    if (parameter.grad().defined()) {
      parameter.set_grad(Tensor(mapped(parameter.grad().array(), [factor](auto x) {
        return static_cast<decltype(x)>(static_cast<double>(x) * factor);
      })));
    }
  }
  return norm;
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value) {
  require(clip_value >= 0, "clip_grad_value_", "clip_value is ", clip_value, ", expected a number of at least 0");
  for (Tensor parameter : parameters) {
    if (parameter.grad().defined()) {
      parameter.set_grad(Tensor(mapped(parameter.grad().array(), [clip_value](auto x) {
        const auto limit = static_cast<decltype(x)>(clip_value);
        return x > limit ? limit : x < -limit ? -limit : x;
      })));
    }
  }
}

}  // namespace evenkeel::optim
