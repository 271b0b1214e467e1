// Pools of one and three axes, adaptive maxima, power averages and unpooling. References go over windows that are given
// as lists of cells, one list per output of an axis.

#include "evenkeel/autograd/ops/lp_pool.hpp"
#include "evenkeel/autograd/ops/max_unpool.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;

/// What one output takes of an axis: the cells inside the input, and how many there are with the padding.
struct Cells {
  std::vector<std::int64_t> inside;
  std::int64_t padded = 0;
};
using Axis = std::vector<Cells>;
/// The windows of an axis of this many cells.
using MakeAxis = std::function<Axis(std::int64_t size)>;

MakeAxis sliding(std::int64_t outputs, std::int64_t kernel, std::int64_t stride, std::int64_t pad = 0,
                 std::int64_t dilation = 1) {
  return [=](std::int64_t size) {
    Axis axis(static_cast<std::size_t>(outputs));
    for (std::int64_t o = 0; o < outputs; ++o) {
      Cells& cells = axis[static_cast<std::size_t>(o)];
      for (std::int64_t k = 0; k < kernel; ++k) {
        const std::int64_t cell = o * stride - pad + k * dilation;
        cells.padded += cell < size + pad;
        if (cell >= 0 && cell < size) {
          cells.inside.push_back(cell);
        }
      }
    }
    return axis;
  };
}

MakeAxis adaptive(std::int64_t outputs) {
  return [=](std::int64_t size) {
    Axis axis(static_cast<std::size_t>(outputs));
    for (std::int64_t o = 0; o < outputs; ++o) {
      for (std::int64_t cell = 0; cell < size; ++cell) {
        if ((cell + 1) * outputs > o * size && cell * outputs < (o + 1) * size) {
          axis[static_cast<std::size_t>(o)].inside.push_back(cell);
        }
      }
    }
    return axis;
  };
}

/// What becomes of the values of a window with so many cells, padding and all.
using Combine = std::function<double(const std::vector<double>& values, std::int64_t padded)>;

double largest(const std::vector<double>& values, std::int64_t) {
  return *std::max_element(values.begin(), values.end());
}

double total(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return sum;
}

double average(const std::vector<double>& values, std::int64_t padded) {
  return total(values) / static_cast<double>(padded);
}
double inside_average(const std::vector<double>& values, std::int64_t) {
  return total(values) / static_cast<double>(values.size());
}

Reference pooled(const std::vector<MakeAxis>& make, const Combine& combine) {
  return [=](std::span<const DoubleArray> x) {
    const int dims = static_cast<int>(make.size()), lead = x[0].shape.rank() - dims;
    std::vector<Axis> axes;
    Shape shape = x[0].shape;
    for (int i = 0; i < dims; ++i) {
      axes.push_back(make[static_cast<std::size_t>(i)](shape[lead + i]));
      shape[lead + i] = static_cast<std::int64_t>(axes.back().size());
    }
    DoubleArray y(shape);
    for_each_index(shape, [&](const Shape& output) {
      Shape counts;
      std::int64_t padded = 1;
      const auto cells = [&](int i) -> const Cells& {
        return axes[static_cast<std::size_t>(i)][static_cast<std::size_t>(output[lead + i])];
      };
      for (int i = 0; i < dims; ++i) {
        counts.push_back(std::ssize(cells(i).inside));
        padded *= cells(i).padded;
      }
      std::vector<double> values;
      for_each_index(counts, [&](const Shape& k) {
        Shape cell = output;
        for (int i = 0; i < dims; ++i) {
          cell[lead + i] = cells(i).inside[static_cast<std::size_t>(k[i])];
        }
        values.push_back(x[0].at(cell));
      });
      y.at(output) = combine(values, padded);
    });
    return y;
  };
}

/// x's shape alone, with an empty batch, and as one sample.
OpCase pool_case(const std::string& name, const std::string& variant, const Shape& shape,
                 const std::function<Tensor(const Tensor&)>& f, const Reference& reference) {
  Shape none = shape, sample = shape;
  none[0] = 0;
  sample.erase(0);
  return {.name = name,
          .variant = variant,
          .shapes = {shape},
          .samples = {Sample::distinct()},
          .fn = [f](Inputs x) { return f(x[0]); },
          .reference = reference,
          .more_shapes = {{none}, {sample}},
          .keeps = ""};
}

using T = const Tensor&;

OpCases max_rows() {
  return {
      pool_case(
          "max_pool", "1d", {2, 3, 5}, [](T x) { return max_pool1d(x, {}); }, pooled({sliding(2, 2, 2)}, largest)),
      pool_case(
          "max_pool", "1d, ceil mode", {1, 2, 22},
          [](T x) { return max_pool1d(x, {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true}); },
          pooled({sliding(12, 3, 2, 1)}, largest)),
      pool_case(
          "max_pool", "3d", {1, 2, 4, 2, 5}, [](T x) { return max_pool3d(x, {}); },
          pooled({sliding(2, 2, 2), sliding(1, 2, 2), sliding(2, 2, 2)}, largest)),
      pool_case(
          "max_pool", "3d, uneven and dilated", {2, 1, 3, 4, 5},
          [](T x) {
            return max_pool3d(
                x,
                {.kernel_size = {2, 3, 2}, .stride = SizeND<3>(1, 2, 1), .padding = {1, 1, 0}, .dilation = {1, 1, 3}});
          },
          pooled({sliding(4, 2, 1, 1), sliding(2, 3, 2, 1), sliding(2, 2, 1, 0, 3)}, largest)),
      pool_case(
          "max_pool_with_indices", "values of 3d", {1, 2, 3, 4, 2},
          [](T x) {
            return max_pool3d_with_indices(x, {.kernel_size = {3, 2, 1}}).values;
          },
          pooled({sliding(1, 3, 3), sliding(2, 2, 2), sliding(2, 1, 1)}, largest)),
      pool_case(
          "adaptive_max_pool", "1d", {2, 3, 7}, [](T x) { return adaptive_max_pool1d(x, 4); },
          pooled({adaptive(4)}, largest)),
      pool_case(
          "adaptive_max_pool", "2d, height kept", {2, 1, 4, 5},
          [](T x) {
            return adaptive_max_pool2d(x, {0, 2});
          },
          pooled({adaptive(4), adaptive(2)}, largest)),
      pool_case(
          "adaptive_max_pool", "3d, one output", {1, 2, 2, 3, 4}, [](T x) { return adaptive_max_pool3d(x, 1); },
          pooled({adaptive(1), adaptive(1), adaptive(1)}, largest)),
      pool_case(
          "adaptive_max_pool_with_indices", "values of 3d, more outputs", {1, 1, 2, 1, 3},
          [](T x) {
            return adaptive_max_pool3d_with_indices(x, {3, 2, 2}).values;
          },
          pooled({adaptive(3), adaptive(2), adaptive(2)}, largest)),
  };
}

OpCases average_rows() {
  const std::vector<MakeAxis> overhanging = {sliding(3, 3, 2, 1), sliding(2, 2, 2, 0), sliding(3, 3, 2, 1)};
  const AvgPool3dOptions overhang{.kernel_size = {3, 2, 3}, .stride = 2, .padding = {1, 0, 1}, .ceil_mode = true};
  return {
      pool_case(
          "avg_pool", "1d", {2, 3, 5}, [](T x) { return avg_pool1d(x, {}); }, pooled({sliding(2, 2, 2)}, average)),
      pool_case(
          "avg_pool", "1d, inside only", {1, 2, 20},
          [](T x) { return avg_pool1d(x, {.kernel_size = 4, .stride = 2, .padding = 2, .count_include_pad = false}); },
          pooled({sliding(11, 4, 2, 2)}, inside_average)),
      pool_case(
          "avg_pool", "3d", {1, 2, 4, 2, 5}, [](T x) { return avg_pool3d(x, {}); },
          pooled({sliding(2, 2, 2), sliding(1, 2, 2), sliding(2, 2, 2)}, average)),
      pool_case(
          "avg_pool", "3d, ceil mode", {2, 1, 4, 3, 4}, [=](T x) { return avg_pool3d(x, overhang); },
          pooled(overhanging, average)),
      pool_case(
          "avg_pool", "3d, inside only", {2, 1, 4, 3, 4},
          [=](T x) {
            AvgPool3dOptions inside = overhang;
            inside.count_include_pad = false;
            return avg_pool3d(x, inside);
          },
          pooled(overhanging, inside_average)),
      pool_case(
          "avg_pool", "3d, divisor 7", {2, 1, 4, 3, 4},
          [=](T x) {
            AvgPool3dOptions fixed = overhang;
            fixed.divisor_override = 7;
            return avg_pool3d(x, fixed);
          },
          pooled(overhanging, [](const std::vector<double>& values, std::int64_t) { return total(values) / 7; })),
      pool_case(
          "avg_pool", "3d, whole slices", {1, 2, 3, 2, 4},
          [](T x) {
            return avg_pool3d(x, {.kernel_size = {2, 2, 4}, .stride = 1});
          },
          pooled({sliding(2, 2, 1), sliding(1, 2, 1), sliding(1, 4, 1)}, average)),
      pool_case(
          "adaptive_avg_pool", "1d", {2, 3, 7}, [](T x) { return adaptive_avg_pool1d(x, 4); },
          pooled({adaptive(4)}, inside_average)),
      pool_case(
          "adaptive_avg_pool", "3d", {1, 2, 3, 4, 5},
          [](T x) {
            return adaptive_avg_pool3d(x, {2, 1, 3});
          },
          pooled({adaptive(2), adaptive(1), adaptive(3)}, inside_average)),
      pool_case(
          "adaptive_avg_pool", "3d, one cell", {2, 3, 1, 1, 1},
          [](T x) {
            return adaptive_avg_pool3d(x, {1, 2, 1});
          },
          pooled({adaptive(1), adaptive(2), adaptive(1)}, inside_average)),
  };
}

/// (sum |x|^p)^(1/p), whose windows count as many cells as the kernel: `cells`.
Combine power(double p, double cells) {
  return [=](const std::vector<double>& values, std::int64_t) {
    double sum = 0;
    for (const double value : values) {
      sum += std::pow(std::abs(value), p);
    }
    return std::pow(sum / static_cast<double>(values.size()) * cells, 1 / p);
  };
}

OpCase positive(OpCase row) {
  row.samples = {Sample::positive()};
  return row;
}

OpCases power_rows() {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  OpCases rows = {
      pool_case(
          "lp_pool", "1d, ceil mode", {2, 3, 6},
          [](T x) { return lp_pool1d(x, {.kernel_size = 3, .stride = 2, .ceil_mode = true}); },
          pooled({sliding(3, 3, 2)}, power(2, 3))),
      positive(pool_case(
          "lp_pool", "2d, p = 1.5", {2, 1, 4, 5},
          [](T x) {
            return lp_pool2d(x, {.norm_type = 1.5, .kernel_size = {2, 3}, .stride = 1});
          },
          pooled({sliding(3, 2, 1), sliding(3, 3, 1)}, power(1.5, 6)))),
      pool_case(
          "lp_pool", "3d, infinity", {1, 2, 2, 3, 4}, [](T x) { return lp_pool3d(x, {.norm_type = kInf}); },
          pooled({sliding(1, 2, 2), sliding(1, 2, 2), sliding(2, 2, 2)},
                 [](const std::vector<double>& values, std::int64_t) {
                   return std::max(*std::max_element(values.begin(), values.end()),
                                   -*std::min_element(values.begin(), values.end()));
                 })),
  };
  rows[0].keeps = rows[1].keeps = rows[2].keeps = "0";
  return rows;
}

/// Places in an output of these sizes, different ones within a plane: the i-th of n values lies in the i-th of n equal
/// parts.
Tensor places_of(const Shape& shape, int dims, std::int64_t outputs) {
  std::vector<std::int64_t> places;
  std::int64_t plane = 1;
  for (int i = shape.rank() - dims; i < shape.rank(); ++i) {
    plane *= shape[i];
  }
  for (std::int64_t i = 0; i < numel(shape); ++i) {
    const std::int64_t part = outputs / plane;
    places.push_back(i % plane * part + i % part);
  }
  return Tensor(Array::from(places, shape));
}

Reference placed(int dims, const Shape& sizes) {
  return [=](std::span<const DoubleArray> x) {
    Shape shape = x[0].shape;
    std::copy(sizes.begin(), sizes.end(), shape.end() - dims);
    DoubleArray y(shape);
    const std::int64_t outputs = numel(sizes);
    const std::vector<std::int64_t> places = places_of(x[0].shape, dims, outputs).to_vector<std::int64_t>();
    std::int64_t plane = 1;
    for (int i = x[0].shape.rank() - dims; i < x[0].shape.rank(); ++i) {
      plane *= x[0].shape[i];
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
      y.values[static_cast<std::size_t>(static_cast<std::int64_t>(i) / plane * outputs + places[i])] = x[0].values[i];
    }
    return y;
  };
}

OpCases unpool_rows() {
  return {
      pool_case(
          "max_unpool", "1d", {2, 3, 4}, [](T x) { return max_unpool1d(x, places_of(x.shape(), 1, 8), {}); },
          placed(1, {8})),
      pool_case(
          "max_unpool", "2d, other size", {2, 1, 3, 2},
          [](T x) {
            return max_unpool2d(x, places_of(x.shape(), 2, 24), {.kernel_size = 3, .stride = 2, .padding = 1},
                                Size2(6, 4));
          },
          placed(2, {6, 4})),
      pool_case(
          "max_unpool", "3d", {1, 2, 2, 1, 3},
          [](T x) {
            return max_unpool3d(x, places_of(x.shape(), 3, 24), {.kernel_size = {1, 2, 2}});
          },
          placed(3, {2, 2, 6})),
  };
}

const CaseFile max_file{max_rows}, average_file{average_rows}, power_file{power_rows}, unpool_file{unpool_rows};

}  // namespace
}  // namespace evenkeel::test
