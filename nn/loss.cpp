#include "evenkeel/nn/loss.hpp"

namespace evenkeel::nn {

namespace {

Array values_of(const Tensor& tensor) { return tensor.defined() ? tensor.array() : Array{}; }

}  // namespace

CrossEntropyLoss::CrossEntropyLoss(CrossEntropyOptions opts)
    : weight(buffer("weight", values_of(opts.weight))), options_(std::move(opts)) {}

Tensor CrossEntropyLoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  return cross_entropy(input, target, options_);
}

NLLLoss::NLLLoss(NllOptions opts) : weight(buffer("weight", values_of(opts.weight))), options_(std::move(opts)) {}

Tensor NLLLoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  return nll_loss(input, target, options_);
}

SmoothL1Loss::SmoothL1Loss(Reduction how, double quadratic_below) : reduction(how), beta(quadratic_below) {
  require(beta >= 0, "SmoothL1Loss", "beta must not be negative, got ", beta);
}

BCEWithLogitsLoss::BCEWithLogitsLoss(BceOptions opts)
    : weight(buffer("weight", values_of(opts.weight))),
      pos_weight(buffer("pos_weight", values_of(opts.pos_weight))),
      options_(std::move(opts)) {}

Tensor BCEWithLogitsLoss::forward(const Tensor& input, const Tensor& target) {
  options_.weight = weight;
  options_.pos_weight = pos_weight;
  return binary_cross_entropy_with_logits(input, target, options_);
}

}  // namespace evenkeel::nn
