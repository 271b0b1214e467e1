// The normalization kernels against plain double loops, on every instruction set.

#include "evenkeel/core/kernels/norm/normalize.hpp"

#include "evenkeel/core/kernels/elementwise/unary.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace evenkeel {
namespace {

using kernels::NormalizeSpec;
using reference::at;
using reference::Values;

template <class T>
struct Result {
  std::vector<T> y, dx, dweight, dbias;
  Values mean, var;
};

std::int64_t group_of(const GroupView& v, std::int64_t i) {
  return i / (v.outer * v.groups * v.inner) * v.groups + i / v.inner % v.groups;
}

/// The formulas of autograd/ops/normalize_groups.hpp, element by element.
Result<double> expected(const NormalizeSpec& spec, const Values& x, const Values& dy, const Values& weight,
                        const Values& bias, const Values& mean, const Values& var) {
  const GroupView& v = spec.view;
  const Normalization& how = spec.how;
  const std::size_t statistics = at(v.statistics());
  const auto w = [&](std::size_t i) {
    return at(static_cast<std::int64_t>(i) / spec.affine.inner % spec.affine.params);
  };
  const double n = static_cast<double>(v.count());
  Result<double> r{Values(x.size()), Values(x.size()), Values(weight.size()), Values(bias.size()), mean, var};
  std::vector<std::size_t> group(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    group[i] = at(group_of(v, static_cast<std::int64_t>(i)));
  }
  if (!spec.fixed) {
    std::vector<long double> sums(statistics), squares(statistics);
    for (std::size_t i = 0; i < x.size(); ++i) {
      sums[group[i]] += static_cast<long double>(how.center ? x[i] : 0);
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double d = static_cast<long double>(x[i]) - sums[group[i]] / static_cast<long double>(n);
      squares[group[i]] += d * d;
    }
    for (std::size_t g = 0; g < statistics; ++g) {
      r.mean[g] = static_cast<double>(sums[g] / static_cast<long double>(n));
      r.var[g] = static_cast<double>(squares[g]) / (n - how.correction);
    }
  }
  const auto scale = [&](std::size_t g) {
    return how.eps_in_root ? 1 / std::sqrt(r.var[g] + how.eps) : 1 / (std::sqrt(r.var[g]) + how.eps);
  };
  Values sum_q(statistics), sum_qx(statistics);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t g = group[i];
    const double xh = (x[i] - r.mean[g]) * scale(g);
    r.y[i] = xh * weight[w(i)] + bias[w(i)];
    r.dweight[w(i)] += dy[i] * xh;
    r.dbias[w(i)] += dy[i];
    sum_q[g] += dy[i] * weight[w(i)];
    sum_qx[g] += dy[i] * weight[w(i)] * xh;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t g = group[i];
    const double s = scale(g);
    double k = sum_qx[g] / (n - how.correction);
    if (!how.eps_in_root) {
      k *= (std::sqrt(r.var[g]) + how.eps) / std::sqrt(r.var[g]);
    }
    const double b = how.center ? sum_q[g] / n : 0;
    const double q = dy[i] * weight[w(i)];
    r.dx[i] = spec.fixed ? s * q : s * (q - b - (x[i] - r.mean[g]) * s * k);
  }
  return r;
}

template <class T>
Result<T> actual(const NormalizeSpec& spec, const std::vector<T>& x, const std::vector<T>& dy,
                 const std::vector<T>& weight, const std::vector<T>& bias, const Values& mean, const Values& var) {
  using V = std::vector<T>;
  Result<T> r{V(x.size()), V(x.size()), V(weight.size()), V(bias.size()), mean, var};
  kernels::normalize<T>(spec, x, weight, bias, r.mean, r.var, r.y);
  kernels::normalize_gradient<T>(spec, x, dy, weight, bias, r.mean, r.var, r.dx, r.dweight, r.dbias);
  return r;
}

template <class Check>
void on_each_isa(const Check& check) {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    check();
  }
}

struct Case {
  std::string name;
  GroupView view;
  AffineView affine;
  Normalization how = {};
  bool fixed = false;
};

// Sizes on both sides of each boundary in core/kernels/norm/plan.cpp, none a multiple of a register.
const std::vector<Case> kCases = {
    {"batch norm 2d", {1, 3, 5, 77}, {5, 77}},
    {"batch norm 2d, long runs", {1, 2, 3, 1027}, {3, 1027}},
    {"batch norm 2d, small maps", {1, 7, 37, 9}, {37, 9}},
    {"batch norm 2d, wide", {1, 3, 301, 4}, {301, 4}},
    {"batch norm 1d", {1, 45, 13, 1}, {13, 1}},
    {"batch norm 1d, wide", {1, 35, 523, 1}, {523, 1}},
    {"batch norm 2d, large batch", {1, 70, 5, 77}, {5, 77}},
    {"batch norm, one channel", {1, 6, 1, 35}, {1, 35}},
    {"batch norm, batch 1", {1, 1, 5, 77}, {5, 77}},
    {"ghost batch norm", {3, 2, 5, 70}, {5, 70}},
    {"ghost batch norm, small maps", {3, 4, 5, 6}, {5, 6}},
    {"instance norm", {1, 1, 15, 77}, {5, 77}},
    {"group norm", {1, 1, 8, 3 * 35}, {12, 35}},
    {"group norm, small maps", {1, 1, 8, 3 * 4}, {12, 4}},
    {"group norm, 2-d", {1, 1, 10, 3}, {6, 1}},
    {"group norm, many channels", {1, 1, 4, 5100}, {600, 17}},
    {"group norm, many samples", {1, 1, 300, 2 * 21}, {4, 21}},
    {"layer norm", {1, 1, 37, 77}, {77, 1}},
    {"layer norm, many rows", {1, 1, 403, 5}, {5, 1}},
    {"layer norm, long rows", {1, 1, 5, 5001}, {5001, 1}},
    {"layer norm over channels", {3, 7, 45, 1}, {7, 45}},
    {"layer norm over channels, large maps", {2, 3, 301, 1}, {3, 301}},
    {"groups across rows, parameters per element", {1, 3, 2, 5}, {6, 5}},
    {"one parameter", {1, 3, 5, 7}, {1, 105}},
    {"rms norm", {1, 1, 9, 43}, {43, 1}, {.center = false}},
    {"rms over the batch", {1, 9, 11, 3}, {11, 3}, {.center = false}},
    {"unbiased, eps outside", {1, 1, 6, 27}, {6, 27}, {.correction = 1, .eps_in_root = false}},
    {"uncentred, unbiased, eps outside",
     {1, 4, 6, 3},
     {6, 3},
     {.eps = 0.3, .center = false, .correction = 1, .eps_in_root = false}},
    {"fixed, maps", {1, 3, 5, 77}, {5, 77}, {.eps = 0.1}, true},
    {"fixed, batch 1", {1, 1, 13, 1}, {13, 1}, {}, true},
};

Values shifted(Values values, double scale, double shift) {
  for (double& value : values) {
    value = value * scale + shift;
  }
  return values;
}

struct Inputs {
  explicit Inputs(const Case& c)
      : spec{c.view, c.affine, c.how, c.fixed},
        x(shifted(reference::random_values(c.view.numel(), 1), 2, 0.75)),
        dy(reference::random_values(c.view.numel(), 2)),
        weight(shifted(reference::random_values(c.affine.params, 3), 1, 0.5)),
        bias(reference::random_values(c.affine.params, 4)),
        mean(reference::random_values(c.view.statistics(), 5)),
        var(shifted(reference::random_values(c.view.statistics(), 6), 0.5, 1)) {}
  NormalizeSpec spec;
  Values x, dy, weight, bias, mean, var;
};

template <class T>
void check_case(const Case& c, double tolerance) {
  CAPTURE(c.name);
  const Inputs in(c);
  const Result<double> e = expected(in.spec, in.x, in.dy, in.weight, in.bias, in.mean, in.var);
  on_each_isa([&] {
    using reference::cast;
    const Result<T> a =
        actual<T>(in.spec, cast<T>(in.x), cast<T>(in.dy), cast<T>(in.weight), cast<T>(in.bias), in.mean, in.var);
    CHECK(reference::worst_error(a.mean, e.mean) <= tolerance);
    CHECK(reference::worst_error(a.var, e.var) <= tolerance);
    CHECK(reference::worst_error(a.y, e.y) <= tolerance);
    CHECK(reference::worst_error(a.dx, e.dx) <= tolerance);
    CHECK(reference::worst_error(a.dweight, e.dweight) <= 2 * tolerance);
    CHECK(reference::worst_error(a.dbias, e.dbias) <= tolerance);
  });
}

TEST_CASE("forward and backward equal plain loops") {
  for (const Case& c : kCases) {
    check_case<double>(c, 1e-12);
    check_case<float>(c, 1e-5);
  }
}

TEST_CASE("a gradient that is not wanted changes no other") {
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    const Inputs in(c);
    const Result<double> all = actual<double>(in.spec, in.x, in.dy, in.weight, in.bias, in.mean, in.var);
    for (int wanted = 1; wanted < 8; ++wanted) {
      CAPTURE(wanted);
      Values dx = wanted & 1 ? in.dy : Values();  // and in place
      Values dweight(wanted & 2 ? in.weight.size() : 0), dbias(wanted & 4 ? in.bias.size() : 0);
      kernels::normalize_gradient<double>(in.spec, in.x, dx.empty() ? in.dy : dx, in.weight, in.bias, all.mean, all.var,
                                          dx, dweight, dbias);
      CHECK((dx.empty() || dx == all.dx));
      CHECK((dweight.empty() || dweight == all.dweight));
      CHECK((dbias.empty() || dbias == all.dbias));
    }
  }
}

/// unary() of z, and unary_gradient() of dy.
template <class T>
std::pair<std::vector<T>, std::vector<T>> activated(FusedActivation f, const std::vector<T>& z,
                                                    const std::vector<T>& dy) {
  using Ops = kernels::UnaryOps;
  const auto op = []<class... F>(kernels::OpList<void, F...>, NormActivation which) {
    return std::array{Ops::size, Ops::index_of<F>()...}[static_cast<std::size_t>(which)];
  }(kernels::FusibleOps(), f.f);
  const auto n = static_cast<std::int64_t>(z.size());
  std::vector<T> y(z.size()), dz(z.size());
  kernels::unary<T>(op, n, z.data(), y.data(), {f.slope, 0});
  const auto& from = f.f == NormActivation::relu ? y : z;  // relu's derivative is one of the output
  kernels::unary_gradient<T>(op, n, dy.data(), from.data(), dz.data(), {f.slope, 0});
  return {std::move(y), std::move(dz)};
}

template <class T>
void check_activation(const Case& c, FusedActivation f, double tolerance) {
  using reference::cast;
  const Inputs in(c);
  const auto x = cast<T>(in.x), dy = cast<T>(in.dy), weight = cast<T>(in.weight), bias = cast<T>(in.bias);
  on_each_isa([&] {
    const Result<T> plain = actual<T>(in.spec, x, dy, weight, bias, in.mean, in.var);
    const std::pair<std::vector<T>, std::vector<T>> y_and_dz = activated(f, plain.y, dy);
    const Result<T> e = actual<T>(in.spec, x, y_and_dz.second, weight, bias, in.mean, in.var);
    const auto values = [](const std::vector<T>& of) { return Values(of.begin(), of.end()); };
    NormalizeSpec spec = in.spec;
    spec.activation = f;
    const Result<T> a = actual<T>(spec, x, dy, weight, bias, in.mean, in.var);
    CHECK(a.y == y_and_dz.first);
    CHECK(reference::worst_error(a.dx, values(e.dx)) <= tolerance);
    CHECK(reference::worst_error(a.dweight, values(e.dweight)) <= tolerance);
    CHECK(reference::worst_error(a.dbias, values(e.dbias)) <= tolerance);
    for (int wanted = 1; wanted < 8; ++wanted) {
      CAPTURE(wanted);
      std::vector<T> dweight(wanted & 2 ? weight.size() : 0), dbias(wanted & 4 ? bias.size() : 0);
      std::vector<T> dx = wanted & 1 ? dy : std::vector<T>();  // and in place
      kernels::normalize_gradient<T>(spec, x, dx.empty() ? dy : dx, weight, bias, a.mean, a.var, dx, dweight, dbias);
      CHECK((dx.empty() || dx == a.dx));
      CHECK((dweight.empty() || dweight == a.dweight));
      CHECK((dbias.empty() || dbias == a.dbias));
    }
  });
}

TEST_CASE("an activation in the same pass gives what it gives behind") {
  for (const Case& c : kCases) {
    for (std::size_t i = 1; i < kernels::FusibleOps::size; ++i) {
      INFO(c.name, ", activation ", i);
      const FusedActivation f{static_cast<NormActivation>(i), 0.2};
      check_activation<float>(c, f, 1e-6);
      check_activation<double>(c, f, 1e-14);
    }
  }
}

TEST_CASE("relu's gradient is 0 at 0, and where the input is infinite") {
  for (const Case& c : {Case{"maps", {1, 2, 1, 100}, {1, 100}}, Case{"rows", {1, 20, 1, 10}, {1, 10}}}) {
    CAPTURE(c.name);
    NormalizeSpec spec{c.view, c.affine, c.how, true, {NormActivation::relu}};
    std::vector<float> x(200), dy(200, 2.0f), dx(200), dweight(1), dbias(1);
    x[1] = 1;
    x[2] = -1;
    x[3] = -std::numeric_limits<float>::infinity();
    dy[2] = std::numeric_limits<float>::infinity();
    const std::vector<float> weight{1}, bias{0};
    kernels::normalize_gradient<float>(spec, x, dy, weight, bias, Values{0}, Values{1 - 1e-5}, dx, dweight, dbias);
    CHECK((dx[1] == 2 && dbias[0] == 2 && std::count(dx.begin(), dx.end(), 0.0f) == 199));
  }
}

TEST_CASE("the halves, put together, are the whole") {
  for (const Case& c : kCases) {
    if (c.fixed || c.affine.params != c.view.statistics() || c.affine.inner != c.view.inner || c.how.correction > 0) {
      continue;
    }
    CAPTURE(c.name);
    const Inputs in(c);
    const Result<double> whole = actual<double>(in.spec, in.x, in.dy, in.weight, in.bias, in.mean, in.var);
    Values mean(in.mean.size()), var(in.var.size()), b(mean.size()), k(mean.size()), dx(in.x.size());
    kernels::moments<double>(in.spec, in.x, mean, var);
    CHECK(mean == whole.mean);
    CHECK(var == whole.var);
    NormalizeSpec given = in.spec;
    given.fixed = true;
    kernels::gradient_sums<double>(given, in.x, in.dy, mean, var, b, k);
    CHECK(reference::worst_error(b, whole.dbias) <= 1e-13);
    CHECK(reference::worst_error(k, whole.dweight) <= 1e-13);
    for (std::size_t g = 0; g < b.size(); ++g) {
      b[g] = c.how.center ? b[g] * in.weight[g] / static_cast<double>(c.view.count()) : 0;
      k[g] *= in.weight[g] / static_cast<double>(c.view.count());
    }
    kernels::normalize_input_gradient<double>(given, in.x, in.dy, in.weight, mean, var, b, k, dx);
    CHECK(reference::worst_error(dx, whole.dx) <= 1e-13);
  }
}

TEST_CASE("no weight and no bias are 1 and 0") {
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    Inputs in(c);
    std::fill(in.weight.begin(), in.weight.end(), 1);
    std::fill(in.bias.begin(), in.bias.end(), 0);
    const Result<double> with = actual<double>(in.spec, in.x, in.dy, in.weight, in.bias, in.mean, in.var);
    const Result<double> without = actual<double>(in.spec, in.x, in.dy, {}, {}, in.mean, in.var);
    CHECK(without.y == with.y);
    CHECK(without.dx == with.dx);
    NormalizeSpec bare = in.spec;
    bare.affine = {};
    if (!bare.fixed) {  // given statistics are found by the affine view
      CHECK(reference::worst_error(actual<double>(bare, in.x, in.dy, {}, {}, in.mean, in.var).dx, with.dx) <= 1e-13);
    }
  }
}

TEST_CASE("the same bits with any number of threads") {
  const std::vector<Case> large = {{"batch norm", {1, 9, 33, 301}, {33, 301}},
                                   {"batch norm, small maps", {1, 65, 301, 9}, {301, 9}},
                                   {"group norm", {1, 1, 96, 2 * 650}, {16, 650}},
                                   {"layer norm", {1, 1, 1031, 131}, {131, 1}},
                                   {"layer norm over channels", {5, 31, 1001, 1}, {31, 1001}}};
  for (const Case& c : large) {
    CAPTURE(c.name);
    const Inputs in(c);
    const auto run = [&](int threads) {
      const ThreadsGuard guard(threads);
      return actual<float>(in.spec, reference::cast<float>(in.x), reference::cast<float>(in.dy),
                           reference::cast<float>(in.weight), reference::cast<float>(in.bias), in.mean, in.var);
    };
    const Result<float> one = run(1);
    for (const int threads : {2, 3, 5}) {
      const Result<float> many = run(threads);
      CHECK(many.y == one.y);
      CHECK(many.dx == one.dx);
      CHECK(many.dweight == one.dweight);
      CHECK(many.dbias == one.dbias);
    }
  }
}

/// Worst |a - e| over the largest |e|.
double relative_to_largest(const std::vector<float>& a, const Values& e) {
  double worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < e.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - e[i]));
    largest = std::max(largest, std::abs(e[i]));
  }
  return worst / largest;
}

TEST_CASE("a mean far larger than the deviation keeps its digits in float32") {
  const std::vector<Case> cases = {{"maps", {1, 4, 3, 300}, {3, 300}},
                                   {"rows", {1, 300, 3, 2}, {3, 2}},
                                   {"groups", {1, 1, 6, 2 * 100}, {4, 100}},
                                   {"layer norm", {1, 1, 7, 40}, {40, 1}}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Inputs in(c);
    for (const auto& moments : {std::pair(1e4, 0.1), std::pair(3e5, 1.0), std::pair(-2000.0, 1.0)}) {
      const double mean = moments.first;  // no structured binding: CAPTURE is a lambda
      const double deviation = moments.second;
      CAPTURE(mean);
      const auto xf = reference::cast<float>(shifted(in.x, deviation, mean));
      const Values x(xf.begin(), xf.end());
      const Result<double> e = expected(in.spec, x, in.dy, in.weight, in.bias, in.mean, in.var);
      on_each_isa([&] {
        const Result<float> a =
            actual<float>(in.spec, xf, reference::cast<float>(in.dy), reference::cast<float>(in.weight),
                          reference::cast<float>(in.bias), in.mean, in.var);
        CHECK(relative_to_largest(a.y, e.y) <= 1e-5);
        CHECK(relative_to_largest(a.dx, e.dx) <= 1e-5);
        CHECK(relative_to_largest(a.dweight, e.dweight) <= 1e-5);
        for (std::size_t g = 0; g < e.var.size(); ++g) {
          CHECK(a.var[g] == doctest::Approx(e.var[g]).epsilon(1e-5));
        }
      });
    }
  }
}

TEST_CASE("first elements that are unlike the rest cost no digits") {
  // The shift is taken from them: 40 deviations and more off.
  for (const Case& c : {Case{"maps", {1, 2000, 2, 70}, {2, 70}}, Case{"rows", {1, 30000, 3, 1}, {3, 1}}}) {
    CAPTURE(c.name);
    const Inputs in(c);
    Values x = shifted(in.x, 1e-3, 5);
    std::fill(x.begin(), x.begin() + 48, 0.0);
    const auto xf = reference::cast<float>(x);
    const Result<double> e =
        expected(in.spec, Values(xf.begin(), xf.end()), in.dy, in.weight, in.bias, in.mean, in.var);
    const Result<float> a = actual<float>(in.spec, xf, reference::cast<float>(in.dy), reference::cast<float>(in.weight),
                                          reference::cast<float>(in.bias), in.mean, in.var);
    CHECK(relative_to_largest(a.y, e.y) <= 1e-6);
    for (std::size_t g = 0; g < e.var.size(); ++g) {
      CHECK(a.mean[g] == doctest::Approx(e.mean[g]).epsilon(1e-8));
      CHECK(a.var[g] == doctest::Approx(e.var[g]).epsilon(1e-5));
    }
  }
}

template <class T>
void check_constant(const Case& c, double value, double eps) {
  Inputs in(c);
  in.spec.how.eps = eps;
  const std::vector<T> x(in.x.size(), static_cast<T>(value));
  const auto bias = reference::cast<T>(in.bias);
  const auto a = actual<T>(in.spec, x, reference::cast<T>(in.dy), reference::cast<T>(in.weight), bias, in.mean, in.var);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto p = at(static_cast<std::int64_t>(i) / c.affine.inner % c.affine.params);
    REQUIRE(a.y[i] == bias[p]);
    REQUIRE(std::isfinite(a.dx[i]));
  }
  CHECK(*std::max_element(a.var.begin(), a.var.end()) == 0);
  CHECK(*std::max_element(a.dweight.begin(), a.dweight.end()) == 0);
}

TEST_CASE("a constant group gives exactly the bias") {
  for (const Case& c : kCases) {
    if (c.fixed || !c.how.center) {
      continue;
    }
    CAPTURE(c.name);
    on_each_isa([&] {
      for (const double value : {0.0, 0.1, -1e4 / 3, 1e-40, 123456.789}) {
        CAPTURE(value);
        check_constant<float>(c, value, 1e-5);
        check_constant<double>(c, value, 1e-5);
        check_constant<double>(c, value, 0);
      }
    });
  }
}

TEST_CASE("squares beyond float32's range") {
  for (const Case& c : {Case{"maps", {1, 2, 3, 100}, {3, 100}}, Case{"rows", {1, 20, 3, 2}, {3, 2}},
                        Case{"groups", {1, 1, 6, 2 * 20}, {4, 20}}}) {
    CAPTURE(c.name);
    const Inputs in(c);
    const auto xf = reference::cast<float>(shifted(in.x, 1e30, 0));
    const Result<double> e =
        expected(in.spec, Values(xf.begin(), xf.end()), in.dy, in.weight, in.bias, in.mean, in.var);
    const Result<float> a = actual<float>(in.spec, xf, reference::cast<float>(in.dy), reference::cast<float>(in.weight),
                                          reference::cast<float>(in.bias), in.mean, in.var);
    CHECK(relative_to_largest(a.y, e.y) <= 1e-5);
    CHECK(relative_to_largest(a.dx, e.dx) <= 1e-5);
  }
}

TEST_CASE("values far under eps, and a NaN in one group only") {
  const Case c{"maps", {1, 2, 3, 100}, {3, 100}};
  const Inputs in(c);
  const Values x = shifted(in.x, 1e-12, 0);
  const Result<double> e = expected(in.spec, x, in.dy, in.weight, in.bias, in.mean, in.var);
  const auto dy = reference::cast<float>(in.dy);
  const auto weight = reference::cast<float>(in.weight);
  const auto bias = reference::cast<float>(in.bias);
  Result<float> a = actual<float>(in.spec, reference::cast<float>(x), dy, weight, bias, in.mean, in.var);
  CHECK(relative_to_largest(a.y, e.y) <= 1e-5);
  CHECK(relative_to_largest(a.dx, e.dx) <= 1e-5);

  auto with_nan = reference::cast<float>(in.x);
  with_nan[105] = std::numeric_limits<float>::quiet_NaN();  // channel 1
  a = actual<float>(in.spec, with_nan, dy, weight, bias, in.mean, in.var);
  for (std::size_t i = 0; i < with_nan.size(); ++i) {
    REQUIRE(std::isnan(a.y[i]) == (i / 100 % 3 == 1));
    REQUIRE(std::isnan(a.dx[i]) == (i / 100 % 3 == 1));
  }
}

TEST_CASE("the variance of 1e4 + uniform noise over a million float32 values") {
  const Case c{"one group", {1, 1, 1, 1000003}, {1, 1000003}};
  const Inputs in(c);
  const auto xf = reference::cast<float>(shifted(in.x, 1, 1e4));
  const Result<double> e = expected(in.spec, Values(xf.begin(), xf.end()), in.dy, in.weight, in.bias, in.mean, in.var);
  on_each_isa([&] {
    const Result<float> a = actual<float>(in.spec, xf, reference::cast<float>(in.dy), {1.0f}, {0.0f}, in.mean, in.var);
    CHECK(a.var[0] == doctest::Approx(e.var[0]).epsilon(1e-6));
    CHECK(a.mean[0] == doctest::Approx(e.mean[0]).epsilon(1e-10));
  });
}

}  // namespace
}  // namespace evenkeel
