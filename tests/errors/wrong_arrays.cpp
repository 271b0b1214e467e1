// Wrong calls on arrays, shapes, sizes and generators.

#include "evenkeel/core/array_ops.hpp"
#include "evenkeel/core/communicator.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/index.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/matmul.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/print.hpp"
#include "evenkeel/core/random.hpp"
#include "evenkeel/core/reduce.hpp"
#include "tests/errors/wrong_calls.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 62;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

const Array& matrix() {
  static const Array array = Array::ones({2, 3});
  return array;
}

WrongCalls wrong_sizes() {
  return {
      wrong<ShapeError>("empty: negative size -1 in shape [2, -1]",
                        [](World&) {
                          return Array::empty({2, -1});
                        }),
      wrong<ShapeError>("empty: shape [4611686018427387904, 4] has more elements than...",
                        [](World&) {
                          return Array::empty({kHuge, 4});
                        }),
      wrong<ShapeError>("empty: shape [4611686018427387904] of float64 has more bytes than...",
                        [](World&) { return Array::empty({kHuge}, DType::float64); }),
      wrong<OutOfMemory>("out of memory: can't allocate 4503599627370496 bytes",
                         [](World&) { return Array::empty({std::int64_t{1} << 50}); }),
      wrong<ShapeError>("empty: shape [0, 4611686018427387904, 4611686018427387904] has more elements...",
                        [](World&) {
                          return Array::zeros({0, kHuge, kHuge});
                        }),
      wrong<ShapeError>("from: shape [2, 2] has 4 elements, got 3 values",
                        [](World&) {
                          return Array::from(std::vector<float>{1, 2, 3}, {2, 2});
                        }),
      wrong<ShapeError>("reshape: shape '[4]' is invalid for input of size 6",
                        [](World&) { return matrix().reshape({4}); }),
      wrong<ShapeError>("reshape: only one dimension can be inferred, got shape [-1, -1]",
                        [](World&) {
                          return matrix().reshape({-1, -1});
                        }),
      wrong<ShapeError>("reshape: invalid shape dimension -2 in shape [-2, 3]",
                        [](World&) {
                          return matrix().reshape({-2, 3});
                        }),
      wrong<ShapeError>("reshape: cannot reshape tensor of 0 elements into shape [0, -1]...",
                        [](World&) {
                          return Array::zeros({0}).reshape({0, -1});
                        }),
      wrong<ShapeError>("expand: The expanded size of the tensor (4) must match the existing size (3)...",
                        [](World&) {
                          return matrix().expand({2, 4});
                        }),
      wrong<ShapeError>("expand: the number of sizes provided (1)...", [](World&) { return matrix().expand({3}); }),
      wrong<ShapeError>("as_strided: shape [9], strides [1], offset 0 are out of bounds...",
                        [](World&) { return matrix().as_strided({9}, {1}, 0); }),
      wrong<ShapeError>("shape: at most 8 dims are supported, got 9",
                        [](World&) { return Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; }),
      wrong<ShapeError>("item: a Tensor with 6 elements cannot be converted to Scalar (shape [2, 3])",
                        [](World&) { return matrix().item(); }),
      wrong<DtypeError>("data: the array holds float32, but float64 was asked for",
                        [](World&) { return matrix().data<double>(); }),
      wrong<ValueError>("span: the array is not contiguous (shape [3, 2], strides [1, 3])",
                        [](World&) { return matrix().transpose(0, 1).span<float>(); }),
      wrong<ValueError>("mutable_data: unsupported operation: more than one element...",
                        [](World&) { return Array::ones({1}).expand({3}).mutable_data<float>(); }),
      wrong<ValueError>("reshape: the array is undefined", [](World&) { return Array().reshape({1}); }),
      wrong<ValueError>("dtype: unknown name \"float16\", expected float32...",
                        [](World&) { return dtype_from_name("float16"); }),
  };
}

WrongCalls wrong_places() {
  return {
      wrong<IndexError>("select: index 3 out of range for tensor of size [2, 3] at dimension 1",
                        [](World&) { return matrix().select(1, 3); }),
      wrong<IndexError>("transpose: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
                        [](World&) { return matrix().transpose(0, 2); }),
      wrong<IndexError>("size: Dimension out of range (expected to be in range of [-2, 1], but got -3)",
                        [](World&) { return matrix().size(-3); }),
      wrong<ShapeError>("select: select() cannot be applied to a 0-dim tensor.",
                        [](World&) { return Array::scalar(1.0).select(0, 0); }),
      wrong<ValueError>("slice: slice step must be positive, got 0", [](World&) { return matrix().slice(0, 0, 1, 0); }),
      wrong<ShapeError>("permute: number of dimensions in the tensor input...",
                        [](World&) { return matrix().permute({0}); }),
      wrong<ValueError>("permute: dim -2 appears multiple times in the list of dims...",
                        [](World&) {
                          return matrix().permute({0, -2});
                        }),
      wrong<IndexError>(
          "index_select: index 2 is out of bounds for dimension 0 with size 2",
          [](World&) { return index_select(matrix(), 0, Array::from(std::vector<std::int64_t>{2}, {1})); }),
      wrong<DtypeError>("index_select: index must be int64, got float32",
                        [](World&) { return index_select(matrix(), 0, Array::ones({1})); }),
      wrong<ShapeError>("index_select: index must be a vector, got shape [1, 1]",
                        [](World&) {
                          return index_select(matrix(), 0, Array::zeros({1, 1}, DType::int64));
                        }),
      wrong<ValueError>("cat: the list of tensors must not be empty", [](World&) { return concat_arrays({}, 0); }),
      wrong<ShapeError>("cat: Sizes of tensors must match except in dimension 0...",
                        [](World&) {
                          return concat_arrays({matrix(), Array::ones({2, 2})}, 0);
                        }),
      wrong<DtypeError>("cat: tensors must have one dtype, got float32 and float64 (tensor number 1)",
                        [](World&) {
                          return concat_arrays({matrix(), Array::ones({2, 3}, DType::float64)}, 0);
                        }),
      wrong<IndexError>("sum: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
                        [](World&) { return sum(matrix(), {2}); }),
      wrong<ShapeError>("amax: there must be an element to reduce over, got shape [0]...",
                        [](World&) { return amax(Array::zeros({0}), {}); }),
      wrong<DtypeError>("matmul: both arguments must have one dtype, got float32 and float64",
                        [](World&) {
                          return matmul(matrix(), Array::ones({3, 2}, DType::float64));
                        }),
      wrong<ShapeError>("add: The size of tensor a (3) must match the size of tensor b (2)...",
                        [](World&) { return zip<kernels::Add>(matrix(), Array::ones({2})); }),
      wrong<ValueError>(
          "div: integer division by zero",
          [](World&) { return zip<kernels::Divide>(Array::ones({1}, DType::int64), Array::zeros({1}, DType::int64)); }),
  };
}

WrongCalls wrong_numbers() {
  return {
      wrong<ValueError>("arange: step must be nonzero, got 0", [](World&) { return Array::arange(0, 3, 0); }),
      wrong<ValueError>("arange: unsupported range: 0 -> inf", [](World&) { return Array::arange(0, kInfinity, 1); }),
      wrong<ValueError>("arange: too many elements...", [](World&) { return Array::arange(0, 1e300, 1); }),
      wrong<ValueError>("random_normal: std must be at least 0, got -1",
                        [](World& w) { return random_normal({2}, w.generator, 0, -1); }),
      wrong<ValueError>("random_uniform: low and high must be finite and low <= high, got nan and 1",
                        [](World& w) { return random_uniform({2}, w.generator, kNaN, 1); }),
      wrong<ValueError>("random_bernoulli: p must lie in [0, 1], got 1.5",
                        [](World& w) { return random_bernoulli({2}, w.generator, 1.5); }),
      wrong<ValueError>("random_int: low must be below high, got 3 and 3",
                        [](World& w) { return random_int({2}, w.generator, 3, 3); }),
      wrong<ValueError>("random_permutation: n must be at least 0, got -1",
                        [](World& w) { return random_permutation(-1, w.generator); }),
      wrong<ValueError>("below: the bound must be at least 1, got 0", [](World& w) { return w.generator.below(0); }),
      wrong<ValueError>("set_num_threads: the number of threads must be at least 1, got 0",
                        [](World&) {
                          set_num_threads(0);
                          return 0;
                        }),
      wrong<ValueError>("ThreadGroup: size must be at least 1, got 0", [](World&) { return ThreadGroup(0).size(); }),
      wrong<ValueError>("ThreadGroup: timeout must be positive, at most...",
                        [](World&) { return ThreadGroup(2, {.timeout = kNaN}).size(); }),
      wrong<IndexError>("ThreadGroup: rank 2 is out of range; the group has 2",
                        [](World&) { return ThreadGroup(2).communicator(2); }),
      wrong<ValueError>("to_string: precision must lie in 0..60, got 99",
                        [](World&) { return to_string(matrix(), {.precision = 99}); }),
      wrong<ShapeError>("empty: negative size -1 in shape [-1]",
                        [](World& w) { return random_normal({-1}, w.generator); }),
  };
}

}  // namespace

WrongCalls wrong_arrays() {
  WrongCalls all = wrong_sizes();
  for (const WrongCalls& more : {wrong_places(), wrong_numbers()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
