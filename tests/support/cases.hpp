#pragma once

// The table of ops: one row or more per op, in tests/autograd/cases_<family>.cpp; op_table_test.cpp runs all its checks
// over every row. A family file holds one object:
//   const CaseFile rows{[]() -> OpCases { return {{.name = "silu", ...}, ...}; }};

#include "evenkeel/autograd/tensor.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel::test {

/// Values in double, row-major; what references work on. Integers and booleans are converted.
struct DoubleArray {
  Shape shape;
  std::vector<double> values;

  DoubleArray() = default;
  explicit DoubleArray(const Shape& s, double value = 0)
      : shape(s), values(static_cast<std::size_t>(numel(s)), value) {}
  /// Position of an index; a longer index is cut at the left and size 1 stretches, as in broadcasting.
  std::size_t position(const Shape& index) const {
    std::int64_t flat = 0;
    for (int i = 0; i < shape.rank(); ++i) {
      flat = flat * shape[i] + (shape[i] == 1 ? 0 : index[index.rank() - shape.rank() + i]);
    }
    return static_cast<std::size_t>(flat);
  }
  double at(const Shape& index) const { return values[position(index)]; }
  double& at(const Shape& index) { return values[position(index)]; }
};

/// Calls visit(index) for every index of `shape`, in row-major order.
template <class Visit>
void for_each_index(const Shape& shape, const Visit& visit) {
  const std::int64_t count = numel(shape);
  Shape index = Shape::filled(shape.rank(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    visit(std::as_const(index));
    for (int d = shape.rank() - 1; d >= 0 && ++index[d] == shape[d]; --d) {
      index[d] = 0;
    }
  }
}

/// How an input is drawn. All float values are exact in float32. Kinks are avoided here, not by tolerances.
struct Sample {
  enum class Kind { uniform, distinct, index, mask };
  Kind kind = Kind::uniform;
  double low = -2, high = 2;
  std::vector<double> kinks = {};  ///< no value is nearer to one of these than 0.05

  static Sample uniform(double low = -2, double high = 2) { return {.low = low, .high = high}; }
  static Sample positive() { return {.low = 0.25, .high = 2.5}; }
  static Sample avoiding(std::vector<double> kinks, double low = -2, double high = 2) {
    return {.low = low, .high = high, .kinks = std::move(kinks)};
  }
  /// No two values, and no two absolute values, are nearer than 0.02: for max, sorting and the like.
  static Sample distinct() { return {.kind = Kind::distinct}; }
  /// int64 in [low, high).
  static Sample index(std::int64_t low, std::int64_t high) {
    return {.kind = Kind::index, .low = static_cast<double>(low), .high = static_cast<double>(high)};
  }
  /// Booleans.
  static Sample mask() { return {.kind = Kind::mask}; }
};

using Reference = std::function<DoubleArray(std::span<const DoubleArray>)>;

struct OpCase {
  std::string name;                  ///< the function's name in autograd/ops/*.hpp; every one there needs a row
  std::string variant = "";          ///< tells rows of one op apart
  std::vector<Shape> shapes;         ///< one per input, sizes pairwise different
  std::vector<Sample> samples = {};  ///< one per input; the last is used for all that follow
  std::function<Tensor(std::span<const Tensor>)> fn = {};
  std::function<double(double)> scalar_reference = {};  ///< for elementwise ops of one input; else `reference`
  Reference reference = {};                             ///< plain loops from the definition
  /// Further input shapes for the comparison with the reference and a backward: zero-size, size 1. Elementwise rows
  /// (scalar_reference) get them by themselves.
  std::vector<std::vector<Shape>> more_shapes = {};
  /// What backward reads: digits for inputs, y for the output, in this order: "", "0", "01y". Checked by changing each
  /// in place after the forward. Absent: not checked.
  std::optional<std::string> keeps = {};
  std::vector<std::size_t> no_gradient = {};  ///< float inputs that get none
  bool differentiable = true;
  bool twice_differentiable = true;
  double tolerance64 = 1e-12;
  double tolerance32 = 1e-5;
  /// Puts back what fn changes (generators, buffers); called before every evaluation.
  std::function<void()> reset = [] {};
};
using OpCases = std::vector<OpCase>;

/// Registers the rows of one file.
class CaseFile {
 public:
  explicit CaseFile(OpCases (*rows)()) { all().push_back(rows); }
  static std::vector<OpCases (*)()>& all() {
    static std::vector<OpCases (*)()> files;
    return files;
  }
};

/// f(a, b) with broadcasting, or over more inputs f(values of all inputs at one index).
inline Reference broadcast_reference(std::function<double(std::span<const double>)> f) {
  return [f = std::move(f)](std::span<const DoubleArray> x) {
    Shape shape = x[0].shape;
    for (const DoubleArray& input : x) {
      shape = broadcast_shapes(shape, input.shape, "reference");
    }
    DoubleArray y(shape);
    std::vector<double> row(x.size());
    for_each_index(shape, [&](const Shape& index) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        row[i] = x[i].at(index);
      }
      y.at(index) = f(row);
    });
    return y;
  };
}

}  // namespace evenkeel::test
