// References are sums over all cells of an axis of a weight by distance, cells beyond the ends moved to the ends.

#include "evenkeel/autograd/ops/interpolate.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace evenkeel::test {
namespace {

/// The weight of a cell so far away.
double linear(double distance) { return std::max(0.0, 1 - std::abs(distance)); }

/// Keys' cubic convolution with a = -0.75.
double cubic(double distance) {
  constexpr double a = -0.75;
  const double d = std::abs(distance);
  return d <= 1  ? (a + 2) * d * d * d - (a + 3) * d * d + 1
         : d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a
                 : 0;
}

/// The weight of every cell for output `o` of an axis.
std::vector<double> weights(const InterpolateOptions& options, std::int64_t cells, std::int64_t outputs, std::int64_t o,
                            double factor) {
  const auto n = static_cast<double>(cells), count = static_cast<double>(outputs), at = static_cast<double>(o);
  const double step = factor > 0 ? 1 / factor : n / count;
  std::vector<double> result(static_cast<std::size_t>(cells));
  const auto add = [&](std::int64_t cell, double weight) {
    result[static_cast<std::size_t>(std::clamp<std::int64_t>(cell, 0, cells - 1))] += weight;
  };
  const auto floored = [](double x) { return static_cast<std::int64_t>(std::floor(x)); };
  switch (options.mode) {
    case Interpolation::nearest:
      add(floored(at * step), 1);
      break;
    case Interpolation::nearest_exact:
      add(floored((at + 0.5) * step), 1);
      break;
    case Interpolation::area:
      for (std::int64_t cell = floored(at * n / count); static_cast<double>(cell) < (at + 1) * n / count; ++cell) {
        add(cell, 1);
      }
      break;
    default: {
      const bool corners = options.align_corners.value_or(false);
      const double place = corners ? (outputs > 1 ? at * (n - 1) / (count - 1) : 0) : (at + 0.5) * step - 0.5;
      for (std::int64_t cell = -2; cell < cells + 2; ++cell) {
        const double distance = place - static_cast<double>(cell);
        add(cell, options.mode == Interpolation::bicubic ? cubic(distance) : linear(distance));
      }
    }
  }
  double sum = 0;
  for (const double weight : result) {
    sum += weight;
  }
  for (double& weight : result) {
    weight /= sum;
  }
  return result;
}

/// One axis of x.
DoubleArray along(const DoubleArray& x, int axis, const InterpolateOptions& options) {
  const std::ptrdiff_t i = axis - 2;
  const auto pick = [i](const auto& values, std::size_t count) { return *(values.begin() + (count == 1 ? 0 : i)); };
  double factor = 0;
  Shape shape = x.shape;
  if (options.size.empty()) {
    factor = pick(options.scale_factor, options.scale_factor.size());
    shape[axis] = static_cast<std::int64_t>(std::floor(static_cast<double>(x.shape[axis]) * factor));
    factor = options.recompute_scale_factor ? 0 : factor;
  } else {
    shape[axis] = pick(options.size, static_cast<std::size_t>(options.size.rank()));
  }
  DoubleArray y(shape);
  for_each_index(shape, [&](const Shape& output) {
    const std::vector<double> w = weights(options, x.shape[axis], shape[axis], output[axis], factor);
    Shape cell = output;
    for (cell[axis] = 0; cell[axis] < x.shape[axis]; ++cell[axis]) {
      y.at(output) += w[static_cast<std::size_t>(cell[axis])] * x.at(cell);
    }
  });
  return y;
}

OpCase row(const std::string& variant, const Shape& shape, const InterpolateOptions& options,
           const std::vector<std::vector<Shape>>& more_shapes = {}) {
  Shape none = shape;
  none[0] = 0;
  OpCase result{.name = "interpolate",
                .variant = concat(options.mode, ", ", variant),
                .shapes = {shape},
                .fn = [options](std::span<const Tensor> x) { return interpolate(x[0], options); },
                .reference =
                    [options](std::span<const DoubleArray> x) {
                      DoubleArray y = x[0];
                      for (int axis = 2; axis < x[0].shape.rank(); ++axis) {
                        y = along(y, axis, options);
                      }
                      return y;
                    },
                .more_shapes = more_shapes,
                .keeps = ""};
  result.more_shapes.push_back({none});
  return result;
}

const CaseFile rows{[]() -> OpCases {
  constexpr auto kNearest = Interpolation::nearest, kExact = Interpolation::nearest_exact,
                 kLinear = Interpolation::linear, kBilinear = Interpolation::bilinear,
                 kBicubic = Interpolation::bicubic, kTrilinear = Interpolation::trilinear, kArea = Interpolation::area;
  return {
      row("1d", {2, 3, 4}, {.size = {7}}, {{{1, 2, 1}}}),
      row("2d by factors", {1, 2, 3, 5}, {.scale_factor = {2, 0.5}, .mode = kNearest}),
      row("3d", {1, 2, 2, 3, 4}, {.size = {3, 2, 5}}),
      row("1d", {2, 3, 9}, {.size = {4}, .mode = kExact}),
      row("2d", {1, 2, 3, 6}, {.scale_factor = {2.5}, .mode = kExact}, {{{2, 1, 1, 2}}}),
      row("1d", {2, 3, 4}, {.size = {7}, .mode = kLinear}, {{{2, 1, 1}}, {{1, 1, 9}}}),
      row("align_corners", {2, 3, 4}, {.size = {7}, .mode = kLinear, .align_corners = true}, {{{2, 1, 1}}}),
      row("one output", {2, 3, 4}, {.size = {1}, .mode = kLinear, .align_corners = true}),
      row("by a factor", {2, 3, 4}, {.scale_factor = {2.2}, .mode = kLinear}),
      row("by a recomputed factor", {2, 3, 4},
          {.scale_factor = {2.2}, .mode = kLinear, .recompute_scale_factor = true}),
      row("2d", {1, 2, 3, 4}, {.size = {5, 6}, .mode = kBilinear}, {{{2, 1, 1, 1}}, {{1, 1, 8, 7}}}),
      row("align_corners", {1, 2, 3, 4}, {.size = {5, 6}, .mode = kBilinear, .align_corners = true}),
      row("2d", {1, 2, 3, 4}, {.size = {5, 6}, .mode = kBicubic}, {{{2, 1, 1, 1}}, {{1, 1, 8, 7}}}),
      row("align_corners", {1, 2, 3, 4}, {.size = {5, 6}, .mode = kBicubic, .align_corners = true}),
      row("by factors", {1, 2, 4, 3}, {.scale_factor = {1.3, 1.8}, .mode = kBicubic}),
      row("3d", {1, 2, 2, 3, 4}, {.size = {3, 2, 5}, .mode = kTrilinear}, {{{1, 1, 4, 1, 7}}}),
      row("align_corners", {1, 2, 2, 3, 4}, {.size = {3, 2, 5}, .mode = kTrilinear, .align_corners = true}),
      row("1d", {2, 3, 7}, {.size = {3}, .mode = kArea}),
      row("2d", {1, 2, 5, 4}, {.scale_factor = {0.5}, .mode = kArea}),
      row("3d", {1, 2, 3, 4, 2}, {.size = {2, 3, 4}, .mode = kArea}),
  };
}};

}  // namespace
}  // namespace evenkeel::test
