#pragma once

#include "evenkeel/autograd/ops/loss_elementwise.hpp"

#include <cstdint>

namespace evenkeel {

// Losses of class scores, which refuse Reduction::batchmean, as PyTorch's. Those of input and target element by element
// stand in loss_elementwise.hpp, those of embeddings in loss_embedding.hpp.

struct CrossEntropyOptions {
  Tensor weight = {};                ///< (C), or undefined
  std::int64_t ignore_index = -100;  ///< class-index targets equal to it add nothing to loss, count or gradient
  double label_smoothing = 0;
  Reduction reduction = Reduction::mean;
};
/// -sum_c q_c log softmax(input)_c per sample. input: (N, C), (C) or (N, C, d1, ...); target: int64 class indices of
/// shape (N), () or (N, d1, ...), or probabilities of input's shape. mean divides by the weights of the kept targets
/// (indices) or by N d1 ... (probabilities). All targets ignored: mean gives NaN, as PyTorch's, and the gradient is 0.
/// A class with q_c w_c = 0 adds nothing even where the logit is -inf (PyTorch: NaN). Probabilities may require
/// gradients, weights never get one. Throws for an index outside [0, C) that is not ignore_index, and for an
/// ignore_index >= 0 together with probabilities.
Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyOptions& options = {});

struct NllOptions {
  Tensor weight = {};
  std::int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};
/// -weight[target] input[target] for log-probabilities `input`.
Tensor nll_loss(const Tensor& input, const Tensor& target, const NllOptions& options = {});

struct MultiMarginOptions {
  int p = 1;  ///< 1 or 2
  double margin = 1;
  Tensor weight = {};  ///< (C), or undefined
  Reduction reduction = Reduction::mean;
};
/// w_t sum_{c != t} max(0, margin - x_t + x_c)^p / C per sample of scores x (N, C) or (C) and classes t (N) or (). The
/// derivative is 0 at 0.
Tensor multi_margin_loss(const Tensor& input, const Tensor& target, const MultiMarginOptions& options = {});

/// sum_j sum_i max(0, 1 - x_j + x_i) / C per sample of scores x (N, C) or (C), over the classes j that the target lists
/// and the classes i that it does not. target: int64 of the input's shape, each sample's classes up to the first -1.
Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);

}  // namespace evenkeel
