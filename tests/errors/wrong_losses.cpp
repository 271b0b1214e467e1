// Wrong calls of the losses.

#include "evenkeel/autograd/ops.hpp"
#include "tests/errors/wrong_calls.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kHuge = std::int64_t{1} << 62;

Tensor logits() { return ones({2, 4}); }
Tensor doubles() { return ones({2, 4}, {.dtype = DType::float64}); }

WrongCalls of_classes() {
  const auto targets = [](std::int64_t first, std::int64_t second) {
    return Tensor(Array::from(std::vector<std::int64_t>{first, second}, {2}));
  };
  return {
      wrong<IndexError>("cross_entropy: Target 4 is out of bounds: target number 1, 4 classes",
                        [=](World&) { return cross_entropy(logits(), targets(0, 4)); }),
      wrong<IndexError>("cross_entropy: Target -1 is out of bounds: target number 0, 4 classes",
                        [=](World&) { return cross_entropy(logits(), targets(-1, 4)); }),
      wrong<IndexError>("nll_loss: Target 4611686018427387904 is out of bounds...",
                        [=](World&) { return nll_loss(logits(), targets(kHuge, 0)); }),
      wrong<DtypeError>("nll_loss: the target must hold int64 class indices, got float32 of shape [2]",
                        [=](World&) { return nll_loss(logits(), ones({2})); }),
      wrong<DtypeError>("cross_entropy: the target must hold int64 class indices, got bool of shape [2]",
                        [=](World&) { return cross_entropy(logits(), zeros({2}, {.dtype = DType::boolean})); }),
      wrong<ShapeError>("cross_entropy: the target must have shape [2] (the input's without its class axis), got [3]",
                        [=](World&) { return cross_entropy(logits(), zeros({3}, {.dtype = DType::int64})); }),
      wrong<ShapeError>("cross_entropy: weight must be of shape [4], one number per class, got [3]",
                        [=](World& w) { return cross_entropy(logits(), w.labels, {.weight = ones({3})}); }),
      wrong<DtypeError>("cross_entropy: weight must be float32, as the input, got float64",
                        [=](World& w) {
                          return cross_entropy(logits(), w.labels, {.weight = ones({4}, {.dtype = DType::float64})});
                        }),
      wrong<DtypeError>("cross_entropy: target probabilities must be float32, as the input, got float64",
                        [=](World&) {
                          return cross_entropy(logits(), ones({2, 4}, {.dtype = DType::float64}));
                        }),
      wrong<ValueError>("cross_entropy: ignore_index must be negative beside target probabilities, got 1",
                        [=](World&) {
                          return cross_entropy(logits(), ones({2, 4}), {.ignore_index = 1});
                        }),
      wrong<ValueError>("cross_entropy: label_smoothing must lie in [0, 1], got nan",
                        [=](World& w) { return cross_entropy(logits(), w.labels, {.label_smoothing = kNaN}); }),
      wrong<ValueError>("cross_entropy: got an undefined target",
                        [=](World& w) { return cross_entropy(logits(), w.undefined); }),
      wrong<ValueError>("nll_loss: got an undefined target", [=](World& w) { return nll_loss(logits(), w.undefined); }),
      wrong<ShapeError>("cross_entropy: the input must be of shape (C), (N, C) or (N, C, d1, ...), got []",
                        [=](World&) { return cross_entropy(ones({}), zeros({}, {.dtype = DType::int64})); }),
      wrong<ValueError>(
          "cross_entropy: batchmean is not a valid value for reduction",
          [=](World& w) { return cross_entropy(logits(), w.labels, {.reduction = Reduction::batchmean}); }),
      wrong<ValueError>("nll_loss: batchmean is not a valid value for reduction",
                        [=](World& w) { return nll_loss(logits(), w.labels, {.reduction = Reduction::batchmean}); }),
  };
}

WrongCalls of_margins() {
  const auto labels = [](std::vector<std::int64_t> values, const Shape& shape) { return tensor(values, shape); };
  return {
      wrong<IndexError>("multi_margin_loss: Target 4 is out of bounds: target number 1, 4 classes",
                        [=](World&) {
                          return multi_margin_loss(logits(), labels({0, 4}, {2}));
                        }),
      wrong<IndexError>("multi_margin_loss: Target -100 is out of bounds: target number 0, 4 classes",
                        [=](World&) {
                          return multi_margin_loss(logits(), labels({-100, 0}, {2}));
                        }),
      wrong<ValueError>("multi_margin_loss: only p == 1 and p == 2 supported, got 3",
                        [](World& w) { return multi_margin_loss(logits(), w.labels, {.p = 3}); }),
      wrong<ShapeError>("multi_margin_loss: the input must be of shape (C) or (N, C), got [2, 4, 3]",
                        [](World& w) {
                          return multi_margin_loss(ones({2, 4, 3}), w.labels);
                        }),
      wrong<ShapeError>("multi_margin_loss: weight must be of shape [4], one number per class, got [3]",
                        [](World& w) { return multi_margin_loss(logits(), w.labels, {.weight = ones({3})}); }),
      wrong<ValueError>("multi_margin_loss: got an undefined target",
                        [](World& w) { return multi_margin_loss(logits(), w.undefined); }),
      wrong<IndexError>("multilabel_margin_loss: Target 4 is out of bounds: there are 4 classes",
                        [=](World&) {
                          return multilabel_margin_loss(logits(), labels({0, -1, 9, 0, 1, 4, 0, 0}, {2, 4}));
                        }),
      wrong<DtypeError>("multilabel_margin_loss: the target must hold int64 class indices, got float32 of shape [2, 4]",
                        [](World&) { return multilabel_margin_loss(logits(), logits()); }),
      wrong<ShapeError>("multilabel_margin_loss: the target must have shape [2, 4], as the input, got [2]",
                        [](World& w) { return multilabel_margin_loss(logits(), w.labels); }),
      wrong<ShapeError>("multilabel_soft_margin_loss: weight must broadcast to [2, 4], got [3, 2, 4]",
                        [](World&) {
                          return multilabel_soft_margin_loss(logits(), logits(), {.weight = ones({3, 2, 4})});
                        }),
      wrong<ShapeError>("multilabel_soft_margin_loss: the input must have a dim of classes, got shape []",
                        [](World&) { return multilabel_soft_margin_loss(ones({}), ones({})); }),
      wrong<ShapeError>("mse_loss: Weights and input must have the same size, got [4] and [2, 4]",
                        [](World&) { return mse_loss(logits(), logits(), Reduction::mean, ones({4})); }),
      wrong<DtypeError>("l1_loss: weight must be float32, as the input, got float64",
                        [](World&) { return l1_loss(logits(), logits(), Reduction::mean, doubles()); }),
      wrong<ShapeError>("huber_loss: weight must broadcast to [2, 4], got [3, 2, 4]",
                        [](World&) {
                          return huber_loss(logits(), logits(), Reduction::mean, 1, ones({3, 2, 4}));
                        }),
  };
}

WrongCalls of_elements() {
  return {
      wrong<ShapeError>("mse_loss: input and target must have one shape, got [2, 4] and [4]",
                        [](World&) { return mse_loss(logits(), ones({4})); }),
      wrong<DtypeError>("l1_loss: input and target must have one dtype, got float32 and float64",
                        [](World&) {
                          return l1_loss(logits(), ones({2, 4}, {.dtype = DType::float64}));
                        }),
      wrong<ValueError>("smooth_l1_loss: beta must be at least 0, got -1",
                        [](World&) { return smooth_l1_loss(logits(), logits(), Reduction::mean, -1); }),
      wrong<ShapeError>("binary_cross_entropy_with_logits: weight and pos_weight must broadcast to [2, 4]...",
                        [](World&) {
                          return binary_cross_entropy_with_logits(logits(), logits(), {.weight = ones({3, 2, 4})});
                        }),
      wrong<DtypeError>("binary_cross_entropy_with_logits: pos_weight must be float32, as the input, got float64",
                        [](World&) {
                          return binary_cross_entropy_with_logits(logits(), logits(),
                                                                  {.pos_weight = ones({4}, {.dtype = DType::float64})});
                        }),
      wrong<ValueError>("huber_loss: delta must be positive, got 0",
                        [](World&) { return huber_loss(logits(), logits(), Reduction::mean, 0); }),
      wrong<ValueError>("huber_loss: delta must be positive, got nan",
                        [](World&) { return huber_loss(logits(), logits(), Reduction::mean, kNaN); }),
      wrong<ShapeError>("huber_loss: input and target must have one shape, got [2, 4] and [4]",
                        [](World&) { return huber_loss(logits(), ones({4})); }),
      wrong<ValueError>("binary_cross_entropy: all elements of the input must lie in [0, 1], got 1.5",
                        [](World&) {
                          return binary_cross_entropy(full({2, 4}, 1.5), logits());
                        }),
      wrong<ValueError>("binary_cross_entropy: all elements of the input must lie in [0, 1], got nan",
                        [](World&) {
                          return binary_cross_entropy(full({2, 4}, kNaN), logits());
                        }),
      wrong<ValueError>("binary_cross_entropy: all elements of the target must lie in [0, 1], got -1",
                        [](World&) {
                          return binary_cross_entropy(logits(), full({2, 4}, -1));
                        }),
      wrong<ShapeError>("binary_cross_entropy: weight must broadcast to [2, 4], got [3, 2, 4]",
                        [](World&) {
                          return binary_cross_entropy(logits(), logits(), {.weight = ones({3, 2, 4})});
                        }),
      wrong<DtypeError>("binary_cross_entropy: weight must be float32, as the input, got float64",
                        [](World&) { return binary_cross_entropy(logits(), logits(), {.weight = doubles()}); }),
      wrong<DtypeError>("kl_div: input and target must have one dtype, got float32 and float64",
                        [](World&) { return kl_div(logits(), doubles()); }),
      wrong<ShapeError>("kl_div: input and target must have one shape, got [2, 4] and [4]",
                        [](World&) { return kl_div(logits(), ones({4}), {.log_target = true}); }),
      wrong<ShapeError>("soft_margin_loss: input and target must have one shape, got [2, 4] and [2]",
                        [](World&) { return soft_margin_loss(logits(), ones({2})); }),
      wrong<DtypeError>("poisson_nll_loss: dtype must be float32 or float64, got int64",
                        [](World& w) { return poisson_nll_loss(logits(), w.labels); }),
      wrong<ValueError>("gaussian_nll_loss: var has negative entry/entries",
                        [](World&) {
                          return gaussian_nll_loss(logits(), logits(), full({2, 4}, -1));
                        }),
      wrong<ValueError>("gaussian_nll_loss: var has negative entry/entries",
                        [](World&) { return gaussian_nll_loss(logits(), logits(), -0.5); }),
      wrong<ShapeError>("gaussian_nll_loss: var is of incorrect size: it must have the shape [2, 4] with at most one "
                        "size replaced by 1, or without the last, got [4]",
                        [](World&) { return gaussian_nll_loss(logits(), logits(), ones({4})); }),
      wrong<DtypeError>("gaussian_nll_loss: var must be float32, as the input, got float64",
                        [](World&) { return gaussian_nll_loss(logits(), logits(), doubles()); }),
      wrong<ValueError>("gaussian_nll_loss: eps must be at least 0, got -1",
                        [](World&) { return gaussian_nll_loss(logits(), logits(), logits(), {.eps = -1}); }),
      wrong<ValueError>("gaussian_nll_loss: got an undefined tensor",
                        [](World& w) { return gaussian_nll_loss(logits(), logits(), w.undefined); }),
  };
}

WrongCalls of_embeddings() {
  return {
      wrong<ValueError>("pairwise_distance: p must be at least 1, got 0.5",
                        [](World&) { return pairwise_distance(logits(), logits(), {.p = 0.5}); }),
      wrong<DtypeError>("pairwise_distance: both inputs must have one dtype, got float32 and float64",
                        [](World&) { return pairwise_distance(logits(), doubles()); }),
      wrong<ShapeError>("pairwise_distance: the inputs must have a dim of vectors, got shapes [] and []",
                        [](World&) { return pairwise_distance(ones({}), ones({})); }),
      wrong<ShapeError>("cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported",
                        [](World&) { return cosine_embedding_loss(logits(), logits(), logits()); }),
      wrong<ShapeError>("cosine_embedding_loss: 1D target tensor expects 2D input tensors, but found inputs with sizes "
                        "[4] and [4]",
                        [](World&) { return cosine_embedding_loss(ones({4}), ones({4}), ones({4})); }),
      wrong<ShapeError>("cosine_embedding_loss: both inputs must have one shape, got [2, 4] and [2, 3]",
                        [](World&) {
                          return cosine_embedding_loss(logits(), ones({2, 3}), ones({2}));
                        }),
      wrong<ShapeError>("cosine_embedding_loss: target must have shape [2], one number per sample, got [3]",
                        [](World&) { return cosine_embedding_loss(logits(), logits(), ones({3})); }),
      wrong<ValueError>("cosine_embedding_loss: got an undefined tensor",
                        [](World& w) { return cosine_embedding_loss(logits(), logits(), w.undefined); }),
      wrong<DtypeError>("hinge_embedding_loss: dtype must be float32 or float64, got int64",
                        [](World& w) { return hinge_embedding_loss(w.labels, w.labels); }),
      wrong<ValueError>("hinge_embedding_loss: got an undefined tensor",
                        [](World& w) { return hinge_embedding_loss(logits(), w.undefined); }),
      wrong<ShapeError>("margin_ranking_loss: All input tensors should have same dimension but got sizes: input1: "
                        "[2, 4], input2: [2, 4], target: [2]",
                        [](World& w) { return margin_ranking_loss(logits(), logits(), w.labels); }),
      wrong<ShapeError>("triplet_margin_loss: The anchor, positive, and negative tensors are expected to have the same "
                        "number of dimensions, but got: anchor 2D, positive 2D, and negative 1D inputs",
                        [](World&) { return triplet_margin_loss(logits(), logits(), ones({4})); }),
      wrong<ValueError>("triplet_margin_loss: margin must be greater than 0, got 0",
                        [](World&) { return triplet_margin_loss(logits(), logits(), logits(), {.margin = 0}); }),
      wrong<DtypeError>("triplet_margin_loss: both inputs must have one dtype, got float32 and float64",
                        [](World&) { return triplet_margin_loss(logits(), logits(), doubles()); }),
  };
}

}  // namespace

WrongCalls wrong_losses() {
  WrongCalls all = of_classes();
  for (const WrongCalls& more : {of_margins(), of_elements(), of_embeddings()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
