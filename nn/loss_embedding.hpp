#pragma once

#include "evenkeel/autograd/ops/loss_embedding.hpp"
#include "evenkeel/nn/loss.hpp"

namespace evenkeel::nn {

// Distances and losses of embeddings as modules; formulas stand in autograd/ops/loss_embedding.hpp.

/// distance(x1, x2).
class PairwiseDistance : public Module {
 public:
  using Options = PairwiseDistanceOptions;
  explicit PairwiseDistance(PairwiseDistanceOptions options = {});
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<PairwiseDistance>(options); }
  Tensor forward(const Tensor& x1, const Tensor& x2) { return pairwise_distance(x1, x2, options); }
  Tensor operator()(const Tensor& x1, const Tensor& x2) { return call(*this, x1, x2); }

  const PairwiseDistanceOptions options;
};

/// loss(input1, input2, target).
class CosineEmbeddingLoss : public LossOfThree {
 public:
  explicit CosineEmbeddingLoss(double margin = 0, Reduction reduction = Reduction::mean)
      : margin(margin), reduction(reduction) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<CosineEmbeddingLoss>(margin, reduction);
  }
  Tensor forward(const Tensor& input1, const Tensor& input2, const Tensor& target) override {
    return cosine_embedding_loss(input1, input2, target, margin, reduction);
  }

  const double margin;
  const Reduction reduction;
};

/// loss(input, target).
class HingeEmbeddingLoss : public Loss {
 public:
  explicit HingeEmbeddingLoss(double margin = 1, Reduction reduction = Reduction::mean)
      : margin(margin), reduction(reduction) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<HingeEmbeddingLoss>(margin, reduction);
  }
  Tensor forward(const Tensor& input, const Tensor& target) override {
    return hinge_embedding_loss(input, target, margin, reduction);
  }

  const double margin;
  const Reduction reduction;
};

/// loss(input1, input2, target).
class MarginRankingLoss : public LossOfThree {
 public:
  explicit MarginRankingLoss(double margin = 0, Reduction reduction = Reduction::mean)
      : margin(margin), reduction(reduction) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<MarginRankingLoss>(margin, reduction);
  }
  Tensor forward(const Tensor& input1, const Tensor& input2, const Tensor& target) override {
    return margin_ranking_loss(input1, input2, target, margin, reduction);
  }

  const double margin;
  const Reduction reduction;
};

/// loss(anchor, positive, negative).
class TripletMarginLoss : public LossOfThree {
 public:
  using Options = TripletMarginOptions;
  explicit TripletMarginLoss(TripletMarginOptions options = {});
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<TripletMarginLoss>(options); }
  Tensor forward(const Tensor& anchor, const Tensor& positive, const Tensor& negative) override {
    return triplet_margin_loss(anchor, positive, negative, options);
  }

  const TripletMarginOptions options;
};

}  // namespace evenkeel::nn
