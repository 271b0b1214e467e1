// Convolutions over lines and volumes; those of images stand in cases_conv.cpp.

#include "evenkeel/autograd/ops/conv.hpp"
#include "tests/support/cases.hpp"

#include <string>
#include <vector>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Sizes = std::vector<std::int64_t>;  // one per axis

struct Row {
  std::string variant;
  Shape x;       ///< without the batch where `batched` is false
  Shape weight;  ///< (O, C/groups, ...)
  Sizes stride, pad, dilation;
  std::int64_t groups = 1;
  bool bias = true, batched = true;

  int axes() const { return weight.rank() - 2; }
  Shape y() const {
    Shape shape = x;
    const int first = x.rank() - axes();
    shape[first - 1] = weight[0];
    for (int d = 0; d < axes(); ++d) {
      const std::size_t i = static_cast<std::size_t>(d);
      shape[first + d] = (x[first + d] + 2 * pad[i] - dilation[i] * (weight[d + 2] - 1) - 1) / stride[i] + 1;
    }
    return shape;
  }
};

const std::vector<Row> kRows = {
    {"uneven everything", {2, 4, 9}, {6, 2, 3}, {2}, {1}, {2}, 2},
    {"no bias, unbatched", {3, 8}, {2, 3, 4}, {1}, {2}, {1}, 1, false, false},
    {"depthwise, stride larger than kernel", {2, 3, 11}, {6, 1, 2}, {3}, {0}, {1}, 3},
    {"uneven everything", {2, 4, 5, 4, 3}, {2, 2, 2, 3, 2}, {2, 1, 2}, {1, 2, 0}, {2, 1, 1}, 2},
    {"depth of one slice, no bias", {1, 2, 3, 4, 2}, {3, 2, 1, 2, 2}, {1, 2, 1}, {0, 1, 1}, {1, 1, 1}, 1, false},
    {"rows only", {2, 2, 3, 4, 5}, {3, 2, 1, 1, 2}, {1, 1, 2}, {0, 0, 1}, {1, 1, 1}},
    {"one slice, in padding alone", {1, 2, 1, 3, 2}, {3, 2, 1, 2, 1}, {4, 1, 1}, {1, 0, 0}, {1, 1, 1}},
    {"windows outside, unbatched", {2, 2, 3, 4}, {3, 2, 3, 1, 2}, {1, 1, 2}, {3, 0, 1}, {2, 1, 1}, 1, true, false},
};

/// Calls visit(index of x, of weight, of y) for every product; the indices are those of Row's shapes.
template <class Visit>
void for_each_product(const Row& r, const Shape& x, const Shape& y, const Visit& visit) {
  const int channel = x.rank() - r.axes() - 1;
  Shape taps = r.weight;
  taps.erase(0);
  for_each_index(y, [&](const Shape& at_y) {
    for_each_index(taps, [&](const Shape& tap) {
      Shape at_x = at_y, at_w = tap;
      at_w.insert(0, at_y[channel]);
      at_x[channel] = at_y[channel] / (r.weight[0] / r.groups) * r.weight[1] + tap[0];
      bool inside = true;
      for (int d = 0; d < r.axes(); ++d) {
        const std::size_t i = static_cast<std::size_t>(d);
        const int axis = channel + 1 + d;
        at_x[axis] = at_y[axis] * r.stride[i] - r.pad[i] + tap[d + 1] * r.dilation[i];
        inside = inside && at_x[axis] >= 0 && at_x[axis] < x[axis];
      }
      if (inside) {
        visit(at_x, at_w, at_y);
      }
    });
  });
}

void add_bias(const Row& r, std::span<const DoubleArray> x, DoubleArray& y) {
  if (x.size() > 2) {
    for_each_index(
        y.shape, [&](const Shape& i) { y.at(i) += x[2].values[static_cast<std::size_t>(i[i.rank() - r.axes() - 1])]; });
  }
}

template <int D>
SizeND<D> size(const Sizes& sizes) {
  SizeND<D> size = 0;
  for (int d = 0; d < D; ++d) {
    size[d] = sizes[static_cast<std::size_t>(d)];
  }
  return size;
}

/// What both kinds of rows have; `given` is the first input.
OpCase row_of(const Row& r, const std::string& name, const Shape& given, std::int64_t channels) {
  OpCase result;
  result.name = name;
  result.variant = r.variant;
  result.shapes = {given, r.weight};
  if (r.bias) {
    result.shapes.push_back({channels});
  }
  if (r.batched) {
    std::vector<Shape> empty = result.shapes;
    empty[0][0] = 0;
    result.more_shapes = {empty};
  }
  result.keeps = "01";
  return result;
}

template <int D>
OpCase conv_case(const Row& r, Tensor (*op)(const Tensor&, const Tensor&, const Tensor&, const ConvNdOptions<D>&)) {
  OpCase result = row_of(r, concat("conv", D, "d"), r.x, r.weight[0]);
  result.fn = [r, op](Inputs x) {
    return op(
        x[0], x[1], x.size() > 2 ? x[2] : Tensor{},
        {.stride = size<D>(r.stride), .padding = size<D>(r.pad), .dilation = size<D>(r.dilation), .groups = r.groups});
  };
  result.reference = [r](std::span<const DoubleArray> x) {
    Shape shape = r.y();
    shape[0] = r.batched ? x[0].shape[0] : shape[0];
    DoubleArray y(shape);
    for_each_product(r, x[0].shape, shape, [&](const Shape& at_x, const Shape& at_w, const Shape& at_y) {
      y.at(at_y) += x[0].at(at_x) * x[1].at(at_w);
    });
    add_bias(r, x, y);
    return y;
  };
  return result;
}

/// Its x is the convolution's y; cells of dx that no window reaches are output_padding.
template <int D>
OpCase transposed_case(const Row& r,
                       Tensor (*op)(const Tensor&, const Tensor&, const Tensor&, const ConvTransposeNdOptions<D>&)) {
  OpCase result = row_of(r, concat("conv_transpose", D, "d"), r.y(), r.weight[1] * r.groups);
  SizeND<D> extra = 0;
  for (int d = 0; d < D; ++d) {
    const std::size_t i = static_cast<std::size_t>(d);
    const std::int64_t free = r.x[r.x.rank() - D + d] + 2 * r.pad[i] - r.dilation[i] * (r.weight[d + 2] - 1) - 1;
    extra[d] = free % r.stride[i];
  }
  result.fn = [r, op, extra](Inputs x) {
    return op(x[0], x[1], x.size() > 2 ? x[2] : Tensor{},
              {.stride = size<D>(r.stride),
               .padding = size<D>(r.pad),
               .output_padding = extra,
               .dilation = size<D>(r.dilation),
               .groups = r.groups});
  };
  result.reference = [r](std::span<const DoubleArray> x) {
    Shape shape = r.x;
    shape[0] = r.batched ? x[0].shape[0] : shape[0];
    DoubleArray y(shape);
    for_each_product(r, shape, x[0].shape, [&](const Shape& at_y, const Shape& at_w, const Shape& at_x) {
      y.at(at_y) += x[0].at(at_x) * x[1].at(at_w);
    });
    add_bias(r, x, y);
    return y;
  };
  return result;
}

/// "same" for even kernels, whose extra cell is after: the last outputs of a convolution with as much before as after.
template <int D>
OpCase same_case(const Row& r, Tensor (*op)(const Tensor&, const Tensor&, const Tensor&, const ConvNdOptions<D>&)) {
  OpCase result = conv_case<D>(r, op);
  result.fn = [op](Inputs x) { return op(x[0], x[1], x[2], {.padding = "same"}); };
  result.reference = [r, padded = result.reference](std::span<const DoubleArray> x) {
    const DoubleArray all = padded(x);
    Shape shape = x[0].shape;
    shape[shape.rank() - D - 1] = r.weight[0];
    DoubleArray y(shape);
    for_each_index(shape, [&](const Shape& i) {
      Shape from = i;
      for (int axis = shape.rank() - D; axis < shape.rank(); ++axis) {
        from[axis] += all.shape[axis] - shape[axis];
      }
      y.at(i) = all.at(from);
    });
    return y;
  };
  return result;
}

const CaseFile rows{[]() -> OpCases {
  OpCases result;
  for (const Row& r : kRows) {
    if (r.axes() == 1) {
      result.push_back(conv_case<1>(r, conv1d));
      result.push_back(transposed_case<1>(r, conv_transpose1d));
    } else {
      result.push_back(conv_case<3>(r, conv3d));
      result.push_back(transposed_case<3>(r, conv_transpose3d));
    }
  }
  result.push_back(same_case<1>({"same, even kernel", {2, 3, 7}, {2, 3, 4}, {1}, {2}, {1}}, conv1d));
  result.push_back(same_case<3>(
      {"same, even and odd kernels", {2, 1, 3, 2, 4}, {3, 1, 2, 3, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}, conv3d));
  return result;
}};

}  // namespace
}  // namespace evenkeel::test
