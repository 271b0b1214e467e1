#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

/// What becomes of the losses l of all elements (samples, pairs): sum l / count, sum l, all of them, or
/// sum l / size(0), which PyTorch has for kl_div only and here every loss has but those of class targets.
enum class Reduction { mean, sum, none, batchmean };

// Losses of an input x and a target t of one shape (PyTorch would broadcast with a warning) and dtype, element by
// element.

/// d^2,  d = x - t. weight: of the input's shape, or undefined; the mean divides by its sum.
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean,
                const Tensor& weight = {});
/// |d|, with weights as mse_loss.
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean,
               const Tensor& weight = {});
/// d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; beta = 0 is l1.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean,
                      double beta = 1.0);
/// d^2 / 2 where |d| < delta, else delta (|d| - delta / 2): delta times smooth_l1_loss with beta = delta. Throws unless
/// delta > 0. weight: broadcast, or undefined; the mean divides by the count, as PyTorch's. Huber 1964, "Robust
/// estimation of a location parameter".
Tensor huber_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean, double delta = 1.0,
                  const Tensor& weight = {});

struct BceOptions {
  Tensor weight = {};      ///< per element, broadcast; or undefined
  Tensor pos_weight = {};  ///< of the positive term, broadcast; or undefined
  Reduction reduction = Reduction::mean;
};
/// -[p t log s(x) + (1 - t) log(1 - s(x))] with s = sigmoid, computed without overflow. A term whose factor is 0, by
/// the target or a weight, adds nothing even where the logit is infinite (PyTorch: NaN).
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const BceOptions& options = {});

struct WeightedLossOptions {
  Tensor weight = {};  ///< per element, broadcast; or undefined
  Reduction reduction = Reduction::mean;
};
/// binary_cross_entropy_with_logits, its mean over the last dim, the classes, being the loss of a sample.
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const WeightedLossOptions& options = {});
/// -[t log x + (1 - t) log(1 - x)] of probabilities, with logarithms of at least -100. The gradient to the input is
/// (x - t) / max(x (1 - x), 1e-12), that to the target log(1 - x) - log x without a bound, all as PyTorch's. Throws
/// unless input and target lie in [0, 1]. Of logits: binary_cross_entropy_with_logits, which loses no digits.
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const WeightedLossOptions& options = {});

struct KlDivOptions {
  bool log_target = false;                ///< the target holds log-probabilities, too
  Reduction reduction = Reduction::mean;  ///< batchmean is the divergence of distributions along one dim
};
/// t (log t - x) for log-probabilities x and probabilities t, the pointwise Kullback-Leibler divergence of t from
/// exp(x); log_target: exp(t) (t - x). A target of probability 0 adds nothing, even where x is -inf (PyTorch: NaN); its
/// gradient is -inf (PyTorch: NaN) unless log_target.
Tensor kl_div(const Tensor& input, const Tensor& target, const KlDivOptions& options = {});

/// log(1 + exp(-t x)) for targets of -1 and 1, computed without overflow (PyTorch: inf, the gradient NaN, from
/// -t x = 710 on). Targets may require gradients (PyTorch refuses).
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);

struct PoissonNllOptions {
  bool log_input = true;  ///< the input is the logarithm of the rate
  bool full = false;      ///< add Stirling's t log t - t + log(2 pi t) / 2 for log t!, where t > 1
  double eps = 1e-8;      ///< added to a rate
  Reduction reduction = Reduction::mean;
};
/// exp(x) - t x, or x - t log(x + eps) unless log_input: minus the log-likelihood of a count t under a Poisson
/// distribution, but for log t!. The gradient to a target of 0 is finite also with `full` (PyTorch: NaN).
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNllOptions& options = {});

struct GaussianNllOptions {
  bool full = false;  ///< add log(2 pi) / 2
  double eps = 1e-6;  ///< least variance that is used; the gradient to `var` is that of eps where it is
  Reduction reduction = Reduction::mean;
};
/// (log v + (x - t)^2 / v) / 2 with v = max(var, eps): minus the log-likelihood of t under N(x, v), but for a constant.
/// var: the input's shape; or that with size 1 in one dim; or without its last dim. Throws for a negative variance.
/// Nix & Weigend 1994, "Estimating the mean and variance of the target probability distribution".
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var,
                         const GaussianNllOptions& options = {});
/// The same with one variance for all elements.
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, double var, const GaussianNllOptions& options = {});

}  // namespace evenkeel
