#include "evenkeel/core/class_loss.hpp"

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/reduce.hpp"

#include <cmath>
#include <numeric>

namespace evenkeel {
namespace {

constexpr std::int64_t kSampleGrain = 256;  // with a logarithm each

/// Where sample i has its class 0.
std::int64_t first_class(const ClassLoss& k, std::int64_t i) { return i / k.inner * k.count * k.inner + i % k.inner; }

/// log p_c = (x_c - largest) - log total, with numbers of the sample.
template <class T>
struct LogProbabilities {
  const T* x;
  const T* largest = nullptr;  ///< these three are null if x holds log-probabilities
  const double* total = nullptr;
  const T* sum = nullptr;  ///< of x over the classes; or null
};

/// -sum_c q_c w_c log p_c for a sample of class t.
template <class T>
double class_loss(const ClassLoss& k, const LogProbabilities<T>& p, std::int64_t sample, std::int64_t t) {
  const T* row = p.x + first_class(k, sample);
  const double largest = p.largest == nullptr ? 0 : static_cast<double>(p.largest[sample]);
  const double log_total = p.total == nullptr ? 0 : std::log(p.total[sample]);
  const auto term = [&](double factor, std::int64_t c) {
    return factor == 0 ? 0 : factor * ((static_cast<double>(row[c * k.inner]) - largest) - log_total);
  };
  double loss = -term(k.target_part(t), t);
  if (k.smoothing > 0 && p.sum != nullptr) {
    const double n = static_cast<double>(k.count);
    return loss - k.smoothing * ((static_cast<double>(p.sum[sample]) / n - largest) - log_total);
  }
  for (std::int64_t c = 0; k.smoothing > 0 && c < k.count; ++c) {
    loss -= term(k.smooth_part(c), c);
  }
  return loss;
}

template <class T>
Array losses_of(const ClassLoss& k, const LogProbabilities<T>& p, const Array& target) {
  const Array targets = target.contiguous();
  const std::int64_t* t = targets.data<std::int64_t>();
  Array losses = Array::empty(target.shape(), DType::float64);
  double* loss = losses.mutable_data<double>();
  parallel_for(0, target.numel(), kSampleGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      loss[i] = t[i] == k.ignore_index ? 0 : class_loss(k, p, i, t[i]);
    }
  });
  return losses;
}

/// scale dy of every sample in float64; 0 for ignored samples.
template <class T>
std::vector<double> sample_gradients(const ClassLoss& k, const Array& target, const Array& dy, double scale) {
  const Array upstream = dy.contiguous();
  const bool one = dy.numel() == 1;
  const std::int64_t* t = target.data<std::int64_t>();
  const T* from = upstream.data<T>();
  std::vector<double> g(static_cast<std::size_t>(target.numel()));
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] = t[i] == k.ignore_index ? 0 : scale * static_cast<double>(from[one ? 0 : i]);
  }
  return g;
}

/// dx -= g q w: at the target, and where classes have weights of their own at the smoothed ones.
template <class T>
void subtract_targets(const ClassLoss& k, const Array& target, const std::vector<double>& g, Array& dx) {
  const std::int64_t* t = target.data<std::int64_t>();
  T* first = dx.mutable_data<T>();
  parallel_for(0, target.numel(), kSampleGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (t[i] == k.ignore_index) {
        continue;
      }
      const auto subtract = [&, row = first + first_class(k, i)](std::int64_t c, double part) {
        row[c * k.inner] =
            static_cast<T>(static_cast<double>(row[c * k.inner]) - g[static_cast<std::size_t>(i)] * part);
      };
      subtract(t[i], k.target_part(t[i]));
      for (std::int64_t c = 0; k.smoothing > 0 && !k.weights.empty() && c < k.count; ++c) {
        subtract(c, k.smooth_part(c));
      }
    }
  });
}

template <class T>
void clear_ignored(const ClassLoss& k, const Array& target, Array& dx) {
  const std::int64_t* t = target.data<std::int64_t>();
  T* x = dx.mutable_data<T>();
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    for (std::int64_t c = 0; t[i] == k.ignore_index && c < k.count; ++c) {
      x[first_class(k, i) + c * k.inner] = 0;
    }
  }
}

/// exp(x_c - largest) factor - less, per sample, then what the targets take off:  p_c = exp(x_c - largest) / total
template <class T>
Array logit_gradient(const ClassLoss& k, const Array& x, const SoftmaxStatistics& statistics, const Array& target,
                     const std::vector<double>& g) {
  const double smooth = k.smoothing / static_cast<double>(k.count);
  const double all_weights =
      k.weights.empty() ? static_cast<double>(k.count) : std::accumulate(k.weights.begin(), k.weights.end(), 0.0);
  const double all_smooth = smooth * all_weights;
  const std::int64_t* t = target.data<std::int64_t>();
  const double* total = statistics.total.data<double>();
  Array factors = Array::empty({target.numel()}, x.dtype()), less = Array::empty({target.numel()}, x.dtype());
  T* factor = factors.mutable_data<T>();
  T* off = less.mutable_data<T>();
  bool ignored_nan = false;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const bool ignored = t[i] == k.ignore_index;
    ignored_nan = ignored_nan || (ignored && std::isnan(total[i]));
    factor[i] = ignored ? T(0) : static_cast<T>(g[i] * (k.target_part(t[i]) + all_smooth) / total[i]);
    off[i] = k.weights.empty() ? static_cast<T>(g[i] * smooth) : T(0);
  }
  Array dx = scaled_exponentials(x, k.dim, statistics.largest, factors, less);
  subtract_targets<T>(k, target, g, dx);
  if (ignored_nan) {  // 0 times NaN
    clear_ignored<T>(k, target, dx);
  }
  return dx;
}

}  // namespace

void check_targets(std::string_view op, const ClassLoss& k, const Array& target) {
  const Array targets = target.contiguous();
  const std::int64_t* values = targets.data<std::int64_t>();
  for (std::int64_t i = 0; i < targets.numel(); ++i) {
    const std::int64_t t = values[i];
    require<IndexError>(t == k.ignore_index || (t >= 0 && t < k.count), op, "Target ", t,
                        " is out of bounds: target number ", i, ", ", k.count, " classes");
  }
}

double target_weight(const ClassLoss& k, const Array& target) {
  double total = 0;
  for (const std::int64_t t : target.to_vector<std::int64_t>()) {
    total += t == k.ignore_index ? 0 : k.weight(t);
  }
  return total;
}

Array class_losses(const ClassLoss& k, const Array& log_p, const Array& target) {
  return dispatch_float(log_p.dtype(), "class_losses", [&]<class T>() {
    const Array values = log_p.contiguous();
    return losses_of<T>(k, {values.data<T>()}, target);
  });
}

Array class_losses(const ClassLoss& k, const Array& x, const SoftmaxStatistics& statistics, const Array& target) {
  return dispatch_float(x.dtype(), "class_losses", [&]<class T>() {
    const Array logits = x.contiguous();
    LogProbabilities<T> p{logits.data<T>(), statistics.largest.data<T>(), statistics.total.data<double>()};
    const bool one_weight = k.smoothing > 0 && k.weights.empty();
    const Array sums = one_weight ? sum(logits, {k.dim}) : Array{};
    p.sum = one_weight ? sums.data<T>() : nullptr;
    return losses_of<T>(k, p, target);
  });
}

double sum_of_losses(const Array& losses) {
  const std::span<const double> values = losses.span<double>();
  return std::accumulate(values.begin(), values.end(), 0.0);
}

Array class_coefficients(const ClassLoss& k, const Array& target, const Shape& shape, DType dtype) {
  Array result = Array::zeros(shape, dtype);
  const std::vector<std::int64_t> targets = target.to_vector<std::int64_t>();
  dispatch_float(dtype, "class_coefficients", [&]<class T>() {
    T* first = result.mutable_data<T>();
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (targets[i] == k.ignore_index) {
        continue;
      }
      T* q = first + first_class(k, static_cast<std::int64_t>(i));
      for (std::int64_t c = 0; k.smoothing > 0 && c < k.count; ++c) {
        q[c * k.inner] = static_cast<T>(k.smooth_part(c));
      }
      q[targets[i] * k.inner] += static_cast<T>(k.target_part(targets[i]));
    }
  });
  return result;
}

Array cross_entropy_gradient(const ClassLoss& k, const Array& x, const SoftmaxStatistics& statistics,
                             const Array& target, const Array& dy, double scale) {
  const Array targets = target.contiguous();
  return dispatch_float(x.dtype(), "cross_entropy", [&]<class T>() {
    return logit_gradient<T>(k, x, statistics, targets, sample_gradients<T>(k, targets, dy, scale));
  });
}

Array nll_gradient(const ClassLoss& k, const Array& target, const Array& dy, double scale, const Shape& shape) {
  const Array targets = target.contiguous();
  Array dx = Array::zeros(shape, dy.dtype());
  dispatch_float(dy.dtype(), "nll_loss",
                 [&]<class T>() { subtract_targets<T>(k, targets, sample_gradients<T>(k, targets, dy, scale), dx); });
  return dx;
}

Array listed_classes(std::string_view op, const Array& lists, DType dtype) {
  const std::int64_t classes = lists.size(-1);
  Array counts = Array::zeros(lists.shape(), DType::float64);
  const Array whole = lists.contiguous();
  const std::int64_t* list = whole.data<std::int64_t>();
  double* count = counts.mutable_data<double>();
  for (std::int64_t first = 0; first < lists.numel(); first += classes) {
    for (std::int64_t i = first; i < first + classes && list[i] != -1; ++i) {
      require<IndexError>(list[i] >= 0 && list[i] < classes, op, "Target ", list[i], " is out of bounds: there are ",
                          classes, " classes");
      ++count[first + list[i]];
    }
  }
  return counts.to(dtype);
}

}  // namespace evenkeel
