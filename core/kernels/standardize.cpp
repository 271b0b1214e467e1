#include "core/kernels/standardize.hpp"

#include "core/kernels/isa.hpp"
#include "core/kernels/standardize_plan.hpp"
#include "core/kernels/standardize_scale.hpp"
#include "core/parallel.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::kernels {
namespace {

using detail::kUnitWidth;
using detail::Plan;
using detail::Unit;
using std::int64_t;

/// Values at the beginning of a group whose mean is the first guess of its mean.
constexpr int64_t kShiftValues = 64;

/// Mean and sum of squares around it from sums (of x - shift, of its square) over n elements.
struct Moments {
  double mean, sum_sq;
};
Moments moments_of(double shift, SumPair sums, double n) {
  return {shift + sums.first / n, std::max(0.0, sums.second - sums.first * sums.first / n)};
}

/// Whether the shift was so far from the mean that the subtraction in moments_of costs digits (more than 3 standard
/// deviations: a factor of 10).
bool shift_is_poor(SumPair sums, double n) { return sums.first * sums.first / n > 0.9 * sums.second; }

template <class K, class T>
class Statistics {
 public:
  Statistics(const Plan& plan, const NormalizeSpec& spec, const T* x, double* mean, double* var)
      : plan_(plan), spec_(spec), x_(x), mean_(mean), var_(var) {}

  void operator()(const Unit& u) const {
    if (plan_.rows) {
      by_rows(u);
    } else {
      by_runs(u);
    }
  }

 private:
  double count() const { return static_cast<double>(plan_.view.count()); }

  void write(int64_t statistic, double mean, double sum_sq) const {
    mean_[statistic] = mean;
    var_[statistic] = sum_sq / (count() - spec_.how.correction);
  }

  void by_runs(const Unit& u) const {
    for (int64_t g = 0; g < u.groups; ++g) {
      const T* x = x_ + u.offset + g * plan_.view.inner;
      const T shift = spec_.how.center ? K::run_mean(x, std::min(plan_.view.inner, kShiftValues)) : T(0);
      SumPair sums{0, 0};
      K::run_moments(x, plan_.runs(), shift, sums);
      finish_runs(u, g, shift, sums);
    }
  }

  void finish_runs(const Unit& u, int64_t g, T shift, SumPair sums) const {
    if (spec_.how.center && shift_is_poor(sums, count())) {
      shift = static_cast<T>(static_cast<double>(shift) + sums.first / count());
      sums = {0, 0};
      K::run_moments(x_ + u.offset + g * plan_.view.inner, plan_.runs(), shift, sums);
    }
    if (!std::isfinite(sums.second)) {
      return in_double(u, g);
    }
    const Moments m =
        spec_.how.center ? moments_of(static_cast<double>(shift), sums, count()) : Moments{0, sums.second};
    write(u.statistic + g, m.mean, m.sum_sq);
  }

  /// For squares beyond the range of float.
  void in_double(const Unit& u, int64_t g) const {
    double mean = 0;
    if (spec_.how.center) {
      each_value(u, g, [&](double value) { mean += value; });
      mean /= count();
    }
    double sum_sq = 0;
    each_value(u, g, [&](double value) { sum_sq += (value - mean) * (value - mean); });
    write(u.statistic + g, mean, sum_sq);
  }

  template <class F>
  void each_value(const Unit& u, int64_t g, F f) const {
    for (int64_t o = 0; o < plan_.view.outer; ++o) {
      const T* run = x_ + u.offset + o * plan_.row_size() + g * plan_.view.inner;
      for (int64_t i = 0; i < plan_.view.inner; ++i) {
        f(static_cast<double>(run[i]));
      }
    }
  }

  void by_rows(const Unit& u) const {
    const RowBlock block = plan_.row_block(u);
    const double rows = static_cast<double>(block.rows);
    T shift[kUnitWidth] = {};
    SumPair sums[kUnitWidth];
    if (spec_.how.center) {
      K::row_means(x_ + u.offset, block, shift);
    }
    K::row_moments(x_ + u.offset, block, shift, sums);
    if (spec_.how.center &&
        std::any_of(sums, sums + block.width, [&](const SumPair& sum) { return shift_is_poor(sum, rows); })) {
      for (int64_t j = 0; j < block.width; ++j) {
        shift[j] = static_cast<T>(static_cast<double>(shift[j]) + sums[j].first / rows);
      }
      K::row_moments(x_ + u.offset, block, shift, sums);
    }
    for (int64_t g = 0; g < u.groups; ++g) {
      finish_rows(u, g, shift + g * plan_.view.inner, sums + g * plan_.view.inner);
    }
  }

  /// Joins the columns of a group: the spread of their means adds to their sums of squares.
  void finish_rows(const Unit& u, int64_t g, const T* shift, const SumPair* sums) const {
    const double rows = static_cast<double>(plan_.view.outer);
    double sum_sq = 0;
    double difference = 0;
    double difference_sq = 0;
    const double first = static_cast<double>(shift[0]) + sums[0].first / rows;
    for (int64_t j = 0; j < plan_.view.inner; ++j) {
      const Moments column = moments_of(static_cast<double>(shift[j]), sums[j], rows);
      sum_sq += spec_.how.center ? column.sum_sq : sums[j].second;
      difference += column.mean - first;
      difference_sq += (column.mean - first) * (column.mean - first);
    }
    if (!std::isfinite(sum_sq)) {
      return in_double(u, g);
    }
    if (!spec_.how.center) {
      return write(u.statistic + g, 0, sum_sq);
    }
    const Moments means = moments_of(first, {difference, difference_sq}, static_cast<double>(plan_.view.inner));
    write(u.statistic + g, means.mean, sum_sq + rows * means.sum_sq);
  }

  const Plan& plan_;
  const NormalizeSpec& spec_;
  const T* x_;
  double* mean_;
  double* var_;
};

}  // namespace

template <class T>
void normalize(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> weight, std::span<const T> bias,
               std::span<double> mean, std::span<double> var, std::span<T> y) {
  const Plan plan(spec);
  const detail::LaidOut<T> laid_out_weight(weight, plan, T(1));
  const detail::LaidOut<T> laid_out_bias(bias, plan, T(0));
  const detail::ScaleArgs<T> args{plan,
                                  spec.how,
                                  x.data(),
                                  detail::data_or_null(weight),
                                  detail::data_or_null(bias),
                                  laid_out_weight.data(),
                                  laid_out_bias.data(),
                                  mean.data(),
                                  var.data(),
                                  y.data(),
                                  spec.activation};
  dispatch_isa([&]<class Arch>() {
    using K = StandardizeKernels<Arch, T>;
    const Statistics<K, T> statistics(plan, spec, x.data(), mean.data(), var.data());
    parallel_for(0, plan.units, plan.grain, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const Unit unit = plan.unit(i);
        if (!spec.fixed) {
          statistics(unit);
        }
        detail::scale_unit<K>(args, unit);  // while the unit's elements are cached
      }
    });
  });
}

template <class T>
void moments(const NormalizeSpec& spec, std::span<const T> x, std::span<double> mean, std::span<double> var) {
  const Plan plan(spec);
  dispatch_isa([&]<class Arch>() {
    const Statistics<StandardizeKernels<Arch, T>, T> statistics(plan, spec, x.data(), mean.data(), var.data());
    parallel_for(0, plan.units, plan.grain, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        statistics(plan.unit(i));
      }
    });
  });
}

template void moments(const NormalizeSpec&, std::span<const float>, std::span<double>, std::span<double>);
template void moments(const NormalizeSpec&, std::span<const double>, std::span<double>, std::span<double>);
template void normalize(const NormalizeSpec&, std::span<const float>, std::span<const float>, std::span<const float>,
                        std::span<double>, std::span<double>, std::span<float>);
template void normalize(const NormalizeSpec&, std::span<const double>, std::span<const double>, std::span<const double>,
                        std::span<double>, std::span<double>, std::span<double>);

}  // namespace evenkeel::kernels
