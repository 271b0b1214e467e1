#include "evenkeel/core/kernels/norm/affine.hpp"
#include "evenkeel/core/kernels/norm/normalize.hpp"
#include "evenkeel/core/kernels/norm/parameters.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

namespace evenkeel::kernels {
namespace {

using detail::AffineKind;
using detail::AffineStep;
using detail::ElementParts;
using detail::GridParts;
using detail::PieceParts;
using detail::Plan;
using detail::Unit;
using detail::Way;
using std::int64_t;

/// What dx is: not wanted, or dz s weight (the statistics are given), or the formula of all terms.
enum class InputGradient { none, scaled, full };

template <class T>
struct GradientJob {
  const AffineStep<T>& step;
  const T* dy;
  T* dz;  // room for what the activation makes of dy: dx, or scratch
  T* dx;
  InputGradient wanted;
  bool wants_parameters;
  detail::ParameterSums& parameters;
  const T* no_bias;       // of rows, where dx is only scaled
  const double* given_b;  // or null: to be found, or 0 where the statistics are given
  const double* given_k;

  bool takes_sums() const { return wants_parameters || (wanted == InputGradient::full && !step.spec.fixed); }
};

/// dy and the activation that it has to go back through; none when it has.
template <class T>
struct Incoming {
  const T* dy;
  FusedActivation f;
};

/// The gradients of a chunk's units. Two functions depend on the way: add_up and scale.
template <class K, class T>
class UnitGradient {
 public:
  UnitGradient(const GradientJob<T>& job, int64_t chunk)
      : job_(job),
        step_(job.step),
        plan_(job.step.plan),
        element_sums_(job.parameters.period(), job.parameters.totals(chunk)) {}

  template <class Parts>
  void run(const Unit& u) {
    Parts parts(step_, u);
    Incoming<T> in{job_.dy, step_.spec.activation};
    if (gates_first(in.f)) {
      while (parts.next()) {
        const int64_t i = parts.begin();
        K::gate(step_.x + i, in.dy + i, job_.dz + i, parts.at(), parts.numbers(), in.f);
      }
      in = {job_.dz, {}};
    }
    SumPair q_sums[kUnitWidth];  // of every group: sum(q), sum(q x_hat)
    if (job_.takes_sums()) {
      std::fill_n(q_sums, u.groups, SumPair{0, 0});
      add_up(parts, in, q_sums);
    }
    if (job_.wanted == InputGradient::full) {
      Slope<T> slopes[kUnitWidth];
      for (int64_t g = 0; g < u.groups; ++g) {
        slopes[g] = slope(u.statistic + g, parts.standards[g].s, q_sums[g]);
      }
      while (parts.next()) {
        const int64_t i = parts.begin();
        K::gradient(step_.x + i, in.dy + i, job_.dx + i, parts.at(), parts.numbers(slopes), in.f);
      }
    } else if (job_.wanted == InputGradient::scaled) {
      scale(parts, in);
    }
  }

  void finish() {
    if (plan_.way == Way::elements) {
      element_sums_.flush();
    }
  }

 private:
  /// dx = s (q - b - x_hat k), as in autograd/ops/normalize_groups.hpp.
  Slope<T> slope(int64_t statistic, double s, SumPair q_sums) const {
    double b = job_.given_b ? job_.given_b[statistic] : 0;
    double k = job_.given_k ? job_.given_k[statistic] : 0;
    if (!step_.spec.fixed) {
      const Normalization& how = step_.spec.how;
      const double count = static_cast<double>(plan_.view.count());
      b = how.center ? q_sums.first * (1 / count) : 0;
      k = q_sums.second * (1 / (count - how.correction));
      if (!how.eps_in_root) {
        const double deviation = std::sqrt(step_.var[statistic]);
        k = deviation > 0 ? k * (deviation + how.eps) / deviation : 0;
      }
    }
    return {static_cast<T>(s), static_cast<T>(-s * k), static_cast<T>(-s * b)};
  }

  /// Whether dy goes back through the activation in a pass of its own.
  bool gates_first(FusedActivation f) const {
    const bool from_columns = is_cheap(f) && plan_.kind != AffineKind::per_row && job_.wanted != InputGradient::scaled;
    return f.f != NormActivation::none && (plan_.way == Way::elements || (plan_.way == Way::grid && !from_columns));
  }

  /// Sets the sums of the pieces, and dz behind an activation that is not cheap; dx too, if that is only scaled.
  void add_up(PieceParts<T>& parts, Incoming<T>& in, SumPair* q_sums) const {
    while (parts.next()) {
      const detail::PieceWalk& walk = parts.walk;
      const T* x = step_.x + walk.begin;
      const T* dy = in.dy + walk.begin;
      SumPair* sums = job_.parameters.of_pieces(parts.unit, walk);
      if (job_.wanted == InputGradient::scaled) {
        K::gate_and_sums(x, dy, job_.dx + walk.begin, walk.pieces, parts.scaled_numbers(), in.f, sums);
      } else if (is_cheap(in.f)) {
        K::gradient_sums(x, dy, walk.pieces, parts.numbers(), in.f, sums);
      } else {
        K::gate_and_sums(x, dy, job_.dz + walk.begin, walk.pieces, parts.numbers(), in.f, sums);
      }
      for (int64_t k = 0; k < walk.pieces.count; ++k) {
        const double weight = step_.weight_of(walk.parameter[k]);
        const int64_t g = walk.group[k];
        sums[k].second *= parts.standards[g].s;
        q_sums[g].first += sums[k].first * weight;
        q_sums[g].second += sums[k].second * weight;
      }
    }
    if (!is_cheap(in.f)) {
      in = {job_.dz, {}};
    }
  }

  void add_up(ElementParts<T>& parts, const Incoming<T>& in, SumPair* q_sums) {
    const detail::ElementWalk& walk = parts.walk;
    while (parts.next(kPiecesAtOnce)) {
      K::gradient_sums(step_.x + walk.begin, in.dy + walk.begin, walk.pieces, parts.numbers(),
                       element_sums_.dw() + walk.place, element_sums_.db() + walk.place, q_sums + walk.group);
      element_sums_.count_runs(walk.pieces.count);
    }
    for (int64_t g = 0; g < parts.unit.groups; ++g) {
      q_sums[g].second *= parts.standards[g].s;
    }
  }

  /// Sets the sums of the groups or rows, and dz behind an activation.
  void add_up(GridParts<T>& parts, Incoming<T>& in, SumPair* q_sums) const {
    const Unit& u = parts.unit;
    const T* x = step_.x + u.offset;
    const bool stores = in.f.f != NormActivation::none;
    SumPair columns[kUnitWidth];
    K::gradient_sums(x, in.dy + u.offset, stores ? job_.dz + u.offset : nullptr, parts.at(), parts.numbers(), in.f,
                     columns);
    if (stores) {
      in = {job_.dz, {}};
    }
    const bool per_row = plan_.kind == AffineKind::per_row;
    if (per_row && job_.wants_parameters) {
      K::row_sums(x, in.dy + u.offset, parts.at(), parts.numbers(), job_.parameters.of_rows(u), plan_.blocks);
    }
    detail::ParameterWalk walk(plan_, u.offset);
    for (int64_t g = 0; g < u.groups; ++g) {
      SumPair sums = detail::joined(columns + g * plan_.view.inner, plan_.view.inner);
      sums.second *= parts.standards[g].s;
      const double weight = per_row ? 1 : step_.weight_of(walk.parameter());
      if (!per_row) {
        job_.parameters.of_groups(u)[g] = sums;
      }
      q_sums[g] = {sums.first * weight, sums.second * weight};
      walk.advance(plan_.view.inner);
    }
  }

  /// dx = dz s weight, unless add_up() did that
  void scale(PieceParts<T>& parts, const Incoming<T>& in) const {
    while (!job_.takes_sums() && parts.next()) {
      const int64_t i = parts.begin();
      if (in.f.f == NormActivation::none) {
        K::scale(in.dy + i, job_.dx + i, parts.at(), parts.factors(), {});
      } else {
        K::gate(step_.x + i, in.dy + i, job_.dx + i, parts.at(), parts.scaled_numbers(), in.f);
      }
    }
  }
  void scale(ElementParts<T>&, const Incoming<T>&) const {}  // takes the formula of all terms
  void scale(GridParts<T>& parts, const Incoming<T>& in) const {
    const int64_t i = parts.begin();
    K::scale(in.dy + i, job_.dx + i, parts.at(), parts.factors(job_.no_bias), {});
  }

  const GradientJob<T>& job_;
  const AffineStep<T>& step_;
  const Plan& plan_;
  detail::ElementSums<T> element_sums_;
};

/// Statistics that a gradient starts from: of the forward, and for normalize_input_gradient b and k.
struct Given {
  std::span<const double> mean, var;
  const double* b = nullptr;
  const double* k = nullptr;
};

/// normalize_gradient in T; P: the type of the parameters' gradients.
template <class T, class P>
void gradient_in(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy, std::span<const T> weight,
                 std::span<const T> bias, const Given& given, std::span<T> dx, std::span<P> dweight,
                 std::span<P> dbias) {
  const Plan plan(spec);
  const AffineStep<T> step{plan, spec, x.data(), weight, bias, given.mean.data(), given.var.data()};
  detail::ParameterSums parameters(plan);
  const bool writes_dz =
      spec.activation.f != NormActivation::none && !(plan.way == Way::pieces && is_cheap(spec.activation));
  Workspace<T> scratch(writes_dz && dx.empty() ? static_cast<int64_t>(x.size()) : 0);
  const bool only_scales = spec.fixed && !given.b && plan.way != Way::elements;
  const int64_t rows = only_scales ? plan.view.slices * plan.view.outer : 0;
  Workspace<T> no_bias(rows);
  std::fill_n(no_bias.data(), rows, T(0));
  const GradientJob<T> job{step,
                           dy.data(),
                           dx.empty() ? scratch.data() : dx.data(),
                           dx.data(),
                           dx.empty()    ? InputGradient::none
                           : only_scales ? InputGradient::scaled
                                         : InputGradient::full,
                           !dweight.empty() || !dbias.empty(),
                           parameters,
                           no_bias.data(),
                           given.b,
                           given.k};
  dispatch_isa([&]<class Arch>() {
    parallel_for(0, plan.units, plan.grain, [&](int64_t first, int64_t last) {
      UnitGradient<NormalizeKernels<Arch, T>, T> gradient(job, first / plan.grain);
      detail::with_parts<T>(plan.way, [&]<class Parts>() {
        for (int64_t i = first; i < last; ++i) {
          gradient.template run<Parts>(plan.unit(i));
        }
      });
      gradient.finish();
    });
  });
  if (job.wants_parameters) {
    parameters.write(dweight, dbias);
  }
}

/// Whether a given b or k leaves what float can multiply.
bool is_large(const double* numbers, std::span<const double> var) {
  constexpr double kMost = 1e30;
  return numbers != nullptr &&
         std::any_of(numbers, numbers + var.size(), [](double number) { return std::abs(number) > kMost; });
}

/// normalize_gradient in T, or in double where T does not reach.
template <class T, class P>
void run_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy, std::span<const T> weight,
                  std::span<const T> bias, const Given& given, std::span<T> dx, std::span<P> dweight,
                  std::span<P> dbias) {
  if (std::is_same_v<T, double> ||
      !(gradient_needs_double(spec, given.var) || is_large(given.b, given.var) || is_large(given.k, given.var))) {
    gradient_in<T, P>(spec, x, dy, weight, bias, given, dx, dweight, dbias);
    return;
  }
  std::vector<double> dx64(dx.size()), dweight64(dweight.size()), dbias64(dbias.size());
  gradient_in<double, double>(spec, detail::as_doubles(x), detail::as_doubles(dy), detail::as_doubles(weight),
                              detail::as_doubles(bias), given, dx64, dweight64, dbias64);
  detail::narrow(dx64, dx);
  detail::narrow(dweight64, dweight);
  detail::narrow(dbias64, dbias);
}

}  // namespace

template <class T>
void normalize_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy,
                        std::span<const T> weight, std::span<const T> bias, std::span<const double> mean,
                        std::span<const double> var, std::span<T> dx, std::span<T> dweight, std::span<T> dbias) {
  run_gradient<T, T>(spec, x, dy, weight, bias, {mean, var}, dx, dweight, dbias);
}

template <class T>
void gradient_sums(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy, std::span<const double> mean,
                   std::span<const double> var, std::span<double> dy_sums, std::span<double> dy_x_hat_sums) {
  run_gradient<T, double>(spec, x, dy, {}, {}, {mean, var}, {}, dy_x_hat_sums, dy_sums);
}

template <class T>
void normalize_input_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy,
                              std::span<const T> weight, std::span<const double> mean, std::span<const double> var,
                              std::span<const double> b, std::span<const double> k, std::span<T> dx) {
  run_gradient<T, T>(spec, x, dy, weight, {}, {mean, var, b.data(), k.data()}, dx, {}, {});
}

template void normalize_gradient(const NormalizeSpec&, std::span<const float>, std::span<const float>,
                                 std::span<const float>, std::span<const float>, std::span<const double>,
                                 std::span<const double>, std::span<float>, std::span<float>, std::span<float>);
template void normalize_gradient(const NormalizeSpec&, std::span<const double>, std::span<const double>,
                                 std::span<const double>, std::span<const double>, std::span<const double>,
                                 std::span<const double>, std::span<double>, std::span<double>, std::span<double>);
template void gradient_sums(const NormalizeSpec&, std::span<const float>, std::span<const float>,
                            std::span<const double>, std::span<const double>, std::span<double>, std::span<double>);
template void gradient_sums(const NormalizeSpec&, std::span<const double>, std::span<const double>,
                            std::span<const double>, std::span<const double>, std::span<double>, std::span<double>);
template void normalize_input_gradient(const NormalizeSpec&, std::span<const float>, std::span<const float>,
                                       std::span<const float>, std::span<const double>, std::span<const double>,
                                       std::span<const double>, std::span<const double>, std::span<float>);
template void normalize_input_gradient(const NormalizeSpec&, std::span<const double>, std::span<const double>,
                                       std::span<const double>, std::span<const double>, std::span<const double>,
                                       std::span<const double>, std::span<const double>, std::span<double>);

}  // namespace evenkeel::kernels
