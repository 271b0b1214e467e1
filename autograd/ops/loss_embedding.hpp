#pragma once

#include "evenkeel/autograd/ops/loss_elementwise.hpp"

namespace evenkeel {

// Distances of embeddings, and losses that rank or pull them. Targets say -1 or 1, in any dtype, and get no gradient.

struct PairwiseDistanceOptions {
  double p = 2;       ///< at least 1, or infinity (PyTorch: any number)
  double eps = 1e-6;  ///< added to every difference
  bool keepdim = false;
};
/// |x1 - x2 + eps|_p over the last dim, of broadcast shapes; the gradient is 0 where the distance is.
Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, const PairwiseDistanceOptions& options = {});

/// 1 - cos for a target of 1, max(cos - margin, 0) for -1, 0 for others, with
///   cos = sum x1 x2 / sqrt((sum x1^2 + 1e-12) (sum x2^2 + 1e-12)).
/// Inputs: (N, D) and a target (N), or (D) and ().
Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin = 0,
                             Reduction reduction = Reduction::mean);

/// x for a target of 1, max(margin - x, 0) for -1, the sum of both for others. The target broadcasts to the input.
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin = 1,
                            Reduction reduction = Reduction::mean);

/// max(-t (x1 - x2) + margin, 0): x1 is to be above x2 where t = 1, below where t = -1. Shapes of one rank, broadcast.
Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin = 0,
                           Reduction reduction = Reduction::mean);

struct TripletMarginOptions {
  double margin = 1;  ///< positive
  double p = 2;       ///< p and eps as pairwise_distance has them
  double eps = 1e-6;
  bool swap = false;  ///< the nearer of anchor and positive counts as the distance of the negative
  Reduction reduction = Reduction::mean;
};
/// max(d(a, p) - d(a, n) + margin, 0) over the last dim of anchor, positive and negative, which have one rank. swap:
/// min(d(a, n), d(p, n)) takes the place of d(a, n). Balntas et al. 2016, "Learning local feature descriptors with
/// triplets and shallow convolutional neural networks".
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options = {});

}  // namespace evenkeel
