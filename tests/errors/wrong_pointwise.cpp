// Wrong calls of elementwise ops, reductions, scans, activations and of what makes tensors.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "tests/errors/wrong_calls.hpp"

namespace evenkeel::test {
namespace {

WrongCalls wrong_numbers() {
  return {
      wrong<DtypeError>("add: the number must be one that int64 can hold, got 0.5",
                        [](World& w) { return w.labels + 0.5; }),
      wrong<DtypeError>("mul_: the number must be one that int64 can hold, got 9.22337e+18",
                        [](World& w) { return w.labels *= 0x1p63; }),
      wrong<DtypeError>("where: the number must be one that int64 can hold, got 1.5",
                        [](World& w) { return where(gt(w.labels, 0), 1.5, w.labels); }),
      wrong<DtypeError>("maximum: the number must be one that int64 can hold, got -0.25",
                        [](World& w) { return maximum(w.labels, -0.25); }),
      wrong<DtypeError>("div_: dtype must be float32 or float64, got int64", [](World& w) { return w.labels /= 2; }),
      wrong<StateError>("add_: a leaf Variable that requires grad is being used in an in-place operation...",
                        [](World& w) { return w.leaf += 1; }),
      wrong<ShapeError>("mul_: output with shape [4, 3] doesn't match the broadcast shape [2, 4, 3]",
                        [](World& w) {
                          Tensor target = w.leaf * 1.0;
                          return target *= ones({2, 4, 3}, {.dtype = DType::float64});
                        }),
      wrong<ValueError>("gt: got an undefined tensor", [](World& w) { return gt(w.undefined, 0); }),
      wrong<ValueError>("minimum: got an undefined tensor", [](World& w) { return minimum(w.undefined, 0); }),
      wrong<ShapeError>("tensor: lists in nested braces must have one shape, got [2] and [1]",
                        [](World&) {
                          return tensor({{1, 2}, {3}});
                        }),
      wrong<ValueError>("to_vector: values must be integers that the type asked for can hold, got 0.5",
                        [](World&) {
                          return tensor({1, 0.5}).to_vector<int>();
                        }),
      wrong<ValueError>("arange: upper bound and larger bound inconsistent with step sign: 0 -> -1 by 1",
                        [](World&) { return arange(-1); }),
      wrong<ValueError>("linspace: number of steps must be non-negative, got -1",
                        [](World&) { return linspace(0, 1, -1); }),
      wrong<ShapeError>("eye: n and m must not be negative, got 2 and -1", [](World&) { return eye(2, -1); }),
      wrong<ValueError>("full_like: got an undefined tensor", [](World& w) { return full_like(w.undefined, 1); }),
      wrong<DtypeError>("requires_grad_: only Tensors of floating point dtype can require gradients...",
                        [](World& w) { return zeros_like(w.labels, {.requires_grad = true}); }),
  };
}

WrongCalls wrong_reductions() {
  return {
      wrong<ShapeError>("amin: there must be an element to reduce over, got shape [0, 2]",
                        [](World&) {
                          return amin(zeros({0, 2}), 0);
                        }),
      wrong<ShapeError>("max: there must be an element to reduce over, got shape [0]",
                        [](World&) { return max(zeros(0)); }),
      wrong<ShapeError>("max: Expected reduction dim 1 to have non-zero size, got shape [2, 0]",
                        [](World&) {
                          return max(zeros({2, 0}), -1).values;
                        }),
      wrong<IndexError>("min: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
                        [](World& w) { return min(w.leaf, 2).indices; }),
      wrong<IndexError>("prod: Dimension out of range (expected to be in range of [-2, 1], but got -3)",
                        [](World& w) { return prod(w.leaf, -3); }),
      wrong<DtypeError>("logsumexp: dtype must be float32 or float64, got int64",
                        [](World& w) { return logsumexp(w.labels); }),
      wrong<ValueError>("any: got an undefined tensor", [](World& w) { return any(w.undefined); }),
      wrong<IndexError>("all: Dimension out of range (expected to be in range of [-1, 0], but got 1)",
                        [](World& w) { return all(w.labels, 1); }),
      wrong<IndexError>("cumsum: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
                        [](World& w) { return cumsum(w.leaf, 2); }),
      wrong<ValueError>("cumprod: got an undefined tensor", [](World& w) { return cumprod(w.undefined, 0); }),
      wrong<ShapeError>("linear_scan: both arrays must have one shape, got [2, 3, 6, 6] and [4, 3]",
                        [](World& w) { return linear_scan(w.x, w.leaf, 0); }),
      wrong<DtypeError>("linear_scan: both arrays must have one dtype, got float32 and float64",
                        [](World& w) { return linear_scan(w.x, w.x64, 0); }),
  };
}

WrongCalls wrong_functions() {
  return {
      wrong<DtypeError>("floor: dtype must be float32 or float64, got int64", [](World& w) { return floor(w.labels); }),
      wrong<DtypeError>("atan2: both tensors must have one dtype, got float32 and float64",
                        [](World& w) { return atan2(w.x, w.x64); }),
      wrong<ShapeError>("lerp: The size of tensor a (6) must match the size of tensor b (3)...",
                        [](World& w) { return lerp(w.x64, w.leaf, 0.5); }),
      wrong<ShapeError>("logical_and: The size of tensor a (3) must match the size of tensor b (2)...",
                        [](World& w) { return logical_and(w.leaf, w.labels); }),
      wrong<ValueError>("isnan: got an undefined tensor", [](World& w) { return isnan(w.undefined); }),
      wrong<ValueError>("celu: alpha cannot be 0 for CELU", [](World& w) { return celu(w.x, 0); }),
      wrong<ValueError>("hardtanh: min_val must not be greater than max_val, got 1 and 0",
                        [](World& w) { return hardtanh(w.x, 1, 0); }),
      wrong<ValueError>("softshrink: lambda must be at least 0, got -1", [](World& w) { return softshrink(w.x, -1); }),
      wrong<ShapeError>(
          "prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = 2 and channel size = "
          "3.",
          [](World& w) { return prelu(w.x, ones(2)); }),
      wrong<ShapeError>("prelu: weight must be a scalar or 1D tensor, got shape [1, 3]",
                        [](World& w) {
                          return prelu(w.x, ones({1, 3}));
                        }),
      wrong<ShapeError>("prelu: Not allow zero-dim input tensor.", [](World&) { return prelu(ones({}), ones(2)); }),
      wrong<DtypeError>("prelu: weight must be float64, as the input, got float32",
                        [](World& w) { return prelu(w.x64, ones(1)); }),
      wrong<ShapeError>("glu: Halving dimension must be even, but dimension 1 is size 3",
                        [](World& w) { return glu(w.leaf); }),
      wrong<ShapeError>("glu: does not support scalars because halving size must be even",
                        [](World&) { return glu(ones({})); }),
      wrong<ValueError>("Hardtanh: max_val (0) must be greater than min_val (1)",
                        [](World&) { return nn::Hardtanh(1, 0).max_val; }),
      wrong<ValueError>("PReLU: num_parameters must be positive, got 0",
                        [](World&) { return nn::PReLU(0).num_parameters; }),
      wrong<IndexError>("normalize: Dimension out of range (expected to be in range of [-1, 0], but got 1)",
                        [](World&) { return normalize(ones(3)); }),
      wrong<ShapeError>("cosine_similarity: The size of tensor a (6) must match the size of tensor b (3)...",
                        [](World& w) { return cosine_similarity(w.x64, w.leaf); }),
      wrong<DtypeError>("cosine_similarity: both tensors must have one dtype, got float64 and float32",
                        [](World& w) { return cosine_similarity(w.x64, w.x); }),
  };
}

}  // namespace

WrongCalls wrong_pointwise() {
  WrongCalls all = wrong_numbers();
  for (const WrongCalls& more : {wrong_reductions(), wrong_functions()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
