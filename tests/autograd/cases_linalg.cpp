#include "evenkeel/autograd/ops/linalg.hpp"
#include "tests/support/cases.hpp"

#include <string>
#include <vector>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;

/// y[..., i, j] = sum_k a[..., i, k] b[..., k, j], a vector standing for one row (left) or one column (right).
DoubleArray matmul_reference(std::span<const DoubleArray> x) {
  DoubleArray a = x[0], b = x[1];
  if (x[0].shape.rank() == 1) {
    a.shape.insert(0, 1);
  }
  if (x[1].shape.rank() == 1) {
    b.shape.push_back(1);
  }
  const auto batch = [](Shape shape) {
    shape.erase(shape.rank() - 1);
    shape.erase(shape.rank() - 1);
    return shape;
  };
  Shape shape = broadcast_shapes(batch(a.shape), batch(b.shape), "reference");
  const int rank = shape.rank() + 2;
  shape.push_back(a.shape[a.shape.rank() - 2]);
  shape.push_back(b.shape.back());
  DoubleArray y(shape);
  for_each_index(shape, [&](const Shape& index) {
    for (std::int64_t k = 0; k < a.shape.back(); ++k) {
      Shape left = index, right = index;
      left[rank - 1] = k;
      right[rank - 2] = k;
      y.at(index) += a.at(left) * b.at(right);
    }
  });
  if (x[1].shape.rank() == 1) {
    y.shape.erase(y.shape.rank() - 1);
  }
  if (x[0].shape.rank() == 1) {
    y.shape.erase(y.shape.rank() - (x[1].shape.rank() == 1 ? 1 : 2));
  }
  return y;
}

DoubleArray linear_reference(std::span<const DoubleArray> x) {
  Shape shape = x[0].shape;
  shape[shape.rank() - 1] = x[1].shape[0];
  DoubleArray y(shape);
  for_each_index(shape, [&](const Shape& index) {
    double sum = x.size() > 2 ? x[2].at({index.back()}) : 0;
    for (std::int64_t k = 0; k < x[1].shape[1]; ++k) {
      Shape row = index;
      row[row.rank() - 1] = k;
      sum += x[0].at(row) * x[1].at({index.back(), k});
    }
    y.at(index) = sum;
  });
  return y;
}

OpCase matmul_case(const std::string& variant, const Shape& a, const Shape& b) {
  return {.name = "matmul",
          .variant = variant,
          .shapes = {a, b},
          .fn = [](Inputs x) { return matmul(x[0], x[1]); },
          .reference = matmul_reference,
          .keeps = "01"};
}

OpCase linear_case(const std::string& variant, const std::vector<Shape>& shapes,
                   std::vector<std::vector<Shape>> more = {}) {
  return {.name = "linear",
          .variant = variant,
          .shapes = shapes,
          .fn = [](Inputs x) { return linear(x[0], x[1], x.size() > 2 ? x[2] : Tensor{}); },
          .reference = linear_reference,
          .more_shapes = std::move(more),
          .keeps = "01"};
}

const CaseFile rows{[]() -> OpCases {
  OpCases result = {
      matmul_case("vector vector", {5}, {5}),
      matmul_case("matrix vector", {3, 5}, {5}),
      matmul_case("vector matrix", {5}, {5, 4}),
      matmul_case("matrix matrix", {3, 5}, {5, 4}),
      matmul_case("batch matrix", {2, 3, 5}, {5, 4}),
      matmul_case("batch vector", {2, 3, 5}, {5}),
      matmul_case("vector batch", {3}, {2, 3, 5}),
      matmul_case("matrix batch", {3, 5}, {2, 5, 4}),
      matmul_case("batches that broadcast", {2, 1, 3, 4}, {3, 4, 2}),
      linear_case("rank 2", {{3, 5}, {4, 5}, {4}}, {{{0, 5}, {4, 5}, {4}}, {{1, 1}, {4, 1}, {4}}}),
      linear_case("rank 1", {{5}, {4, 5}, {4}}),
      linear_case("rank 3, no bias", {{2, 3, 5}, {4, 5}}, {{{2, 0, 5}, {4, 5}}}),
      linear_case("rank 4", {{2, 1, 3, 5}, {4, 5}, {4}}),
      linear_case("one feature", {{3, 1}, {2, 1}, {2}}),
  };
  result[3].more_shapes = {{{2, 0}, {0, 3}}, {{0, 2}, {2, 3}}, {{1, 1}, {1, 1}}};
  return result;
}};

}  // namespace
}  // namespace evenkeel::test
