// Wrong calls of the ops that take tensors apart, sort and index them.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/embedding.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/pixel_shuffle.hpp"
#include "tests/errors/wrong_calls.hpp"

namespace evenkeel::test {
namespace {

Tensor integers(const std::vector<std::int64_t>& values) { return tensor(values, {std::ssize(values)}); }

WrongCalls wrong_parts() {
  return {
      wrong<ValueError>("split: got an undefined tensor", [](World& w) { return split(w.undefined, 1); }),
      wrong<ShapeError>("split: expects at least a 1-dimensional tensor, got shape []",
                        [](World&) { return split(ones({}), 1); }),
      wrong<ValueError>("split: split_size must be non-negative, and 0 only where the size is 0, got 0 for size 4",
                        [](World& w) { return split(w.leaf, 0); }),
      wrong<IndexError>("split: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
                        [](World& w) { return split(w.leaf, 1, 2); }),
      wrong<ShapeError>("split: split_sizes must sum exactly to 4 for shape [4, 3], got 3",
                        [](World& w) {
                          return split(w.leaf, {1, 2});
                        }),
      wrong<ShapeError>("split: split_sizes must sum exactly to 4 for shape [4, 3], got more",
                        [](World& w) {
                          return split(w.leaf, {1, std::int64_t{1} << 62});
                        }),
      wrong<ValueError>("split: split_sizes must have only non-negative entries, got -1",
                        [](World& w) {
                          return split(w.leaf, {-1, 5});
                        }),
      wrong<ValueError>("chunk: chunks must be greater than 0, got 0", [](World& w) { return chunk(w.leaf, 0); }),
      wrong<ShapeError>("unbind: expects at least a 1-dimensional tensor, got shape []",
                        [](World&) { return unbind(ones({})); }),
      wrong<ShapeError>("unflatten: sizes [2, -1] must multiply up to the size of dim 1, with one -1 at most, got 3...",
                        [](World& w) {
                          return unflatten(w.leaf, 1, {2, -1});
                        }),
      wrong<ShapeError>("unflatten: sizes must be non-empty, got []",
                        [](World& w) { return unflatten(w.leaf, 1, {}); }),
      wrong<ShapeError>(
          "Unflatten: unflatten: sizes [4] must multiply up to the size of dim 0, with one -1 at most, got 3 in the...",
          [](World&) { return nn::Unflatten(0, {4})(ones({3})); }),
      wrong<ShapeError>("movedim: Invalid source or destination dims: both must have one length, got [0] and [0, 1]",
                        [](World& w) {
                          return movedim(w.leaf, Dims{0}, Dims{0, 1});
                        }),
      wrong<ValueError>("movedim: dims must not repeat, got [0, -2] and [0, 1]",
                        [](World& w) {
                          return movedim(w.leaf, Dims{0, -2}, Dims{0, 1});
                        }),
      wrong<ShapeError>(
          "repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions of...",
          [](World& w) { return repeat(w.leaf, Shape{2}); }),
      wrong<ValueError>("repeat: repeats must not be negative, got [2, -1]",
                        [](World& w) {
                          return tile(w.leaf, Shape{2, -1});
                        }),
      wrong<IndexError>("flip: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
                        [](World& w) { return flip(w.leaf, Dims{2}); }),
      wrong<ShapeError>("roll: shifts and dimensions must align, got [1, 2] and [0]",
                        [](World& w) {
                          return roll(w.leaf, Shape{1, 2}, Dims{0});
                        }),
      wrong<ShapeError>("tril: input tensor must have at least 2 dimensions, got shape [2]",
                        [](World& w) { return tril(w.labels); }),
      wrong<ShapeError>("pixel_shuffle: expects input to have at least 3 dimensions, but got input with 2 dimension(s)",
                        [](World& w) { return pixel_shuffle(w.leaf, 2); }),
      wrong<ValueError>("pixel_shuffle: upscale_factor must be positive, got 0",
                        [](World& w) { return pixel_shuffle(w.x, 0); }),
      wrong<ShapeError>("pixel_shuffle: expects its input's 'channel' dimension to be divisible by the square of...",
                        [](World& w) { return pixel_shuffle(w.x, 2); }),
      wrong<ShapeError>(
          "pixel_unshuffle: expects height to be divisible by downscale_factor, but input.size(-2)=6 is...",
          [](World& w) { return pixel_unshuffle(w.x, 4); }),
      wrong<ShapeError>(
          "pixel_unshuffle: expects width to be divisible by downscale_factor, but input.size(-1)=3 is...",
          [](World&) {
            return pixel_unshuffle(ones({1, 2, 3}), 2);
          }),
      wrong<ValueError>("PixelShuffle: upscale_factor must be positive, got -1",
                        [](World&) { return nn::PixelShuffle(-1).training(); }),
      wrong<ValueError>("PixelUnshuffle: downscale_factor must be positive, got 0",
                        [](World&) { return nn::PixelUnshuffle(0).training(); }),
  };
}

WrongCalls wrong_lookups() {
  return {
      wrong<IndexError>("topk: selected index k out of range: k must lie in [0, 3] for shape [4, 3] and dim -1, got 4",
                        [](World& w) { return topk(w.leaf, 4).values; }),
      wrong<IndexError>("sort: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
                        [](World& w) { return sort(w.leaf, 2).values; }),
      wrong<IndexError>("scatter: index 3 is out of bounds for dimension 1 with size 3",
                        [](World& w) {
                          return scatter(w.leaf, 1, tensor<std::int64_t>({3}, {1, 1}), 1);
                        }),
      wrong<DtypeError>("scatter: target and source must have one dtype, got float64 and float32",
                        [](World& w) {
                          return scatter(w.leaf, 1, tensor<std::int64_t>({0}, {1, 1}), ones({1, 1}));
                        }),
      wrong<ShapeError>(
          "scatter_add: Size does not match at dimension 1: expected index [1, 2] to be smaller than...",
          [](World& w) {
            return scatter_add(w.leaf, 0, tensor<std::int64_t>({0, 0}, {1, 2}), w.leaf[{Slice{}, Slice{2}}]);
          }),
      wrong<ShapeError>("index_add: source must have shape [2, 3], got [4, 3] for target [4, 3] and 2 indices along...",
                        [](World& w) { return index_add(w.leaf, 0, w.labels, w.leaf); }),
      wrong<DtypeError>("masked_select: mask must be bool, got float64",
                        [](World& w) { return masked_select(w.leaf, w.leaf); }),
      wrong<ShapeError>("masked_select: The size of tensor a (3) must match the size of tensor b (2)...",
                        [](World& w) { return masked_select(w.leaf, zeros({2}, {.dtype = DType::boolean})); }),
      wrong<DtypeError>("one_hot: index must be int64, got float64", [](World& w) { return one_hot(w.leaf); }),
      wrong<IndexError>("one_hot: Class values must be smaller than num_classes, got 3 for 3 classes",
                        [](World& w) { return one_hot(w.labels, 3); }),
      wrong<IndexError>("one_hot: Class values must be non-negative, got -1",
                        [](World&) {
                          return one_hot(integers({0, -1}));
                        }),
      wrong<ValueError>("one_hot: num_classes must be positive, or -1 to infer it, got 0",
                        [](World& w) { return one_hot(w.labels, 0); }),
      wrong<ShapeError>("one_hot: Can not infer total number of classes from empty tensor, got shape [0]",
                        [](World&) { return one_hot(integers({})); }),
      wrong<IndexError>("embedding: index 3 is out of bounds for dimension 0 with size 3",
                        [](World& w) {
                          return embedding(w.labels, ones({3, 2}));
                        }),
      wrong<DtypeError>("embedding: index must be int64, got float64",
                        [](World& w) { return embedding(w.leaf, w.leaf); }),
      wrong<ShapeError>("embedding: weight must have two dims, got shape [4]",
                        [](World& w) { return embedding(w.labels, ones({4})); }),
      wrong<IndexError>("embedding: padding_idx must be within num_embeddings = 4, got 4",
                        [](World& w) { return embedding(w.labels, w.leaf, 4); }),
      wrong<ValueError>("Embedding: padding_idx must be within num_embeddings = 4, got -5",
                        [](World& w) { return nn::Embedding(4, 2, w.generator, {.padding_idx = -5}).training(); }),
      wrong<ValueError>("Embedding: num_embeddings and embedding_dim must not be negative, got -1 and 2",
                        [](World& w) { return nn::Embedding(-1, 2, w.generator).training(); }),
      wrong<ShapeError>("Embedding: the weight must have 2 dims, got shape [3]",
                        [](World&) { return nn::Embedding(Array::ones({3})).training(); }),
  };
}

WrongCalls wrong_indices() {
  return {
      wrong<IndexError>("index: too many indices for tensor of dimension 2, got 3",
                        [](World& w) {
                          return w.leaf[{0, 0, 0}].item();
                        }),
      wrong<IndexError>("index: index 4 is out of bounds for dimension 0 with size 4",
                        [](World& w) { return w.leaf[4].item(); }),
      wrong<IndexError>("index: index -4 is out of bounds for dimension 1 with size 3",
                        [](World& w) {
                          return w.leaf[{newaxis, ellipsis, -4}].item();
                        }),
      wrong<IndexError>("index: index 3 is out of bounds for dimension 1 with size 3",
                        [](World& w) {
                          return w.leaf[{Slice{}, w.labels}].item();
                        }),
      wrong<IndexError>("index: an index can only have a single ellipsis ('...'), got 2",
                        [](World& w) {
                          return w.leaf[{ellipsis, 0, ellipsis}].item();
                        }),
      wrong<ValueError>("index: slice step must be positive, got -1",
                        [](World& w) { return w.leaf[Slice{.step = -1}]; }),
      wrong<DtypeError>("index: tensors used as indices must be int64 or bool tensors, got uint8",
                        [](World& w) { return w.leaf[zeros({4}, {.dtype = DType::uint8})]; }),
      wrong<IndexError>("index: The shape of the mask [3] at index 0 does not match the shape of the indexed tensor...",
                        [](World& w) { return w.leaf[zeros({3}, {.dtype = DType::boolean})]; }),
      wrong<ShapeError>("index: The size of tensor a (2) must match the size of tensor b (3)...",
                        [](World& w) {
                          return w.leaf[{w.labels, integers({0, 0, 0})}];
                        }),
      wrong<ValueError>("index: got an undefined tensor", [](World& w) { return w.leaf[w.undefined]; }),
      wrong<ShapeError>(
          "index_put_: shape mismatch: value tensor of shape [2] cannot be broadcast to indexing result of shape [6]",
          [](World& w) {
            return index_put_(w.x, {0, 0, 0}, ones({2}));
          }),
      wrong<DtypeError>("index_put_: values must be float32, as the tensor, got float64",
                        [](World& w) { return index_put_(w.x, integers({0}), ones({}, {.dtype = DType::float64})); }),
      wrong<IndexError>("index_put_: index 2 is out of bounds for dimension 0 with size 2",
                        [](World& w) {
                          return index_put_(w.x, integers({0, 2}), ones({}));
                        }),
      wrong<StateError>("index_put_: a leaf Variable that requires grad is being used in an in-place operation...",
                        [](World& w) {
                          w.leaf[integers({0})] = 1;
                          return 0;
                        }),
      wrong<StateError>("copy_: a view of a leaf Variable that requires grad is being used in an in-place operation...",
                        [](World& w) {
                          w.leaf[0] = 1;
                          return 0;
                        }),
      wrong<ValueError>("copy_: unsupported operation: more than one element of the written-to tensor refers to a...",
                        [](World&) {
                          Tensor wide = expand(ones({1}), {3});
                          wide[0] = 1;
                          return copy_(wide, ones({3}));
                        }),
      wrong<ShapeError>("copy_: shape mismatch: value tensor of shape [3] cannot be broadcast to indexing result of...",
                        [](World& w) { return copy_(w.x, ones({3})); }),
  };
}

WrongCalls wrong_equations() {
  const auto ones64 = [](const Shape& shape) { return ones(shape); };
  const auto sum_of = [=](std::string equation, std::vector<Shape> shapes) {
    return [=](World&) {
      std::vector<Tensor> operands;
      for (const Shape& shape : shapes) {
        operands.push_back(ones64(shape));
      }
      return einsum(equation, operands);
    };
  };
  return {
      wrong<ValueError>("einsum: the equation expected 2 operands, got 1", sum_of("ij,jk->ik", {{2, 3}})),
      wrong<ValueError>("einsum: the equation expected 1 operands, got 2", sum_of("ij", {{2, 3}, {3}})),
      wrong<ValueError>(
          "einsum: invalid subscript given at index 1 in the equation string 'i1->i', subscripts must be...",
          sum_of("i1->i", {{2, 3}})),
      wrong<ValueError>(
          "einsum: invalid subscript given at index 1 in the equation string 'i..', subscripts must be...",
          sum_of("i..", {{2, 3}})),
      wrong<ValueError>("einsum: found '...' twice in one term of '...i...'", sum_of("...i...", {{2, 3}})),
      wrong<ValueError>("einsum: output subscript k does not appear in the equation for any input operand: 'ij->ik'",
                        sum_of("ij->ik", {{2, 3}})),
      wrong<ValueError>("einsum: output subscript i appears more than once in the output: 'ij->ii'",
                        sum_of("ij->ii", {{2, 3}})),
      wrong<ShapeError>(
          "einsum: the number of subscripts in the equation (2) does not match the number of dimensions...",
          sum_of("ij", {{2, 3, 4}})),
      wrong<ShapeError>(
          "einsum: the number of subscripts in the equation (3) does not match the number of dimensions...",
          sum_of("ij...k", {{2, 3}})),
      wrong<ShapeError>(
          "einsum: operands do not broadcast: subscript j of operand 1 expected size 3, got 4 in shape [4, 5]",
          sum_of("ij,jk->ik", {{2, 3}, {4, 5}})),
      wrong<ShapeError>(
          "einsum: subscript i is repeated for operand 0 but the sizes don't match, expected 1, got 3 in shape [1, 3]",
          sum_of("ii", {{1, 3}})),
      wrong<ValueError>("einsum: got an undefined tensor", [](World& w) { return einsum("i", {w.undefined}); }),
  };
}

}  // namespace

WrongCalls wrong_index_ops() {
  WrongCalls all = wrong_parts();
  for (const WrongCalls& more : {wrong_lookups(), wrong_indices(), wrong_equations()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
