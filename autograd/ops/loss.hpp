#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <cstdint>

namespace evenkeel {

enum class Reduction { mean, sum, none };

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

// input and target must have the same shape (PyTorch would broadcast with a warning).
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);
/// d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; beta = 0 is l1.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean,
                      double beta = 1.0);

struct BceOptions {
  Tensor weight = {};      ///< per element, broadcast; or undefined
  Tensor pos_weight = {};  ///< of the positive term, broadcast; or undefined
  Reduction reduction = Reduction::mean;
};
/// -[p t log s(x) + (1 - t) log(1 - s(x))] with s = sigmoid, computed without overflow. A term whose factor is 0, by
/// the target or a weight, adds nothing even where the logit is infinite (PyTorch: NaN).
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const BceOptions& options = {});

}  // namespace evenkeel
