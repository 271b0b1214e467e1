#include "evenkeel/autograd/ops/pool.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/reference.hpp"

#include <string>
#include <vector>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;

reference::Pool with_planes(reference::Pool s, const DoubleArray& x) {
  s.planes = static_cast<std::int64_t>(x.values.size()) / (s.h * s.w);
  return s;
}

/// y of the given windows over the last two axes of x.
DoubleArray pooled(const DoubleArray& x, const reference::Pool& s) {
  Shape shape = x.shape;
  shape[shape.rank() - 2] = s.oh;
  shape[shape.rank() - 1] = s.ow;
  return DoubleArray(shape);
}

OpCase max_case(const std::string& variant, const reference::Pool& s, const MaxPool2dOptions& params) {
  return {.name = "max_pool2d",
          .variant = variant,
          .shapes = {{2, 3, s.h, s.w}},
          .samples = {Sample::distinct()},
          .fn = [params](Inputs x) { return max_pool2d(x[0], params); },
          .reference =
              [s](std::span<const DoubleArray> x) {
                DoubleArray y = pooled(x[0], s);
                y.values = reference::max_pool2d(with_planes(s, x[0]), x[0].values).values;
                return y;
              },
          .more_shapes = {{{0, 3, s.h, s.w}}, {{1, 1, s.h, s.w}}, {{2, s.h, s.w}}},
          .keeps = ""};
}

OpCase avg_case(const std::string& variant, const reference::Pool& s, const AvgPool2dOptions& params) {
  return {.name = "avg_pool2d",
          .variant = variant,
          .shapes = {{2, 3, s.h, s.w}},
          .fn = [params](Inputs x) { return avg_pool2d(x[0], params); },
          .reference =
              [s, params](std::span<const DoubleArray> x) {
                DoubleArray y = pooled(x[0], s);
                reference::for_each_average(with_planes(s, x[0]),
                                            {params.count_include_pad, params.divisor_override.value_or(0)},
                                            [&](std::size_t cell, std::size_t output, double share) {
                                              y.values[output] += x[0].values[cell] * share;
                                            });
                return y;
              },
          .more_shapes = {{{0, 3, s.h, s.w}}, {{1, 1, s.h, s.w}}, {{2, s.h, s.w}}},
          .keeps = ""};
}

OpCase adaptive_case(const std::string& variant, const reference::Pool& s, Size2 output_size) {
  return {.name = "adaptive_avg_pool2d",
          .variant = variant,
          .shapes = {{2, 3, s.h, s.w}},
          .fn = [output_size](Inputs x) { return adaptive_avg_pool2d(x[0], output_size); },
          .reference =
              [s](std::span<const DoubleArray> x) {
                DoubleArray y = pooled(x[0], s);
                reference::for_each_adaptive_average(with_planes(s, x[0]),
                                                     [&](std::size_t cell, std::size_t output, double share) {
                                                       y.values[output] += x[0].values[cell] * share;
                                                     });
                return y;
              },
          .more_shapes = {{{0, 3, s.h, s.w}}, {{2, s.h, s.w}}},
          .keeps = ""};
}

const CaseFile rows{[]() -> OpCases {
  const reference::Pool halves{.h = 4, .w = 6, .oh = 2, .ow = 3, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2};
  const reference::Pool uneven{
      .h = 7, .w = 5, .oh = 4, .ow = 2, .kh = 3, .kw = 2, .stride_h = 2, .stride_w = 3, .pad_h = 1};
  const reference::Pool overlapping{.h = 4, .w = 5, .oh = 4, .ow = 5, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  const reference::Pool ceil{
      .h = 4, .w = 5, .oh = 3, .ow = 3, .kh = 3, .kw = 3, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1};
  const reference::Pool dropped{.h = 6, .w = 7, .oh = 3, .ow = 4, .stride_h = 2, .stride_w = 2};
  const reference::Pool dilated{.h = 6, .w = 7, .oh = 4, .ow = 4, .kh = 2, .kw = 2, .dilation_h = 2, .dilation_w = 3};
  return {
      max_case("stride is the kernel", halves, {}),
      max_case("uneven", uneven, {.kernel_size = {3, 2}, .stride = Size2{2, 3}, .padding = {1, 0}}),
      max_case("overlapping", overlapping, {.kernel_size = 3, .stride = 1, .padding = 1}),
      max_case("ceil mode", ceil, {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true}),
      max_case("ceil mode, last window dropped", dropped, {.kernel_size = 1, .stride = 2, .ceil_mode = true}),
      max_case("dilated", dilated, {.kernel_size = 2, .stride = 1, .dilation = {2, 3}}),
      avg_case("stride is the kernel", halves, {}),
      avg_case("uneven", uneven, {.kernel_size = {3, 2}, .stride = Size2{2, 3}, .padding = {1, 0}}),
      avg_case("overlapping", overlapping, {.kernel_size = 3, .stride = 1, .padding = 1}),
      avg_case("ceil mode", ceil, {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true}),
      avg_case("ceil mode, inside only", ceil,
               {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false}),
      avg_case("divisor 7", uneven,
               {.kernel_size = {3, 2}, .stride = Size2{2, 3}, .padding = {1, 0}, .divisor_override = 7}),
      adaptive_case("10 to 3, 5 to 3", {.h = 10, .w = 5, .oh = 3, .ow = 3}, 3),
      adaptive_case("larger output", {.h = 3, .w = 4, .oh = 5, .ow = 7}, {5, 7}),
      adaptive_case("global", {.h = 7, .w = 5, .oh = 1, .ow = 1}, 1),
      adaptive_case("1x1", {.h = 1, .w = 1, .oh = 1, .ow = 1}, 1),
      adaptive_case("height kept", {.h = 4, .w = 5, .oh = 4, .ow = 2}, {0, 2}),
  };
}};

}  // namespace
}  // namespace evenkeel::test
