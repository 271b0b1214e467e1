#include "evenkeel/nn/loss_embedding.hpp"

namespace evenkeel::nn {

PairwiseDistance::PairwiseDistance(PairwiseDistanceOptions options) : options(options) {
  require(options.p >= 1, "PairwiseDistance", "p must be at least 1, got ", options.p);
}

TripletMarginLoss::TripletMarginLoss(TripletMarginOptions options) : options(options) {
  require(options.margin > 0, "TripletMarginLoss", "expected margin to be greater than 0, got ", options.margin,
          " instead");
  require(options.p >= 1, "TripletMarginLoss", "p must be at least 1, got ", options.p);
}

}  // namespace evenkeel::nn
