#include "evenkeel/optim/clip_grad.hpp"

#include "evenkeel/core/parallel.hpp"

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

/// Joins f(x) of `count` elements.
template <class T, class F>
double fold(const T* data, std::int64_t count, const F& f) {
  constexpr std::int64_t kLanes = 8;  // independent chains, for speed
  std::array<double, kLanes> lanes{};
  for (std::int64_t i = 0; i < count; ++i) {
    double& lane = lanes[static_cast<std::size_t>(i % kLanes)];
    lane = F::join(lane, f(static_cast<double>(data[i])));
  }
  double total = 0;
  for (const double lane : lanes) {
    total = F::join(total, lane);
  }
  return total;
}

/// Joins f(x) over all elements: blocks of fixed size, so that the result does not depend on the threads.
template <class F>
double fold(const Array& x, const F& f) {
  const Array values = x.contiguous();
  std::vector<double> blocks(static_cast<std::size_t>((values.numel() + kElementGrain - 1) / kElementGrain));
  dispatch_float(values.dtype(), "clip_grad", [&]<class T>() {
    const T* data = values.data<T>();
    parallel_for(0, values.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      blocks[static_cast<std::size_t>(begin / kElementGrain)] = fold(data + begin, end - begin, f);
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

/// The p-norm of what fold_all(f) joins f over.
template <class Fold>
double norm_of(const Fold& fold_all, double p) {
  if (std::isinf(p)) {
    return fold_all(Largest{});
  }
  const double sum = fold_all(PowerSum{p, 1});
  constexpr double kTiny = 1e-280;
  if (std::isnan(sum) || (std::isfinite(sum) && sum > kTiny)) {
    return std::pow(sum, 1 / p);
  }
  // The powers left double's range, or everything is 0: once more, relative to the largest.
  const double largest = fold_all(Largest{});
  if (largest == 0 || !std::isfinite(largest)) {
    return largest;
  }
  const double scale = std::max(largest, std::numeric_limits<double>::min());
  return scale * std::pow(fold_all(PowerSum{p, 1 / scale}), 1 / p);
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

/// 2-norms of `units` parts of equal size.
std::vector<double> unit_norms(const Array& x, std::int64_t units) {
  const Array values = x.contiguous();
  const std::int64_t size = values.numel() / units;
  std::vector<double> norms(static_cast<std::size_t>(units));
  dispatch_float(values.dtype(), "adaptive_clip_grad_", [&]<class T>() {
    const T* data = values.data<T>();
    parallel_for(0, units, std::max<std::int64_t>(1, kElementGrain / size), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        norms[static_cast<std::size_t>(i)] = norm_of([&](const auto& f) { return fold(data + i * size, size, f); }, 2);
      }
    });
  });
  return norms;
}

/// x with part i times factors[i], as a new array.
Array scaled_units(const Array& x, const std::vector<double>& factors) {
  Array y = x.clone();
  const std::int64_t size = y.numel() / static_cast<std::int64_t>(factors.size());
  dispatch_float(y.dtype(), "adaptive_clip_grad_", [&]<class T>() {
    T* data = y.mutable_data<T>();
    for (std::size_t i = 0; i < factors.size(); ++i) {
      T* unit = data + static_cast<std::int64_t>(i) * size;
      if (factors[i] != 1) {
        std::transform(unit, unit + size, unit, [&](T value) { return static_cast<T>(value * factors[i]); });
      }
    }
  });
  return y;
}

}  // namespace

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  require(max_norm >= 0, "clip_grad_norm_", "max_norm must be at least 0, got ", max_norm);
  require(norm_type > 0, "clip_grad_norm_", "norm_type must be positive or infinity, got ", norm_type);
  std::vector<Array> grads;
  for (const Tensor& parameter : parameters) {
    if (parameter.grad().defined()) {
      grads.push_back(parameter.grad().array());
    }
  }
  const double norm = norm_of([&](const auto& f) { return fold(grads, f); }, norm_type);
  require(!error_if_nonfinite || std::isfinite(norm), "clip_grad_norm_", "The total norm of order ", norm_type,
          " for gradients from `parameters` is non-finite (", norm, "), so it cannot be clipped");
  const double factor = max_norm / (norm + 1e-6);
  if (factor >= 1) {
    return norm;
  }
  for (const Tensor& parameter : parameters) {
    if (parameter.grad().defined()) {
      parameter.set_grad(Tensor(mapped(parameter.grad().array(), [factor](auto x) {
        return static_cast<decltype(x)>(static_cast<double>(x) * factor);
      })));
    }
  }
  return norm;
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value) {
  require(clip_value >= 0, "clip_grad_value_", "clip_value must be at least 0, got ", clip_value);
  for (const Tensor& parameter : parameters) {
    if (parameter.grad().defined()) {
      parameter.set_grad(Tensor(mapped(parameter.grad().array(), [clip_value](auto x) {
        const auto limit = static_cast<decltype(x)>(clip_value);
        return x > limit ? limit : x < -limit ? -limit : x;
      })));
    }
  }
}

std::int64_t adaptive_clip_grad_(const std::vector<Tensor>& parameters, double clip_factor, double eps) {
  require(clip_factor >= 0, "adaptive_clip_grad_", "clip_factor must be at least 0, got ", clip_factor);
  require(eps >= 0, "adaptive_clip_grad_", "eps must be at least 0, got ", eps);
  std::int64_t clipped = 0;
  for (const Tensor& parameter : parameters) {
    if (!parameter.grad().defined() || parameter.numel() == 0) {
      continue;
    }
    const std::int64_t units = parameter.rank() <= 1 ? 1 : parameter.size(0);
    const std::vector<double> weights = unit_norms(parameter.array(), units);
    std::vector<double> factors = unit_norms(parameter.grad().array(), units);
    std::int64_t here = 0;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      const double largest = clip_factor * std::max(weights[i], eps);
      const bool fits = factors[i] <= largest;  // false for NaN
      factors[i] = fits ? 1 : largest / factors[i];
      here += fits ? 0 : 1;
    }
    if (here > 0) {
      parameter.set_grad(Tensor(scaled_units(parameter.grad().array(), factors)));
    }
    clipped += here;
  }
  return clipped;
}

}  // namespace evenkeel::optim
