#include "evenkeel/nn/norm/sync_batch_norm.hpp"

#include "evenkeel/autograd/ops/activation.hpp"

namespace evenkeel::nn {

SyncBatchNorm::SyncBatchNorm(std::int64_t num_features, Options options, std::shared_ptr<Communicator> communicator)
    : BatchNormBase("SyncBatchNorm", kAnyRank, num_features, options), communicator(std::move(communicator)) {
  require(this->communicator != nullptr, "SyncBatchNorm", "the communicator is null");
}

Tensor SyncBatchNorm::normalize_batch(const Tensor& x, const FusedActivation& activation) {
  if (!training() || communicator->size() == 1) {
    return BatchNormBase::normalize_batch(x, activation);
  }
  const AffineView affine{num_features, spatial_size(x.shape())};
  SyncNormalized result = sync_normalize(x, weight, bias, affine, options.eps, communicator);
  check_count(result.count, x);  // the same on every rank
  track(result.mean, result.var, result.count);
  return activate(result.y, activation);
}

}  // namespace evenkeel::nn
