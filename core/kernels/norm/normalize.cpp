#include "evenkeel/core/kernels/norm/normalize.hpp"

#include "evenkeel/core/kernels/norm/affine.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

namespace evenkeel::kernels {
namespace {

using detail::Plan;
using detail::Unit;
using std::int64_t;

/// Whether the shift was so far from the mean that the subtraction in finish() costs digits (more than 3 standard
/// deviations: a factor of 10).
bool shift_is_poor(SumPair sums, double off) { return sums.first * off > 0.9 * sums.second; }

/// Mean and variance of the groups of a unit.
template <class K, class T>
class UnitMoments {
 public:
  UnitMoments(const Plan& plan, const NormalizeSpec& spec, const T* x, double* mean, double* var)
      : plan_(plan),
        spec_(spec),
        x_(x),
        mean_(mean),
        var_(var),
        per_element_(1 / static_cast<double>(plan.view.count())),
        per_freedom_(1 / static_cast<double>(plan.view.count() - spec.how.correction)) {}

  void operator()(const Unit& u) const {
    T shift[kUnitWidth];
    SumPair sums[kUnitWidth];
    if (plan_.way == detail::Way::grid) {
      sum_columns(u, shift, sums);
    } else {
      if (spec_.how.center) {
        K::shifts(x_ + u.offset, plan_.groups(u.groups), shift);
      } else {
        std::fill_n(shift, u.groups, T(0));
      }
      K::moments(x_ + u.offset, plan_.groups(u.groups), shift, sums);
    }
    for (int64_t g = 0; g < u.groups; ++g) {
      finish(u, g, shift[g], sums[g]);
    }
  }

 private:
  void write(int64_t statistic, double mean, double sum_sq) const {
    mean_[statistic] = mean;
    var_[statistic] = sum_sq * per_freedom_;
  }

  /// All columns of a group have the same shift, so that their sums add up.
  void sum_columns(const Unit& u, T* shift, SumPair* sums) const {
    const Pieces rows = plan_.rows(u);
    const int64_t inner = plan_.view.inner;
    T column_shift[kUnitWidth] = {};
    SumPair column_sums[kUnitWidth];
    if (spec_.how.center) {
      K::column_shifts(x_ + u.offset, rows, column_shift);
      for (int64_t j = 0; j < rows.width; j += inner) {
        T off = 0;
        for (int64_t i = j + 1; i < j + inner; ++i) {
          off += column_shift[i] - column_shift[j];
        }
        std::fill_n(column_shift + j, inner, column_shift[j] + off / static_cast<T>(inner));
      }
    }
    K::column_moments(x_ + u.offset, rows, column_shift, column_sums);
    for (int64_t g = 0; g < u.groups; ++g) {
      shift[g] = column_shift[g * inner];
      sums[g] = detail::joined(column_sums + g * inner, inner);
    }
  }

  void finish(const Unit& u, int64_t g, T shift, SumPair sums) const {
    if (spec_.how.center && shift_is_poor(sums, sums.first * per_element_)) {
      shift = static_cast<T>(static_cast<double>(shift) + sums.first * per_element_);
      K::moments(x_ + u.offset + g * plan_.view.inner, plan_.groups(1), &shift, &sums);
    }
    if (!std::isfinite(sums.second) || (squares_vanish(sums.second) && varies(u, g, shift))) {
      return in_double(u, g);
    }
    if (!spec_.how.center) {
      return write(u.statistic + g, 0, sums.second);
    }
    const double off = sums.first * per_element_;
    write(u.statistic + g, static_cast<double>(shift) + off, std::max(0.0, sums.second - sums.first * off));
  }

  /// Whether float's squares, of deviations of 1e-15 and less, have lost digits or are all 0.
  bool squares_vanish(double sum_sq) const {
    constexpr double kLeast = 1e-30;
    return std::is_same_v<T, float> && sum_sq < kLeast * static_cast<double>(plan_.view.count());
  }

  /// Whether a value differs from the shift of its group.
  [[gnu::noinline]] bool varies(const Unit& u, int64_t g, T shift) const {
    unsigned found = 0;
    for (int64_t o = 0; o < plan_.view.outer; ++o) {
      const T* run = x_ + u.offset + o * plan_.row_size() + g * plan_.view.inner;
      for (int64_t i = 0; i < plan_.view.inner; ++i) {
        found |= run[i] != shift ? 1U : 0U;
      }
    }
    return found != 0;
  }

  /// For squares beyond the range of float.
  [[gnu::noinline]] void in_double(const Unit& u, int64_t g) const {
    double mean = 0;
    if (spec_.how.center) {
      each_value(u, g, [&](double value) { mean += value; });
      mean *= per_element_;
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

  const Plan& plan_;
  const NormalizeSpec& spec_;
  const T* x_;
  double* mean_;
  double* var_;
  double per_element_, per_freedom_;
};

/// y = f(z)
template <class K, class T>
void scale_unit(const detail::AffineStep<T>& step, const Unit& u, T* y) {
  detail::with_parts<T>(step.plan.way, [&]<class Parts>() {
    for (Parts parts(step, u); parts.next();) {
      K::scale(step.x + parts.begin(), y + parts.begin(), parts.at(), parts.numbers(), step.spec.activation);
    }
  });
}

/// normalize() in T.
template <class T>
void normalize_in(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> weight, std::span<const T> bias,
                  std::span<double> mean, std::span<double> var, std::span<T> y) {
  const Plan plan(spec);
  const detail::AffineStep<T> step{plan, spec, x.data(), weight, bias, mean.data(), var.data()};
  dispatch_isa([&]<class Arch>() {
    using K = NormalizeKernels<Arch, T>;
    const UnitMoments<K, T> moments(plan, spec, x.data(), mean.data(), var.data());
    parallel_for(0, plan.units, plan.grain, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        detail::each_part(plan, plan.unit(i), [&](const Unit& u) {
          if (!spec.fixed) {
            moments(u);
          }
          scale_unit<K>(step, u, y.data());
        });
      }
    });
  });
}

}  // namespace

template <class T>
void normalize(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> weight, std::span<const T> bias,
               std::span<double> mean, std::span<double> var, std::span<T> y) {
  normalize_in(spec, x, weight, bias, mean, var, y);
  if (std::is_same_v<T, float> && !spec.fixed && values_need_double(spec, var)) {
    std::vector<double> y64(y.size());
    normalize_in<double>(spec, detail::as_doubles(x), detail::as_doubles(weight), detail::as_doubles(bias), mean, var,
                         y64);
    detail::narrow(y64, y);
  }
}

bool values_need_double(const NormalizeSpec& spec, std::span<const double> var) {
  constexpr double kLeast = 1e-36, kMost = 1e36;  // 1 / deviation and x - mean are floats
  return detail::is_beyond(spec, var, kLeast, kMost);
}

bool gradient_needs_double(const NormalizeSpec& spec, std::span<const double> var) {
  constexpr double kLeast = 1e-15, kMost = 1e15;
  return detail::is_beyond(spec, var, kLeast, kMost);
}

template <class T>
void moments(const NormalizeSpec& spec, std::span<const T> x, std::span<double> mean, std::span<double> var) {
  const Plan plan(spec);
  dispatch_isa([&]<class Arch>() {
    const UnitMoments<NormalizeKernels<Arch, T>, T> moments(plan, spec, x.data(), mean.data(), var.data());
    parallel_for(0, plan.units, plan.grain, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        moments(plan.unit(i));
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
