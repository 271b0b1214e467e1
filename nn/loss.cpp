#include "evenkeel/nn/loss.hpp"

namespace evenkeel::nn {

namespace {

Array values_of(const Tensor& tensor) { return tensor.defined() ? tensor.array() : Array{}; }

}  // namespace

CrossEntropyLoss::CrossEntropyLoss(CrossEntropyOptions options)
    : weight(buffer("weight", values_of(options.weight))), options_(std::move(options)) {}

Tensor CrossEntropyLoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  return cross_entropy(input, target, options_);
}

NLLLoss::NLLLoss(NllOptions options)
    : weight(buffer("weight", values_of(options.weight))), options_(std::move(options)) {}

Tensor NLLLoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  return nll_loss(input, target, options_);
}

SmoothL1Loss::SmoothL1Loss(Reduction reduction, double beta) : reduction(reduction), beta(beta) {
  require(beta >= 0, "SmoothL1Loss", "beta must not be negative, got ", beta);
}

BCEWithLogitsLoss::BCEWithLogitsLoss(BceOptions options)
    : weight(buffer("weight", values_of(options.weight))),
      pos_weight(buffer("pos_weight", values_of(options.pos_weight))),
      options_(std::move(options)) {}

Tensor BCEWithLogitsLoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  options_.pos_weight = pos_weight;
  return binary_cross_entropy_with_logits(input, target, options_);
}

HuberLoss::HuberLoss(Reduction reduction, double delta) : reduction(reduction), delta(delta) {
  require(delta > 0, "HuberLoss", "delta must be positive, got ", delta);
}

BCELoss::BCELoss(WeightedLossOptions options)
    : weight(buffer("weight", values_of(options.weight))), options_(std::move(options)) {}

Tensor BCELoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  return binary_cross_entropy(input, target, options_);
}

MultiMarginLoss::MultiMarginLoss(MultiMarginOptions options)
    : weight(buffer("weight", values_of(options.weight))), options_(std::move(options)) {
  require(options_.p == 1 || options_.p == 2, "MultiMarginLoss", "only p == 1 and p == 2 supported, got ", options_.p);
}

Tensor MultiMarginLoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  return multi_margin_loss(input, target, options_);
}

MultiLabelSoftMarginLoss::MultiLabelSoftMarginLoss(WeightedLossOptions options)
    : weight(buffer("weight", values_of(options.weight))), options_(std::move(options)) {}

Tensor MultiLabelSoftMarginLoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  return multilabel_soft_margin_loss(input, target, options_);
}

}  // namespace evenkeel::nn
