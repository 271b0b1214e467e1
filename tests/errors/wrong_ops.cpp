// Wrong calls of the differentiable ops, of backward and of what stands around a graph.

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "tests/errors/wrong_calls.hpp"

#include <limits>
#include <stdexcept>

namespace evenkeel::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kHuge = std::int64_t{1} << 62, kLarge = std::int64_t{1} << 31;

Tensor kernel(const Shape& shape = {4, 3, 3, 3}) { return ones(shape); }

WrongCalls wrong_convolutions() {
  return {
      wrong<ValueError>("conv2d: got an undefined tensor", [](World& w) { return conv2d(w.undefined, kernel()); }),
      wrong<ValueError>("conv2d: got an undefined tensor", [](World& w) { return conv2d(w.x, w.undefined); }),
      wrong<ShapeError>("conv2d: the input must be 3D (unbatched) or 4D (batched), got shape [4, 3]",
                        [](World& w) { return conv2d(w.leaf, kernel()); }),
      wrong<ShapeError>("conv2d: weight must have four dims, got [4, 3]",
                        [](World& w) {
                          return conv2d(w.x, kernel({4, 3}));
                        }),
      wrong<ShapeError>("conv2d: weight must have no size of 0 and none from 2^31 on, got [4, 3, 0, 3]",
                        [](World& w) {
                          return conv2d(w.x, kernel({4, 3, 0, 3}));
                        }),
      wrong<DtypeError>("conv2d: weight must be float64, as the input, got float32",
                        [](World& w) { return conv2d(w.x64, kernel()); }),
      wrong<DtypeError>("conv2d: bias must be float32, as the input, got float64",
                        [](World& w) { return conv2d(w.x, kernel(), ones({4}, {.dtype = DType::float64})); }),
      wrong<ShapeError>("conv2d: Given groups=1, weight of size [4, 2, 3, 3], expected input[2, 3, 6, 6] to have 2...",
                        [](World& w) {
                          return conv2d(w.x, kernel({4, 2, 3, 3}));
                        }),
      wrong<ShapeError>(
          "conv2d: Given groups=3, expected weight to be divisible by 3 at dimension 0, but got weight...",
          [](World& w) {
            return conv2d(w.x, kernel({4, 1, 3, 3}), {}, {.groups = 3});
          }),
      wrong<ShapeError>(
          "conv2d: Given groups=1, weight of size [4, 3, 3, 3], expected bias to be 1-dimensional with 4...",
          [](World& w) { return conv2d(w.x, kernel(), ones({3})); }),
      wrong<ValueError>("conv2d: stride must be positive, got (0, 1)",
                        [](World& w) { return conv2d(w.x, kernel(), {}, {.stride = Size2(0, 1)}); }),
      wrong<ValueError>("conv2d: padding must not be negative, got (-1, -1)",
                        [](World& w) { return conv2d(w.x, kernel(), {}, {.padding = -1}); }),
      wrong<ValueError>("conv2d: dilation must be positive, got (0, 0)",
                        [](World& w) { return conv2d(w.x, kernel(), {}, {.dilation = 0}); }),
      wrong<ValueError>("conv2d: groups must be positive, got 0",
                        [](World& w) { return conv2d(w.x, kernel(), {}, {.groups = 0}); }),
      wrong<ValueError>("conv2d: stride, padding and dilation must be below 2^31",
                        [](World& w) { return conv2d(w.x, kernel(), {}, {.padding = kLarge}); }),
      wrong<ValueError>("conv2d: stride, padding and dilation must be below 2^31",
                        [](World& w) { return conv2d(w.x, kernel(), {}, {.dilation = kHuge}); }),
      wrong<ValueError>("conv2d: padding must be a number, a pair, 'same' or 'valid', got 'full'",
                        [](World& w) { return conv2d(w.x, kernel(), {}, {.padding = "full"}); }),
      wrong<ValueError>("conv2d: padding='same' is not supported for strided convolutions",
                        [](World& w) { return conv2d(w.x, kernel(), {}, {.stride = 2, .padding = "same"}); }),
      wrong<ShapeError>("conv2d: Calculated padded input size per channel: (6 x 6). Kernel size: (7 x 7)...",
                        [](World& w) {
                          return conv2d(w.x, kernel({4, 3, 7, 7}));
                        }),
      wrong<ShapeError>("conv_transpose2d: Given input size per channel: (1 x 1). Calculated output size...",
                        [](World&) {
                          return conv_transpose2d(ones({1, 2, 1, 1}), ones({2, 2, 1, 1}), {}, {.padding = 1});
                        }),
      wrong<ValueError>("conv_transpose2d: output_padding must be smaller than either stride or dilation, got (1, 1)",
                        [](World& w) {
                          return conv_transpose2d(w.x, ones({3, 2, 3, 3}), {}, {.output_padding = 1});
                        }),
      wrong<ShapeError>("max_pool2d: the input must be 3D or 4D, with no size of 0...",
                        [](World& w) { return max_pool2d(w.leaf, {}); }),
      wrong<ValueError>("max_pool2d: kernel_size must be positive, got (0, 2)",
                        [](World& w) { return max_pool2d(w.x, {.kernel_size = Size2(0, 2)}); }),
      wrong<ValueError>("max_pool2d: padding must be at most half of kernel_size, got (2, 2) and (3, 3)",
                        [](World& w) { return max_pool2d(w.x, {.kernel_size = 3, .padding = 2}); }),
      wrong<ShapeError>("max_pool2d: Given input size: [2, 3, 6, 6]. Calculated output size...",
                        [](World& w) { return max_pool2d(w.x, {.kernel_size = 7}); }),
      wrong<ValueError>("max_pool2d: kernel size, stride and dilation must be below 2^31",
                        [](World& w) { return max_pool2d(w.x, {.kernel_size = kHuge}); }),
      wrong<ValueError>("avg_pool2d: stride must be positive, got (-1, -1)",
                        [](World& w) { return avg_pool2d(w.x, {.stride = -1}); }),
      wrong<ValueError>("avg_pool2d: divisor must be not zero",
                        [](World& w) { return avg_pool2d(w.x, {.divisor_override = 0}); }),
      wrong<ValueError>("adaptive_avg_pool2d: output_size must not be negative, got (-1, 1)",
                        [](World& w) { return adaptive_avg_pool2d(w.x, Size2(-1, 1)); }),
      wrong<OutOfMemory>("out of memory: can't allocate...",
                         [](World& w) { return adaptive_avg_pool2d(w.x, Size2(std::int64_t{1} << 40, 1)); }),
  };
}

WrongCalls wrong_elementwise() {
  return {
      wrong<DtypeError>("add: both tensors must have one dtype, got float32 and float64",
                        [](World& w) { return w.x + w.x64; }),
      wrong<ShapeError>("mul: The size of tensor a (6) must match the size of tensor b (3)...",
                        [](World& w) { return w.x64 * w.leaf; }),
      wrong<ValueError>("sub: got an undefined tensor", [](World& w) { return w.x - w.undefined; }),
      wrong<DtypeError>("exp: dtype must be float32 or float64, got int64", [](World& w) { return exp(w.labels); }),
      wrong<DtypeError>("where: the condition must be a bool tensor", [](World& w) { return where(w.x, w.x, w.x); }),
      wrong<ShapeError>("add_: output with shape [4, 3] doesn't match the broadcast shape [2, 4, 3]",
                        [](World& w) {
                          Tensor target = w.leaf * 1.0;
                          return add_(target, ones({2, 4, 3}, {.dtype = DType::float64}));
                        }),
      wrong<StateError>("mul_: a leaf Variable that requires grad is being used in an in-place operation...",
                        [](World& w) { return mul_(w.leaf, ones({3}, {.dtype = DType::float64})); }),
      wrong<ValueError>("softplus: beta must not be 0", [](World& w) { return softplus(w.x, 0); }),
      wrong<ValueError>("dropout: p must lie in [0, 1], got nan",
                        [](World& w) { return dropout(w.x, kNaN, true, w.generator); }),
      wrong<ShapeError>("dropout2d: the input must be of shape (N, C, *), got [3]",
                        [](World& w) { return dropout2d(ones({3}), 0.5, true, w.generator); }),
      wrong<ShapeError>("dropout1d: Expected 2D or 3D input, but received a 1D input of shape [3]",
                        [](World& w) { return dropout1d(ones({3}), 0.5, true, w.generator); }),
      wrong<ShapeError>("dropout3d: Expected 4D or 5D input, but received a 3D input of shape [1, 2, 3]",
                        [](World& w) {
                          return dropout3d(ones({1, 2, 3}), 0.5, true, w.generator);
                        }),
      wrong<ShapeError>("feature_alpha_dropout: the input must be of shape (N, C, *), got [3]",
                        [](World& w) { return feature_alpha_dropout(ones({3}), 0.5, true, w.generator); }),
      wrong<DtypeError>("alpha_dropout: dtype must be float32 or float64, got int64",
                        [](World& w) { return alpha_dropout(w.labels, 0.5, true, w.generator); }),
      wrong<ShapeError>(
          "linear: mat1 and mat2 shapes cannot be multiplied: input [4, 3] has 3 features, weight [2, 4]...",
          [](World& w) {
            return linear(w.leaf, ones({2, 4}, {.dtype = DType::float64}));
          }),
      wrong<DtypeError>("linear: input, weight and bias must have one dtype, got float64, float32...",
                        [](World& w) {
                          return linear(w.leaf, ones({2, 3}));
                        }),
      wrong<ShapeError>("linear: the bias must have shape [2], got [3]",
                        [](World&) {
                          return linear(ones({1, 3}), ones({2, 3}), ones({3}));
                        }),
      wrong<ShapeError>("linear: the input must have at least one dim and the weight two, got shapes [4, 3] and [3]",
                        [](World& w) { return linear(w.leaf, ones({3}, {.dtype = DType::float64})); }),
      wrong<ShapeError>("matmul: mat1 and mat2 shapes cannot be multiplied ([4, 3] and [4, 3])",
                        [](World& w) { return matmul(w.leaf, w.leaf); }),
      wrong<ShapeError>("matmul: both arguments to matmul need to be at least 1D, but they are 0D and 2D",
                        [](World& w) { return matmul(ones({}, {.dtype = DType::float64}), w.leaf); }),
      wrong<ValueError>("norm: p must be at least 1, got 0.5", [](World& w) { return norm(w.x, 0.5); }),
      wrong<IndexError>("softmax: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
                        [](World& w) { return softmax(w.leaf, 2); }),
      wrong<IndexError>(
          "mean: Dimension out of range (expected to be in range of [-2, 1], but got 4611686018427387904)",
          [](World& w) { return mean(w.leaf, {kHuge}); }),
      wrong<ValueError>("stack: the list of tensors must not be empty", [](World&) { return stack({}); }),
      wrong<ShapeError>("stack: tensors must have one shape, got [2, 3, 6, 6] and [4, 3]",
                        [](World& w) {
                          return stack({w.x, w.leaf});
                        }),
      wrong<ValueError>("pad: Padding length must be divisible by 2, got 3",
                        [](World& w) {
                          return pad(w.x, {1, 1, 1});
                        }),
      wrong<ShapeError>("pad: The input size 6, plus negative padding -4 and -4 resulted in a negative output size...",
                        [](World& w) {
                          return pad(w.x, {-4, -4});
                        }),
      wrong<ShapeError>("sum_to: shape [4] does not broadcast to [4, 3]", [](World& w) { return sum_to(w.leaf, {4}); }),
      wrong<IndexError>("gather: index 3 is out of bounds for dimension 1 with size 3",
                        [](World& w) {
                          return gather(w.leaf, 1, Tensor(Array::full({1, 1}, 3, DType::int64)));
                        }),
      wrong<ShapeError>("gram: the input must be a float32 or float64 tensor of shape (N, C, L), got...",
                        [](World& w) { return gram(w.leaf); }),
      wrong<ValueError>("local_response_norm: size must be positive, got 0",
                        [](World& w) { return local_response(w.x, 0, 1e-4, 0.75, 1); }),
  };
}

WrongCalls wrong_graphs() {
  return {
      wrong<ShapeError>("backward: grad can be implicitly created only for scalar outputs; output 0 (of 'mul') has...",
                        [](World& w) {
                          (w.leaf * 2.0).backward();
                          return 0;
                        }),
      wrong<StateError>("backward: element 0 of tensors does not require grad and does not have a grad_fn (shape [])",
                        [](World& w) {
                          sum(w.x).backward();
                          return 0;
                        }),
      wrong<StateError>("grad: the graph of 'sum' was already freed; call backward(..., retain_graph=true)...",
                        [](World& w) {
                          const Tensor y = sum(w.leaf * w.leaf);
                          grad({y}, {w.leaf});
                          return grad({y}, {w.leaf});
                        }),
      wrong<ShapeError>(
          "grad: Mismatch in shape: grad_output[0] has a shape of [2] and output[0] (of 'mul') has...",
          [](World& w) { return grad({w.leaf * 2.0}, {w.leaf}, {ones({2}, {.dtype = DType::float64})}); }),
      wrong<DtypeError>("grad: grad_output[0] has dtype float32 and output[0] (of 'mul') has dtype float64",
                        [](World& w) {
                          return grad({w.leaf * 2.0}, {w.leaf}, {ones({4, 3})});
                        }),
      wrong<ValueError>("grad: there are no inputs", [](World& w) { return grad({sum(w.leaf)}, {}); }),
      wrong<ValueError>(
          "grad: One of the differentiated Tensors appears to not have been used in the graph: input 0...",
          [](World& w) { return grad({sum(w.leaf)}, {ones({1}).requires_grad_()}); }),
      wrong<StateError>("backward: 'exp' needs its output for backward, but it was changed in place...",
                        [](World& w) {
                          Tensor y = exp(w.leaf);
                          const Tensor z = sum(y);
                          mul_(y, clone(y.detach()));
                          return grad({sum(y) + z}, {w.leaf});
                        }),
      wrong<std::runtime_error>("thrown by a hook",
                                [](World& w) {
                                  Tensor y = w.leaf * 2.0;
                                  y.register_hook(
                                      [](const Tensor&) -> Tensor { throw std::runtime_error("thrown by a hook"); });
                                  return grad({sum(y)}, {w.leaf});
                                }),
      wrong<ShapeError>("grad: a hook on the result of 'mul' returned shape [1] float64, expected [4, 3] float64",
                        [](World& w) {
                          Tensor y = w.leaf * 2.0;
                          y.register_hook([](const Tensor&) -> Tensor { return ones({1}, {.dtype = DType::float64}); });
                          return grad({sum(y)}, {w.leaf});
                        }),
      wrong<StateError>("retain_grad: can't retain_grad on a tensor that has requires_grad=false",
                        [](World& w) {
                          w.x.retain_grad();
                          return 0;
                        }),
      wrong<StateError>("register_hook: cannot register a hook on a tensor that doesn't require gradient",
                        [](World& w) { return w.x.register_hook([](const Tensor& g) { return g; }); }),
      wrong<DtypeError>("requires_grad_: only Tensors of floating point dtype can require gradients, this one is int64",
                        [](World& w) { return w.labels.requires_grad_(); }),
      wrong<ShapeError>("set_grad: grad must have the tensor's shape [4, 3], got [3]",
                        [](World& w) {
                          w.leaf.set_grad(ones({3}, {.dtype = DType::float64}));
                          return 0;
                        }),
      wrong<ValueError>("Tensor: this tensor is undefined", [](World& w) { return w.undefined.shape(); }),
      wrong<DtypeError>(
          "gradcheck: input 0 must be float64, got float32...",
          [](World&) { return gradcheck([](const auto& in) { return sum(in[0]); }, {ones({2}).requires_grad_()}); }),
      wrong<ValueError>("gradcheck: expects at least one input tensor to require gradient...",
                        [](World& w) { return gradcheck([](const auto& in) { return sum(in[0]); }, {w.x64}); }),
      wrong<AnomalyError>("anomaly: the result of 'log' (shape [2]) has NaN or infinity...",
                          [](World&) {
                            const AnomalyGuard guard;
                            return log(zeros({2}));
                          }),
  };
}

}  // namespace

WrongCalls wrong_ops() {
  WrongCalls all = wrong_convolutions();
  for (const WrongCalls& more : {wrong_elementwise(), wrong_graphs()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
