#include "evenkeel/autograd/ops/conv.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/reference.hpp"

#include <string>
#include <vector>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;

struct ConvRow {
  std::string variant;
  reference::Conv sizes;
  bool bias = true;
};

/// Uneven in every pair of numbers.
const std::vector<ConvRow> kRows = {
    {"uneven everything",
     {.n = 2,
      .c = 3,
      .h = 6,
      .w = 7,
      .o = 4,
      .kh = 3,
      .kw = 2,
      .stride_h = 2,
      .stride_w = 3,
      .pad_h = 1,
      .pad_w = 2,
      .dilation_h = 1,
      .dilation_w = 2}},
    {"3x3", {.n = 2, .c = 3, .h = 5, .w = 4, .o = 2, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}},
    {"no bias", {.n = 2, .c = 2, .h = 5, .w = 4, .o = 3, .kh = 2, .kw = 3, .pad_w = 1}, false},
    {"batch 1, wide", {.c = 2, .h = 3, .w = 17, .o = 3, .kh = 2, .kw = 3, .pad_w = 1}},
    {"1x1", {.n = 2, .c = 3, .h = 4, .w = 5, .o = 4}},
    {"1x1 strided", {.n = 2, .c = 3, .h = 4, .w = 5, .o = 2, .stride_h = 3, .stride_w = 2}},
    {"2 groups", {.n = 2, .c = 4, .h = 5, .w = 3, .o = 6, .kh = 2, .kw = 3, .pad_w = 1, .groups = 2}},
    {"depthwise, multiplier 2",
     {.n = 2, .c = 3, .h = 5, .w = 4, .o = 6, .kh = 3, .kw = 2, .stride_h = 2, .pad_h = 1, .groups = 3}},
    {"dilated",
     {.n = 2, .c = 2, .h = 6, .w = 7, .o = 3, .kh = 2, .kw = 3, .pad_h = 1, .dilation_h = 3, .dilation_w = 2}},
    {"stride larger than kernel",
     {.n = 2, .c = 2, .h = 8, .w = 7, .o = 3, .kh = 2, .kw = 1, .stride_h = 3, .stride_w = 4}},
};

OpCase conv_case(const ConvRow& row) {
  const reference::Conv s = row.sizes;
  OpCase result;
  result.name = "conv2d";
  result.variant = row.variant;
  result.shapes = {{s.n, s.c, s.h, s.w}, {s.o, s.c / s.groups, s.kh, s.kw}};
  if (row.bias) {
    result.shapes.push_back({s.o});
  }
  result.fn = [s](Inputs x) {
    return conv2d(x[0], x[1], x.size() > 2 ? x[2] : Tensor{},
                  {.stride = {s.stride_h, s.stride_w},
                   .padding = {s.pad_h, s.pad_w},
                   .dilation = {s.dilation_h, s.dilation_w},
                   .groups = s.groups});
  };
  result.reference = [s](std::span<const DoubleArray> x) {
    reference::Conv sizes = s;
    sizes.n = x[0].shape[0];
    DoubleArray y(Shape{sizes.n, s.o, s.oh(), s.ow()});
    y.values = reference::conv2d(sizes, x[0].values, x[1].values, x.size() > 2 ? x[2].values : reference::Values{});
    return y;
  };
  std::vector<Shape> empty = result.shapes;
  empty[0][0] = 0;
  result.more_shapes = {empty};
  result.keeps = "01";
  return result;
}

/// x of the transposed convolution is y of `sizes`; with a stride, cells of dx that no window reaches are
/// output_padding.
OpCase transposed_case(const ConvRow& row) {
  const reference::Conv s = row.sizes;
  OpCase result;
  result.name = "conv_transpose2d";
  result.variant = row.variant;
  result.shapes = {{s.n, s.o, s.oh(), s.ow()}, {s.o, s.c / s.groups, s.kh, s.kw}};
  if (row.bias) {
    result.shapes.push_back({s.c});
  }
  const Size2 extra((s.h + 2 * s.pad_h - s.dilation_h * (s.kh - 1) - 1) % s.stride_h,
                    (s.w + 2 * s.pad_w - s.dilation_w * (s.kw - 1) - 1) % s.stride_w);
  result.fn = [s, extra](Inputs x) {
    return conv_transpose2d(x[0], x[1], x.size() > 2 ? x[2] : Tensor{},
                            {.stride = {s.stride_h, s.stride_w},
                             .padding = {s.pad_h, s.pad_w},
                             .output_padding = extra,
                             .dilation = {s.dilation_h, s.dilation_w},
                             .groups = s.groups});
  };
  result.reference = [s](std::span<const DoubleArray> x) {
    reference::Conv sizes = s;
    sizes.n = x[0].shape[0];
    DoubleArray y(Shape{sizes.n, s.c, s.h, s.w});
    y.values = reference::conv2d_input_gradient(sizes, x[0].values, x[1].values);
    if (x.size() > 2) {
      for_each_index(y.shape, [&](const Shape& i) { y.at(i) += x[2].values[reference::at(i[1])]; });
    }
    return y;
  };
  std::vector<Shape> empty = result.shapes;
  empty[0][0] = 0;
  result.more_shapes = {empty};
  result.keeps = "01";
  return result;
}

const CaseFile rows{[]() -> OpCases {
  OpCases result;
  for (const ConvRow& row : kRows) {
    result.push_back(conv_case(row));
    result.push_back(transposed_case(row));
  }
  result.push_back({.name = "conv2d",
                    .variant = "same, even kernel, unbatched",
                    .shapes = {{2, 5, 6}, {3, 2, 2, 4}, {3}},
                    .fn = [](Inputs x) { return conv2d(x[0], x[1], x[2], {.padding = "same"}); },
                    .reference =
                        [](std::span<const DoubleArray> x) {
                          const reference::Conv s{
                              .c = 2, .h = 5, .w = 6, .o = 3, .kh = 2, .kw = 4, .pad_w = 1, .extra_h = 1, .extra_w = 1};
                          DoubleArray y(Shape{3, 5, 6});
                          y.values = reference::conv2d(s, x[0].values, x[1].values, x[2].values);
                          return y;
                        },
                    .keeps = "01"});
  return result;
}};

}  // namespace
}  // namespace evenkeel::test
