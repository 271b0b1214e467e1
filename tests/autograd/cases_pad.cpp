// Padding by cells of the input, and windows as columns.

#include "evenkeel/autograd/ops/pad.hpp"
#include "evenkeel/autograd/ops/unfold.hpp"
#include "tests/support/cases.hpp"

#include <cstdlib>
#include <vector>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;

std::int64_t modulo(std::int64_t i, std::int64_t n) { return ((i % n) + n) % n; }

/// The cell of x that cell i of y shows, by the modes' periods.
std::int64_t shown(std::int64_t i, std::int64_t size, std::int64_t before, std::int64_t after, PadMode mode) {
  const std::int64_t at = i - before, period = size == 1 ? 1 : 2 * (size - 1);
  const std::int64_t left = before < 0 ? -before : 0, right = after < 0 ? -after : 0;
  switch (mode) {
    case PadMode::reflect:
      return size - 1 - std::abs(modulo(at, period) - (size - 1));
    case PadMode::circular:
      return left + modulo(at - left, size - left - right);
    default:
      return at < 0 ? 0 : at >= size ? size - 1 : at;
  }
}

OpCase pad_case(const std::string& variant, const Shape& x, const std::vector<std::int64_t>& padding, PadMode mode,
                bool batched = true) {
  const auto padded = [=](Shape shape) {
    for (std::size_t i = 0; i < padding.size(); ++i) {
      shape[shape.rank() - 1 - static_cast<int>(i / 2)] += padding[i];
    }
    return shape;
  };
  OpCase result;
  result.name = "pad";
  result.variant = variant;
  result.shapes = {x};
  result.fn = [=](Inputs in) { return pad(in[0], padding, mode); };
  result.reference = [=](std::span<const DoubleArray> in) {
    const Shape shape = in[0].shape;
    DoubleArray y(padded(shape));
    for_each_index(y.shape, [&](const Shape& i) {
      Shape from = i;
      for (std::size_t p = 0; p < padding.size(); p += 2) {
        const int axis = shape.rank() - 1 - static_cast<int>(p / 2);
        from[axis] = shown(i[axis], shape[axis], padding[p], padding[p + 1], mode);
      }
      y.at(i) = in[0].at(from);
    });
    return y;
  };
  if (batched) {
    Shape empty = x;
    empty[0] = 0;
    result.more_shapes = {{empty}};
  }
  result.keeps = "";
  return result;
}

struct Windows {
  Shape images;  ///< (C, H, W), maybe with N
  Size2 kernel_size, dilation, padding, stride;

  UnfoldOptions options() const { return {kernel_size, dilation, padding, stride}; }
  std::int64_t count(int axis) const {
    const std::int64_t extent = dilation[axis] * (kernel_size[axis] - 1) + 1;
    return (images[images.rank() - 2 + axis] + 2 * padding[axis] - extent) / stride[axis] + 1;
  }
  Shape columns(std::int64_t batch) const {
    const Shape one{images[images.rank() - 3] * kernel_size.h * kernel_size.w, count(0) * count(1)};
    return images.rank() == 3 ? one : Shape{batch, one[0], one[1]};
  }
  /// The cell of the image that an element of the columns shows; false if it is padding.
  bool cell(const Shape& column, Shape& at) const {
    const std::int64_t row = column[column.rank() - 2], window = column.back();
    const std::int64_t p = row / kernel_size.w % kernel_size.h, q = row % kernel_size.w;
    at = column;
    at.insert(at.rank(), 0);
    const int h = at.rank() - 2, w = at.rank() - 1;
    at[h - 1] = row / kernel_size.w / kernel_size.h;
    at[h] = window / count(1) * stride.h - padding.h + p * dilation.h;
    at[w] = window % count(1) * stride.w - padding.w + q * dilation.w;
    return at[h] >= 0 && at[h] < images[h] && at[w] >= 0 && at[w] < images[w];
  }
};

/// unfold, and fold of what it gives.
std::vector<OpCase> window_cases(const std::string& variant, const Windows& s) {
  OpCase unfolded, folded;
  unfolded.name = "unfold";
  folded.name = "fold";
  const std::int64_t batch = s.images[0];
  const int h = s.images.rank() - 2;
  const Size2 size(s.images[h], s.images[h + 1]);
  unfolded.shapes = {s.images};
  folded.shapes = {s.columns(batch)};
  unfolded.fn = [s](Inputs x) { return unfold(x[0], s.options()); };
  folded.fn = [s, size](Inputs x) { return fold(x[0], size, s.options()); };
  unfolded.reference = [s](std::span<const DoubleArray> x) {
    DoubleArray y(s.columns(x[0].shape[0]));
    for_each_index(y.shape, [&](const Shape& i) {
      Shape from;
      y.at(i) = s.cell(i, from) ? x[0].at(from) : 0;
    });
    return y;
  };
  folded.reference = [s](std::span<const DoubleArray> x) {
    Shape shape = s.images;
    shape[0] = shape.rank() == 4 ? x[0].shape[0] : shape[0];
    DoubleArray y(shape);
    for_each_index(x[0].shape, [&](const Shape& i) {
      Shape to;
      if (s.cell(i, to)) {
        y.at(to) += x[0].at(i);
      }
    });
    return y;
  };
  for (OpCase* row : {&unfolded, &folded}) {
    row->variant = variant;
    row->keeps = "";
    if (s.images.rank() == 4) {
      Shape empty = row->shapes[0];
      empty[0] = 0;
      row->more_shapes = {{empty}};
    }
  }
  return {unfolded, folded};
}

const CaseFile rows{[]() -> OpCases {
  OpCases result = {
      pad_case("reflect, a line", {2, 3, 5}, {4, 1}, PadMode::reflect),
      pad_case("reflect, one image", {2, 3, 4}, {1, 3, 2, -1}, PadMode::reflect, false),
      pad_case("reflect, a volume", {1, 2, 3, 2, 4}, {2, 1, 0, 1, 1, 2}, PadMode::reflect),
      pad_case("replicate, one line", {3, 4}, {6, 2}, PadMode::replicate, false),
      pad_case("replicate, an image", {2, 1, 3, 4}, {-1, 3, 4, 0}, PadMode::replicate),
      pad_case("replicate, size 1", {2, 3, 1}, {1, 2}, PadMode::replicate),
      pad_case("replicate, one volume", {2, 3, 1, 2}, {1, 1, 2, 0, 0, 4}, PadMode::replicate, false),
      pad_case("circular, a line", {2, 3, 5}, {3, 5}, PadMode::circular),
      pad_case("circular, crops", {2, 3, 5}, {-2, 3}, PadMode::circular),
      pad_case("circular, one image, crops", {2, 3, 4}, {1, -2, 2, -1}, PadMode::circular, false),
      pad_case("circular, an image", {1, 3, 2, 4}, {4, 1, 2, 1}, PadMode::circular),
      pad_case("circular, a volume", {2, 1, 2, 3, 2}, {1, 0, 2, 3, 0, 2}, PadMode::circular),
      pad_case("all cropped but one", {2, 1, 3, 5}, {-3, -1, 0, -2}, PadMode::replicate),
  };
  for (const auto& [variant, windows] : std::vector<std::pair<std::string, Windows>>{
           {"uneven everything", {{2, 3, 5, 7}, {3, 2}, {1, 3}, {1, 2}, {2, 1}}},
           {"one image, gaps between windows", {{2, 7, 5}, {2, 1}, 1, 0, {3, 2}}},
           {"one window", {{3, 1, 3, 2}, {3, 2}, 1, 0, 1}},
           {"windows in the padding", {{1, 2, 2, 1}, 1, 1, {2, 1}, {2, 1}}},
       }) {
    for (const OpCase& row : window_cases(variant, windows)) {
      result.push_back(row);
    }
  }
  return result;
}};

}  // namespace
}  // namespace evenkeel::test
